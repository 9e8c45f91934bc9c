//! Templates as text: `kind=farm name=cern-* country=CH,FR city="New York" cores=64.. !has:gpu`.

use super::{MAX_TERMS, MAX_VALUES, Operation, Template, TemplateFault, Term};
use crate::glob::Glob;
use crate::labels::is_key;
use crate::syntax::{Cursor, Place, SyntaxError, decimal, write_literal};
use std::fmt;
use std::str::FromStr;

/// Why a text is not a template.
pub type TemplateError = SyntaxError;

impl Template {
    /// Reads a template: terms separated by white space, none for everything.
    ///
    /// # Errors
    /// Where, what, and what was expected.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut cursor = Cursor::new(text);
        let mut template = Self::default();
        cursor.skip_space();
        while !cursor.rest().is_empty() {
            let start = cursor.at();
            if template.terms.len() == MAX_TERMS {
                return Err(SyntaxError::new(start, "one term more", format!("at most {MAX_TERMS}")));
            }
            let term = term(&mut cursor)?;
            let alone = Self { terms: vec![term] };
            alone.compile().map_err(|fault| fault_at(start, &fault))?;
            template.terms.extend(alone.terms);
            if !cursor.skip_space() {
                return Err(cursor.unexpected("white space or `,` behind a value"));
            }
        }
        Ok(template)
    }
}

/// What is wrong with a term, as a mistake at its place.
fn fault_at(start: usize, fault: &TemplateFault) -> TemplateError {
    let text = fault.to_string();
    match text.split_once(": expected ") {
        Some((what, expected)) => SyntaxError::new(start, what, expected),
        None => SyntaxError::new(start, text, "another term"),
    }
}

/// `cores>64` and the like, meant as a range: how that is written.
fn meant_as_range(word: &str) -> Option<String> {
    let at = word.find(['<', '>'])?;
    let (key, rest) = word.split_at_checked(at)?;
    let number = rest.get(1..)?.trim_start_matches('=');
    if !is_key(key) || decimal(number).is_none() {
        return None;
    }
    let range = if rest.starts_with('>') { format!("{key}={number}..") } else { format!("{key}=..{number}") };
    Some(format!("a range, as in {range} (both ends are included), or quotes around a name"))
}

fn term(cursor: &mut Cursor<'_>) -> Result<Term, TemplateError> {
    let start = cursor.at();
    for (prefix, operation) in [("has:", Operation::Present), ("!has:", Operation::Absent)] {
        if cursor.eat(prefix) {
            let key = cursor.take_until(|c| c.is_ascii_whitespace()).to_owned();
            return Ok(Term { key, operation });
        }
    }
    let mut ahead = cursor.clone();
    let key = ahead.take_until(|c| !is_key(c.encode_utf8(&mut [0; 4]))).to_owned();
    let negative = ahead.eat("!=");
    if negative || ahead.eat("=") {
        *cursor = ahead;
        let operation = values(cursor, negative)?;
        return Ok(Term { key, operation });
    }
    let word = cursor.word();
    if let Some(expected) = meant_as_range(word) {
        return Err(SyntaxError::new(start, format!("`{word}`"), expected));
    }
    if word.starts_with('!') || word.contains('=') {
        let expected =
            "KEY=VALUE, KEY!=VALUE, has:KEY, !has:KEY or a name pattern; a key has A-Z a-z 0-9 _ .";
        return Err(SyntaxError::new(start, format!("`{word}`"), expected));
    }
    match values(cursor, false)? {
        Operation::Range(..) => {
            Err(SyntaxError::new(start, "a range without a key", "KEY=LOW..HIGH, or quotes"))
        }
        operation => Ok(Term { key: "name".to_owned(), operation }),
    }
}

/// Reads a comma list, or one range.
fn values(cursor: &mut Cursor<'_>, negative: bool) -> Result<Operation, TemplateError> {
    let mut values = Vec::new();
    loop {
        let start = cursor.at();
        let quoted = cursor.eat("\"");
        let behind = cursor.rest();
        let begun = cursor.at();
        let place = if quoted { Place::Quoted } else { Place::Word };
        if values.len() == MAX_VALUES {
            return Err(SyntaxError::new(start, "one value more", format!("at most {MAX_VALUES}")));
        }
        values.push(if quoted && behind.starts_with('"') {
            String::new()
        } else {
            Glob::parse(cursor, place)?.as_str().to_owned()
        });
        let raw = behind.get(..cursor.at() - begun).unwrap_or_default();
        if quoted && !cursor.eat("\"") {
            return Err(SyntaxError::new(
                start,
                "quotes that are not closed",
                "`\"` at the end of the value",
            ));
        }
        if let Some((low, high)) = raw.split_once("..").filter(|_| !quoted) {
            if negative || values.len() > 1 || cursor.peek() == Some(',') {
                let expected = "one range alone behind `=`, or quotes around a value with `..`";
                return Err(SyntaxError::new(start, "a range here", expected));
            }
            let bound = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            return Ok(Operation::Range(bound(low), bound(high)));
        }
        if !cursor.eat(",") {
            return Ok(if negative { Operation::IsNot(values) } else { Operation::Is(values) });
        }
    }
}

impl FromStr for Template {
    type Err = TemplateError;
    fn from_str(text: &str) -> Result<Self, TemplateError> {
        Self::parse(text)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, term) in self.terms.iter().enumerate() {
            write!(f, "{}{term}", if at == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match &self.operation {
            Operation::Is(values) => write_values(f, key, "=", values),
            Operation::IsNot(values) => write_values(f, key, "!=", values),
            Operation::Range(low, high) => {
                write!(
                    f,
                    "{key}={}..{}",
                    low.as_deref().unwrap_or_default(),
                    high.as_deref().unwrap_or_default()
                )
            }
            Operation::Present => write!(f, "has:{key}"),
            Operation::Absent => write!(f, "!has:{key}"),
        }
    }
}

/// Writes values bare, or in quotes where bare ones would read as nothing or as a range.
fn write_values(f: &mut fmt::Formatter<'_>, key: &str, sign: &str, values: &[String]) -> fmt::Result {
    for (at, value) in values.iter().enumerate() {
        match at {
            0 => write!(f, "{key}{sign}")?,
            _ => f.write_str(",")?,
        }
        match Glob::new(value) {
            Ok(glob) if value.contains("..") => write!(f, "\"{}\"", glob.to_text(Place::Quoted))?,
            Ok(glob) => f.write_str(&glob.to_text(Place::Word))?,
            Err(_) => {
                f.write_str("\"")?;
                write_literal(f, value, Place::Quoted)?;
                f.write_str("\"")?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
