//! What a command printed.

use serde_json::Value;
use std::process::ExitStatus;

/// A command that has ended.
#[derive(Debug)]
pub struct Finished {
    /// As a person would type it.
    pub line: String,
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    /// Its exit status; 128 + signal where a signal ended it.
    pub fn code(&self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or_default())
    }

    /// The same, where it ended with status 0.
    pub fn ok(self) -> Self {
        assert_eq!(self.code(), 0, "{}", self.told());
        self
    }

    /// The objects that it printed, where it ended with status 0.
    pub fn json(self) -> Vec<Value> {
        let finished = self.ok();
        json_lines(&finished.stdout)
    }

    /// Everything, for the message of an assertion.
    pub fn told(&self) -> String {
        format!("`{}` ended with {}\n{}\n{}", self.line, self.code(), self.stdout, self.stderr)
    }
}

/// One object a line. A last line without its end is not there yet.
pub fn json_lines(text: &str) -> Vec<Value> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let object = |line| {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("not one object a line: {error}: {line}"))
    };
    whole.lines().map(object).collect()
}
