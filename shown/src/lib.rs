//! How things of a mesh are told to programs: samples, alarms, services, deployments as JSON. The command (`--json`) and the
//! HTTP API say the same of the same thing, since both say it with what is here.
//!
//! Knows the things and their form, not who asks and where it goes: no IO, no clock.

pub mod alarms;
pub mod bins;
pub mod deployments;
pub mod events;
pub mod farms;
pub mod filters;
pub mod json;
pub mod safe;
pub mod services;

use hedgerow_model::SeriesKey;

/// A series' path, as it can be read back. A farm that is no name (`name~id8` may be longer) is shown as it is.
pub fn path(farm: &str, key: &SeriesKey) -> String {
    match hedgerow_model::Name::new(farm) {
        Ok(farm) => hedgerow_model::SeriesPath { farm, key: key.clone() }.to_string(),
        Err(_) => format!("{farm}/{key}"),
    }
}

/// The word for a number that is none.
pub fn special(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "+Inf"
    } else {
        "-Inf"
    }
}
