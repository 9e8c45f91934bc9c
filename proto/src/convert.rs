//! Between the generated types and the model's, checking everything that comes in.

pub mod batch;
pub mod deployment;
pub mod document;
pub mod predicate;
pub mod registration;
pub mod series;
pub mod template;

/// Why something from the wire is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct WireError {
    /// Where: the field's path.
    pub field: String,
    /// What is wrong, and what was expected.
    pub problem: String,
}

impl WireError {
    /// `problem` at `field`.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }

    /// The same, seen from the message that `field` is in.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        self.field = format!("{outer}.{}", self.field);
        self
    }
}

impl From<WireError> for tonic::Status {
    fn from(error: WireError) -> Self {
        Self::invalid_argument(error.to_string())
    }
}
