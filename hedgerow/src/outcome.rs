//! How a command ends: its exit status, and what it says when it failed.

use std::io;
use std::process::ExitCode;

/// How a command that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All of it.
    Done,
    /// In part: who did not answer was named.
    InPart,
}

/// Why a command failed. One line where possible: what was tried, where, what to do next.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Asked in a way that cannot be meant.
    #[error("{0}")]
    Misuse(String),
    /// It did not work.
    #[error("{0}")]
    Failed(String),
    /// What was to be said has been said already.
    #[error("said before")]
    Silent,
    /// Whoever read the output went away, as `head` does: no failure.
    #[error("the reader went away")]
    ReaderGone,
}

impl CommandError {
    /// It did not work, for this reason, the reasons behind it included.
    pub fn failed(error: &dyn std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            let said = error.to_string();
            // Some errors say what is behind them in their own words.
            if !text.contains(&said) {
                text.push_str(": ");
                text.push_str(&said);
            }
            source = error.source();
        }
        Self::Failed(text)
    }
}

/// Of writing to standard output.
impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => Self::Failed(format!("cannot write to standard output: {error}")),
        }
    }
}

impl From<hedgerow_client::error::ClientError> for CommandError {
    fn from(error: hedgerow_client::error::ClientError) -> Self {
        Self::failed(&error)
    }
}

/// The status with which the process ends; what is to be said is said.
pub fn exit(ended: Result<Outcome, CommandError>) -> ExitCode {
    let error = match ended {
        Ok(Outcome::Done) | Err(CommandError::ReaderGone) => return ExitCode::SUCCESS,
        Ok(Outcome::InPart) => return ExitCode::from(3),
        Err(error) => error,
    };
    if !matches!(error, CommandError::Silent) {
        crate::output::say(&format!("hedgerow: {error}"));
    }
    ExitCode::from(if matches!(error, CommandError::Misuse(_)) { 2 } else { 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_leaves_is_no_failure() {
        let gone: CommandError = io::Error::from(io::ErrorKind::BrokenPipe).into();
        assert!(matches!(gone, CommandError::ReaderGone));
        let full: CommandError = io::Error::from(io::ErrorKind::StorageFull).into();
        assert!(full.to_string().starts_with("cannot write to standard output: "));
    }

    #[test]
    fn reasons_behind_are_told_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot open")]
        struct Outer(#[source] io::Error);
        let error = CommandError::failed(&Outer(io::Error::other("no such file")));
        assert_eq!(error.to_string(), "cannot open: no such file");
    }
}
