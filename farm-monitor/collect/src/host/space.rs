//! File systems: how full each mount is. Each is a question on a thread of its own, for a mount can hang for ever.

use super::asks::{Asks, Outcome};
use super::files::{Files, failure};
use super::mounts::{self, Listed};
use super::parameters::{DISK, Disk};
use super::rows::{Out, Row, Rows};
use super::{Answer, Question};
use crate::module::CollectError;
use hedgerow_model::glob::Glob;
use rustix::fs::{Mode, OFlags};
use std::io;
use std::path::Path;
use std::sync::Arc;

const FILE: &str = "/proc/self/mountinfo";

/// What a file system says of its space, in bytes, and of its inodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Space {
    /// Its size; 0 where it holds no data.
    pub size: u64,
    /// Free space, what is kept for root included.
    pub free: u64,
    /// Free space for ordinary users.
    pub available: u64,
    /// Inodes; 0 where it does not count them.
    pub inodes: u64,
    /// Free inodes.
    pub inodes_free: u64,
}

/// Asks the mount at `path`. May hang for ever. Opens the path as a place only, which triggers no automount there.
///
/// # Errors
/// What the system says.
pub fn statvfs(path: &Path) -> io::Result<Space> {
    let place = rustix::fs::open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let stat = rustix::fs::fstatvfs(place)?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    Ok(Space {
        size: bytes(stat.f_blocks),
        free: bytes(stat.f_bfree),
        available: bytes(stat.f_bavail),
        inodes: stat.f_files,
        inodes_free: stat.f_ffree,
    })
}

/// Questions about local and about remote mounts wait on threads of their own, so that servers that are gone can never
/// take all threads from the disks of this machine.
#[derive(Debug)]
pub(super) struct Lines {
    pub local: Asks<Question, Answer>,
    pub remote: Asks<Question, Answer>,
}

impl Lines {
    fn of(&mut self, listed: &Listed) -> &mut Asks<Question, Answer> {
        if listed.remote { &mut self.remote } else { &mut self.local }
    }
}

/// The file systems.
#[derive(Debug)]
pub(super) struct FileSystems {
    rows: Rows<()>,
    skip: Vec<Glob>,
    /// The text the list was made from: it mostly stays.
    text: String,
    listed: Vec<(Listed, Question)>,
    /// Whether the list is whole and of this run.
    current: bool,
}

impl FileSystems {
    pub fn new(skip: Vec<Glob>) -> Self {
        Self { rows: Rows::new(DISK), skip, text: String::new(), listed: Vec::new(), current: false }
    }

    /// Lists the mounts and asks them.
    pub fn ask(&mut self, out: &mut Out<'_>, files: &mut Files, lines: &mut Lines) {
        self.current = false;
        let text = files.process_text("mountinfo");
        if text.as_ref().is_ok_and(|text| *text == self.text) {
            out.answers += 1;
            self.current = true;
        } else if let Some(text) = out.read(FILE, text, false) {
            self.text = text.to_owned();
            let (mounts, skipped) = mounts::parse(&self.text);
            self.listed = mounts::select(&mounts, &self.skip)
                .into_iter()
                .map(|listed| {
                    let path = files.path(&listed.point);
                    (listed, Question::Mount(Arc::from(path)))
                })
                .collect();
            self.current = out.understood(FILE, &skipped);
            if !self.current {
                // Read again next time, and the lines told again.
                self.text.clear();
            }
        }
        for (listed, question) in &self.listed {
            lines.of(listed).ask(question);
        }
    }

    /// Takes the answers.
    pub fn take(&mut self, out: &mut Out<'_>, lines: &mut Lines) {
        for (listed, question) in &self.listed {
            let silence = match lines.of(listed).outcome(question) {
                Outcome::Answered(Answer::Space(Ok(space))) if space.size > 0 => {
                    let row = self.rows.row(out, &listed.point);
                    state(out, row, listed);
                    put(out, row, space);
                    continue;
                }
                // Holds no data after all: a kind that is not known.
                Outcome::Answered(Answer::Space(Ok(_))) => continue,
                Outcome::Answered(Answer::Space(Err(error))) => failure(&listed.point, &error),
                Outcome::Unasked => {
                    CollectError::TimedOut(format!("{}: not asked, too many mounts hang", listed.point))
                }
                Outcome::Answered(_) | Outcome::Silent | Outcome::Hangs => {
                    CollectError::TimedOut(format!("{}: the mount hangs", listed.point))
                }
            };
            let row = self.rows.row(out, &listed.point);
            state(out, row, listed);
            row.stale(out, &silence.to_string());
            out.failed(&listed.point, silence);
        }
        if self.current {
            self.rows.sweep(out, "mount gone");
        }
    }
}

fn state(out: &mut Out<'_>, row: &mut Row<()>, listed: &Listed) {
    let (code, text) = if listed.read_only { (1, "read-only") } else { (0, "writable") };
    row.state(out, Disk::ReadOnly, code, text);
}

fn put(out: &mut Out<'_>, row: &mut Row<()>, space: Space) {
    row.gauge(out, Disk::Size, space.size);
    row.gauge(out, Disk::Free, space.free);
    row.gauge(out, Disk::Available, space.available);
    let used = space.size.saturating_sub(space.free);
    row.share(out, Disk::Used, used, used.saturating_add(space.available));
    if space.inodes > 0 {
        row.gauge(out, Disk::Inodes, space.inodes);
        row.gauge(out, Disk::InodesFree, space.inodes_free);
        row.share(out, Disk::InodesUsed, space.inodes.saturating_sub(space.inodes_free), space.inodes);
    }
}
