//! The user's token: whoever can read it may change what that user runs on this machine.
//!
//! Roles and commands of one user find the same file by themselves, whatever folder they were told to keep data in.
//! The token is never sent off loopback ([`crate::channel`] sees to that) and never shown in full.

use crate::identity::hex;
use crate::private_file;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Random bytes in a token; it is written as twice as many hex digits.
const BYTES: usize = 32;

/// The user's token.
#[derive(Clone, PartialEq, Eq)]
pub struct UserToken(Arc<str>);

/// Why there is no token. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum UserTokenError {
    /// No place for it.
    #[error("no place for the user's token: set XDG_STATE_HOME or HOME to a folder of yours")]
    NoPlace,
    /// Others could have read it.
    #[error(
        "the token in {path} can be read by others (mode {mode:o}): delete it and start the services again, they make a \
         new one"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Somebody else's.
    #[error(
        "the token in {path} belongs to user {owner}: delete it, or point XDG_STATE_HOME to a folder of yours"
    )]
    OtherOwner {
        /// The file.
        path: PathBuf,
        /// The owner's number.
        owner: u32,
    },
    /// Not a token.
    #[error("{path} is not a token: expected {} hex digits; delete it and start the services again", 2 * BYTES)]
    Form {
        /// The file.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("cannot {what} the token in {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Where this user's token is: `$XDG_STATE_HOME/hedgerow/token`; without that `/var/lib/hedgerow/token` for root,
/// `~/.local/state/hedgerow/token` for others.
///
/// # Errors
/// Where the environment names no place.
pub fn path() -> Result<PathBuf, UserTokenError> {
    place(std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"), rustix::process::geteuid().is_root())
}

fn place(state: Option<OsString>, home: Option<OsString>, root: bool) -> Result<PathBuf, UserTokenError> {
    let set = |folder: Option<OsString>| folder.filter(|folder| !folder.is_empty()).map(PathBuf::from);
    match (set(state), set(home)) {
        (Some(state), _) => Ok(state.join("hedgerow/token")),
        (None, _) if root => Ok("/var/lib/hedgerow/token".into()),
        (None, Some(home)) => Ok(home.join(".local/state/hedgerow/token")),
        (None, None) => Err(UserTokenError::NoPlace),
    }
}

impl UserToken {
    /// The token kept at `path`, making it where there is none. Of several processes that come at once, one makes it and
    /// all get the same.
    ///
    /// # Errors
    /// Where others could read it, where it is no token, or where the system refuses.
    pub fn load_or_create(path: &Path) -> Result<Self, UserTokenError> {
        let io = |what| {
            let path = path.to_owned();
            move |source| UserTokenError::Io { what, path, source }
        };
        if let Some(token) = Self::load(path)? {
            return Ok(token);
        }
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes).map_err(io::Error::from).map_err(io("make"))?;
        private_file::make_folder_of(path).map_err(io("make the folder of"))?;
        private_file::create(path, &format!("{}\n", hex(&bytes))).map_err(io("write"))?;
        let gone = || io::Error::new(io::ErrorKind::NotFound, "it went away at once");
        Self::load(path)?.ok_or_else(|| io("read")(gone()))
    }

    /// The token kept at `path`; `None` where there is none.
    ///
    /// # Errors
    /// Where others could read it, where it is no token, or where the system refuses.
    pub fn load(path: &Path) -> Result<Option<Self>, UserTokenError> {
        let io = |source| UserTokenError::Io { what: "read", path: path.to_owned(), source };
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(error)),
        };
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(UserTokenError::Exposed { path: path.to_owned(), mode });
        }
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(UserTokenError::OtherOwner { path: path.to_owned(), owner: metadata.uid() });
        }
        let read = private_file::read(path).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => UserTokenError::Form { path: path.to_owned() },
            _ => io(error),
        });
        let Some(text) = read? else { return Ok(None) };
        let token = text.trim_end();
        if token.len() != 2 * BYTES || !token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(UserTokenError::Form { path: path.to_owned() });
        }
        Ok(Some(Self(token.into())))
    }

    /// The token itself. To be sent to loopback only, and shown to nobody.
    pub fn secret(&self) -> &str {
        &self.0
    }
}

/// Never the token.
impl fmt::Debug for UserToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserToken(…)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;

    #[test]
    fn the_place_follows_the_environment() {
        let place = |state: Option<&str>, home: Option<&str>, root| {
            place(state.map(Into::into), home.map(Into::into), root).map(|path| path.display().to_string())
        };
        assert_eq!(place(Some("/s"), Some("/h"), true).unwrap(), "/s/hedgerow/token");
        assert_eq!(place(None, Some("/root"), true).unwrap(), "/var/lib/hedgerow/token");
        assert_eq!(place(Some(""), Some("/h"), false).unwrap(), "/h/.local/state/hedgerow/token");
        assert!(matches!(place(None, None, false), Err(UserTokenError::NoPlace)));
    }

    #[test]
    fn all_who_come_at_once_get_one_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/hedgerow/token");
        let tokens: Vec<UserToken> = std::thread::scope(|scope| {
            let all: Vec<_> =
                (0..8).map(|_| scope.spawn(|| UserToken::load_or_create(&path).unwrap())).collect();
            all.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(tokens.iter().all(|token| *token == tokens[0]));
        assert_eq!(UserToken::load_or_create(&path).unwrap(), tokens[0], "and later ones, too");
        assert_eq!(tokens[0].secret().len(), 64);
        assert!(!format!("{:?}", tokens[0]).contains(tokens[0].secret()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_token_others_can_read_and_one_that_is_none_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let token = UserToken::load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = UserToken::load_or_create(&path).unwrap_err();
        assert!(matches!(error, UserTokenError::Exposed { mode: 0o640, .. }), "{error}");
        assert!(error.to_string().contains("delete it"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(UserToken::load(&path).unwrap(), Some(token));
        for damage in [&b"abc"[..], &[0xff; 64], &[b'a'; 5000]] {
            fs::write(&path, damage).unwrap();
            assert!(matches!(UserToken::load(&path), Err(UserTokenError::Form { .. })));
        }
    }
}
