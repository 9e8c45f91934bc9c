//! The farm's end of the keeper: starts the keeper's process, starts it again when it died, and makes each run a future.
//!
//! It must never wait for a script by blocking a thread, and never keep a run that nobody waits for: dropping the
//! future kills the run.

use super::keeper::MAX_RUNS;
use super::wire::{self, Ending, MAX_START_BYTES, ScriptOutcome, Start, Tag, first_frame, put_frame};
use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::OsString;
use std::io;
use std::os::unix::net::UnixStream as StdStream;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// How long after its death the keeper is started again; doubled each time, up to [`LONGEST_BACK_OFF`].
const FIRST_BACK_OFF: Duration = Duration::from_millis(100);
/// The longest wait before another start. Meanwhile runs wait, each for its own deadline.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(10);
/// A keeper that lived so long was sound: the next back-off is the first again.
const SOUND_AFTER: Duration = Duration::from_secs(30);
const CHUNK: usize = 64 * 1024;

/// How the farm's binary is executed so that it calls [`keeper::main`](super::keeper::main).
#[derive(Debug, Clone)]
pub struct KeeperCommand {
    /// The binary; `/proc/self/exe` is the running one, even when another was installed over it.
    pub program: PathBuf,
    /// The hidden arguments.
    pub args: Vec<OsString>,
}

/// One run of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptRun {
    /// The program and its arguments. Without a `/` the program is looked for along `PATH`.
    pub command: Vec<String>,
    /// Its whole environment.
    pub environment: Vec<(String, String)>,
    /// Where it runs.
    pub directory: PathBuf,
    /// After how long everything it started is killed.
    pub deadline: Duration,
    /// Most bytes of output that are kept; at most [`wire::MAX_OUTPUT_BYTES`].
    pub max_output: u64,
    /// Most address space of each of its processes.
    pub max_memory: Option<u64>,
}

/// What became of runs since the start: started = ended + lost + those in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeeperCounters {
    /// Runs that were asked for.
    pub started: u64,
    /// Runs of which the end is known, the refused included.
    pub ended: u64,
    /// Of those, refused: too many at once, too long a command.
    pub refused: u64,
    /// Of those, killed at their deadline.
    pub killed_at_deadline: u64,
    /// Of those, killed because nobody waited for them any more.
    pub cancelled: u64,
    /// Runs whose keeper or warden died.
    pub lost: u64,
    /// Processes that scripts left behind when they exited, and that were killed.
    pub left_over: u64,
    /// Runs of which something could not be killed at once.
    pub stuck: u64,
    /// How often the keeper was started again.
    pub restarts: u64,
    /// How often it could not be started.
    pub failed_starts: u64,
}

/// The keeper, as the farm sees it; cheap to clone. The process goes when the last clone is dropped.
#[derive(Clone)]
pub struct Keeper(Arc<Owner>);

/// Closes the connection when the last [`Keeper`] goes, though runs may still hold the state.
struct Owner(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Something to send, or the end.
    wake: Notify,
    /// A run has ended.
    ended: Notify,
}

#[derive(Default)]
struct State {
    next_run: u64,
    runs: HashMap<u64, Watched>,
    /// Frames that wait for the keeper: one start and one cancel for each run at most, so bounded by [`MAX_RUNS`].
    outbox: VecDeque<(u64, Vec<u8>)>,
    counters: KeeperCounters,
    pid: Option<u32>,
    closed: bool,
    /// Why the keeper is not there.
    down: Option<String>,
}

/// A run that has not ended.
struct Watched {
    /// `None` once the future has its answer or was dropped.
    answer: Option<oneshot::Sender<ScriptOutcome>>,
    /// Says what cannot be killed.
    stuck: Option<String>,
}

impl Keeper {
    /// Starts the keeper's process, in the background. Within a tokio runtime.
    pub fn start(command: KeeperCommand) -> Self {
        let shared = Arc::new(Shared::default());
        tokio::spawn(keep_alive(Arc::clone(&shared), command));
        Self(Arc::new(Owner(shared)))
    }

    /// Runs a program. The future never fails: what went wrong is in [`ScriptOutcome::ending`].
    pub fn run(&self, run: &ScriptRun) -> Running {
        let shared = Arc::clone(&self.0.0);
        let (sender, receiver) = oneshot::channel();
        let mut state = shared.lock();
        state.counters.started += 1;
        let id = state.next_run;
        state.next_run += 1;
        match prepare(run, id, state.runs.len()) {
            Ok(frame) => {
                state.runs.insert(id, Watched { answer: Some(sender), stuck: None });
                state.outbox.push_back((id, frame));
            }
            Err(why) => {
                state.counters.ended += 1;
                state.counters.refused += 1;
                let _ = sender.send(ScriptOutcome::bare(Ending::Refused(why)));
            }
        }
        drop(state);
        shared.wake.notify_one();
        Running { shared, id, receiver }
    }

