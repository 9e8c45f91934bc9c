//! A filter taken here as a farm takes it.

use super::component::Component;
use crate::hosting;
use crate::outcome::CommandError;
use hedgerow_filter_host::Program;
use hedgerow_filter_host::guest::Description;
use hedgerow_filter_host::taken::{self, NotTaken};

pub use hedgerow_filter_host::taken::or_none;

impl From<NotTaken> for CommandError {
    fn from(error: NotTaken) -> Self {
        Self::Failed(error.to_string())
    }
}

/// The program, and what it says of itself with these parameters, a JSON object; an empty text is one, too.
///
/// # Errors
/// What is wrong with it, or with the parameters.
pub fn taken(component: &Component, parameters: &str) -> Result<(Program, Description), NotTaken> {
    taken::taken(hosting::filter_compiler(), &component.name, &component.bytes, parameters)
}
