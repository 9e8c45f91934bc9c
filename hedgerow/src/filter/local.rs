//! A filter taken here as a farm takes it, with parameters that a person typed.

use super::component::Component;
use super::parameters::Given;
use crate::hosting;
use crate::outcome::CommandError;
use crate::output::safe::in_a_line;
use hedgerow_filter_host::compile::Compiler;
use hedgerow_filter_host::guest::{Description, Fault};
use hedgerow_filter_host::taken::{self, NotTaken};
use hedgerow_filter_host::{Engine, EngineOptions, Program};

pub use hedgerow_filter_host::taken::or_none;

/// Most ways in which the parameters are read before they are given up.
const MOST_READINGS: usize = 64;

impl From<NotTaken> for CommandError {
    fn from(error: NotTaken) -> Self {
        // Most of it may be the filter's own words.
        Self::Failed(in_a_line(&error.to_string()))
    }
}

/// A filter that was taken.
pub struct Taken {
    /// It.
    pub program: Program,
    /// What it says of itself with these parameters.
    pub description: Description,
    /// The parameters as it takes them: a JSON object, or empty.
    pub parameters: String,
}

/// Takes it; values that it refuses are read otherwise, where they can be.
///
/// # Errors
/// What is wrong with it, or with the parameters.
pub fn taken(component: &Component, given: Given) -> Result<Taken, NotTaken> {
    taken_by(hosting::filter_compiler(), component, given)
}

fn taken_by(compiler: Compiler, component: &Component, mut given: Given) -> Result<Taken, NotTaken> {
    let Component { bytes, name } = component;
    let engine = Engine::new(EngineOptions::new(compiler))?;
    let load = |error| NotTaken::Load { name: name.clone(), error };
    // Kept, so that it is compiled once, however often it is asked.
    let program = engine.load(bytes).map_err(load)?;
    let ask = |parameters: String| {
        let (_, description) = taken::taken_by(&engine, name, bytes, &parameters)?;
        Ok(Taken { program: program.clone(), description, parameters })
    };
    let first = match ask(given.object()) {
        Err(error) => error,
        taken => return taken,
    };
    let mut refused = words(&first).map(str::to_owned);
    for _ in 0..MOST_READINGS {
        if !refused.is_some_and(|words| given.read_otherwise(&words)) {
            break;
        }
        match ask(given.object()) {
            Err(error) => refused = words(&error).map(str::to_owned),
            taken => return taken,
        }
    }
    Err(repeat(first, &given))
}

/// A filter's words, where it refuses what was given.
fn words(error: &NotTaken) -> Option<&str> {
    match error {
        NotTaken::Describe { fault: Fault::Refused(words), .. } => Some(words),
        _ => None,
    }
}

/// With what was given, where the filter's words only name it.
fn repeat(mut error: NotTaken, given: &Given) -> NotTaken {
    if let NotTaken::Describe { fault: Fault::Refused(words), .. } = &mut error {
        let given = given.named_in(words);
        if !given.is_empty() {
            words.push_str(&format!("; given was {}", given.join(" ")));
        }
    }
    error
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::parameters::given;
    use super::*;

    fn said(name: &str, set: &[&str]) -> Result<String, String> {
        // In this process: a child would be this test.
        let component = Component::read(name).unwrap();
        let taken = taken_by(Compiler::InProcess, &component, given(set, &[]).unwrap());
        taken.map(|taken| taken.parameters).map_err(|error| CommandError::from(error).to_string())
    }

    #[test]
    fn a_value_is_what_the_filter_takes_it_for() {
        assert_eq!(said("expr", &["expr=load1", "name=7"]).as_deref(), Ok(r#"{"expr":"load1","name":"7"}"#));
        assert_eq!(said("quantile", &["quantiles=0.5"]).as_deref(), Ok(r#"{"quantiles":[0.5]}"#));
        assert_eq!(said("load", &["histogram=1,2,3"]).as_deref(), Ok(r#"{"histogram":[1,2,3]}"#));
        assert_eq!(said("threshold", &["above=0.9"]).as_deref(), Ok(r#"{"above":0.9}"#));
    }

    #[test]
    fn a_refusal_repeats_what_was_given_in_one_line() {
        let refused = said("quantile", &["quantiles=7"]).unwrap_err();
        assert!(refused.contains("`quantiles`") && refused.ends_with("given was quantiles=7"), "{refused}");
        let refused = said("threshold", &["above=high"]).unwrap_err();
        assert!(refused.contains("expected a number, found a text"), "{refused}");
        let long =
            NotTaken::Describe { name: "mine".into(), fault: Fault::Refused("line\nline2".repeat(1000)) };
        let line = CommandError::from(long).to_string();
        assert!(line.len() < 2500 && !line.contains('\n'), "{line}");
    }
}
