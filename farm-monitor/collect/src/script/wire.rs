//! What farm, keeper and wardens say to each other: length-prefixed frames over a stream socket, all integers
//! little-endian. Both ends are the same binary, so the encoding has no versions. It must never trust a length.
//!
//! Frame: `u32` length of the rest, `u64` run, `u8` tag, body. The keeper forwards frames by their head alone.

/// The head of a frame behind its length: run and tag.
const HEAD: usize = 9;
/// Longest frame to a warden: command, environment and directory of a run. What is larger is refused by the client;
/// it fits a socket's buffer, so that the keeper can hand it on without waiting.
pub const MAX_START_BYTES: usize = 64 * 1024;
/// Most output of a run that is kept, whatever its configuration says; the rest is read, thrown away and said.
pub const MAX_OUTPUT_BYTES: u64 = 16 * 1024 * 1024;
/// How much of standard error is kept: its tail.
pub const STDERR_TAIL_BYTES: usize = 4096;
/// Longest frame of all; a longer one means that the peer is not ours.
const MAX_FRAME: usize = MAX_OUTPUT_BYTES as usize + STDERR_TAIL_BYTES + 4096;

/// What a frame is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Tag {
    /// Farm to warden: start this.
    Start = 1,
    /// Farm to warden: kill it.
    Cancel = 2,
    /// Warden to farm: it is over, nothing of it is left.
    Ended = 3,
    /// Warden to farm: something of it cannot be killed; `Ended` follows when it is gone.
    Stuck = 4,
}

/// The peer's bytes are not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a frame of a keeper")]
pub struct NotAFrame;

/// A whole frame at the start of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The run it is about.
    pub run: u64,
    /// What it says.
    pub tag: Tag,
    /// The rest.
    pub body: &'a [u8],
    /// All its bytes, to be forwarded.
    pub whole: &'a [u8],
}

/// The first frame in `bytes`; `None` while it is not all there.
///
/// # Errors
/// A length or tag that no frame has.
pub fn first_frame(bytes: &[u8]) -> Result<Option<Frame<'_>>, NotAFrame> {
    let mut reader = Reader(bytes);
    let Some(length) = reader.u32() else { return Ok(None) };
    let length = length as usize;
    if !(HEAD..=MAX_FRAME).contains(&length) {
        return Err(NotAFrame);
    }
    let Some(whole) = bytes.get(..4 + length) else { return Ok(None) };
    let mut reader = Reader(whole.get(4..).ok_or(NotAFrame)?);
    let run = reader.u64().ok_or(NotAFrame)?;
    let tag = match reader.u8() {
        Some(1) => Tag::Start,
        Some(2) => Tag::Cancel,
        Some(3) => Tag::Ended,
        Some(4) => Tag::Stuck,
        _ => return Err(NotAFrame),
    };
    Ok(Some(Frame { run, tag, body: reader.0, whole }))
}

/// Appends a frame to `out`; `body` writes what follows the head.
pub fn put_frame(out: &mut Vec<u8>, run: u64, tag: Tag, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&run.to_le_bytes());
    out.push(tag as u8);
    body(out);
    let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX).to_le_bytes();
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&length);
    }
}

/// What a warden needs to start a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Start {
    /// The program and its arguments; not empty.
    pub argv: Vec<Vec<u8>>,
    /// The whole environment, as `NAME=value`.
    pub environment: Vec<Vec<u8>>,
    /// Where it runs.
    pub directory: Vec<u8>,
    /// After how many milliseconds everything it started is killed.
    pub deadline_ms: u64,
    /// Most bytes of output that are kept.
    pub max_output: u64,
    /// Most address space of each process; 0: not limited.
    pub max_memory: u64,
}

impl Start {
    /// Appends the frame that starts `run`.
    pub fn put(&self, out: &mut Vec<u8>, run: u64) {
        put_frame(out, run, Tag::Start, |out| {
            for list in [&self.argv, &self.environment] {
                put_u32(out, list.len());
                list.iter().for_each(|item| put_bytes(out, item));
            }
            put_bytes(out, &self.directory);
            for number in [self.deadline_ms, self.max_output, self.max_memory] {
                out.extend_from_slice(&number.to_le_bytes());
            }
        });
    }

    /// Reads the body of such a frame.
    pub fn read(body: &[u8]) -> Option<Self> {
        let mut reader = Reader(body);
        Some(Self {
            argv: reader.list()?,
            environment: reader.list()?,
            directory: reader.bytes()?.to_vec(),
            deadline_ms: reader.u64()?,
            max_output: reader.u64()?,
            max_memory: reader.u64()?,
        })
    }
}

/// At which step a program could not be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// Pipes, a new process.
    Process = 1,
    /// Its limits.
    Limits = 2,
    /// Its directory.
    Directory = 3,
    /// The program itself.
    Program = 4,
}

impl Stage {
    /// The stage of this number.
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Process, Self::Limits, Self::Directory, Self::Program]
            .into_iter()
            .find(|stage| *stage as u8 == number)
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The program exited with this status.
    Exited(i32),
    /// A signal ended it.
    Signalled(i32),
    /// It was killed at its deadline.
    Deadline,
    /// It was killed because nobody waits for it any more.
    Cancelled,
    /// It could not be started.
    NotStarted {
        /// At which step.
        stage: Stage,
        /// What the system said.
        errno: i32,
    },
    /// It was not tried: too many runs, too long a command.
    Refused(String),
    /// The process that watched it died.
    Lost,
    /// It is over, but this of it cannot be killed yet.
    Stuck(String),
}

