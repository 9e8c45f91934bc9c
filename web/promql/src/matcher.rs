//! A condition on one label.

use crate::labels::Labels;
use regex::Regex;

/// Largest compiled form of a regular expression, in bytes; one that needs more is refused.
const MAX_REGEX_BYTES: usize = 1 << 20;
/// Most texts that an expression of alternatives is taken apart into; with more of them it stays an expression.
const MAX_ALTERNATIVES: usize = 64;

/// `key="value"`, `key!="value"`, `key=~"regex"` or `key!~"regex"`. A label that is not there is empty.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// Of which label; `__name__` for the name.
    pub key: String,
    /// What is compared with.
    pub value: String,
    /// How.
    pub test: Test,
}

/// How a label is compared.
#[derive(Debug, Clone)]
pub enum Test {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`: the whole value.
    Regex(Regex),
    /// `!~`: not the whole value.
    NotRegex(Regex),
}

/// A regular expression for whole values, as PromQL means it.
pub(crate) fn whole(pattern: &str) -> Result<Regex, String> {
    let build = |pattern: &str| {
        regex::RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(MAX_REGEX_BYTES).build()
    };
    build(pattern).map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => {
            format!("the regular expression {pattern:?} takes too much memory")
        }
        _ => format!("the regular expression {pattern:?} cannot be read"),
    })
}

impl Matcher {
    /// `op` is one of `=`, `!=`, `=~`, `!~`; `Err`: what is wrong with it.
    pub(crate) fn new(key: &str, op: &str, value: String) -> Result<Self, String> {
        let test = match op {
            "=" => Test::Equal,
            "!=" => Test::NotEqual,
            "=~" => Test::Regex(whole(&value)?),
            _ => Test::NotRegex(whole(&value)?),
        };
        Ok(Self { key: key.to_owned(), value, test })
    }

    /// Whether it takes this value.
    pub fn takes(&self, value: &str) -> bool {
        match &self.test {
            Test::Equal => value == self.value,
            Test::NotEqual => value != self.value,
            Test::Regex(regex) => regex.is_match(value),
            Test::NotRegex(regex) => !regex.is_match(value),
        }
    }

    /// Whether it takes the series with these labels.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.takes(labels.get(&self.key))
    }

    /// All values that it takes, where they are few and known: of `=`, and of an expression such as `a|b`.
    pub fn alternatives(&self) -> Option<Vec<&str>> {
        match &self.test {
            Test::Equal => Some(vec![&self.value]),
            Test::Regex(_) => {
                let all: Vec<&str> = self.value.split('|').collect();
                let plain = !self.value.contains(|c| r"\.+*?()[]{}^$".contains(c));
                (plain && all.len() <= MAX_ALTERNATIVES).then_some(all)
            }
            _ => None,
        }
    }

    /// How all values that it takes begin, of an expression such as `abc.*`; empty where nothing is known.
    pub fn prefix(&self) -> &str {
        match &self.test {
            Test::Equal => &self.value,
            Test::Regex(_) => {
                let start = self.value.strip_suffix(".*").or_else(|| self.value.strip_suffix(".+"));
                start.filter(|start| !start.contains(|c| r"\.+*?()[]{}^$|".contains(c))).unwrap_or("")
            }
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_regular_expression_is_for_the_whole_value() {
        let matcher = |op, value: &str| Matcher::new("k", op, value.into()).unwrap();
        assert!(matcher("=~", "a|b").takes("b") && !matcher("=~", "a|b").takes("ab"));
        assert!(matcher("!~", "a.+").takes("a") && !matcher("!~", "a.+").takes("ab"));
        assert_eq!(matcher("=~", "a|b").alternatives(), Some(vec!["a", "b"]));
        assert_eq!(matcher("=~", "a.*").alternatives(), None);
        assert_eq!((matcher("=~", "ab.*").prefix(), matcher("=~", "a|b.*").prefix()), ("ab", ""));
        assert!(Matcher::new("k", "=~", "(".into()).is_err());
        assert!(Matcher::new("k", "=~", "(?:a{1000}){1000}".into()).unwrap_err().contains("memory"));
    }
}
