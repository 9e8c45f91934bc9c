//! The few calls of the system that Rust's libraries do not offer, and what may be done between `clone` and `execve`.
//! All that is unsafe in this module of collection is here. Only for the keeper's processes, which have one thread;
//! it must never be called from the farm.
#![expect(unsafe_code, reason = "fork, clone, execve, signal masks and signalfd have no safe form")]

use super::wire::Stage;
use rustix::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, setrlimit};
use std::cell::Cell;
use std::ffi::{CString, c_char, c_int, c_void};
use std::io;
use std::ptr;

/// Open files a script may have (soft limit), as a login shell gives them; never above the hard limit.
const SCRIPT_FILES: u64 = 1024;
/// Stack of the process between `clone` and `execve`; only touched pages cost.
const CHILD_STACK: usize = 256 * 1024;

/// Forks. `None` in the child.
///
/// # Errors
/// What the system says: no more processes, no memory.
pub fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: the keeper's processes have one thread, so the child's copy of locks and heap is consistent.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        pid => Ok(Pid::from_raw(pid)),
    }
}

/// Ends the process without running destructors: the child of a fork must not drop what belongs to its parent.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(status) }
}

/// Sets all signals to their default action and blocks all that can be blocked: they are read from a
/// [`child_signals`] descriptor or not at all, and a script starts with clean ones by unblocking.
pub fn quiet_signals() {
    // The system's own call, since libc's keeps two signals to itself and would leave them ignored where they are.
    // All zero is the default action, without flags, on every architecture; the array is longer than the structure.
    let default = [0_u64; 16];
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: reads the array, installs no handler; what cannot be set is refused without effect.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, &raw const default, 0, 8) };
    }
    // SAFETY: `set` is initialised by `sigfillset` before it is read; a null old set is allowed.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigfillset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, ptr::null_mut());
    }
}

/// A descriptor that becomes readable when a child changes its state.
///
/// # Errors
/// What the system says.
pub fn child_signals() -> io::Result<OwnedFd> {
    // SAFETY: `set` is initialised before it is read; the returned descriptor is new and owned by nobody else.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        match libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

/// Closes every descriptor from 3 on but `keep`. Whoever calls this must not use, nor drop, any other it has.
pub fn close_all_but(keep: RawFd) {
    let keep = keep.unsigned_abs();
    if keep > 3 {
        close_range(3, keep - 1);
    }
    close_range(keep.max(2) + 1, u32::MAX);
}

fn close_range(first: u32, last: u32) {
    // SAFETY: descriptors the caller gave up; on kernels without the call they stay open, but are close-on-exec.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
}

/// A command as `execve` takes it, made ready before the child exists.
pub struct Program {
    candidates: Vec<CString>,
    argv: Vec<CString>,
    environment: Vec<CString>,
    directory: CString,
    max_memory: Option<u64>,
}

/// Where a child's three streams go.
pub struct Streams<'a> {
    /// Standard input.
    pub input: BorrowedFd<'a>,
    /// Standard output.
    pub output: BorrowedFd<'a>,
    /// Standard error.
    pub error: BorrowedFd<'a>,
}

/// Why a program did not start: the step, and the system's error number.
pub type StartFailure = (Stage, i32);

impl Program {
    /// Looks along `PATH` of the environment where the program has no `/`.
    ///
    /// # Errors
    /// `EINVAL` where the command is empty or something holds a NUL.
    pub fn new(start: &super::wire::Start) -> Result<Self, StartFailure> {
        let invalid = |_| (Stage::Program, libc::EINVAL);
        let text = |bytes: &Vec<u8>| CString::new(bytes.clone()).map_err(invalid);
        let program = start.argv.first().ok_or((Stage::Program, libc::EINVAL))?;
        let mut candidates = Vec::new();
        if program.contains(&b'/') {
            candidates.push(text(program)?);
        } else {
            let path = start.environment.iter().find_map(|pair| pair.strip_prefix(b"PATH="));
            for folder in path.unwrap_or_default().split(|byte| *byte == b':').filter(|f| !f.is_empty()) {
                candidates.push(text(&[folder, b"/", program].concat())?);
            }
        }
        Ok(Self {
            candidates,
            argv: start.argv.iter().map(text).collect::<Result<_, _>>()?,
            environment: start.environment.iter().map(text).collect::<Result<_, _>>()?,
            directory: text(&start.directory)?,
            max_memory: (start.max_memory > 0).then_some(start.max_memory),
        })
    }

