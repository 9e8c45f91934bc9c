//! The component that a user names: one that is shipped, or a file.

use crate::near;
use crate::outcome::CommandError;
use hedgerow_filter_host::shipped;
use hedgerow_model::document::MAX_BLOB_BYTES;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// How every WASM module and component begins.
const MAGIC: &[u8] = b"\0asm";

/// A component, and what it is called where nothing else is said.
#[derive(Debug)]
pub struct Component {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The name of what is shipped, or of the file.
    pub name: String,
}

impl Component {
    /// Reads what `word` names: a path (with a `/`, or ending in `.wasm`), else a shipped filter.
    ///
    /// # Errors
    /// Where there is none, or it is none.
    pub fn read(word: &str) -> Result<Self, CommandError> {
        if !word.contains('/') && !word.ends_with(".wasm") {
            return shipped::named(word)
                .map(|shipped| Self { bytes: shipped.bytes.to_vec(), name: word.to_owned() })
                .ok_or_else(|| {
                    let known: Vec<&str> = shipped::SHIPPED.iter().map(|shipped| shipped.name).collect();
                    let near = near::said(word, &known);
                    CommandError::Misuse(format!(
                        "`{word}`: no filter of that name is shipped{near}; a file of yours ends in .wasm"
                    ))
                });
        }
        let failed = |why: String| CommandError::Failed(format!("{word}: {why}"));
        let mut bytes = Vec::new();
        let read = File::open(word).and_then(|file| file.take(MAX_BLOB_BYTES + 1).read_to_end(&mut bytes));
        read.map_err(|error| failed(format!("cannot be read: {error}")))?;
        if bytes.len() as u64 > MAX_BLOB_BYTES {
            return Err(failed(format!("is larger than {MAX_BLOB_BYTES} bytes, which is the most")));
        }
        if !bytes.starts_with(MAGIC) {
            return Err(failed(
                "is no WASM: expected a component, or a module for wasm32-unknown-unknown".into(),
            ));
        }
        let stem = Path::new(word).file_stem().and_then(|stem| stem.to_str()).unwrap_or("filter");
        Ok(Self { bytes, name: stem.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_no_component_is_refused_with_what_was_expected() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let refused = |word: &str| Component::read(word).unwrap_err().to_string();
        assert!(refused("treshold").contains("is shipped; did you mean threshold?"));
        assert_eq!(Component::read("threshold").unwrap().name, "threshold");
        assert!(refused(&path("none.wasm")).contains("cannot be read"));
        std::fs::write(path("text.wasm"), "#!/bin/sh").unwrap();
        assert!(refused(&path("text.wasm")).contains("is no WASM"));
        std::fs::write(path("load.wasm"), b"\0asm\x01\0\0\0").unwrap();
        let component = Component::read(&path("load.wasm")).unwrap();
        assert_eq!((component.name.as_str(), component.bytes.len()), ("load", 8));
    }
}
