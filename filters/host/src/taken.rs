//! A filter taken as a farm takes it, at its author's desk: compiled in a child with bounds, asked what it is. Nothing is signed or sent.

use crate::compile::{CompileError, Compiler};
use crate::guest::{Description, Fault, Limits};
use crate::{Engine, EngineError, EngineOptions, LoadError, Program};

/// Why a filter was not taken.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// This machine runs none.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// It is none, or could not be compiled.
    #[error("{name}: {error}")]
    Load {
        /// What it is called.
        name: String,
        /// Why not.
        error: LoadError,
    },
    /// It does not take the parameters, or failed.
    #[error("{name}: {fault}")]
    Describe {
        /// What it is called.
        name: String,
        /// What it did.
        fault: Fault,
    },
}

impl NotTaken {
    /// Whether it is a filter, and complains of its parameters.
    pub fn is_of_parameters(&self) -> bool {
        matches!(self, Self::Describe { fault: Fault::Refused(_), .. })
    }

    /// Whether it may be this machine that is to blame, and not the filter.
    pub fn is_of_this_machine(&self) -> bool {
        match self {
            Self::Engine(_) => true,
            Self::Load { error, .. } => {
                matches!(error, LoadError::Compile(CompileError::Start { .. } | CompileError::TooMuch { .. }))
            }
            Self::Describe { fault, .. } => matches!(fault, Fault::Host(_) | Fault::Overrun { .. }),
        }
    }
}

/// The program, and what it says of itself with these parameters, a JSON object; an empty text is one, too. `name` is what it is
/// called in what is said of it. It takes as long as compiling does, and blocks.
///
/// # Errors
/// What is wrong with it, or with the parameters.
pub fn taken(
    compiler: Compiler,
    name: &str,
    component: &[u8],
    parameters: &str,
) -> Result<(Program, Description), NotTaken> {
    taken_by(&Engine::new(EngineOptions::new(compiler))?, name, component, parameters)
}

/// The same by an engine that is there already.
///
/// # Errors
/// What is wrong with it, or with the parameters.
pub fn taken_by(
    engine: &Engine,
    name: &str,
    component: &[u8],
    parameters: &str,
) -> Result<(Program, Description), NotTaken> {
    let (program, description, complaint) = asked_by(engine, name, component, parameters)?;
    match complaint {
        None => Ok((program, description)),
        Some(complaint) => {
            Err(NotTaken::Describe { name: name.to_owned(), fault: Fault::Refused(complaint) })
        }
    }
}

/// The same, where the parameters may be wrong: then what its schema has against them stands beside what it says of itself.
///
/// # Errors
/// What is wrong with it; or with the parameters, where it says nothing of itself with such.
pub fn asked_by(
    engine: &Engine,
    name: &str,
    component: &[u8],
    parameters: &str,
) -> Result<(Program, Description, Option<String>), NotTaken> {
    let name = || name.to_owned();
    let program = engine.load(component).map_err(|error| NotTaken::Load { name: name(), error })?;
    let (description, complaint) = program
        .describe_all_the_same(or_none(parameters), &Limits::default())
        .map_err(|fault| NotTaken::Describe { name: name(), fault })?;
    Ok((program, description, complaint))
}

/// Parameters as a filter gets them.
pub fn or_none(parameters: &str) -> &str {
    if parameters.is_empty() { "{}" } else { parameters }
}
