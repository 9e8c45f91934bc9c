//! A name: one of the four parts of a series' path, a label value, or the name of a service.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Longest name, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 255;

/// 1–255 bytes of UTF-8 without control characters, compared bytewise; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("is empty: a name has 1 to {MAX_NAME_BYTES} bytes")]
    Empty,
    /// The text is too long.
    #[error("has {0} bytes: a name has at most {MAX_NAME_BYTES}")]
    TooLong(usize),
    /// The text holds a control character.
    #[error("holds the control character U+{code:04X} at byte {at}: names have none")]
    Control {
        /// The character's code point.
        code: u32,
        /// Its offset in bytes.
        at: usize,
    },
}

impl Name {
    /// Checks `text` and makes it a name.
    pub fn new(text: &str) -> Result<Self, NameError> {
        check(text)?;
        Ok(Self(Arc::from(text)))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks that `text` could be a name, without making one.
pub fn check(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > MAX_NAME_BYTES {
        return Err(NameError::TooLong(text.len()));
    }
    match text.char_indices().find(|(_, c)| c.is_control()) {
        Some((at, c)) => Err(NameError::Control { code: u32::from(c), at }),
        None => Ok(()),
    }
}

impl Deref for Name {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl TryFrom<&str> for Name {
    type Error = NameError;
    fn try_from(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_counted_in_bytes() {
        assert!(Name::new(&"é".repeat(127)).is_ok());
        assert_eq!(Name::new(&"é".repeat(128)), Err(NameError::TooLong(256)));
        assert_eq!(Name::new(""), Err(NameError::Empty));
    }

    #[test]
    fn control_characters_are_named_with_their_place() {
        assert_eq!(Name::new("a\u{7f}"), Err(NameError::Control { code: 0x7f, at: 1 }));
        assert!(Name::new("שלום/world [x]").is_ok(), "right-to-left text and specials are ordinary names");
    }
}
