//! The session: a secret of this run, known to who started it, that lets a page change something.

use std::fmt;

/// Random bytes of a token: 160 bits.
const TOKEN_BYTES: usize = 20;

/// The token of this run. Made at each start, kept nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Session(String);

/// The system gives no random bits.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random bits for the session's token: {0}")]
pub struct SessionError(String);

impl Session {
    /// A fresh one.
    ///
    /// # Errors
    /// Where the system gives no random bits.
    pub fn new() -> Result<Self, SessionError> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| SessionError(error.to_string()))?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// The token, for the link that is shown to who started this.
    pub fn token(&self) -> &str {
        &self.0
    }

    /// Whether this is it. How long that takes says nothing of how much of it is right.
    pub(crate) fn is(&self, given: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let differ = own.iter().zip(given).fold(0, |differ, (a, b)| differ | (a ^ b));
        own.len() == given.len() && std::hint::black_box(differ) == 0
    }
}

/// Without the token: it must not get into a log.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_token_is_long_fresh_and_right_only_as_a_whole() {
        let session = Session::new().unwrap();
        let token = session.token().to_owned();
        assert!(token.len() * 4 >= 128 && token != Session::new().unwrap().token());
        assert!(session.is(token.as_bytes()));
        for wrong in [&token[1..], &format!("{token}0"), &token.replace(&token[..1], "x"), ""] {
            assert!(!session.is(wrong.as_bytes()), "{wrong}");
        }
        assert!(!format!("{session:?}").contains(&token));
    }
}
