//! Predicates as text: `cern-*/hosts/*/load1 where value > 4 since=2h every=5m:mean,max`.

use super::{
    Aggregate, Constraint, Every, MAX_PATTERNS, PathPattern, Predicate, PredicateFault, Reading, When,
    Window, constraint,
};
use crate::duration;
use crate::moment::{self, Moment, Resolve};
use crate::syntax::{Cursor, SyntaxError};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Why a text is not a predicate.
pub type PredicateError = SyntaxError;

const TIME: &str =
    "a duration back from now (5m, 2d), RFC 3339 (2026-11-20T14:00:00Z), or a local time (2026-11-20 14:00)";
const WINDOW: &str = "since=, until=, last, every= or as=";

impl Predicate {
    /// Reads a predicate; times without a zone are UTC.
    ///
    /// # Errors
    /// Where, what, and what was expected.
    pub fn parse(text: &str) -> Result<Self, PredicateError> {
        Self::parse_with(text, &moment::utc)
    }

    /// Reads a predicate; `resolve` finds the moment of times without a zone.
    ///
    /// # Errors
    /// Where, what, and what was expected.
    pub fn parse_with(text: &str, resolve: Resolve<'_>) -> Result<Self, PredicateError> {
        let mut cursor = Cursor::new(text);
        let mut predicate = Self::live(patterns(&mut cursor)?);
        let window = cursor.at();
        if word_is(&cursor, "where") {
            cursor.eat("where");
            cursor.skip_space();
            predicate.constraint = Some(constraint::read(&mut cursor)?);
            space(&mut cursor)?;
        }
        let window_words = window_words(&mut cursor, &mut predicate, resolve)?;
        predicate.check().map_err(|fault| {
            let at =
                window_words.iter().find(|(_, word)| is_about(&fault, word)).map_or(window, |(at, _)| *at);
            SyntaxError::new(at, fault.to_string(), "a predicate that can be answered")
        })?;
        Ok(predicate)
    }

    /// Reads the words of a command line as one predicate: each is a pattern, a word of the constraint or window, or
    /// several of them. Positions in errors are those in the words joined by spaces.
    ///
    /// # Errors
    /// Where, what, and what was expected.
    pub fn parse_words<W: AsRef<str>>(
        words: impl IntoIterator<Item = W>,
        resolve: Resolve<'_>,
    ) -> Result<Self, PredicateError> {
        let words: Vec<W> = words.into_iter().collect();
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        Self::parse_with(&words.join(" "), resolve)
    }

    /// The text by which equal questions are known: patterns and listed values sorted, none twice.
    pub fn canonical(&self) -> String {
        let mut same = self.clone();
        same.patterns.sort_by_cached_key(ToString::to_string);
        same.patterns.dedup();
        if let Some(Constraint::In(values)) = &mut same.constraint {
            values.sort();
            values.dedup();
        }
        same.to_string()
    }
}

impl When {
    /// Reads `now`, `5m` (back from now), RFC 3339, or a date or local time that `resolve` places.
    ///
    /// # Errors
    /// What is wrong and what was expected, in words that follow the text.
    pub fn parse(text: &str, resolve: Resolve<'_>) -> Result<Self, String> {
        match moment::parse(text) {
            Some(Moment::At(at)) => Ok(Self::At(at)),
            Some(Moment::Local(local)) => resolve(&local)
                .map(Self::At)
                .ok_or_else(|| format!("`{text}` does not exist in the local time zone")),
            None if text == "now" => Ok(Self::Ago(Duration::ZERO)),
            None => duration::parse(text)
                .map(Self::Ago)
                .map_err(|_| format!("`{text}` is not a time: expected {TIME}")),
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(at) => f.write_str(&moment::print(*at)),
            Self::Ago(ago) => f.write_str(&duration::print(*ago)),
        }
    }
}

impl Aggregate {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Last, Self::Mean, Self::Min, Self::Max, Self::Count];

    /// The word users read and write.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Mean => "mean",
            Self::Min => "min",
            Self::Max => "max",
            Self::Count => "count",
        }
    }
}

impl Reading {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Raw, Self::Rate, Self::Delta];

    /// The word users read and write.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Rate => "rate",
            Self::Delta => "delta",
        }
    }
}

fn patterns(cursor: &mut Cursor<'_>) -> Result<Vec<PathPattern>, PredicateError> {
    let mut patterns = Vec::new();
    cursor.skip_space();
    while !cursor.rest().is_empty() && !starts_other_part(cursor) {
        if patterns.len() == MAX_PATTERNS {
            return Err(SyntaxError::new(cursor.at(), "one pattern more", format!("at most {MAX_PATTERNS}")));
        }
        patterns.push(PathPattern::read(cursor)?);
        cursor.skip_space();
    }
    if patterns.is_empty() {
        return Err(cursor.unexpected("a path pattern, such as `*/hosts/*/cpu*`"));
    }
    Ok(patterns)
}

/// Whether the next word is one that no pattern can be: a farm of such a name is written with its slash, `last/*`.
fn starts_other_part(cursor: &Cursor<'_>) -> bool {
    let keyed = ["since=", "until=", "every=", "as="];
    word_is(cursor, "where")
        || word_is(cursor, "last")
        || keyed.iter().any(|key| cursor.rest().starts_with(key))
}

fn word_is(cursor: &Cursor<'_>, word: &str) -> bool {
    cursor.word() == word
}

