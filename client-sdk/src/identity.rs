//! Who a service is: a key pair and a random id, made at the first start, kept in its folder for life.
//!
//! Losing this file is losing the identity, and two services with one are a clone; so a broken file is an error that says
//! so, and is never replaced silently.

use crate::private_file;
use ed25519_dalek::SigningKey;
use hedgerow_model::document::{Document, Owner};
use hedgerow_model::registration::{Id, Instance, Registration};
use hedgerow_proto::lookup::Signed;
use hedgerow_proto::signed;
use std::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};

/// The file's name in the service's folder.
pub const FILE: &str = "identity";
const FIRST_LINE: &str = "hedgerow identity 1";

/// A service's identity in one run of it.
#[derive(Clone)]
pub struct Identity {
    id: Id,
    key: SigningKey,
    instance: Instance,
}

/// Why a service does not know who it is. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file is there, and not what it should be.
    #[error(
        "the identity in {path} is broken ({problem}): restore the file from a backup; or move it away, and the service \
         begins as a new one, with a new id"
    )]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The system refuses.
    #[error("cannot {what} the identity in {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

struct Kept {
    id: Id,
    key: [u8; 32],
    starts: u64,
}

impl Identity {
    /// Opens the identity kept in `folder`, making it at the first start. Each opening is a new instance of the service:
    /// the counter of starts is raised, durably, before this returns.
    ///
    /// # Errors
    /// Where the file is broken, or cannot be read or written.
    pub fn open(folder: &Path) -> Result<Self, IdentityError> {
        let path = folder.join(FILE);
        let io = |what| {
            let path = path.clone();
            move |source| IdentityError::Io { what, path, source }
        };
        let random = || -> io::Result<u64> { Ok(getrandom::u64()?) };
        let read = private_file::read(&path).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => {
                IdentityError::Broken { path: path.clone(), problem: "it is no text of its length" }
            }
            _ => io("read")(error),
        });
        let kept = match read? {
            Some(text) => {
                let mut kept = Kept::parse(&text)
                    .map_err(|problem| IdentityError::Broken { path: path.clone(), problem })?;
                kept.starts += 1;
                private_file::replace(&path, kept.print()).map_err(io("write"))?;
                kept
            }
            None => {
                let mut kept = Kept { id: Id([0; 16]), key: [0; 32], starts: 1 };
                let filled = getrandom::fill(&mut kept.id.0).and_then(|()| getrandom::fill(&mut kept.key));
                filled.map_err(io::Error::from).map_err(io("make"))?;
                private_file::make_folder_of(&path).map_err(io("make the folder of"))?;
                if !private_file::create(&path, &kept.print()).map_err(io("write"))? {
                    let source = io::Error::other("another process made it at the same moment");
                    return Err(io("make")(source));
                }
                kept
            }
        };
        let instance = Instance { start: kept.starts, random: random().map_err(io("draw random bits for"))? };
        Ok(Self { id: kept.id, key: SigningKey::from_bytes(&kept.key), instance })
    }

    /// The service's id, for life.
    pub fn id(&self) -> Id {
        self.id
    }

    /// Which run of the service this is.
    pub fn instance(&self) -> Instance {
        self.instance
    }

    /// Signs a registration. Lookups refuse one that does not have this identity's id.
    pub fn sign(&self, registration: &Registration) -> Signed {
        signed::sign_registration(registration, &self.key)
    }

    /// Signs a document.
    pub fn sign_document(&self, document: &Document) -> Signed {
        signed::sign_document(document, &self.key)
    }

    /// Under which key others know what it signs.
    pub fn owner(&self) -> Owner {
        Owner(*self.key.verifying_key().as_bytes())
    }
}

/// Never the key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("id", &self.id)
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

impl Kept {
    fn print(&self) -> String {
        let public = SigningKey::from_bytes(&self.key).verifying_key();
        let mut text = format!(
            "{FIRST_LINE}\nid {}\nkey {}\npublic {}\nstarts {}\n",
            self.id,
            hex(&self.key),
            hex(public.as_bytes()),
            self.starts
        );
        let sum = checksum(&text);
        let _ = writeln!(text, "sum {sum:016x}");
        text
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let first = text.lines().next().unwrap_or_default();
        if first != FIRST_LINE {
            return Err("its first line is not that of an identity of this version");
        }
        let (body, sum) = text.rsplit_once("sum ").ok_or("it ends too early")?;
        if sum.trim_end() != format!("{:016x}", checksum(body)) {
            return Err("its checksum does not fit");
        }
        let field = |name: &str| body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let id = field("id").and_then(|text| text.parse().ok()).ok_or("it has no id")?;
        let key = field("key").and_then(unhex).ok_or("it has no key")?;
        let starts = field("starts").and_then(|text| text.parse().ok()).ok_or("it has no count of starts")?;
        Ok(Self { id, key, starts })
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// FNV-1a: finds accidents, not enemies; who can write this file is the service.
fn checksum(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_identity_is_made_once_and_each_start_counts() {
        let folder = tempfile::tempdir().unwrap();
        let first = Identity::open(&folder.path().join("deep/er")).unwrap();
        let second = Identity::open(&folder.path().join("deep/er")).unwrap();
        assert_eq!(first.id(), second.id());
        assert_eq!(first.key.to_bytes(), second.key.to_bytes());
        assert_eq!((first.instance().start, second.instance().start), (1, 2));
        assert_ne!(first.instance().random, second.instance().random);
        let file = folder.path().join("deep/er").join(FILE);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
        assert!(!format!("{first:?}").contains(&hex(&first.key.to_bytes())), "the key is never shown");
        let other = Identity::open(&folder.path().join("other")).unwrap();
        assert_ne!(first.id(), other.id());
    }

    #[test]
    fn a_broken_file_is_an_error_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        Identity::open(folder.path()).unwrap();
        let file = folder.path().join(FILE);
        let whole = fs::read_to_string(&file).unwrap();
        for length in (0..whole.len() - 1).step_by(7) {
            fs::write(&file, &whole[..length]).unwrap();
            let error = Identity::open(folder.path()).unwrap_err();
            assert!(matches!(error, IdentityError::Broken { .. }), "{length}: {error}");
            assert!(error.to_string().contains("backup"), "{error}");
            assert_eq!(fs::read_to_string(&file).unwrap(), whole[..length], "never replaced");
        }
        for noise in [&[0xff; 64][..], &[b'a'; 5000]] {
            fs::write(&file, noise).unwrap();
            assert!(matches!(Identity::open(folder.path()), Err(IdentityError::Broken { .. })));
        }
        for at in 0..whole.len() - 1 {
            let mut altered = whole.clone().into_bytes();
            altered[at] = if altered[at] == b'7' { b'6' } else { b'7' };
            fs::write(&file, &altered).unwrap();
            assert!(Identity::open(folder.path()).is_err(), "byte {at}");
        }
    }
}
