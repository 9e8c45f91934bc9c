//! This side as an engine of its own: what senders of v3 informs sign for. Its id is made once; its boots count up with
//! every start, and are on the disk before they are used, so that nothing ever repeats.

use async_snmp::v3::{
    DesSaltState, MAX_ENGINE_TIME, PersistedDesSaltState, SaltCounter, generate_engine_id,
    in_authoritative_time_window, validate_engine_id,
};
use bytes::Bytes;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The file, in the farm's folder: the id in hex, and the boots.
pub const ENGINE_FILE: &str = "snmp_engine";

/// Why this side cannot be an engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The file.
    #[error("{what} {path}")]
    File {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// No random numbers, or no counter of salts.
    #[error("making the engine's id or its counters: {0}")]
    Random(String),
}

/// See the module.
pub struct OwnEngine {
    id: Bytes,
    boots: u32,
    started: Instant,
    pub(super) salts: SaltCounter,
    pub(super) des_salts: DesSaltState,
}

impl OwnEngine {
    /// The engine of this folder, started once more. One that cannot be read begins anew under another id, which senders
    /// find out by themselves. Blocks.
    ///
    /// # Errors
    /// Where it cannot be kept: then it must not be used.
    pub fn open(folder: &Path, now: Instant) -> Result<Self, EngineError> {
        let path = folder.join(ENGINE_FILE);
        let file = |what, source| EngineError::File { what, path: path.clone(), source };
        let kept = match fs::read_to_string(&path) {
            Ok(text) => {
                let kept = parse(&text).filter(|(_, boots)| *boots < MAX_ENGINE_TIME);
                if kept.is_none() {
                    tracing::warn!(event = "snmp_engine_renewed", path = %path.display());
                }
                kept
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
            Err(error) => return Err(file("reading", error)),
        };
        let (id, before) = match kept {
            Some(kept) => kept,
            None => (generate_engine_id().map_err(|error| EngineError::Random(error.to_string()))?, 0),
        };
        let boots = before + 1;
        let text = format!("{} {boots}\n", hex(&id));
        write_whole(folder, ENGINE_FILE, &text).map_err(|error| file("writing", error))?;
        Self::new(id, boots, now)
    }

    /// An engine that is kept nowhere: for tests.
    ///
    /// # Errors
    /// Without random numbers.
    pub fn new(id: Bytes, boots: u32, now: Instant) -> Result<Self, EngineError> {
        let random = |error: String| EngineError::Random(error);
        let salts = SaltCounter::new().map_err(|error| random(error.to_string()))?;
        // Its boots are those of the engine, which are on the disk already.
        let before = PersistedDesSaltState::new(boots.saturating_sub(1).max(1));
        let des_salts = before
            .and_then(|before| match boots {
                0 | 1 => DesSaltState::install(|_| Ok::<(), io::Error>(())),
                _ => DesSaltState::restart(before, |_| Ok::<(), io::Error>(())),
            })
            .map_err(|error| random(error.to_string()))?;
        Ok(Self { id, boots, started: now, salts, des_salts })
    }

    /// Its id.
    pub fn id(&self) -> &Bytes {
        &self.id
    }

    /// How often it has started.
    pub fn boots(&self) -> u32 {
        self.boots
    }

    /// Seconds since it started.
    pub fn time(&self, now: Instant) -> u32 {
        let seconds = now.saturating_duration_since(self.started).as_secs();
        u32::try_from(seconds).unwrap_or(MAX_ENGINE_TIME).min(MAX_ENGINE_TIME)
    }

    pub(super) fn is_timely(&self, boots: u32, time: u32, now: Instant) -> bool {
        in_authoritative_time_window(self.boots, self.time(now), boots, time)
    }
}

fn parse(text: &str) -> Option<(Bytes, u32)> {
    let (id, boots) = text.trim_end().split_once(' ')?;
    let id = unhex(id)?;
    validate_engine_id(&id).ok()?;
    Some((id, boots.parse().ok()?))
}

/// Bytes as hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hex digits as bytes.
pub fn unhex(text: &str) -> Option<Bytes> {
    let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// Writes a file of `folder` whole or not at all; it is on the disk when this returns. Blocks.
///
/// # Errors
/// Then what was there before still is.
pub fn write_whole(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let path = folder.join(name);
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, &path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a point to count from")]
    fn the_id_stays_and_boots_count_up() {
        let (folder, now) = (tempfile::tempdir().unwrap(), Instant::now());
        let first = OwnEngine::open(folder.path(), now).unwrap();
        let second = OwnEngine::open(folder.path(), now).unwrap();
        let third = OwnEngine::open(folder.path(), now).unwrap();
        assert_eq!((first.boots(), second.boots(), third.boots()), (1, 2, 3));
        assert_eq!((first.id(), second.id()), (third.id(), third.id()));
        assert_eq!(third.des_salts.engine_boots(), 3);
        assert!(validate_engine_id(first.id()).is_ok());
        assert_eq!(third.time(now + std::time::Duration::from_millis(2999)), 2);
        for broken in
            ["", "80ff", "zz 3", "8000000001020304 x", "8000000001020304 2147483647", "\u{e9}\u{e9} 1"]
        {
            fs::write(folder.path().join(ENGINE_FILE), broken).unwrap();
            let renewed = OwnEngine::open(folder.path(), now).unwrap();
            assert_eq!(renewed.boots(), 1, "{broken:?}");
            assert_ne!(renewed.id(), third.id());
        }
        fs::write(folder.path().join(ENGINE_FILE), [0xff, 0xfe]).unwrap();
        assert_eq!(OwnEngine::open(folder.path(), now).unwrap().boots(), 1);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a point to count from")]
    fn an_engine_that_cannot_be_kept_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        let error = OwnEngine::open(&missing, Instant::now()).err().unwrap();
        assert!(error.to_string().starts_with("writing "), "{error}");
    }
}
