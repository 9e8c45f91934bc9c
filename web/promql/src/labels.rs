//! The labels by which PromQL knows a series, its name among them.

use std::fmt;
use std::sync::Arc;

/// The label that is a series' name.
pub const NAME: &str = "__name__";
/// The label that is a bucket's upper bound.
pub const BUCKET: &str = "le";

type Pair = (Arc<str>, Arc<str>);

/// Pairs sorted by key, keys unique, no value empty: in PromQL an empty label is none. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Labels(Arc<[Pair]>);

impl Labels {
    /// Sorts `pairs` and leaves out those that are empty; of a key that comes twice the first counts.
    pub fn new<K: Into<Arc<str>>, V: Into<Arc<str>>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Self::of(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }

    fn of(mut pairs: Vec<Pair>) -> Self {
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.dedup_by(|later, first| later.0 == first.0);
        pairs.retain(|(_, value)| !value.is_empty());
        Self(pairs.into())
    }

    /// The value of `key`; empty where there is none.
    pub fn get(&self, key: &str) -> &str {
        self.0.binary_search_by(|(k, _)| (**k).cmp(key)).map_or("", |at| &self.0[at].1)
    }

    /// The pairs in the order of their keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Without the name.
    #[must_use]
    pub fn unnamed(&self) -> Self {
        if self.get(NAME).is_empty() { self.clone() } else { self.filtered(|key| key != NAME) }
    }

    /// With only the keys that `keep` wants.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|(key, _)| keep(key)).cloned().collect())
    }

    /// With `key` set; an empty value takes it away.
    #[must_use]
    pub fn with(&self, key: &str, value: &str) -> Self {
        let kept = self.0.iter().filter(|(k, _)| **k != *key).cloned();
        Self::of(kept.chain([(key.into(), value.into())]).collect())
    }
}

/// As PromQL writes it: `name{key="value"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get(NAME))?;
        let mut before = "{";
        for (key, value) in self.iter().filter(|(key, _)| *key != NAME) {
            write!(f, "{before}{key}={value:?}")?;
            before = ", ";
        }
        match (before, self.get(NAME)) {
            ("{", "") => f.write_str("{}"),
            ("{", _) => Ok(()),
            _ => f.write_str("}"),
        }
    }
}

/// Whether `key` can be the key of a label.
pub fn is_key(key: &str) -> bool {
    !key.starts_with(|c: char| c.is_ascii_digit())
        && !key.is_empty()
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A number as Prometheus writes it: shortest digits that read back, never with an exponent.
pub fn number_text(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        number.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_unique_and_not_empty() {
        let labels = Labels::new([("b", "2"), ("a", "1"), ("c", ""), ("a", "3")]);
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
        assert_eq!(labels.with("b", "").with(NAME, "x").to_string(), "x{a=\"1\"}");
        assert_eq!(labels.get("c"), "");
        assert_eq!(Labels::default().to_string(), "{}");
    }

    #[test]
    fn numbers_read_as_prometheus_writes_them() {
        let texts = [1e21, 0.1, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 5.0].map(number_text);
        assert_eq!(texts, ["1000000000000000000000", "0.1", "-0", "+Inf", "-Inf", "NaN", "5"]);
    }
}
