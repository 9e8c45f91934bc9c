//! A warden: a process of one thread that watches one run at a time, as the child subreaper of everything the run starts.
//!
//! It says `Ended` only when no process of the run is left, dead or alive. When the keeper's end of its socket closes, it
//! kills what it watches and goes. It must never wait for anything but in `poll`, and never exit while the run lives.

use super::descendants;
use super::sys::{self, ChildStack, Program, Streams};
use super::wire::{
    self, Ending, MAX_OUTPUT_BYTES, STDERR_TAIL_BYTES, ScriptOutcome, Stage, Start, Tag, put_frame,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, WaitStatus};
use std::time::{Duration, Instant};

/// How often it tries again to kill what does not die; a death wakes it earlier.
const KILL_AGAIN: Duration = Duration::from_millis(50);
/// After this long it says that something cannot be killed.
const STUCK_AFTER: Duration = Duration::from_secs(1);
/// What is read at once.
const CHUNK: usize = 64 * 1024;
/// Most that is read from a pipe whose writers should all be dead: something outside the run may hold it.
const LAST_READS: usize = 64;

/// Watches runs until the keeper's end closes.
pub fn watch(socket: OwnedFd) -> ! {
    let _ = rustix::thread::set_name(c"hedgerow-warden");
    let status = match Warden::new(socket) {
        Ok(mut warden) => {
            while let Some((run, start)) = warden.next_start() {
                warden.watch_run(run, &start);
            }
            0
        }
        Err(_) => 1,
    };
    sys::exit_now(status)
}

#[expect(clippy::disallowed_methods, reason = "the deadline of a run is kept here, where it is enforced")]
fn now() -> Instant {
    Instant::now()
}

struct Warden {
    socket: OwnedFd,
    deaths: OwnedFd,
    null: OwnedFd,
    stack: ChildStack,
    inbox: Vec<u8>,
    chunk: Vec<u8>,
    keeper_gone: bool,
}

impl Warden {
    fn new(socket: OwnedFd) -> std::io::Result<Self> {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        Ok(Self {
            socket,
            deaths: sys::child_signals()?,
            null: rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?,
            stack: ChildStack::new(),
            inbox: Vec::new(),
            chunk: vec![0; CHUNK],
            keeper_gone: false,
        })
    }

    /// Waits for the next run to start; `None` when the keeper is gone.
    fn next_start(&mut self) -> Option<(u64, Start)> {
        loop {
            while let Some((run, tag, body)) = self.take_frame() {
                // A cancel here has crossed the end of its run on the way.
                if tag == Tag::Start {
                    return Some((run, Start::read(&body)?));
                }
            }
            if self.keeper_gone {
                return None;
            }
            let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
            let _ = poll(&mut fds, None);
            self.receive();
        }
    }

    fn receive(&mut self) {
        match rustix::net::recv(&self.socket, &mut *self.chunk, RecvFlags::DONTWAIT) {
            Ok((0, _)) => self.keeper_gone = true,
            Ok((count, _)) => self.inbox.extend_from_slice(self.chunk.get(..count).unwrap_or_default()),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.keeper_gone = true,
        }
    }

    fn take_frame(&mut self) -> Option<(u64, Tag, Vec<u8>)> {
        match wire::first_frame(&self.inbox) {
            Ok(None) => None,
            Ok(Some(frame)) => {
                let (taken, length) = ((frame.run, frame.tag, frame.body.to_vec()), frame.whole.len());
                self.inbox.drain(..length);
                Some(taken)
            }
            Err(_) => {
                self.keeper_gone = true;
                None
            }
        }
    }

