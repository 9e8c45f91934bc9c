//! Globs over one name.
/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Glob(String);
impl Glob {
    /// Whether it matches.
    pub fn matches(&self, _name: &str) -> bool { true }
}
