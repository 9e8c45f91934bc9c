//! A query's text as words, each with its place.

use crate::fault::{ParseError, Place, What};
use std::ops::Range;

/// What a word is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Word {
    Number(f64),
    /// In milliseconds.
    Duration(i64),
    Text(String),
    /// A name, or a keyword.
    Name(String),
    /// An operator, a bracket, a comma.
    Sign(&'static str),
    End,
}

/// The longer ones first.
const SIGNS: [&str; 24] = [
    "==", "!=", ">=", "<=", "=~", "!~", "+", "-", "*", "/", "%", "^", ">", "<", "=", "(", ")", "{", "}", "[",
    "]", ",", ":", "@",
];

/// Longest duration, and the time furthest from 1970, in milliseconds: some 30,000 years. So sums of them are never too large.
pub(crate) const MAX_MS: i64 = 1_000_000_000_000_000;

/// The units of durations, in the order they have to come in, in milliseconds.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

pub(crate) fn wrong(text: &str, byte: usize, what: impl Into<String>) -> ParseError {
    ParseError { place: Place::of(text, byte), what: What::NotPromql(what.into()) }
}

/// The words of `text`, and where they stand; `End` last.
pub(crate) fn words(text: &str) -> Result<Vec<(Word, Range<usize>)>, ParseError> {
    let mut words = Vec::new();
    let (mut at, mut brackets) = (0, 0usize);
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let (word, length) = match c {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '#' => {
                at += rest.find('\n').unwrap_or(rest.len());
                continue;
            }
            '"' | '\'' | '`' => quoted(text, at, c)?,
            '0'..='9' => number(text, at)?,
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => number(text, at)?,
            c if c.is_ascii_alphabetic() || c == '_' || (c == ':' && brackets == 0) => {
                let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
                let name = &rest[..length.unwrap_or(rest.len())];
                (Word::Name(name.to_owned()), name.len())
            }
            _ => {
                let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
                let sign = sign.ok_or_else(|| wrong(text, at, format!("unexpected character {c:?}")))?;
                match *sign {
                    "[" => brackets += 1,
                    "]" => brackets = brackets.saturating_sub(1),
                    _ => {}
                }
                (Word::Sign(sign), sign.len())
            }
        };
        words.push((word, at..at + length));
        at += length;
    }
    words.push((Word::End, text.len()..text.len()));
    Ok(words)
}

/// A number or a duration at `at`, and its length.
fn number(text: &str, at: usize) -> Result<(Word, usize), ParseError> {
    let rest = &text.as_bytes()[at..];
    let hexadecimal = matches!(rest, [b'0', b'x' | b'X', ..]);
    let mut length = 0;
    while let Some(byte) = rest.get(length) {
        let exponent = matches!(byte, b'+' | b'-') && matches!(rest[length - 1], b'e' | b'E') && !hexadecimal;
        if !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') || exponent) {
            break;
        }
        length += 1;
    }
    let word = &text[at..at + length];
    let read = read_number(word).map(Word::Number).or_else(|| duration(word).map(Word::Duration));
    read.map(|read| (read, length))
        .ok_or_else(|| wrong(text, at, format!("bad number or duration syntax: {word:?}")))
}

/// As Prometheus reads it: decimal, `0x` hexadecimal, and whole numbers with a leading zero octal.
pub(crate) fn read_number(text: &str) -> Option<f64> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return i64::from_str_radix(digits, 16)
            .ok()
            .filter(|_| !digits.starts_with(['+', '-']))
            .map(|n| n as f64);
    }
    if text.len() > 1 && text.starts_with('0') && text.bytes().all(|b| (b'0'..=b'7').contains(&b)) {
        return i64::from_str_radix(text, 8).ok().map(|n| n as f64);
    }
    let digits = text.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    text.parse().ok().filter(|_| digits)
}

/// A duration such as `1h30m`, in milliseconds.
pub fn duration(text: &str) -> Option<i64> {
    let (mut rest, mut total, mut units) = (text, 0i64, &UNITS[..]);
    if text.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|digits| *digits > 0)?;
        let count: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = &rest[..rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len())];
        let at = units.iter().position(|(name, _)| *name == unit)?;
        total = total.checked_add(count.checked_mul(units[at].1)?)?;
        units = &units[at + 1..];
        rest = &rest[unit.len()..];
    }
    (total <= MAX_MS).then_some(total)
}

/// A text in quotes at `at`, and its length with them.
fn quoted(text: &str, at: usize, quote: char) -> Result<(Word, usize), ParseError> {
    let open = || wrong(text, at, "unterminated quoted string");
    let mut read = String::new();
    let mut rest = text[at + 1..].char_indices();
    while let Some((byte, c)) = rest.next() {
        match c {
            c if c == quote => return Ok((Word::Text(read), byte + 2)),
            '\n' if quote != '`' => return Err(open()),
            '\\' if quote != '`' => {
                let place = at + 1 + byte;
                let escaped = escape(&mut rest, quote);
                let escaped = escaped.ok_or_else(|| {
                    wrong(text, place, "unknown escape sequence after `\\` in a quoted string")
                })?;
                read.push(escaped);
            }
            c => read.push(c),
        }
    }
    Err(open())
}

/// What stands behind a `\`.
fn escape(rest: &mut std::str::CharIndices<'_>, quote: char) -> Option<char> {
    let c = rest.next()?.1;
    let mut code = |digits: usize, radix: u32, start: u32| {
        (0..digits).try_fold(start, |code: u32, _| {
            code.checked_mul(radix)?.checked_add(rest.next()?.1.to_digit(radix)?)
        })
    };
    let code = match c {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => 10,
        'r' => 13,
        't' => 9,
        'v' => 11,
        'x' => code(2, 16, 0)?,
        'u' => code(4, 16, 0)?,
        'U' => code(8, 16, 0)?,
        '0'..='7' => code(2, 8, c.to_digit(8)?).filter(|code| *code < 256)?,
        c if c == quote || c == '\\' => u32::from(c),
        _ => return None,
    };
    char::from_u32(code)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn first(text: &str) -> Word {
        words(text).unwrap().remove(0).0
    }

    #[test]
    fn numbers_and_durations_are_read_as_prometheus_reads_them() {
        for (text, number) in [
            ("1", 1.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("5e-3", 0.005),
            ("0xc", 12.0),
            ("0755", 493.0),
            ("08", 8.0),
            ("1e400", f64::INFINITY),
        ] {
            assert_eq!(first(text), Word::Number(number), "{text}");
        }
        assert_eq!(first("1h30m"), Word::Duration(5_400_000));
        assert_eq!(first("1y2w3d4h5m6s7ms"), Word::Duration(33_019_506_007));
        for text in ["1m1h", "5z", "1h1h", "0xg", "1.5h", "99999999999999y"] {
            assert!(words(text).is_err(), "{text}");
        }
    }

    #[test]
    fn texts_are_unescaped_and_what_is_wrong_has_its_place() {
        assert_eq!(first(r#""a\n\"\x41\u00e9\101""#), Word::Text("a\n\"Aé\u{41}".into()));
        assert_eq!(first(r"`a\n`"), Word::Text(r"a\n".into()));
        assert_eq!(words("1 +\n \"a\\q\"").unwrap_err().place, Place { line: 2, column: 4, byte: 7 });
        assert_eq!(words("é $").unwrap_err().to_string(), "1:1: parse error: unexpected character 'é'");
        assert!(words("'a").is_err() && words("\"a\n\"").is_err());
    }
}