    fn send(&mut self, frame: &[u8]) {
        let mut left = frame;
        while !left.is_empty() {
            match rustix::net::send(&self.socket, left, SendFlags::NOSIGNAL) {
                Ok(count) => left = left.get(count..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(_) => {
                    self.keeper_gone = true;
                    return;
                }
            }
        }
    }

    fn watch_run(&mut self, run: u64, start: &Start) {
        let outcome = match self.launch(start) {
            Ok(mut watched) => {
                let ending = self.until_it_ends(run, &mut watched);
                let left_over = self.until_nothing_is_left(run, &mut watched);
                watched.output.drain(&mut self.chunk);
                watched.errors.drain(&mut self.chunk);
                watched.outcome(ending, left_over)
            }
            Err((stage, errno)) => ScriptOutcome::bare(Ending::NotStarted { stage, errno }),
        };
        let mut frame = Vec::new();
        outcome.put(&mut frame, run);
        self.send(&frame);
    }

    fn launch(&mut self, start: &Start) -> Result<Watched, sys::StartFailure> {
        let failed = |error: Errno| (Stage::Process, error.raw_os_error());
        let began = now();
        let program = Program::new(start)?;
        let (output, output_end) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
        let (errors, errors_end) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
        for end in [&output, &errors] {
            // Only the reading end: a script may not expect writes that fail for want of space.
            rustix::io::ioctl_fionbio(end, true).map_err(failed)?;
        }
        let streams =
            Streams { input: self.null.as_fd(), output: output_end.as_fd(), error: errors_end.as_fd() };
        let leader = program.start(&streams, &mut self.stack)?;
        let most = usize::try_from(start.max_output.min(MAX_OUTPUT_BYTES)).unwrap_or(usize::MAX);
        Ok(Watched {
            leader,
            status: None,
            deadline: began + Duration::from_millis(start.deadline_ms.min(u64::from(u32::MAX))),
            output: Stream::new(output, Keep::Head(most)),
            errors: Stream::new(errors, Keep::Tail(STDERR_TAIL_BYTES)),
        })
    }

    /// Reads what the run prints until its leader has exited, the deadline has come, or nobody wants it any more.
    fn until_it_ends(&mut self, run: u64, watched: &mut Watched) -> Option<Ending> {
        loop {
            let left = watched.deadline.saturating_duration_since(now());
            if left.is_zero() {
                return Some(Ending::Deadline);
            }
            let [_, from_keeper, output, errors] = self.wait(left, Some(watched));
            // Both: at its exit a script closes them one after the other, and each would wake us.
            if output || errors {
                watched.output.read(&mut self.chunk);
                watched.errors.read(&mut self.chunk);
            }
            if from_keeper {
                self.receive();
                let mut cancelled = false;
                while let Some((of, tag, _)) = self.take_frame() {
                    cancelled |= of == run && tag == Tag::Cancel;
                }
                if cancelled || self.keeper_gone {
                    return Some(Ending::Cancelled);
                }
            }
            while let Ok(Some((pid, status))) = descendants::reap() {
                if pid == watched.leader {
                    watched.status = Some(status);
                }
            }
            if watched.status.is_some() {
                return None;
            }
        }
    }

    /// Kills and reaps until this process has no children. Gives how many were left beside the leader.
    fn until_nothing_is_left(&mut self, run: u64, watched: &mut Watched) -> u32 {
        let mut left_over = 0;
        let stuck_from = now() + STUCK_AFTER;
        let mut said = false;
        loop {
            let mut progress = false;
            loop {
                match descendants::reap() {
                    Err(descendants::NoChildren) => return left_over,
                    Ok(None) => break,
                    Ok(Some((pid, status))) => {
                        progress = true;
                        if pid == watched.leader {
                            watched.status = Some(status);
                        } else if status.terminating_signal() == Some(libc::SIGKILL) {
                            left_over += 1;
                        }
                    }
                }
            }
            let example = descendants::kill_children(|_| false);
            if !said && now() >= stuck_from {
                said = true;
                let what = example.map(descendants::describe).unwrap_or_default();
                let mut frame = Vec::new();
                put_frame(&mut frame, run, Tag::Stuck, |out| out.extend_from_slice(what.as_bytes()));
                self.send(&frame);
            }
            // Who dies hands its children to us: look again at once.
            if !progress {
                self.wait(if said { STUCK_AFTER } else { KILL_AGAIN }, None);
            }
        }
    }

    /// Waits for: a death, the keeper, output, errors; or until `patience` is over.
    fn wait(&mut self, patience: Duration, watched: Option<&Watched>) -> [bool; 4] {
        let timeout =
            Timespec { tv_sec: patience.as_secs().cast_signed(), tv_nsec: patience.subsec_nanos().into() };
        let mut fds = Vec::with_capacity(4);
        fds.push(PollFd::new(&self.deaths, PollFlags::IN));
        if let Some(watched) = watched {
            fds.push(PollFd::new(&self.socket, PollFlags::IN));
            for stream in [&watched.output, &watched.errors] {
                // A closed one is always ready: leave it out by asking a descriptor that never is.
                fds.push(match &stream.pipe {
                    Some(pipe) => PollFd::new(pipe, PollFlags::IN),
                    None => PollFd::new(&self.deaths, PollFlags::empty()),
                });
            }
        }
        let mut ready = [false; 4];
        if poll(&mut fds, Some(&timeout)).is_ok() {
            for (ready, fd) in ready.iter_mut().zip(&fds) {
                *ready = !fd.revents().is_empty();
            }
        }
        drop(fds);
        if ready.first() == Some(&true) {
            // One read takes all that is pending; what it says is found again by `wait`.
            let _ = rustix::io::read(&self.deaths, &mut *self.chunk);
        }
        ready
    }
}

/// A run that was started.
struct Watched {
    leader: Pid,
    status: Option<WaitStatus>,
    deadline: Instant,
    output: Stream,
    errors: Stream,
}

impl Watched {
    fn outcome(self, ending: Option<Ending>, left_over: u32) -> ScriptOutcome {
        let ending = ending.unwrap_or_else(|| match self.status {
            Some(status) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => Ending::Exited(code),
                (None, signal) => Ending::Signalled(signal.unwrap_or_default()),
            },
            None => Ending::Lost,
        });
        let (stdout, stdout_cut) = self.output.finish();
        let (stderr, stderr_cut) = self.errors.finish();
        ScriptOutcome { ending, stdout, stdout_cut, stderr, stderr_cut, left_over }
    }
}