/// Reads the words of the window to the end; where each began, and what it was.
fn window_words<'a>(
    cursor: &mut Cursor<'a>,
    predicate: &mut Predicate,
    resolve: Resolve<'_>,
) -> Result<Vec<(usize, &'a str)>, PredicateError> {
    let mut seen: Vec<(usize, &str)> = Vec::new();
    loop {
        if cursor.rest().is_empty() {
            return Ok(seen);
        }
        let start = cursor.at();
        let word = cursor.word();
        let key = word.split_once('=').map_or(word, |(key, _)| key);
        if seen.iter().any(|(_, before)| *before == key) {
            return Err(SyntaxError::new(start, format!("`{key}` a second time"), "each once"));
        }
        let is_flag = key.len() == word.len();
        cursor.eat(key);
        cursor.eat("=");
        match key {
            "last" if is_flag => predicate.window.last = true,
            "since" if !is_flag => predicate.window.since = Some(when(cursor, resolve)?),
            "until" if !is_flag => predicate.window.until = Some(when(cursor, resolve)?),
            "every" if !is_flag => predicate.window.every = Some(every(cursor)?),
            "as" if !is_flag => predicate.reading = choice(cursor, &Reading::ALL, Reading::as_str)?,
            "where" => return Err(SyntaxError::new(start, "`where` here", "it once, before the window")),
            _ => return Err(SyntaxError::new(start, format!("`{word}`"), WINDOW)),
        }
        seen.push((start, key));
        space(cursor)?;
    }
}

fn space(cursor: &mut Cursor<'_>) -> Result<(), PredicateError> {
    if cursor.skip_space() { Ok(()) } else { Err(cursor.unexpected("white space")) }
}

/// Reads a time: a word, a quoted text, or a date and a time with one space between.
fn when(cursor: &mut Cursor<'_>, resolve: Resolve<'_>) -> Result<When, PredicateError> {
    let start = cursor.at();
    let text = if cursor.eat("\"") {
        let text = cursor.take_until(|c| c == '"');
        if !cursor.eat("\"") {
            return Err(SyntaxError::new(start, "quotes that are not closed", TIME));
        }
        text
    } else {
        let rest = cursor.rest();
        let date = cursor.take_until(|c| c.is_ascii_whitespace());
        let mut ahead = cursor.clone();
        let is_split =
            matches!(moment::parse(date), Some(Moment::Local(_))) && date.len() == 10 && ahead.eat(" ");
        let time = ahead.take_until(|c| c.is_ascii_whitespace());
        if is_split && time.starts_with(|c: char| c.is_ascii_digit()) {
            *cursor = ahead;
            rest.get(..date.len() + 1 + time.len()).unwrap_or_default()
        } else {
            date
        }
    };
    When::parse(text, resolve).map_err(|problem| {
        let (what, expected) = problem.split_once(": expected ").unwrap_or((&problem, TIME));
        SyntaxError::new(start, what, expected)
    })
}

fn every(cursor: &mut Cursor<'_>) -> Result<Every, PredicateError> {
    let start = cursor.at();
    let text = cursor.take_until(|c| c == ':' || c.is_ascii_whitespace());
    let width = duration::parse(text).map_err(|_| {
        SyntaxError::new(start, format!("`{text}`"), "a width and aggregates, as in every=5m:mean,max")
    })?;
    if !cursor.eat(":") {
        return Err(cursor.unexpected("`:` and aggregates, as in every=5m:mean,max"));
    }
    let mut aggregates = vec![choice(cursor, &Aggregate::ALL, Aggregate::as_str)?];
    while cursor.eat(",") {
        aggregates.push(choice(cursor, &Aggregate::ALL, Aggregate::as_str)?);
    }
    Ok(Every { width, aggregates })
}

/// Reads one word out of a few.
fn choice<T: Copy>(
    cursor: &mut Cursor<'_>,
    all: &[T],
    word: fn(T) -> &'static str,
) -> Result<T, PredicateError> {
    let start = cursor.at();
    let text = cursor.take_until(|c| c == ',' || c.is_ascii_whitespace());
    all.iter().copied().find(|one| word(*one) == text).ok_or_else(|| {
        let words: Vec<_> = all.iter().map(|one| word(*one)).collect();
        SyntaxError::new(start, format!("`{text}`"), format!("one of {}", words.join(", ")))
    })
}

/// Which word of the window an error should point at.
fn is_about(fault: &PredicateFault, word: &str) -> bool {
    match fault {
        PredicateFault::Time => matches!(word, "since" | "until"),
        PredicateFault::Backwards => word == "until",
        PredicateFault::LastWithSince | PredicateFault::LastWithEvery => word == "last",
        PredicateFault::Width(_) | PredicateFault::NoAggregates | PredicateFault::AggregateTwice(_) => {
            word == "every"
        }
        PredicateFault::DeltaWithEvery => word == "as",
        _ => false,
    }
}

impl FromStr for Predicate {
    type Err = PredicateError;
    fn from_str(text: &str) -> Result<Self, PredicateError> {
        Self::parse(text)
    }
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, pattern) in self.patterns.iter().enumerate() {
            write!(f, "{}{pattern}", if at == 0 { "" } else { " " })?;
        }
        if let Some(constraint) = &self.constraint {
            write!(f, " where {constraint}")?;
        }
        write!(f, "{}", self.window)?;
        match self.reading {
            Reading::Raw => Ok(()),
            reading => write!(f, " as={}", reading.as_str()),
        }
    }
}

/// Each word with a space before it.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(since) = &self.since {
            write!(f, " since={since}")?;
        }
        if let Some(until) = &self.until {
            write!(f, " until={until}")?;
        }
        if self.last {
            f.write_str(" last")?;
        }
        if let Some(every) = &self.every {
            let aggregates: Vec<_> = every.aggregates.iter().map(|aggregate| aggregate.as_str()).collect();
            write!(f, " every={}:{}", duration::print(every.width), aggregates.join(","))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
