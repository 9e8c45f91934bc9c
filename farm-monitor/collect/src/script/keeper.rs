//! The keeper: the process that runs the farm's scripts. The farm re-executes its own binary for it, and the binary calls
//! [`main`] before it does anything else. It has one thread, hands each run to a warden (a fork of itself,
//! kept for the next run), and forwards what wardens say.
//!
//! It must never outlive the farm: when the farm's end of the socket closes, whatever the cause, everything is killed.
//! It is a subreaper itself: what a dead warden leaves behind falls to it and is killed.

use super::wire::{self, Ending, ScriptOutcome, Tag};
use super::{descendants, sys, warden};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, setrlimit};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Most runs at once; more are refused (and counted by the farm as refused).
pub const MAX_RUNS: usize = 1024;
/// Wardens that are kept for the next run; more go home.
const IDLE_WARDENS: usize = 4;
/// While more than this waits to be taken by the farm, no warden is listened to.
const OUTBOX_BOUND: usize = 64 * 1024 * 1024;
/// A warden that says nothing so long after its run's deadline is itself killed, and the keeper inherits its run.
const OVERDUE: Duration = Duration::from_secs(5);
/// How often orphans that do not die are killed again.
const KILL_AGAIN: Duration = Duration::from_millis(50);
/// How long the keeper, once the farm is gone, waits for what cannot be killed.
const EXIT_PATIENCE: Duration = Duration::from_secs(5);
const CHUNK: usize = 64 * 1024;

/// The keeper's life, from the socket that stands at descriptor 0 to its end. To be called at the very start of the
/// binary's `main`, while the process has one thread and has opened nothing.
pub fn main() -> ExitCode {
    match Keeper::new() {
        Ok(mut keeper) => {
            keeper.serve();
            keeper.leave();
            ExitCode::SUCCESS
        }
        Err(_) => ExitCode::FAILURE,
    }
}

struct Keeper {
    farm: OwnedFd,
    deaths: OwnedFd,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    wardens: Vec<Warden>,
    orphans: bool,
    farm_gone: bool,
    chunk: Vec<u8>,
}

struct Warden {
    pid: Pid,
    /// `None` once it was sent home.
    socket: Option<OwnedFd>,
    inbox: Vec<u8>,
    run: Option<Watched>,
}

struct Watched {
    run: u64,
    /// When it should have spoken; `None` once it said that it is stuck.
    overdue: Option<Instant>,
}

#[expect(clippy::disallowed_methods, reason = "the keeper is the shell around its own deadlines")]
fn now() -> Instant {
    Instant::now()
}

