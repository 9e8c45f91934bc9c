//! A template compiled, so that a directory of many registrations is searched at the cost of comparisons only.

use super::{MAX_TERMS, MAX_VALUES, Operation, Template, Term};
use crate::glob::{Glob, GlobError};
use crate::labels::is_key;
use crate::registration::Registration;
use crate::syntax::decimal;

/// A template, checked and compiled.
#[derive(Debug, Clone)]
pub struct Matcher {
    terms: Vec<(Field, Test)>,
}

/// Why a template asks for nothing that can be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateFault {
    /// Too many terms.
    #[error("{0} terms: a template has at most {MAX_TERMS}")]
    Terms(usize),
    /// A key that is none.
    #[error("key `{0}`: expected 1 to 64 of A-Z a-z 0-9 _ .")]
    Key(String),
    /// No values, or too many.
    #[error("{count} values of `{key}`: expected 1 to {MAX_VALUES}")]
    Values {
        /// The term's key.
        key: String,
        /// How many.
        count: usize,
    },
    /// A value that is no glob.
    #[error("value of `{key}` {error}")]
    Value {
        /// The term's key.
        key: String,
        /// What is wrong with its value.
        error: GlobError,
    },
    /// A range without bounds, with one that is no number, or upside down.
    #[error("range of `{0}`: expected two numbers or one, the lower first, as in 64.. or 1..5")]
    Range(String),
}

#[derive(Debug, Clone)]
enum Field {
    Id,
    Kind,
    Group,
    Name,
    Version,
    Api,
    Attribute(String),
}

/// `None` among the globs stands for the empty text, which no glob can say.
#[derive(Debug, Clone)]
enum Test {
    Is(Vec<Option<Glob>>),
    IsNot(Vec<Option<Glob>>),
    Range(f64, f64),
    Present,
    Absent,
}

impl Template {
    /// Checks and compiles the template. Templates read from text have passed.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn compile(&self) -> Result<Matcher, TemplateFault> {
        if self.terms.len() > MAX_TERMS {
            return Err(TemplateFault::Terms(self.terms.len()));
        }
        self.terms.iter().map(compile_term).collect::<Result<_, _>>().map(|terms| Matcher { terms })
    }
}

impl Matcher {
    /// Whether all terms hold of `registration`.
    pub fn matches(&self, registration: &Registration) -> bool {
        self.terms.iter().all(|(field, test)| test.holds(field, registration))
    }

    pub(super) fn of_term(term: &Term) -> Result<Self, TemplateFault> {
        compile_term(term).map(|term| Self { terms: vec![term] })
    }
}

fn compile_term(term: &Term) -> Result<(Field, Test), TemplateFault> {
    if !is_key(&term.key) {
        return Err(TemplateFault::Key(term.key.clone()));
    }
    let test = match &term.operation {
        Operation::Is(values) => Test::Is(compile_values(&term.key, values)?),
        Operation::IsNot(values) => Test::IsNot(compile_values(&term.key, values)?),
        Operation::Range(low, high) => {
            let bound = |text: &Option<String>, open| text.as_deref().map_or(Some(open), decimal);
            let bounds = bound(low, f64::NEG_INFINITY).zip(bound(high, f64::INFINITY));
            let (low, high) = bounds
                .filter(|(from, to)| from <= to && (low.is_some() || high.is_some()))
                .ok_or_else(|| TemplateFault::Range(term.key.clone()))?;
            Test::Range(low, high)
        }
        Operation::Present => Test::Present,
        Operation::Absent => Test::Absent,
    };
    Ok((Field::of(&term.key), test))
}

fn compile_values(key: &str, values: &[String]) -> Result<Vec<Option<Glob>>, TemplateFault> {
    if !(1..=MAX_VALUES).contains(&values.len()) {
        return Err(TemplateFault::Values { key: key.to_owned(), count: values.len() });
    }
    let compile = |value: &String| (!value.is_empty()).then(|| Glob::new(value)).transpose();
    values
        .iter()
        .map(compile)
        .collect::<Result<_, _>>()
        .map_err(|error| TemplateFault::Value { key: key.to_owned(), error })
}

impl Field {
    fn of(key: &str) -> Self {
        match key {
            "id" => Self::Id,
            "kind" => Self::Kind,
            "group" => Self::Group,
            "name" => Self::Name,
            "version" => Self::Version,
            "api" => Self::Api,
            _ => Self::Attribute(key.strip_prefix("attr.").unwrap_or(key).to_owned()),
        }
    }

    /// Whether any of the field's values passes. Own fields that are empty have none.
    fn any(&self, of: &Registration, test: impl Fn(&str) -> bool) -> bool {
        let one = |text: &str| !text.is_empty() && test(text);
        match self {
            Self::Id => test(&of.id.to_string()),
            Self::Kind => one(&of.kind),
            Self::Group => of.groups.iter().any(|group| one(group)),
            Self::Name => one(&of.name),
            Self::Version => one(&of.version),
            Self::Api => of.apis.iter().any(|api| one(api)),
            Self::Attribute(key) => of.attributes.get(key).is_some_and(|value| test(value)),
        }
    }
}

impl Test {
    fn holds(&self, field: &Field, of: &Registration) -> bool {
        let fits = |globs: &[Option<Glob>], text: &str| {
            globs.iter().any(|glob| glob.as_ref().map_or(text.is_empty(), |glob| glob.matches(text)))
        };
        match self {
            Self::Is(globs) => field.any(of, |text| fits(globs, text)),
            Self::IsNot(globs) => !field.any(of, |text| fits(globs, text)),
            Self::Range(low, high) => {
                field.any(of, |text| decimal(text).is_some_and(|n| *low <= n && n <= *high))
            }
            Self::Present => field.any(of, |_| true),
            Self::Absent => !field.any(of, |_| true),
        }
    }
}
