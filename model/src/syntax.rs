//! What the texts of this crate share: a cursor, the places a name can stand in, and errors that say where,
//! what, and what was expected. It must never guess: what is not written as the grammar says is refused.

use std::fmt;

/// Why a text could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at}: {what}; expected {expected}")]
pub struct SyntaxError {
    /// Offset in bytes of what is wrong, in the text that was given.
    pub at: usize,
    /// What is wrong.
    pub what: String,
    /// What could have stood there.
    pub expected: String,
}

impl SyntaxError {
    pub(crate) fn new(at: usize, what: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { at, what: what.into(), expected: expected.into() }
    }
}

/// Where a name or a pattern stands, and so which characters end it and which take a backslash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Alone in its field (wire, JSON, configuration): nothing ends it.
    Field,
    /// Farm, cluster or node of a path text.
    Name,
    /// The parameter of a path text; slashes are ordinary there.
    Parameter,
    /// A value between the brackets of a path text.
    Label,
    /// A value of a template.
    Word,
    /// A value of a template between quotes.
    Quoted,
}

impl Place {
    /// Whether an unescaped `c` ends what stands here.
    pub(crate) const fn ends_at(self, c: char) -> bool {
        match self {
            Self::Field => false,
            Self::Name => matches!(c, '/' | '[') || c.is_ascii_whitespace(),
            Self::Parameter => c == '[' || c.is_ascii_whitespace(),
            Self::Label => matches!(c, ',' | ']'),
            Self::Word => c == ',' || c.is_ascii_whitespace(),
            Self::Quoted => c == '"',
        }
    }

    /// Whether an unescaped `c` is a mistake here.
    pub(crate) const fn refuses(self, c: char) -> bool {
        match self {
            Self::Field | Self::Quoted => false,
            Self::Name | Self::Parameter => matches!(c, ']' | '=' | ','),
            Self::Label => matches!(c, '[' | '=') || c.is_ascii_whitespace(),
            Self::Word => c == '"',
        }
    }

    /// Whether a literal `c` is printed with a backslash here.
    pub(crate) const fn escapes(self, c: char) -> bool {
        matches!(c, '\\' | '*' | '?' | '{' | '}') || self.ends_at(c) || self.refuses(c)
    }
}

/// Writes `text` so that it is read as itself at `place`.
pub(crate) fn write_literal(f: &mut dyn fmt::Write, text: &str, place: Place) -> fmt::Result {
    for c in text.chars() {
        if place.escapes(c) {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    Ok(())
}

/// A text and how far it was read.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Takes the next character.
    pub(crate) fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Takes `what` if it comes next.
    pub(crate) fn eat(&mut self, what: &str) -> bool {
        let found = self.rest().starts_with(what);
        if found {
            self.at += what.len();
        }
        found
    }

    /// Takes everything up to the first character for which `stop` holds.
    pub(crate) fn take_until(&mut self, stop: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let taken = rest.get(..rest.find(stop).unwrap_or(rest.len())).unwrap_or_default();
        self.at += taken.len();
        taken
    }

    /// Takes white space; says whether there was any, or the text is at its end.
    pub(crate) fn skip_space(&mut self) -> bool {
        !self.take_until(|c| !c.is_ascii_whitespace()).is_empty() || self.rest().is_empty()
    }

    /// The word that comes next, up to white space, without taking it.
    pub(crate) fn word(&self) -> &'a str {
        self.clone().take_until(|c| c.is_ascii_whitespace())
    }

    /// Takes a literal character at `place`, where a backslash takes away its meaning. The caller has seen to what
    /// ends the place and to what has a meaning there.
    pub(crate) fn literal(&mut self, place: Place) -> Result<char, SyntaxError> {
        let at = self.at;
        match self.bump() {
            // What a terminal must not be sent is printed so.
            Some('\\') if self.eat("u{") => self.by_number(at),
            Some('\\') => self.bump().filter(|c| is_escapable(*c)).ok_or_else(|| {
                SyntaxError::new(
                    at,
                    "a backslash before nothing that takes one",
                    "one of \\ * ? { } , [ ] = \" / or a space after it",
                )
            }),
            Some(c) if c.is_control() => Err(SyntaxError::new(
                at,
                format!("the control character U+{:04X}", u32::from(c)),
                "names, which have none",
            )),
            Some(c) if place.refuses(c) || c == '}' => Err(SyntaxError::new(
                at,
                format!("`{c}` out of place"),
                format!("`\\{c}` where it is meant literally"),
            )),
            Some(c) => Ok(c),
            None => Err(self.unexpected("a character")),
        }
    }

    /// Takes the rest of a character given by its number: hex digits, and the brace behind them.
    fn by_number(&mut self, at: usize) -> Result<char, SyntaxError> {
        let digits = self.take_until(|c| !c.is_ascii_hexdigit());
        let number = u32::from_str_radix(digits, 16).ok().filter(|_| digits.len() <= 6 && self.eat("}"));
        number.and_then(char::from_u32).filter(|c| !c.is_control()).ok_or_else(|| {
            let expected = "1 to 6 hex digits of a character that is no control, as \\u{202e}";
            SyntaxError::new(at, "a character without a number", expected)
        })
    }

    /// That what comes next is not what was expected.
    pub(crate) fn unexpected(&self, expected: impl Into<String>) -> SyntaxError {
        let what = match self.peek() {
            Some(c) if c.is_ascii_whitespace() => "white space".to_owned(),
            Some(c) => format!("`{c}`"),
            None => "the end".to_owned(),
        };
        SyntaxError::new(self.at, what, expected)
    }
}

/// Reads a finite decimal number; what overflows is none.
pub(crate) fn decimal(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    text.parse::<f64>().ok().filter(|number| plain && number.is_finite())
}

const fn is_escapable(c: char) -> bool {
    matches!(c, '\\' | '*' | '?' | '{' | '}' | ',' | '[' | ']' | '=' | '"' | '/' | ' ')
}