    /// Starts it, as the leader of a new session. Returns once it runs, or has failed to.
    ///
    /// # Errors
    /// The step at which it failed.
    pub fn start(&self, streams: &Streams<'_>, stack: &mut ChildStack) -> Result<Pid, StartFailure> {
        let launch = Launch {
            program: self,
            streams,
            argv: pointers(&self.argv),
            environment: pointers(&self.environment),
            failure: Cell::new(None),
        };
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        // SAFETY: with CLONE_VFORK this thread stands still until the child has called execve or _exit, so `launch` and
        // the stack, which only the child uses, outlive its use of them. All signals are blocked, so no handler
        // can run in the shared memory. `enter` only makes system calls and writes to `launch.failure`.
        let pid = unsafe { libc::clone(enter, stack.top(), flags, ptr::from_ref(&launch).cast_mut().cast()) };
        let Some(pid) = (pid > 0).then(|| Pid::from_raw(pid)).flatten() else {
            return Err((Stage::Process, io::Error::last_os_error().raw_os_error().unwrap_or(libc::EAGAIN)));
        };
        match launch.failure.get() {
            None => Ok(pid),
            Some(failure) => {
                let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
                Err(failure)
            }
        }
    }
}

/// Memory for the child between `clone` and `execve`; made once per warden.
pub struct ChildStack(Vec<u128>);

impl ChildStack {
    /// A new one.
    pub fn new() -> Self {
        Self(Vec::with_capacity(CHILD_STACK / 16))
    }

    fn top(&mut self) -> *mut c_void {
        // SAFETY: one past the end of the vector's allocation, which is aligned to 16 bytes; stacks grow down from it.
        unsafe { self.0.as_mut_ptr().add(CHILD_STACK / 16).cast() }
    }
}

struct Launch<'a> {
    program: &'a Program,
    streams: &'a Streams<'a>,
    argv: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    failure: Cell<Option<StartFailure>>,
}

fn pointers(list: &[CString]) -> Vec<*const c_char> {
    list.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
}

extern "C" fn enter(launch: *mut c_void) -> c_int {
    // SAFETY: `start` passes a pointer to its `Launch`, which lives until this process has gone or become another.
    let launch = unsafe { &*launch.cast::<Launch<'_>>() };
    launch.failure.set(Some(become_program(launch)));
    exit_now(127)
}

/// What happens between `clone` and `execve`. Shares its memory with the parent: it must neither allocate nor panic.
fn become_program(launch: &Launch<'_>) -> StartFailure {
    let errno = |stage| move |error: rustix::io::Errno| (stage, error.raw_os_error());
    let prepare = || -> Result<(), StartFailure> {
        rustix::process::setsid().map_err(errno(Stage::Process))?;
        // Should the warden be killed, the leader at least goes with it; the keeper kills the rest.
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
            .map_err(errno(Stage::Process))?;
        rustix::stdio::dup2_stdin(launch.streams.input.as_fd()).map_err(errno(Stage::Process))?;
        rustix::stdio::dup2_stdout(launch.streams.output.as_fd()).map_err(errno(Stage::Process))?;
        rustix::stdio::dup2_stderr(launch.streams.error.as_fd()).map_err(errno(Stage::Process))?;
        close_range(3, u32::MAX);
        let files = getrlimit(Resource::Nofile).maximum;
        let soft = files.map_or(SCRIPT_FILES, |hard| hard.min(SCRIPT_FILES));
        setrlimit(Resource::Nofile, Rlimit { current: Some(soft), maximum: files })
            .map_err(errno(Stage::Limits))?;
        if let Some(most) = launch.program.max_memory {
            setrlimit(Resource::As, Rlimit { current: Some(most), maximum: Some(most) })
                .map_err(errno(Stage::Limits))?;
        }
        rustix::process::chdir(&*launch.program.directory).map_err(errno(Stage::Directory))
    };
    if let Err(failure) = prepare() {
        return failure;
    }
    // SAFETY: an initialised empty set; the arrays of pointers end with null and point to strings that outlive this.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, ptr::null_mut());
        let mut worst = libc::ENOENT;
        for candidate in &launch.program.candidates {
            libc::execve(candidate.as_ptr(), launch.argv.as_ptr(), launch.environment.as_ptr());
            match *libc::__errno_location() {
                libc::ENOENT | libc::ENOTDIR => {}
                // As `execvp` does: go on looking, but say that one was there.
                libc::EACCES => worst = libc::EACCES,
                other => return (Stage::Program, other),
            }
        }
        (Stage::Program, worst)
    }
}
