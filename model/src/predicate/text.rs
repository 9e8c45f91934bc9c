//! Predicates as text.
/// Error.
#[derive(Debug)] pub struct PredicateError;
