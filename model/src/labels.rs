//! Labels: the sorted key=value pairs that, with the four names, make a series' identity.

use crate::name::{self, Name, NameError};
use std::sync::Arc;

/// Most labels a series can have.
pub const MAX_LABELS: usize = 16;
/// Longest label key, in bytes.
pub const MAX_KEY_BYTES: usize = 64;
/// The label that names the row of a device; it stands bare in path text.
pub const ITEM: &str = "item";

/// 0–16 pairs, sorted by key, keys unique; mostly empty, and then without allocation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Labels(Option<Arc<[Pair]>>);

type Pair = (Box<str>, Name);

/// Why some pairs are not labels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// More pairs than a series may have.
    #[error("{0} labels: a series has at most {MAX_LABELS}")]
    TooMany(usize),
    /// The key is not of the form a key has.
    #[error("label key `{0}`: a key is 1 to {MAX_KEY_BYTES} of A-Z a-z 0-9 _ .")]
    Key(String),
    /// The same key twice.
    #[error("label `{0}` is given twice")]
    Twice(String),
    /// The value is not a name.
    #[error("value of label `{key}` {error}")]
    Value {
        /// The label's key.
        key: String,
        /// What is wrong with its value.
        error: NameError,
    },
}

/// Whether `key` has the form of a label key: 1–64 of `[A-Za-z0-9_.]`.
pub fn is_key(key: &str) -> bool {
    (1..=MAX_KEY_BYTES).contains(&key.len())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
}

impl Labels {
    /// No labels.
    pub const fn none() -> Self {
        Self(None)
    }

    /// Only the label `item`.
    pub fn item(value: &str) -> Result<Self, LabelError> {
        Self::new([(ITEM, value)])
    }

    /// Checks and sorts `pairs`.
    pub fn new<K: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, LabelError> {
        let mut list: Vec<Pair> = Vec::new();
        for (key, value) in pairs {
            let (key, value) = (key.as_ref(), value.as_ref());
            if !is_key(key) {
                return Err(LabelError::Key(key.to_owned()));
            }
            name::check(value).map_err(|error| LabelError::Value { key: key.to_owned(), error })?;
            let value = Name::new(value).map_err(|error| LabelError::Value { key: key.to_owned(), error })?;
            list.push((key.into(), value));
        }
        if list.len() > MAX_LABELS {
            return Err(LabelError::TooMany(list.len()));
        }
        list.sort_by(|a, b| a.0.cmp(&b.0));
        if let Some(pair) = list.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(LabelError::Twice(pair[0].0.to_string()));
        }
        Ok(Self((!list.is_empty()).then(|| list.into())))
    }

    /// The pairs in the order of their keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.as_deref().unwrap_or_default().iter().map(|(k, v)| (&**k, v.as_str()))
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(k, _)| *k == key).map(|(_, v)| v)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.iter().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_and_unique() {
        let labels = Labels::new([("vo", "alice"), ("queue", "short")]).unwrap();
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("queue", "short"), ("vo", "alice")]);
        assert_eq!(labels, Labels::new([("queue", "short"), ("vo", "alice")]).unwrap());
        assert_eq!(Labels::new([("a", "1"), ("a", "2")]), Err(LabelError::Twice("a".into())));
    }

    #[test]
    fn bad_keys_and_values_are_refused() {
        assert!(matches!(Labels::new([("a-b", "1")]), Err(LabelError::Key(_))));
        assert!(matches!(Labels::new([("", "1")]), Err(LabelError::Key(_))));
        assert!(matches!(Labels::new([("a", "")]), Err(LabelError::Value { .. })));
        let many = (0..17).map(|n| (format!("k{n}"), "v".to_owned()));
        assert_eq!(Labels::new(many), Err(LabelError::TooMany(17)));
    }
}
