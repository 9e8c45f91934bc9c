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

/// What a term asks about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Field {
    /// The id, as 32 hex digits.
    Id,
    /// The kind.
    Kind,
    /// The groups.
    Group,
    /// The name.
    Name,
    /// The version.
    Version,
    /// The APIs.
    Api,
    /// The attribute with this key.
    Attribute(String),
}

/// A compiled term, for those who know where to look for what fits it.
#[derive(Debug, Clone, Copy)]
pub struct Condition<'a> {
    field: &'a Field,
    test: &'a Test,
}

/// Where the values are that can fit a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach<'a> {
    /// Every value fits.
    Any,
    /// This one fits.
    Exact(&'a str),
    /// Only such that begin like this can fit.
    Prefix(&'a str),
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

    /// The terms, which must all hold.
    pub fn conditions(&self) -> impl Iterator<Item = Condition<'_>> {
        self.terms.iter().map(|(field, test)| Condition { field, test })
    }

    pub(super) fn of_term(term: &Term) -> Result<Self, TemplateFault> {
        compile_term(term).map(|term| Self { terms: vec![term] })
    }
}

impl<'a> Condition<'a> {
    /// What it asks about.
    pub const fn field(&self) -> &'a Field {
        self.field
    }

    /// Whether it holds where no value fits, rather than where one does.
    pub const fn is_negative(&self) -> bool {
        self.test.is_negative()
    }

    /// Whether a value fits.
    pub fn fits(&self, value: &str) -> bool {
        self.test.fits(value)
    }

    /// Where to look for values that fit; what is found by a prefix is to be asked [`Condition::fits`].
    pub fn reaches(&self) -> Vec<Reach<'a>> {
        let reach = |glob: &'a Option<Glob>| match glob {
            None => Reach::Exact(""),
            Some(glob) => glob.literal().map_or(Reach::Prefix(glob.prefix()), Reach::Exact),
        };
        match self.test {
            Test::Is(globs) | Test::IsNot(globs) => globs.iter().map(reach).collect(),
            Test::Range(..) => vec![Reach::Prefix("")],
            Test::Present | Test::Absent => vec![Reach::Any],
        }
    }
}

fn compile_term(term: &Term) -> Result<(Field, Test), TemplateFault> {
    let field = Field::named(&term.key)?;
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
    Ok((field, test))
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
    /// The field that a term's key means.
    ///
    /// # Errors
    /// Where it is no key.
    pub fn named(key: &str) -> Result<Self, TemplateFault> {
        if is_key(key) { Ok(Self::of(key)) } else { Err(TemplateFault::Key(key.to_owned())) }
    }

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

    /// The key that means it in a term.
    pub fn key(&self) -> String {
        match self {
            Self::Id => "id".into(),
            Self::Kind => "kind".into(),
            Self::Group => "group".into(),
            Self::Name => "name".into(),
            Self::Version => "version".into(),
            Self::Api => "api".into(),
            Self::Attribute(key) if matches!(Self::of(key), Self::Attribute(same) if same == *key) => {
                key.clone()
            }
            Self::Attribute(key) => format!("attr.{key}"),
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
        field.any(of, |text| self.fits(text)) != self.is_negative()
    }

    const fn is_negative(&self) -> bool {
        matches!(self, Self::IsNot(_) | Self::Absent)
    }

    fn fits(&self, text: &str) -> bool {
        match self {
            Self::Is(globs) | Self::IsNot(globs) => {
                globs.iter().any(|glob| glob.as_ref().map_or(text.is_empty(), |glob| glob.matches(text)))
            }
            Self::Range(low, high) => decimal(text).is_some_and(|n| *low <= n && n <= *high),
            Self::Present | Self::Absent => true,
        }
    }
}
