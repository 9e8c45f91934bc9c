//! Prometheus's text format 0.0.4, written.
//!
//! Units are base units and stand in the name, counters end in `_total`: whoever names a family keeps to that.

use std::fmt::Write as _;

/// The media type of what [`text`] makes.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How the values of a family move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FamilyKind {
    /// Only up, from 0 at the start of the process.
    Counter,
    /// Up and down.
    Gauge,
}

/// Samples of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// `[a-zA-Z_][a-zA-Z0-9_]*`.
    pub name: String,
    /// How its values move.
    pub kind: FamilyKind,
    /// What it says, in one sentence.
    pub help: String,
    /// No two with the same labels.
    pub samples: Vec<Sample>,
}

/// A value under its labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Names as [`label_names`] makes them, and any text as value.
    pub labels: Vec<(String, String)>,
    /// The value.
    pub value: f64,
}

impl Family {
    /// A family without samples.
    pub fn new(kind: FamilyKind, name: &str, help: &str) -> Self {
        Self { name: name.to_owned(), kind, help: help.to_owned(), samples: Vec::new() }
    }

    /// A counter of one value.
    pub fn counter(name: &str, help: &str, value: u64) -> Self {
        Self::new(FamilyKind::Counter, name, help).with(&[], rounded(value))
    }

    /// A gauge of one value.
    pub fn gauge(name: &str, help: &str, value: f64) -> Self {
        Self::new(FamilyKind::Gauge, name, help).with(&[], value)
    }

    /// The family, and one sample more.
    #[must_use]
    pub fn with(mut self, labels: &[(&str, &str)], value: f64) -> Self {
        let labels = labels.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        self.samples.push(Sample { labels, value });
        self
    }
}

/// A whole number as Prometheus has them: exact up to 2^53, rounded above.
#[expect(clippy::cast_precision_loss, reason = "Prometheus knows no other numbers")]
pub const fn rounded(value: u64) -> f64 {
    value as f64
}

/// Names of labels for these keys, in their order: what a name may not have becomes `_`. A key that is a name keeps it; of
/// others that come to the same name, the first in the order of their bytes has it, the next gets `_2` behind it, and so on.
pub fn label_names(keys: &[&str]) -> Vec<String> {
    let sanitised = |key: &str| -> String {
        let text: String = key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        if text.starts_with(|c: char| c.is_ascii_digit()) { format!("_{text}") } else { text }
    };
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by_key(|at| (sanitised(keys[*at]) != keys[*at], keys[*at]));
    let mut names = vec![String::new(); keys.len()];
    for at in order {
        let name = sanitised(keys[at]);
        let free = |name: &String| !names.contains(name);
        let again = (2..).map(|times| format!("{name}_{times}"));
        let name = [name.clone()].into_iter().chain(again).find(free);
        names[at] = name.expect("invariant: one of endlessly many names is free");
    }
    names
}

/// The families as text; those without samples are left out.
pub fn text(families: &[Family]) -> String {
    let mut out = String::new();
    for family in families.iter().filter(|family| !family.samples.is_empty()) {
        let (name, help) = (&family.name, escaped(&family.help, false));
        let kind = match family.kind {
            FamilyKind::Counter => "counter",
            FamilyKind::Gauge => "gauge",
        };
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for sample in &family.samples {
            out.push_str(name);
            for (at, (label, text)) in sample.labels.iter().enumerate() {
                let before = if at == 0 { '{' } else { ',' };
                let _ = write!(out, "{before}{label}=\"{}\"", escaped(text, true));
            }
            let after = if sample.labels.is_empty() { "" } else { "}" };
            let _ = writeln!(out, "{after} {}", number(sample.value));
        }
    }
    out
}

fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        (if value > 0.0 { "+Inf" } else { "-Inf" }).to_owned()
    } else {
        value.to_string()
    }
}

fn escaped(text: &str, quoted: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quoted => out.push_str("\\\""),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_written_as_the_format_says() {
        let named = Family::new(FamilyKind::Gauge, "a_bytes", "One \\ two\nlines \"here\".")
            .with(&[("item", "say \"\\\"\n"), ("z", "")], 0.5)
            .with(&[("item", "b")], f64::NAN);
        let families = [
            Family::counter("c_total", "Counts.", 9_007_199_254_740_992),
            Family::new(FamilyKind::Gauge, "none", "Nothing."),
            named,
            Family::gauge("i", "Endless.", f64::NEG_INFINITY),
        ];
        let expected = "# HELP c_total Counts.\n# TYPE c_total counter\nc_total 9007199254740992\n\
            # HELP a_bytes One \\\\ two\\nlines \"here\".\n# TYPE a_bytes gauge\n\
            a_bytes{item=\"say \\\"\\\\\\\"\\n\",z=\"\"} 0.5\na_bytes{item=\"b\"} NaN\n\
            # HELP i Endless.\n# TYPE i gauge\ni -Inf\n";
        assert_eq!(text(&families), expected);
    }

    #[test]
    fn keys_become_different_names_whatever_their_order() {
        assert_eq!(label_names(&["a.b", "a_b", "a-b", "7"]), ["a_b_3", "a_b", "a_b_2", "_7"]);
        assert_eq!(label_names(&["a-b", "7", "a_b", "a.b"]), ["a_b_2", "_7", "a_b", "a_b_3"]);
        assert_eq!(label_names(&["a_b_2", "a.b", "a_b"]), ["a_b_2", "a_b_3", "a_b"]);
        assert_eq!(label_names(&["grün"]), ["gr_n"]);
    }
}
