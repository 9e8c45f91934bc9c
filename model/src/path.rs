//! Path text.
use crate::name::Name;
use crate::series::SeriesKey;
/// Farm and key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SeriesPath { /// farm
    pub farm: Name, /// key
    pub key: SeriesKey }
