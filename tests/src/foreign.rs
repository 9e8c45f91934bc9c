//! The client by strangers: `python/foreign.py`, which knows `proto/` and nothing else of ours.

use crate::binary::root;
use crate::patience::PATIENCE;
use crate::process::Process;
use rustix::process::Signal;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How to start it.
#[derive(Debug)]
pub struct Foreign {
    python: PathBuf,
    folder: PathBuf,
    lookups: Vec<String>,
}

/// One that runs.
#[derive(Debug)]
pub struct ForeignRun(Process);

/// The interpreter with what tests need.
pub fn python() -> PathBuf {
    let venv = || root().join(".tools/venv/bin/python");
    let python = std::env::var_os("HEDGEROW_PYTHON").map_or_else(venv, PathBuf::from);
    let there = python.is_file();
    assert!(there, "{} is not there: `cargo xtask setup --for test` makes it", python.display());
    python
}

impl Foreign {
    /// A client of the mesh that these lookups serve; its output goes into `folder`.
    pub fn new(folder: &Path, lookups: Vec<String>) -> Self {
        Self { python: python(), folder: folder.to_owned(), lookups }
    }

    /// Starts one of its commands; its words are those of `foreign.py --help`.
    pub fn start(&self, name: &str, words: &[&str]) -> ForeignRun {
        let (first, rest) = words.split_first().unwrap();
        let mut command = Command::new(&self.python);
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("GRPC_VERBOSITY", "ERROR");
        command.env_remove("http_proxy").env_remove("https_proxy");
        command
            .arg(root().join("tests/python/foreign.py"))
            .arg("--proto")
            .arg(root().join("proto"))
            .arg(first);
        for lookup in &self.lookups {
            command.args(["--lookup", lookup]);
        }
        command.args(rest);
        ForeignRun(Process::start(command, &self.folder, name))
    }

    /// Runs one of its commands to its end, and gives its report.
    pub fn run(&self, name: &str, words: &[&str]) -> Value {
        self.start(name, words).report()
    }
}

impl ForeignRun {
    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.0
    }

    /// Waits for its end, and gives its report.
    pub fn report(self) -> Value {
        let finished = self.0.finished(3 * PATIENCE).ok();
        let mut lines = crate::json_lines(&finished.stdout);
        assert_eq!(lines.len(), 1, "expected one report: {}", finished.told());
        lines.remove(0)
    }

    /// Tells it that it has been shown enough, and gives its report.
    pub fn stop(self) -> Value {
        self.0.signal(Signal::TERM);
        self.report()
    }

    /// How many lines a journal has: how much was shown so far.
    pub fn journal_lines(path: &Path) -> usize {
        std::fs::read(path).map_or(0, |bytes| bytes.iter().filter(|byte| **byte == b'\n').count())
    }
}