impl Keeper {
    fn new() -> std::io::Result<Self> {
        // Descriptor 0 is the socket; nothing that the farm had open is needed here.
        let farm = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
        sys::close_all_but(farm.as_raw_fd());
        let null = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDWR, rustix::fs::Mode::empty())?;
        rustix::stdio::dup2_stdin(&null)?;
        drop(null);
        rustix::io::ioctl_fionbio(&farm, true)?;
        // A session of its own: Ctrl-C in the farm's terminal is the farm's business.
        let _ = rustix::process::setsid();
        sys::quiet_signals();
        let _ = rustix::thread::set_name(c"hedgerow-keeper");
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: getrlimit(Resource::Core).maximum })?;
        let files = getrlimit(Resource::Nofile).maximum;
        let _ = setrlimit(Resource::Nofile, Rlimit { current: files, maximum: files });
        Ok(Self {
            farm,
            deaths: sys::child_signals()?,
            inbox: Vec::new(),
            outbox: Vec::new(),
            wardens: Vec::new(),
            orphans: false,
            farm_gone: false,
            chunk: vec![0; CHUNK],
        })
    }

    fn serve(&mut self) {
        while !self.farm_gone {
            let (died, farm, spoke) = self.wait();
            if farm {
                self.hear_farm();
            }
            for at in spoke {
                self.hear_warden(at);
            }
            if died {
                self.reap();
            }
            self.kill_overdue();
            if self.orphans {
                self.kill_orphans();
            }
            self.tell_farm();
        }
    }

    /// Waits until something happens: a death, the farm, wardens (by place).
    fn wait(&mut self) -> (bool, bool, Vec<usize>) {
        let patience = if self.orphans { Some(KILL_AGAIN) } else { self.next_overdue() };
        let timeout = patience.map(|left| Timespec {
            tv_sec: left.as_secs().cast_signed(),
            tv_nsec: left.subsec_nanos().into(),
        });
        let farm = if self.outbox.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        let listen = self.outbox.len() < OUTBOX_BOUND;
        let mut fds = vec![PollFd::new(&self.deaths, PollFlags::IN), PollFd::new(&self.farm, farm)];
        let mut places = Vec::with_capacity(self.wardens.len());
        for (at, warden) in self.wardens.iter().enumerate() {
            if let Some(socket) = warden.socket.as_ref().filter(|_| listen) {
                places.push(at);
                fds.push(PollFd::new(socket, PollFlags::IN));
            }
        }
        let _ = poll(&mut fds, timeout.as_ref());
        let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
        let (died, farm) = (ready.next().unwrap_or(false), ready.next().unwrap_or(false));
        let spoke = places.into_iter().zip(ready).filter_map(|(at, ready)| ready.then_some(at)).collect();
        (died, farm, spoke)
    }

    fn next_overdue(&self) -> Option<Duration> {
        let first = self.wardens.iter().filter_map(|warden| warden.run.as_ref()?.overdue).min()?;
        Some(first.saturating_duration_since(now()))
    }

    fn hear_farm(&mut self) {
        match rustix::net::recv(&self.farm, &mut *self.chunk, RecvFlags::DONTWAIT) {
            Ok((count, _)) if count > 0 => {
                self.inbox.extend_from_slice(self.chunk.get(..count).unwrap_or_default());
            }
            Err(Errno::AGAIN | Errno::INTR) => return,
            _ => {
                self.farm_gone = true;
                return;
            }
        }
        let inbox = std::mem::take(&mut self.inbox);
        let mut rest = &*inbox;
        loop {
            match wire::first_frame(rest) {
                Ok(Some(frame)) => {
                    rest = rest.get(frame.whole.len()..).unwrap_or_default();
                    match frame.tag {
                        Tag::Start => self.start(frame),
                        Tag::Cancel => self.cancel(frame),
                        Tag::Ended | Tag::Stuck => self.farm_gone = true,
                    }
                }
                Ok(None) => break,
                Err(_) => {
                    self.farm_gone = true;
                    break;
                }
            }
        }
        self.inbox = rest.to_vec();
    }

    fn start(&mut self, frame: wire::Frame<'_>) {
        let Some(start) = wire::Start::read(frame.body) else {
            self.farm_gone = true;
            return;
        };
        let idle = |warden: &Warden| warden.run.is_none() && warden.socket.is_some();
        let found = match self.wardens.iter().position(idle) {
            Some(at) => Ok(at),
            None if self.wardens.len() >= MAX_RUNS => Err(format!("more than {MAX_RUNS} runs at once")),
            None => self.new_warden().map_err(|error| format!("no new process: {error}")),
        };
        match found {
            Ok(at) => {
                if let Some(warden) = self.wardens.get_mut(at) {
                    // Counted from here: a warden that hangs before it has read the frame is overdue, too.
                    let deadline = Duration::from_millis(start.deadline_ms.min(u64::from(u32::MAX)));
                    warden.run = Some(Watched { run: frame.run, overdue: Some(now() + deadline + OVERDUE) });
                    warden.tell(frame.whole);
                }
            }
            Err(why) => ScriptOutcome::bare(Ending::Refused(why)).put(&mut self.outbox, frame.run),
        }
    }

    fn cancel(&mut self, frame: wire::Frame<'_>) {
        let of_run = |warden: &&mut Warden| warden.run.as_ref().is_some_and(|w| w.run == frame.run);
        // None: its end has crossed the cancel on the way.
        if let Some(warden) = self.wardens.iter_mut().find(of_run) {
            if let Some(overdue) = warden.run.as_mut().and_then(|watched| watched.overdue.as_mut()) {
                *overdue = now() + OVERDUE;
            }
            warden.tell(frame.whole);
        }
    }

    fn new_warden(&mut self) -> std::io::Result<usize> {
        let (ours, its) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        match sys::fork()? {
            Some(pid) => {
                self.wardens.push(Warden { pid, socket: Some(ours), inbox: Vec::new(), run: None });
                Ok(self.wardens.len() - 1)
            }
            None => {
                // Else the ends of the farm's and the other wardens' sockets would never close.
                sys::close_all_but(its.as_raw_fd());
                warden::watch(its)
            }
        }
    }

    fn hear_warden(&mut self, at: usize) {
        let Some(warden) = self.wardens.get_mut(at) else { return };
        let Some(socket) = &warden.socket else { return };
        match rustix::net::recv(socket, &mut *self.chunk, RecvFlags::DONTWAIT) {
            Ok((count, _)) if count > 0 => {
                warden.inbox.extend_from_slice(self.chunk.get(..count).unwrap_or_default());
            }
            Err(Errno::AGAIN | Errno::INTR) => return,
            // It died; its death tells the rest.
            _ => {
                warden.give_up();
                return;
            }
        }
        loop {
            match wire::first_frame(&warden.inbox) {
                Ok(Some(frame)) => {
                    match frame.tag {
                        Tag::Ended => warden.run = None,
                        _ => {
                            if let Some(watched) = &mut warden.run {
                                watched.overdue = None;
                            }
                        }
                    }
                    self.outbox.extend_from_slice(frame.whole);
                    let length = frame.whole.len();
                    warden.inbox.drain(..length);
                }
                Ok(None) => break,
                Err(_) => {
                    warden.give_up();
                    break;
                }
            }
        }
        let idle = self.wardens.iter().filter(|w| w.run.is_none() && w.socket.is_some()).count();
        if let Some(warden) = self.wardens.get_mut(at)
            && idle > IDLE_WARDENS
            && warden.run.is_none()
        {
            warden.socket = None;
        }
    }

    fn reap(&mut self) {
        let _ = rustix::io::read(&self.deaths, &mut *self.chunk);
        loop {
            match descendants::reap() {
                Ok(Some((pid, _))) => {
                    let Some(at) = self.wardens.iter().position(|warden| warden.pid == pid) else { continue };
                    // What it said before it died is heard first.
                    self.hear_warden(at);
                    let warden = self.wardens.swap_remove(at);
                    if let Some(watched) = warden.run {
                        ScriptOutcome::bare(Ending::Lost).put(&mut self.outbox, watched.run);
                        self.orphans = true;
                    }
                }
                Ok(None) => break,
                Err(descendants::NoChildren) => {
                    self.orphans = false;
                    break;
                }
            }
        }
    }

    fn kill_overdue(&mut self) {
        if self.next_overdue() != Some(Duration::ZERO) {
            return;
        }
        let now = now();
        for warden in &mut self.wardens {
            if let Some(watched) = &mut warden.run
                && watched.overdue.is_some_and(|overdue| overdue <= now)
            {
                watched.overdue = None;
                warden.give_up();
            }
        }
    }

    fn kill_orphans(&mut self) {
        let wardens = &self.wardens;
        let found = descendants::kill_children(|pid| wardens.iter().any(|warden| warden.pid == pid));
        self.orphans = found.is_some();
    }

    fn tell_farm(&mut self) {
        while !self.outbox.is_empty() {
            match rustix::net::send(&self.farm, &self.outbox, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(count) => drop(self.outbox.drain(..count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    self.farm_gone = true;
                    return;
                }
            }
        }
    }

    /// The farm is gone: closes every warden's socket, which makes them kill and go, and waits until all have gone.
    fn leave(&mut self) {
        for warden in &mut self.wardens {
            warden.socket = None;
        }
        let until = now() + EXIT_PATIENCE;
        while now() < until {
            loop {
                match descendants::reap() {
                    Ok(Some((pid, _))) => self.wardens.retain(|warden| warden.pid != pid),
                    Ok(None) => break,
                    Err(descendants::NoChildren) => return,
                }
            }
            self.kill_orphans();
            let timeout = Timespec { tv_sec: 0, tv_nsec: KILL_AGAIN.subsec_nanos().into() };
            let _ = poll(&mut [PollFd::new(&self.deaths, PollFlags::IN)], Some(&timeout));
            let _ = rustix::io::read(&self.deaths, &mut *self.chunk);
        }
    }
}

impl Warden {
    /// Hands it a frame. It is idle or watches a run, so its socket has room; one that does not take it is broken.
    fn tell(&mut self, frame: &[u8]) {
        let sent = self
            .socket
            .as_ref()
            .map(|socket| rustix::net::send(socket, frame, SendFlags::NOSIGNAL | SendFlags::DONTWAIT));
        if !matches!(sent, Some(Ok(count)) if count == frame.len()) {
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        self.socket = None;
        let _ = rustix::process::kill_process(self.pid, Signal::KILL);
    }
}
