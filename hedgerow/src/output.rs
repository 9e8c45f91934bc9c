//! What is printed: results on standard output, everything about them on standard error.

pub mod amount;
pub mod clock;
pub mod lines;
pub mod table;

pub use hedgerow_shown::{bins, events, json, safe};

use std::io::{self, StdoutLock, Write};

/// Bytes that gather before they are written; a flush writes what there is.
const BUFFER_BYTES: usize = 64 * 1024;

/// Standard output, in whole lines.
pub struct Out(io::BufWriter<StdoutLock<'static>>);

impl Out {
    /// Takes standard output for this command.
    pub fn new() -> Self {
        Self(io::BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock()))
    }

    /// Writes a line.
    ///
    /// # Errors
    /// Where nobody reads, or the disk is full.
    pub fn line(&mut self, line: impl AsRef<[u8]>) -> io::Result<()> {
        self.0.write_all(line.as_ref())?;
        self.0.write_all(b"\n")
    }

    /// Writes a line in which names or texts from elsewhere stand, made safe for terminals.
    ///
    /// # Errors
    /// Where nobody reads, or the disk is full.
    pub fn text(&mut self, line: &str) -> io::Result<()> {
        self.line(safe::clean(line).as_ref())
    }

    /// Writes lines.
    ///
    /// # Errors
    /// Where nobody reads, or the disk is full.
    pub fn lines<L: AsRef<[u8]>>(&mut self, lines: impl IntoIterator<Item = L>) -> io::Result<()> {
        lines.into_iter().try_for_each(|line| self.line(line))
    }

    /// Whether nobody reads any more: what waits for something to write would otherwise wait in vain.
    pub fn reader_is_gone(&self) -> bool {
        Self::is_stdout_gone()
    }

    /// The same, of who has not taken standard output.
    pub fn is_stdout_gone() -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let stdout = io::stdout();
        let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut watched, Some(&at_once)).is_ok()
            && watched.iter().any(|fd| fd.revents().intersects(PollFlags::ERR | PollFlags::HUP))
    }

    /// Writes out what has gathered.
    ///
    /// # Errors
    /// Where nobody reads, or the disk is full.
    pub fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Says a line on standard error. Where nobody can hear it, nothing more can be done.
pub fn say(line: &str) {
    let line: Vec<_> = line.split('\n').map(safe::clean).collect();
    let _ = writeln!(io::stderr(), "{}", line.join("\n"));
}
