//! What can be wrong with a query, in words for the one who wrote it.

use std::fmt;

/// Why a text is not a query that can be answered here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct ParseError {
    /// Where in the text it begins to be wrong.
    pub place: Place,
    /// What is wrong, and what was expected.
    pub what: What,
}

/// A place in a text that people wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The character within the line, from 1.
    pub column: usize,
    /// The byte within the whole text, from 0.
    pub byte: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl Place {
    /// The place of a byte of `text`.
    pub(crate) fn of(text: &str, byte: usize) -> Self {
        let before = &text[..text.floor_char_boundary(byte)];
        let line = before.rsplit('\n').next().unwrap_or_default();
        Self { line: before.matches('\n').count() + 1, column: line.chars().count() + 1, byte }
    }
}

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum What {
    /// It is no PromQL.
    #[error("parse error: {0}")]
    NotPromql(String),
    /// It is PromQL, but this server does not know it.
    #[error("not supported here: {what}; {instead}")]
    Unsupported {
        /// Which construct.
        what: String,
        /// What to write instead.
        instead: String,
    },
}

/// Why a query has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// Two series became one.
    #[error("vector cannot contain metrics with the same labelset: {0} twice")]
    SameLabels(String),
    /// Several series on the side that has to be one.
    #[error(
        "found duplicate series for the match group {group} on the {side} hand-side of the operation: [{first}, {second}]; many-to-many matching not allowed: matching labels must be unique on one side"
    )]
    ManyToMany {
        /// The labels that match.
        group: String,
        /// `left` or `right`.
        side: &'static str,
        /// One of them.
        first: String,
        /// Another.
        second: String,
    },
    /// Several series on one side without `group_left` or `group_right`.
    #[error(
        "multiple matches for labels {0}: many-to-one matching must be explicit (group_left/group_right)"
    )]
    ManyToOne(String),
    /// The result of grouping is not unique.
    #[error("multiple matches for labels {0}: grouping labels must ensure unique matches")]
    Grouping(String),
    /// An argument has no meaning.
    #[error("{function}: {what}")]
    Argument {
        /// The function or operator.
        function: &'static str,
        /// What is wrong with its argument.
        what: String,
    },
    /// It would take too much.
    #[error(
        "query processing would take too much: {what}, at most {most}; ask for fewer series, a shorter time, or a longer step"
    )]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// The bound.
        most: u64,
    },
}
