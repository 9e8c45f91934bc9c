//! Compiling, apart from everybody else: what a stranger uploaded is read, wrapped and compiled by a child process that has bounds
//! on processor time, memory and patience, no files and no environment. All it can do is say no, or give bytes.

mod child;

pub use child::main as child_main;

use crate::admission::Refusal;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use std::ffi::OsString;
use std::io::{self, Read, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

/// How the child says that it refuses; its reasons stand on standard error, one a line.
const REFUSED: i32 = 2;
/// What is read of a child's standard error. What is past it is not shown.
const STDERR_BYTES: u64 = 64 << 10;

/// Who compiles.
#[derive(Debug, Clone)]
pub enum Compiler {
    /// A child process: this program with these arguments, in which [`child_main`] is called before anything else.
    Child {
        /// What to execute.
        program: PathBuf,
        /// First arguments; the bounds follow.
        args: Vec<OsString>,
    },
    /// This process, without bounds: for tests, of what they wrote themselves.
    InProcess,
}

/// What compiling one component may take. Past each of them the component is refused, and says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// What is uploaded, in bytes.
    pub component_bytes: u64,
    /// Processor time; counted in whole seconds.
    pub cpu: Duration,
    /// Memory of the child, in bytes.
    pub memory_bytes: u64,
    /// Time on the clock.
    pub wall: Duration,
    /// What comes out, in bytes.
    pub artefact_bytes: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            component_bytes: 16 << 20,
            cpu: Duration::from_secs(60),
            memory_bytes: 1 << 30,
            wall: Duration::from_secs(180),
            artefact_bytes: 128 << 20,
        }
    }
}

/// Why nothing was compiled, other than that it is no filter.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The child was not to be had.
    #[error("cannot start the compiler `{}`: {source}", program.display())]
    Start {
        /// What was to be executed.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It would have taken more than it may.
    #[error("compiling it took more {what} than it may: the bound is {bound}")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// With its unit.
        bound: String,
    },
    /// The compiler fell over it.
    #[error("the compiler failed on it: {0}")]
    Failed(String),
}

/// What became of a component: its artefact, or why it is no filter.
pub(crate) type Verdict = Result<Vec<u8>, Vec<Refusal>>;

impl Compiler {
    /// Compiles.
    pub(crate) fn compile(&self, component: &[u8], limits: &CompileLimits) -> Result<Verdict, CompileError> {
        match self {
            Self::InProcess => child::compile(component),
            Self::Child { program, args } => {
                let child = start(program, args, limits)?;
                attend(child, component, limits)
                    .map_err(|error| CompileError::Failed(error.to_string()))
                    .and_then(|outcome| judge(outcome, limits))
            }
        }
    }
}

fn start(program: &PathBuf, args: &[OsString], limits: &CompileLimits) -> Result<Child, CompileError> {
    Command::new(program)
        .args(args)
        .arg(limits.cpu.as_secs().max(1).to_string())
        .arg(limits.memory_bytes.to_string())
        .env_clear()
        .current_dir("/")
        // Ctrl-C in the farm's terminal is the farm's business.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| CompileError::Start { program: program.clone(), source })
}

struct Outcome {
    status: ExitStatus,
    late: bool,
    artefact: Vec<u8>,
    said: String,
}

/// Gives the child its input, takes what it says, kills it when it takes too long, and sees it off.
fn attend(mut child: Child, component: &[u8], limits: &CompileLimits) -> io::Result<Outcome> {
    let pid = Pid::from_child(&child);
    let (mut stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (done, is_done) = sync_channel::<()>(1);
    let (artefact, said, late) = thread::scope(|scope| {
        // A child that reads nothing, or dies, breaks the pipe: its end says why.
        scope.spawn(move || stdin.take().map(|mut stdin| stdin.write_all(component)));
        let said = scope.spawn(move || take(stderr, STDERR_BYTES));
        let watch = scope.spawn(move || {
            let late = is_done.recv_timeout(limits.wall) == Err(RecvTimeoutError::Timeout);
            if late {
                let _ = kill_process(pid, Signal::KILL);
            }
            late
        });
        let artefact = take(stdout, limits.artefact_bytes.saturating_add(1));
        if artefact.len() as u64 > limits.artefact_bytes {
            let _ = kill_process(pid, Signal::KILL);
        }
        // Until it is reaped, below, its number is nobody else's: the watch must have ended by then.
        let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        drop(done);
        (artefact, said.join().unwrap_or_default(), watch.join().unwrap_or_default())
    });
    let status = child.wait()?;
    Ok(Outcome { status, late, artefact, said: String::from_utf8_lossy(&said).into_owned() })
}

fn take(from: Option<impl Read>, bound: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What was read before an error says more than the error.
    let _ = from.map(|from| from.take(bound).read_to_end(&mut bytes));
    bytes
}

fn judge(outcome: Outcome, limits: &CompileLimits) -> Result<Verdict, CompileError> {
    let Outcome { status, late, artefact, said } = outcome;
    let too_much = |what, bound| Err(CompileError::TooMuch { what, bound });
    if artefact.len() as u64 > limits.artefact_bytes {
        return too_much("native code", format!("{} MiB", limits.artefact_bytes >> 20));
    }
    if late {
        return too_much("time", format!("{} s", limits.wall.as_secs()));
    }
    let signal = status.signal().and_then(Signal::from_named_raw);
    match (status.code(), signal) {
        (Some(0), _) => Ok(Ok(artefact)),
        (Some(REFUSED), _) => Ok(Err(said.lines().map(|line| Refusal::Said(line.to_owned())).collect())),
        (_, Some(Signal::XCPU | Signal::KILL)) => {
            too_much("processor time", format!("{} s", limits.cpu.as_secs().max(1)))
        }
        (_, Some(Signal::ABORT)) if said.contains("memory allocation") => {
            too_much("memory", format!("{} MiB", limits.memory_bytes >> 20))
        }
        _ => Err(CompileError::Failed(format!(
            "{status}, {}",
            said.lines().next().unwrap_or("without a word")
        ))),
    }
}
