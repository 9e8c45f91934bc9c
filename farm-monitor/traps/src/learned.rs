//! What was learned of the engines that sign their traps, kept over restarts: so that who recorded a trap yesterday cannot
//! send it again today. Written once a minute where it changed, and at the end; a crash loses what is newer.

use bytes::Bytes;
use hedgerow_model::UnixMillis;
use hedgerow_snmp::notify::LearnedEngine;
use hedgerow_snmp::notify::engine::{hex, unhex, write_whole};
use std::io;
use std::path::Path;

/// The file, in the farm's folder: a line an engine with its id in hex, its boots, its time, and the wall clock then.
pub const FILE: &str = "trap_engines";
/// Longest file that is read: some ten times what the most engines take.
const MAX_BYTES: u64 = 64 << 20;

/// Those that are kept, with their time by now. What cannot be read is left out. Blocks.
pub fn read(folder: &Path, now: UnixMillis) -> Vec<LearnedEngine> {
    let path = folder.join(FILE);
    let small = path.metadata().is_ok_and(|file| file.len() <= MAX_BYTES);
    let text = if small { std::fs::read_to_string(path).unwrap_or_default() } else { String::new() };
    text.lines().filter_map(|line| parse(line, now)).collect()
}

fn parse(line: &str, now: UnixMillis) -> Option<LearnedEngine> {
    let mut parts = line.split(' ');
    let id: Bytes = unhex(parts.next()?)?;
    let (boots, time): (u32, u32) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let passed = now.saturating_sub(parts.next()?.parse().ok()?) / 1000;
    // A clock that was set back says nothing: time stands still.
    let passed = u32::try_from(passed.max(0)).unwrap_or(u32::MAX);
    let time = time.saturating_add(passed).min(i32::MAX.cast_unsigned());
    Some(LearnedEngine { id, boots, time })
}

/// Keeps them. Blocks.
pub fn write(folder: &Path, engines: &[LearnedEngine], now: UnixMillis) -> io::Result<()> {
    let line =
        |engine: &LearnedEngine| format!("{} {} {} {now}\n", hex(&engine.id), engine.boots, engine.time);
    write_whole(folder, FILE, &engines.iter().map(line).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_known_again_with_the_time_that_has_passed() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path(), 0), []);
        let engine = |time| LearnedEngine { id: Bytes::from_static(b"\x80abcd"), boots: 3, time };
        write(folder.path(), &[engine(100)], 1_000_000).unwrap();
        assert_eq!(read(folder.path(), 1_009_999), [engine(109)]);
        assert_eq!(read(folder.path(), 5), [engine(100)]);
        std::fs::write(folder.path().join(FILE), "zz 1 2 3\n80 1\n8061626364 3 2147483647 0\n").unwrap();
        assert_eq!(read(folder.path(), i64::MAX), [engine(i32::MAX.cast_unsigned())]);
    }
}
