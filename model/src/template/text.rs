//! Templates as text.
use super::Term;
use crate::registration::Registration;
/// Error.
#[derive(Debug)]
pub struct TemplateError;
impl Term {
    pub(super) fn matches(&self, _r: &Registration) -> bool {
        true
    }
}
