//! Constraints as text: `value > 0.9`, `value in {up,"link down"}`.

use super::{Comparison, Constraint, MAX_VALUES, PredicateError};
use crate::syntax::{Cursor, Place, SyntaxError, decimal, write_literal};
use std::fmt;

impl Comparison {
    /// All, longer signs before their beginnings.
    pub(super) const SIGNS: [(&str, Self); 6] = [
        ("<=", Self::LessOrEqual),
        (">=", Self::GreaterOrEqual),
        ("!=", Self::NotEqual),
        ("=", Self::Equal),
        ("<", Self::Less),
        (">", Self::Greater),
    ];

    /// The sign users write.
    pub fn as_str(self) -> &'static str {
        Self::SIGNS.iter().find(|(_, sign)| *sign == self).map_or("", |(text, _)| text)
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compare(comparison, number) => {
                let text = format!("{:?}", number + 0.0);
                write!(f, "value {} {}", comparison.as_str(), text.strip_suffix(".0").unwrap_or(&text))
            }
            Self::In(values) => {
                for (at, value) in values.iter().enumerate() {
                    f.write_str(if at == 0 { "value in {" } else { "," })?;
                    let special = |c: char| c.is_control() || c == '"' || Place::Label.escapes(c);
                    if value.is_empty() || value.contains(special) {
                        write!(f, "\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))?;
                    } else {
                        write_literal(f, value, Place::Label)?;
                    }
                }
                f.write_str("}")
            }
        }
    }
}

/// Reads what stands behind `where`.
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Constraint, PredicateError> {
    if !cursor.eat("value") {
        return Err(cursor.unexpected("`value` and a comparison, as in `where value > 0.9`"));
    }
    cursor.skip_space();
    let mut ahead = cursor.clone();
    if ahead.eat("in") {
        ahead.skip_space();
        if ahead.eat("{") {
            *cursor = ahead;
            return values(cursor).map(Constraint::In);
        }
    }
    let sign = Comparison::SIGNS.into_iter().find(|(text, _)| cursor.eat(text));
    let (_, comparison) = sign.ok_or_else(|| cursor.unexpected("one of < <= = != >= > or `in {…}`"))?;
    cursor.skip_space();
    let at = cursor.at();
    let text = cursor.take_until(|c| c.is_ascii_whitespace());
    let number = parse_number(text).ok_or_else(|| {
        SyntaxError::new(
            at,
            format!("`{text}`"),
            "a number, such as 0.9 or 1e6; texts are compared by `value in {up}`",
        )
    })?;
    Ok(Constraint::Compare(comparison, number))
}

/// A decimal number, `inf` or `-inf`; -0 is the 0 that it is equal to.
fn parse_number(text: &str) -> Option<f64> {
    match text {
        "inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        _ => decimal(text).map(|number| number + 0.0),
    }
}

/// Reads the list behind `in {`, and the `}`.
fn values(cursor: &mut Cursor<'_>) -> Result<Vec<String>, PredicateError> {
    let mut values = Vec::new();
    loop {
        cursor.skip_space();
        if values.len() == MAX_VALUES {
            return Err(SyntaxError::new(cursor.at(), "one value more", format!("at most {MAX_VALUES}")));
        }
        values.push(value(cursor)?);
        cursor.skip_space();
        if cursor.eat("}") {
            return Ok(values);
        }
        if !cursor.eat(",") {
            return Err(cursor.unexpected("`,` or `}`; a text with spaces stands in quotes"));
        }
    }
}

/// Reads a bare text, where specials take a backslash, or a quoted one, where only `"` and `\` do.
fn value(cursor: &mut Cursor<'_>) -> Result<String, PredicateError> {
    let start = cursor.at();
    let mut text = String::new();
    if cursor.eat("\"") {
        loop {
            match cursor.bump() {
                Some('"') => return Ok(text),
                Some('\\') => {
                    text.push(cursor.bump().filter(|c| matches!(c, '"' | '\\')).ok_or_else(|| {
                        SyntaxError::new(cursor.at(), "a stray backslash", "`\\\"` or `\\\\` between quotes")
                    })?)
                }
                Some(c) => text.push(c),
                None => {
                    return Err(SyntaxError::new(
                        start,
                        "quotes that are not closed",
                        "`\"` at the end of the text",
                    ));
                }
            }
        }
    }
    while let Some(c) = cursor.peek().filter(|c| !matches!(c, ',' | '}') && !c.is_ascii_whitespace()) {
        if matches!(c, '*' | '?' | '{' | '"') {
            let what = format!("`{c}` in a value, which is a text and no pattern");
            return Err(SyntaxError::new(cursor.at(), what, format!("`\\{c}` where it is meant literally")));
        }
        text.push(cursor.literal(Place::Label)?);
    }
    if text.is_empty() {
        Err(cursor.unexpected("a text or a number; the empty text is `\"\"`"))
    } else {
        Ok(text)
    }
}
