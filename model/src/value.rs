//! One value, as it stands at the edges (SDK, JSON, tests). Inside, values travel in columns.

use std::sync::Arc;

/// Which column a value stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ColumnType {
    /// 64-bit floating point, bit for bit.
    F64 = 0,
    /// 64-bit integers: signed; unsigned where the series is a counter; codes where it is a state.
    I64 = 1,
    /// UTF-8 text.
    Text = 2,
}

/// Longest text value, in bytes; longer ones are cut at a character and counted.
pub const MAX_TEXT_BYTES: usize = 4096;

/// A value of one sample.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A floating point number.
    F64(f64),
    /// An integer. Of a counter, the bits of a u64.
    I64(i64),
    /// A text.
    Text(Arc<str>),
    /// A state: code, and its text where it was given or is known.
    State(i64, Option<Arc<str>>),
}

impl Value {
    /// A counter's value.
    pub const fn counter(value: u64) -> Self {
        Self::I64(value.cast_signed())
    }

    /// The column it stands in.
    pub const fn column(&self) -> ColumnType {
        match self {
            Self::F64(_) => ColumnType::F64,
            Self::I64(_) | Self::State(..) => ColumnType::I64,
            Self::Text(_) => ColumnType::Text,
        }
    }
}

/// Cuts `text` to [`MAX_TEXT_BYTES`] at a character boundary; the second part says whether it was cut.
pub fn cut_text(text: &str) -> (&str, bool) {
    if text.len() <= MAX_TEXT_BYTES {
        return (text, false);
    }
    (&text[..text.floor_char_boundary(MAX_TEXT_BYTES)], true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_a_character() {
        let long = "é".repeat(2049);
        let (text, cut) = cut_text(&long);
        assert!(cut);
        assert_eq!(text.len(), 4096);
        assert_eq!(cut_text(&format!("a{long}")).0.len(), 4095);
    }
}