    /// What became of runs.
    pub fn counters(&self) -> KeeperCounters {
        self.0.0.lock().counters
    }

    /// Waits until nothing of this run is left, at most so long.
    ///
    /// # Errors
    /// What is known of what is left.
    pub async fn over(&self, run: u64, patience: Duration) -> Result<(), String> {
        let shared = &self.0.0;
        let gone = async {
            loop {
                let ended = shared.ended.notified();
                if !shared.lock().runs.contains_key(&run) {
                    return;
                }
                ended.await;
            }
        };
        if tokio::time::timeout(patience, gone).await.is_ok() {
            return Ok(());
        }
        let state = shared.lock();
        let stuck = state.runs.get(&run).and_then(|watched| watched.stuck.clone());
        Err(stuck.unwrap_or_else(|| "not known of what".to_owned()))
    }

    /// The process id of the keeper, while there is one.
    pub fn pid(&self) -> Option<u32> {
        self.0.0.lock().pid
    }

    /// Why there is no keeper at the moment.
    pub fn down(&self) -> Option<String> {
        self.0.0.lock().down.clone()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.wake.notify_one();
    }
}

/// A run in flight. Dropping it kills the run.
pub struct Running {
    shared: Arc<Shared>,
    id: u64,
    receiver: oneshot::Receiver<ScriptOutcome>,
}

impl Running {
    /// What [`Keeper::is_over`] knows it by.
    pub const fn id(&self) -> u64 {
        self.id
    }
}

