//! Single values: text, numbers of things, durations, sizes.

use crate::findings::Wrong;
use crate::section::{Got, Section};
use crate::tree::{Node, Value};
use hedgerow_model::duration;
use std::ops::RangeInclusive;
use std::time::Duration;

impl Section<'_> {
    /// Reads text.
    pub fn text(&mut self, key: &'static str, expected: &str) -> Got<String> {
        self.read(key, |node| text(node, expected))
    }

    /// Reads a number of things.
    pub fn count(&mut self, key: &'static str, bounds: RangeInclusive<usize>) -> Got<usize> {
        self.read(key, |node| count(node, &bounds))
    }

    /// Reads a duration, as `"30s"`.
    pub fn duration(&mut self, key: &'static str, bounds: RangeInclusive<Duration>) -> Got<Duration> {
        let expected = "a duration in quotes, as \"500ms\", \"30s\", \"1h30m\" or \"2d\"";
        let words = Words { expected, unit: "s", less: "short", more: "long" };
        self.read(key, |node| measure(node, &bounds, words, duration::parse, duration::print))
    }

    /// Reads a size in bytes, as `"64KiB"`.
    pub fn size(&mut self, key: &'static str, bounds: RangeInclusive<u64>) -> Got<u64> {
        let expected = "a size in quotes, as \"64KiB\", \"2GiB\" or \"10GB\"";
        let words = Words { expected, unit: "B", less: "small", more: "large" };
        self.read(key, |node| measure(node, &bounds, words, duration::parse_size, print_size))
    }
}

/// The text of a value.
///
/// # Errors
/// It is none.
pub fn text(node: &Node, expected: &str) -> Result<String, Wrong> {
    match &node.value {
        Value::Text(text) => Ok(text.clone()),
        other => Err(Wrong::kind(other, expected)),
    }
}

/// A number of things.
///
/// # Errors
/// It is none, or out of bounds.
pub fn count(node: &Node, bounds: &RangeInclusive<usize>) -> Result<usize, Wrong> {
    let expected = format!("a whole number from {} to {}", bounds.start(), bounds.end());
    match &node.value {
        Value::Integer(number) => {
            let read = usize::try_from(*number).ok().filter(|read| bounds.contains(read));
            read.ok_or_else(|| Wrong::new(format!("{number} is out of bounds"), expected))
        }
        Value::Float(number) => Err(Wrong::new(format!("{number} is not a whole number"), expected)),
        other => Err(Wrong::kind(other, &expected)),
    }
}

/// How one speaks of a measure.
struct Words {
    expected: &'static str,
    /// Probably meant where none is written.
    unit: &'static str,
    less: &'static str,
    more: &'static str,
}

/// A number with its unit, in quotes.
fn measure<T: PartialOrd + Copy>(
    node: &Node,
    bounds: &RangeInclusive<T>,
    words: Words,
    parse: impl Fn(&str) -> Result<T, String>,
    print: impl Fn(T) -> String,
) -> Result<T, Wrong> {
    let Words { expected, unit, less, more } = words;
    if let Value::Integer(number) = &node.value {
        let likely = Some(format!("\"{number}{unit}\"")).filter(|_| *number >= 0);
        return Err(Wrong::new("is a number without a unit", expected).meant(likely));
    }
    let text = text(node, expected)?;
    let read = parse(&text).map_err(|said| Wrong { expected: expected.to_owned(), ..Wrong::said(&said) })?;
    if bounds.contains(&read) {
        return Ok(read);
    }
    let (what, limit, bound) = if read > *bounds.end() {
        (more, "at most", bounds.end())
    } else {
        (less, "at least", bounds.start())
    };
    Err(Wrong::new(format!("`{text}` is too {what}"), format!("{limit} {}", print(*bound))))
}

/// A size as it is read back.
pub fn print_size(bytes: u64) -> String {
    let units = [(1_u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.into_iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{bytes}B"), |(unit, name)| format!("{}{name}", bytes / unit))
}
