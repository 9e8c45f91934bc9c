//! Processes by state: one look at each `/proc/*/stat`. That costs some microseconds a process, so it is done every
//! [`EVERY`] at most, and on the thread for questions.

use super::asks::{Asks, Outcome};
use super::parameters::{PROCESSES, Processes};
use super::rows::{Out, Rows};
use super::{Answer, Question};
use crate::module::CollectError;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

/// How often processes are counted at most.
pub(super) const EVERY: Duration = Duration::from_secs(30);
/// Most processes that are looked at; where there are more, only their number is given.
const MAX_LOOKED_AT: u64 = 50_000;
/// The states, as items; the last for letters that are not known.
const STATES: [&str; 7] = ["running", "sleeping", "blocked", "stopped", "zombie", "idle", "other"];
const PART: &str = "/proc/*/stat";

/// How many processes there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub all: u64,
    pub by_state: [u64; STATES.len()],
}

/// Counts the processes under `proc`.
pub(super) fn count(proc: &Path) -> io::Result<Counts> {
    let mut counts = Counts::default();
    let mut buffer = [0; 512];
    for entry in fs::read_dir(proc)? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        counts.all += 1;
        if counts.all > MAX_LOOKED_AT {
            continue;
        }
        let read = File::open(entry.path().join("stat")).and_then(|mut file| file.read(&mut buffer));
        match read {
            Ok(read) => {
                if let Some(place) = counts.by_state.get_mut(state(buffer.get(..read).unwrap_or_default())) {
                    *place += 1;
                }
            }
            // It has ended since.
            Err(_) => counts.all -= 1,
        }
    }
    Ok(counts)
}

/// The state in `/proc/N/stat`: the letter behind the last bracket, for a program's name may hold brackets.
pub(super) fn state(stat: &[u8]) -> usize {
    let letter = stat.iter().rposition(|b| *b == b')').and_then(|at| stat.get(at + 2));
    match letter {
        Some(b'R') => 0,
        Some(b'S') => 1,
        Some(b'D') => 2,
        Some(b'T' | b't') => 3,
        Some(b'Z') => 4,
        Some(b'I') => 5,
        _ => 6,
    }
}

/// The counting.
#[derive(Debug)]
pub(super) struct ProcessCounts {
    rows: Rows<()>,
    every: u64,
    runs: u64,
    asked: bool,
    question: Question,
}

impl ProcessCounts {
    pub fn new(period: Duration, proc: &Path) -> Self {
        let every =
            u32::try_from(EVERY.as_millis().div_ceil(period.as_millis().max(1))).unwrap_or(u32::MAX).max(1);
        let rows = Rows::every(PROCESSES, every);
        Self { rows, every: every.into(), runs: 0, asked: false, question: Question::Processes(proc.into()) }
    }

    pub fn ask(&mut self, asks: &mut Asks<Question, Answer>) {
        self.asked = self.runs.is_multiple_of(self.every);
        self.runs += 1;
        if self.asked {
            asks.ask(&self.question);
        }
    }

    pub fn take(&mut self, out: &mut Out<'_>, asks: &mut Asks<Question, Answer>) {
        if !self.asked {
            return;
        }
        match asks.outcome(&self.question) {
            Outcome::Answered(Answer::Processes(Ok(counts))) => {
                self.rows.row(out, "").gauge(out, Processes::Count, counts.all);
                for (name, count) in STATES.iter().zip(counts.by_state) {
                    if counts.all <= MAX_LOOKED_AT {
                        self.rows.row(out, name).gauge(out, Processes::Count, count);
                    }
                }
            }
            Outcome::Answered(Answer::Processes(Err(error))) => {
                out.failed(PART, super::files::failure(PART, &error))
            }
            _ => {
                out.failed(PART, CollectError::TimedOut("counting the processes takes too long".to_owned()));
                for item in STATES.iter().chain([&""]) {
                    self.rows.row(out, item).stale(out, "counting takes too long");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_brackets_do_not_hide_the_state() {
        assert_eq!(state(b"1 (systemd) S 0 1 1 0"), 1);
        assert_eq!(state(b"7 (a) Z (b) R 0"), 0);
        assert_eq!(state(b"7 (kworker/0:1) I 2"), 5);
        assert_eq!(state(b"7 (x) "), 6);
        assert_eq!(state(b"7 x"), 6);
        assert_eq!(state(b""), 6);
    }
}
