//! The processes of this machine, as /proc has them: who descends from whom, and who is still there.

use std::collections::BTreeSet;
use std::fs;

/// A process, told apart from a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessId {
    /// Its number.
    pub pid: i32,
    /// When it started, in ticks since the machine did.
    pub started: u64,
}

struct Stat {
    id: ProcessId,
    parent: i32,
    state: char,
}

/// Some processes at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot(BTreeSet<ProcessId>);

impl Snapshot {
    /// A process and everything that descends from it.
    pub fn tree(root: i32) -> Self {
        let all: Vec<Stat> = stats().collect();
        let mut found: BTreeSet<ProcessId> = all.iter().filter(|s| s.id.pid == root).map(|s| s.id).collect();
        loop {
            let more: Vec<ProcessId> = all
                .iter()
                .filter(|stat| !found.contains(&stat.id) && found.iter().any(|id| id.pid == stat.parent))
                .map(|stat| stat.id)
                .collect();
            if more.is_empty() {
                return Self(found);
            }
            found.extend(more);
        }
    }

    /// All whose command line holds `words`.
    pub fn of_command(words: &str) -> Self {
        let has = |stat: &Stat| command_line(stat.id.pid).contains(words);
        Self(stats().filter(has).map(|stat| stat.id).collect())
    }

    /// Both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The number of the one of this name.
    pub fn named(&self, name: &str) -> Option<i32> {
        let is_named =
            |pid: &i32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name);
        self.0.iter().map(|id| id.pid).find(is_named)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those still there, zombies included, each with its command line.
    pub fn left(&self) -> Vec<String> {
        stats()
            .filter(|stat| self.0.contains(&stat.id))
            .map(|stat| format!("{} {} {}", stat.id.pid, stat.state, command_line(stat.id.pid)))
            .collect()
    }

    /// Kills what is still there.
    pub fn kill(&self) {
        for stat in stats().filter(|stat| self.0.contains(&stat.id)) {
            if let Some(pid) = rustix::process::Pid::from_raw(stat.id.pid) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

fn stats() -> impl Iterator<Item = Stat> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    entries.filter_map(|entry| stat(entry.file_name().to_str()?.parse().ok()?))
}

fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, spaces and parentheses too.
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let started = fields.get(19)?.parse().ok()?;
    let state = fields.first()?.chars().next()?;
    Some(Stat { id: ProcessId { pid, started }, parent: fields.get(1)?.parse().ok()?, state })
}

fn command_line(pid: i32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}