/// What is known of a run at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptOutcome {
    /// How it ended.
    pub ending: Ending,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// Whether it printed more than was kept.
    pub stdout_cut: bool,
    /// The tail of its standard error.
    pub stderr: Vec<u8>,
    /// Whether there was more before.
    pub stderr_cut: bool,
    /// How many processes it left behind, that were killed.
    pub left_over: u32,
}

impl ScriptOutcome {
    /// An outcome without output.
    pub const fn bare(ending: Ending) -> Self {
        Self {
            ending,
            stdout: Vec::new(),
            stdout_cut: false,
            stderr: Vec::new(),
            stderr_cut: false,
            left_over: 0,
        }
    }

    /// Appends the frame that says so of `run`.
    pub fn put(&self, out: &mut Vec<u8>, run: u64) {
        put_frame(out, run, Tag::Ended, |out| {
            let (tag, code, text): (u8, i32, &str) = match &self.ending {
                Ending::Exited(status) => (1, *status, ""),
                Ending::Signalled(signal) => (2, *signal, ""),
                Ending::Deadline => (3, 0, ""),
                Ending::Cancelled => (4, 0, ""),
                Ending::NotStarted { stage, errno } => (0x10 | *stage as u8, *errno, ""),
                Ending::Refused(why) => (6, 0, why),
                Ending::Lost => (7, 0, ""),
                Ending::Stuck(what) => (8, 0, what),
            };
            out.push(tag);
            out.extend_from_slice(&code.to_le_bytes());
            put_bytes(out, text.as_bytes());
            out.extend_from_slice(&self.left_over.to_le_bytes());
            out.push(u8::from(self.stdout_cut) | u8::from(self.stderr_cut) << 1);
            put_bytes(out, &self.stdout);
            put_bytes(out, &self.stderr);
        });
    }

    /// Reads the body of such a frame.
    pub fn read(body: &[u8]) -> Option<Self> {
        let mut reader = Reader(body);
        let tag = reader.u8()?;
        let code = reader.u32()?.cast_signed();
        let text = reader.bytes()?;
        let text = || String::from_utf8_lossy(text).into_owned();
        let ending = match tag {
            1 => Ending::Exited(code),
            2 => Ending::Signalled(code),
            3 => Ending::Deadline,
            4 => Ending::Cancelled,
            6 => Ending::Refused(text()),
            7 => Ending::Lost,
            8 => Ending::Stuck(text()),
            tag => Ending::NotStarted { stage: Stage::from_number(tag ^ 0x10)?, errno: code },
        };
        let left_over = reader.u32()?;
        let cut = reader.u8()?;
        Some(Self {
            ending,
            stdout_cut: cut & 1 != 0,
            stderr_cut: cut & 2 != 0,
            stdout: reader.bytes()?.to_vec(),
            stderr: reader.bytes()?.to_vec(),
            left_over,
        })
    }
}

fn put_u32(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u32(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Takes bytes from the front; every answer is `None` where there are too few.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()?;
        self.take(length as usize)
    }

    fn list(&mut self) -> Option<Vec<Vec<u8>>> {
        let count = self.u32()?;
        (0..count).map(|_| self.bytes().map(<[u8]>::to_vec)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn endings() -> impl Strategy<Value = Ending> {
        prop_oneof![
            any::<i32>().prop_map(Ending::Exited),
            any::<i32>().prop_map(Ending::Signalled),
            Just(Ending::Deadline),
            Just(Ending::Cancelled),
            (1_u8..=4, any::<i32>()).prop_map(|(stage, errno)| Ending::NotStarted {
                stage: Stage::from_number(stage).unwrap(),
                errno
            }),
            ".*".prop_map(Ending::Refused),
            Just(Ending::Lost),
            ".*".prop_map(Ending::Stuck),
        ]
    }

    proptest! {
        #[test]
        fn outcomes_come_back_as_they_were(ending in endings(), stdout: Vec<u8>, stderr: Vec<u8>, cuts: (bool, bool), left_over: u32, run: u64) {
            let outcome = ScriptOutcome { ending, stdout, stderr, stdout_cut: cuts.0, stderr_cut: cuts.1, left_over };
            let mut bytes = Vec::new();
            outcome.put(&mut bytes, run);
            let frame = first_frame(&bytes).unwrap().unwrap();
            prop_assert_eq!((frame.run, frame.tag, frame.whole), (run, Tag::Ended, &*bytes));
            prop_assert_eq!(ScriptOutcome::read(frame.body), Some(outcome));
            prop_assert_eq!(first_frame(&bytes[..bytes.len() - 1]), Ok(None), "a frame that is not all there waits");
        }

        #[test]
        fn starts_come_back_as_they_were(argv: Vec<Vec<u8>>, environment: Vec<Vec<u8>>, directory: Vec<u8>, numbers: (u64, u64, u64)) {
            let start = Start { argv, environment, directory, deadline_ms: numbers.0, max_output: numbers.1, max_memory: numbers.2 };
            let mut bytes = Vec::new();
            start.put(&mut bytes, 7);
            prop_assert_eq!(Start::read(first_frame(&bytes).unwrap().unwrap().body), Some(start));
        }

        #[test]
        fn foreign_bytes_do_no_harm(bytes: Vec<u8>) {
            let _ = first_frame(&bytes);
            let _ = Start::read(&bytes);
            let _ = ScriptOutcome::read(&bytes);
        }
    }
}
