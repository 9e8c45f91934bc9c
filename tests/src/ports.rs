//! Ports that no other sandbox uses, and no other program right now.

use std::fs::{self, File};
use std::net::TcpListener;

/// A mesh has its ports side by side.
pub const BLOCK: u16 = 10;
/// Below the ports that the system gives to clients.
const RANGE: std::ops::Range<u16> = 15_000..30_000;

/// A block of ports, ours while this lives.
#[derive(Debug)]
pub struct Ports {
    /// The first.
    pub base: u16,
    /// Locked: another sandbox passes the block over. The system gives it back even when the test is killed.
    _held: File,
}

impl Ports {
    /// The next free block. Where to begin differs from test to test.
    pub fn take() -> Self {
        let user = rustix::process::getuid().as_raw();
        let folder = std::env::temp_dir().join(format!("hedgerow-e2e-ports-{user}"));
        fs::create_dir_all(&folder).unwrap();
        let blocks = (RANGE.end - RANGE.start) / BLOCK;
        let begin = u16::try_from(std::process::id().wrapping_mul(37) % u32::from(blocks)).unwrap();
        for step in 0..blocks {
            let base = RANGE.start + (begin + step) % blocks * BLOCK;
            let file = File::create(folder.join(base.to_string())).unwrap();
            if file.try_lock().is_ok() && all_free(base) {
                return Self { base, _held: file };
            }
        }
        panic!("no {BLOCK} free ports side by side between {} and {}", RANGE.start, RANGE.end);
    }
}

fn all_free(base: u16) -> bool {
    (base..base + BLOCK).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok())
}
