//! Patterns for paths, as text: as path text, with globs for names. Missing trailing parts mean `*`.

use super::{LabelPattern, PathPattern, PredicateError};
use crate::glob::Glob;
use crate::path::{PARTS, SeriesPath, brackets, write_brackets};
use crate::syntax::{Cursor, Place};
use std::fmt;
use std::str::FromStr;

impl PathPattern {
    /// Reads one pattern: `cern-*/net/sw-{a,b}?/in[Gi0/*]`.
    ///
    /// # Errors
    /// Where, what, and what was expected.
    pub fn parse(text: &str) -> Result<Self, PredicateError> {
        let mut cursor = Cursor::new(text);
        let pattern = Self::read(&mut cursor)?;
        if cursor.rest().is_empty() { Ok(pattern) } else { Err(cursor.unexpected("the end of the pattern")) }
    }

    /// The pattern of all series of all farms.
    pub fn any() -> Self {
        Self {
            farm: Glob::any(),
            cluster: Glob::any(),
            node: Glob::any(),
            parameter: Glob::any(),
            labels: LabelPattern::Any,
        }
    }

    /// The pattern of one series (and of those that have its labels and more).
    pub fn exact(path: &SeriesPath) -> Self {
        let labels: Vec<_> = path.key.labels.iter().map(|(k, v)| (k.to_owned(), Glob::exact(v))).collect();
        Self {
            farm: Glob::exact(&path.farm),
            cluster: Glob::exact(&path.key.cluster),
            node: Glob::exact(&path.key.node),
            parameter: Glob::exact(&path.key.parameter),
            labels: if labels.is_empty() { LabelPattern::None } else { LabelPattern::All(labels) },
        }
    }

    /// Reads up to white space or the end.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, PredicateError> {
        let mut pattern = Self::any();
        let parts = [&mut pattern.farm, &mut pattern.cluster, &mut pattern.node, &mut pattern.parameter];
        for ((at, part), name) in parts.into_iter().enumerate().zip(PARTS) {
            let place = if name == "parameter" { Place::Parameter } else { Place::Name };
            if cursor.peek().is_none_or(|c| place.ends_at(c)) {
                return Err(cursor.unexpected(format!("a {name} or a pattern for it, such as `*`")));
            }
            *part = Glob::parse(cursor, place)?;
            if at == 3 || !cursor.eat("/") {
                break;
            }
        }
        if cursor.eat("[") {
            pattern.labels = if cursor.eat("]") {
                LabelPattern::None
            } else {
                LabelPattern::All(brackets(cursor, |cursor| Glob::parse(cursor, Place::Label))?)
            };
        }
        if cursor.peek().is_some_and(|c| !c.is_ascii_whitespace()) {
            return Err(cursor.unexpected("white space or the end behind the labels"));
        }
        Ok(pattern)
    }
}

impl FromStr for PathPattern {
    type Err = PredicateError;
    fn from_str(text: &str) -> Result<Self, PredicateError> {
        Self::parse(text)
    }
}

/// All four parts, so that no pattern reads as a word of the window.
impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.farm, &self.cluster, &self.node] {
            write!(f, "{}/", part.to_text(Place::Name))?;
        }
        f.write_str(&self.parameter.to_text(Place::Parameter))?;
        match &self.labels {
            LabelPattern::Any => Ok(()),
            LabelPattern::None => f.write_str("[]"),
            LabelPattern::All(pairs) => {
                write_brackets(f, pairs.iter().map(|(k, v)| (k.as_str(), v)), |f, glob| {
                    f.write_str(&glob.to_text(Place::Label))
                })
            }
        }
    }
}
