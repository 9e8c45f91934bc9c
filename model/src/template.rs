//! Templates: a condition on registrations.
//!
//! As text: `kind=farm group=alice name=cern-* country!=CH cores=64.. has:gpu`; terms are and-ed, a bare word is a
//! name pattern. On the wire: a list of (key, operation, values).

mod matcher;
mod text;

pub use matcher::{Condition, Field, Matcher, Reach, TemplateFault};
pub use text::TemplateError;

use crate::glob::Glob;
use crate::registration::{Id, Registration};

/// Most terms in one template; more are refused.
pub const MAX_TERMS: usize = 64;
/// Most values in one term; more are refused.
pub const MAX_VALUES: usize = 64;

/// Terms that must all hold. The empty template matches everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Template {
    /// The terms.
    pub terms: Vec<Term>,
}

/// One condition. Keys `id`, `kind`, `group`, `name`, `version`, `api` mean the registration's own fields, any other an
/// attribute; an attribute that is called like a field is `attr.kind`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Term {
    /// Which field or attribute.
    pub key: String,
    /// What must hold of it.
    pub operation: Operation,
}

/// What must hold of a field. A registration with several values of it (groups) satisfies a positive condition with any of
/// them, a negative one with none of them. What is absent satisfies negative conditions only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Matching one of these globs (`name=cern-*`, `country=CH,FR`); the empty text is equal to itself only.
    Is(Vec<String>),
    /// Matching none of these globs.
    IsNot(Vec<String>),
    /// `key=64..`, `..10`, `1..5`: a number in this range, both ends included. The texts of the bounds, as given.
    Range(Option<String>, Option<String>),
    /// `has:key`.
    Present,
    /// `!has:key`.
    Absent,
}

impl Template {
    /// Whether all terms hold of `registration`. To ask more than once, [`Template::compile`] first.
    pub fn matches(&self, registration: &Registration) -> bool {
        self.terms.iter().all(|term| term.matches(registration))
    }

    /// A text that an `id` is compared with and that can be none: it is no pattern, and not 32 hex digits in lower case.
    pub fn no_id(&self) -> Option<&str> {
        let is_none = |value: &&String| {
            let glob = Glob::new(value).ok();
            let literal = glob.as_ref().and_then(Glob::literal);
            literal.is_some_and(|text| text.parse::<Id>().map_or(true, |id| id.to_string() != *text))
        };
        let values =
            self.terms.iter().filter(|term| term.key == "id").filter_map(|term| match &term.operation {
                Operation::Is(values) | Operation::IsNot(values) => Some(values),
                _ => None,
            });
        values.flatten().find(is_none).map(String::as_str)
    }
}

impl Term {
    /// Whether the term holds of `registration`; one that does not compile holds of nothing.
    pub fn matches(&self, registration: &Registration) -> bool {
        Matcher::of_term(self).is_ok_and(|matcher| matcher.matches(registration))
    }
}