impl Future for Running {
    type Output = ScriptOutcome;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<ScriptOutcome> {
        let lost = |_| ScriptOutcome::bare(Ending::Lost);
        Pin::new(&mut self.receiver).poll(context).map(|outcome| outcome.unwrap_or_else(lost))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        // Without an answer to give it has ended, or its deadline has killed it.
        if state.runs.get_mut(&self.id).and_then(|watched| watched.answer.take()).is_none() {
            return;
        }
        if let Some(at) = state.outbox.iter().position(|(run, _)| *run == self.id) {
            state.outbox.remove(at);
            state.runs.remove(&self.id);
            state.counters.ended += 1;
            state.counters.cancelled += 1;
        } else {
            let mut frame = Vec::new();
            put_frame(&mut frame, self.id, Tag::Cancel, |_| {});
            state.outbox.push_back((self.id, frame));
            self.shared.wake.notify_one();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn ended(&mut self, run: u64, outcome: ScriptOutcome) {
        let Some(watched) = self.runs.remove(&run) else { return };
        let counters = &mut self.counters;
        if outcome.ending == Ending::Lost {
            counters.lost += 1;
        } else {
            counters.ended += 1;
        }
        match outcome.ending {
            Ending::Deadline => counters.killed_at_deadline += 1,
            Ending::Cancelled => counters.cancelled += 1,
            Ending::Refused(_) => counters.refused += 1,
            _ => counters.left_over += u64::from(outcome.left_over),
        }
        if let Some(answer) = watched.answer {
            let _ = answer.send(outcome);
        }
    }

    fn stuck(&mut self, run: u64, what: &str) {
        self.counters.stuck += 1;
        if let Some(watched) = self.runs.get_mut(&run) {
            watched.stuck = Some(what.to_owned());
            // The farm need not wait: the warden will.
            if let Some(answer) = watched.answer.take() {
                let _ = answer.send(ScriptOutcome::bare(Ending::Stuck(what.to_owned())));
            }
        }
    }

    /// The keeper died: so have, or will have, its wardens and their runs.
    fn lost(&mut self, why: String) {
        self.pid = None;
        self.down = Some(why);
        // A run that was cancelled before it was sent is not here any more: a frame of one without an answer is a cancel.
        let runs = &self.runs;
        self.outbox.retain(|(run, _)| runs.get(run).is_some_and(|watched| watched.answer.is_some()));
        let unsent: HashSet<u64> = self.outbox.iter().map(|(run, _)| *run).collect();
        let gone: Vec<u64> = self.runs.keys().copied().filter(|run| !unsent.contains(run)).collect();
        for run in gone {
            self.ended(run, ScriptOutcome::bare(Ending::Lost));
        }
    }
}

fn prepare(run: &ScriptRun, id: u64, in_flight: usize) -> Result<Vec<u8>, String> {
    if in_flight >= MAX_RUNS {
        return Err(format!("more than {MAX_RUNS} runs at once"));
    }
    let start = Start {
        argv: run.command.iter().map(|arg| arg.clone().into_bytes()).collect(),
        environment: run
            .environment
            .iter()
            .map(|(key, value)| format!("{key}={value}").into_bytes())
            .collect(),
        directory: run.directory.as_os_str().as_encoded_bytes().to_vec(),
        deadline_ms: u64::try_from(run.deadline.as_millis()).unwrap_or(u64::MAX),
        max_output: run.max_output.min(wire::MAX_OUTPUT_BYTES),
        max_memory: run.max_memory.unwrap_or(0),
    };
    let mut frame = Vec::new();
    start.put(&mut frame, id);
    if frame.len() > MAX_START_BYTES {
        return Err(format!(
            "command, environment and directory have {} bytes: at most {MAX_START_BYTES}",
            frame.len()
        ));
    }
    Ok(frame)
}

/// Starts the keeper, talks with it until it dies, and again, until the last [`Keeper`] is dropped.
async fn keep_alive(shared: Arc<Shared>, command: KeeperCommand) {
    let mut back_off = FIRST_BACK_OFF;
    loop {
        let began = Instant::now();
        let closed = shared.lock().closed;
        let why = match launch(&command) {
            _ if closed => "closed".to_owned(),
            Ok((mut child, stream)) => {
                {
                    let mut state = shared.lock();
                    state.pid = Some(child.id());
                    state.down = None;
                }
                let why = talk(&shared, stream).await;
                // Its end of the socket is closed, or it spoke nonsense: it has gone or has to.
                let _ = child.kill();
                let _ = child.wait();
                why
            }
            Err(error) => {
                shared.lock().counters.failed_starts += 1;
                format!("cannot start {}: {error}", command.program.display())
            }
        };
        {
            let mut state = shared.lock();
            state.lost(why);
            shared.ended.notify_waiters();
            if state.closed {
                // Futures that still wait see their sender dropped, as lost.
                state.runs.clear();
                return;
            }
            state.counters.restarts += 1;
        }
        if began.elapsed() >= SOUND_AFTER {
            back_off = FIRST_BACK_OFF;
        }
        tokio::time::sleep(back_off).await;
        back_off = (back_off * 2).min(LONGEST_BACK_OFF);
    }
}

fn launch(command: &KeeperCommand) -> io::Result<(Child, UnixStream)> {
    let (ours, its) = StdStream::pair()?;
    ours.set_nonblocking(true)?;
    let child = Command::new(&command.program)
        .args(&command.args)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(rustix::fd::OwnedFd::from(its)))
        .stdout(Stdio::null())
        .spawn()?;
    Ok((child, UnixStream::from_std(ours)?))
}

/// Until the connection ends; says why.
async fn talk(shared: &Shared, stream: UnixStream) -> String {
    let (mut reading, writing) = stream.into_split();
    let ended = tokio::select! {
        ended = listen(shared, &mut reading) => Some(ended),
        ended = speak(shared, writing) => ended.err(),
    };
    match ended {
        Some(error) => format!("the keeper of scripts has died: {error}"),
        None => {
            // We have said the last word: the keeper kills everything, and is gone when its end closes.
            let mut chunk = vec![0; CHUNK];
            while reading.read(&mut chunk).await.is_ok_and(|count| count > 0) {}
            "closed".to_owned()
        }
    }
}

async fn listen(shared: &Shared, reading: &mut OwnedReadHalf) -> io::Error {
    let mut inbox = Vec::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match reading.read(&mut chunk).await {
            Ok(0) => return io::ErrorKind::UnexpectedEof.into(),
            Ok(count) => inbox.extend_from_slice(chunk.get(..count).unwrap_or_default()),
            Err(error) => return error,
        }
        let mut rest = &*inbox;
        loop {
            let frame = match first_frame(rest) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => return io::Error::new(io::ErrorKind::InvalidData, error),
            };
            rest = rest.get(frame.whole.len()..).unwrap_or_default();
            match (frame.tag, ScriptOutcome::read(frame.body)) {
                (Tag::Ended, Some(outcome)) => {
                    shared.lock().ended(frame.run, outcome);
                    shared.ended.notify_waiters();
                }
                (Tag::Stuck, _) => {
                    shared.lock().stuck(frame.run, &String::from_utf8_lossy(frame.body));
                }
                _ => return io::Error::new(io::ErrorKind::InvalidData, wire::NotAFrame),
            }
        }
        let taken = inbox.len() - rest.len();
        inbox.drain(..taken);
    }
}

/// Sends what waits, until the last [`Keeper`] is dropped (`Ok`).
async fn speak(shared: &Shared, mut writing: OwnedWriteHalf) -> io::Result<()> {
    loop {
        let (frames, closed) = {
            let mut state = shared.lock();
            let frames: Vec<u8> = state.outbox.drain(..).flat_map(|(_, frame)| frame).collect();
            (frames, state.closed)
        };
        if closed {
            return writing.shutdown().await;
        }
        if frames.is_empty() {
            shared.wake.notified().await;
        } else {
            writing.write_all(&frames).await?;
        }
    }
}