/// Which part of a stream is kept.
#[derive(Clone, Copy)]
enum Keep {
    Head(usize),
    Tail(usize),
}

/// One of a run's streams: read to its end, so that the run never waits for a reader; a bounded part is kept.
struct Stream {
    pipe: Option<OwnedFd>,
    keep: Keep,
    kept: Vec<u8>,
    cut: bool,
}

impl Stream {
    const fn new(pipe: OwnedFd, keep: Keep) -> Self {
        Self { pipe: Some(pipe), keep, kept: Vec::new(), cut: false }
    }

    /// Reads once; whether there may be more at once.
    fn read(&mut self, chunk: &mut [u8]) -> bool {
        let Some(pipe) = &self.pipe else { return false };
        match rustix::io::read(pipe, &mut *chunk) {
            Err(Errno::INTR) => true,
            Err(Errno::AGAIN) => false,
            Ok(count) if count > 0 => {
                self.take(chunk.get(..count).unwrap_or_default());
                true
            }
            _ => {
                self.pipe = None;
                false
            }
        }
    }

    fn drain(&mut self, chunk: &mut [u8]) {
        for _ in 0..LAST_READS {
            if !self.read(chunk) {
                return;
            }
        }
        self.cut = true;
    }

    fn take(&mut self, bytes: &[u8]) {
        match self.keep {
            Keep::Head(most) => {
                let room = most.saturating_sub(self.kept.len()).min(bytes.len());
                self.kept.extend_from_slice(bytes.get(..room).unwrap_or_default());
                self.cut |= room < bytes.len();
            }
            Keep::Tail(most) => {
                self.kept.extend_from_slice(bytes);
                // Twice, so that moving costs each byte at most once.
                if self.kept.len() > 2 * most {
                    self.kept.drain(..self.kept.len() - most);
                    self.cut = true;
                }
            }
        }
    }

    fn finish(mut self) -> (Vec<u8>, bool) {
        if let Keep::Tail(most) = self.keep
            && self.kept.len() > most
        {
            self.kept.drain(..self.kept.len() - most);
            self.cut = true;
        }
        (self.kept, self.cut)
    }
}
