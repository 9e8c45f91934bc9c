//! A process that runs beside the test, with its output in files, killed when it is dropped.

use crate::output::{Finished, json_lines};
use crate::patience::{PATIENCE, Stopwatch, wait_for};
use crate::processes::Snapshot;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// Of a log that is shown, so many bytes of its end.
const SHOWN: usize = 6_000;

/// A running process.
#[derive(Debug)]
pub struct Process {
    name: String,
    line: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Starts it, with its output in files of this name in `folder`.
    pub fn start(mut command: Command, folder: &Path, name: &str) -> Self {
        let (stdout, stderr) = (folder.join(format!("{name}.out")), folder.join(format!("{name}.err")));
        command.stdin(Stdio::null());
        command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        let line = line(&command);
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start `{line}`: {error}"));
        Self { name: name.to_owned(), line, child, stdout, stderr }
    }

    /// Its number.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// It and everything it started that is still its descendant.
    pub fn tree(&self) -> Snapshot {
        Snapshot::tree(self.pid())
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it has printed so far.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stdout).unwrap_or_default()).into_owned()
    }

    /// What it has said on standard error so far.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stderr).unwrap_or_default()).into_owned()
    }

    /// The objects it has printed so far.
    pub fn json(&self) -> Vec<Value> {
        json_lines(&self.stdout())
    }

    /// Asks it to end.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.pid()).unwrap(), signal).unwrap();
    }

    /// Kills it as a crash would, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends the signal and waits for the end; how long that took.
    pub fn stop(&mut self, signal: Signal) -> (ExitStatus, Duration) {
        let watch = Stopwatch::new();
        self.signal(signal);
        (self.ended(PATIENCE), watch.elapsed())
    }

    /// Waits for its end.
    pub fn ended(&mut self, patience: Duration) -> ExitStatus {
        let what = format!("the end of `{}`", self.line);
        wait_for(&what, patience, || self.child.try_wait().unwrap())
    }

    /// Waits for its end and gives all it printed.
    pub fn finished(mut self, patience: Duration) -> Finished {
        let status = self.ended(patience);
        Finished { line: self.line.clone(), status, stdout: self.stdout(), stderr: self.stderr() }
    }

    /// Waits until it has printed a line that holds `words`.
    pub fn prints(&mut self, words: &str, patience: Duration) {
        wait_for(&format!("`{words}` from `{}`", self.line), patience, || {
            let ended = !self.is_running();
            let found = self.stdout().contains(words) || self.stderr().contains(words);
            assert!(found || !ended, "`{}` ended before it said `{words}`:\n{}", self.line, self.stderr());
            found.then_some(())
        });
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {}: `{}`, output:\n{}", self.name, self.line, end_of(&self.stdout()));
            eprintln!("--- {}: standard error:\n{}", self.name, end_of(&self.stderr()));
        }
        if matches!(self.child.try_wait(), Ok(None)) {
            let tree = self.tree();
            let _ = self.child.kill();
            let _ = self.child.wait();
            // Whether a killed process takes all with it is for one test to show, not for the others to suffer from.
            tree.kill();
        }
    }
}

/// The command as a person would type it.
pub fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

fn end_of(text: &str) -> &str {
    let mut begin = text.len().saturating_sub(SHOWN);
    while !text.is_char_boundary(begin) {
        begin += 1;
    }
    &text[begin..]
}
