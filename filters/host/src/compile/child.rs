//! The child that compiles: reads a component from standard input, writes an artefact to standard output, and its reasons to
//! standard error where it refuses. Everything hostile in the bytes happens here, within the bounds that it puts on itself first.

use super::{CompileError, REFUSED, Verdict};
use crate::{admission, engine};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

/// The child's life. To be called at the very start of a binary's `main`; the last two arguments are the bounds: seconds of
/// processor time, bytes of memory.
pub fn main() -> ExitCode {
    match run() {
        Ok(Ok(artefact)) => match io::stdout().lock().write_all(&artefact) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Ok(Err(refusals)) => {
            for refusal in refusals {
                say(&refusal.to_string());
            }
            u8::try_from(REFUSED).map_or(ExitCode::FAILURE, ExitCode::from)
        }
        Err(error) => {
            say(&error);
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<Verdict, String> {
    let args: Vec<String> = std::env::args().collect();
    let mut bounds = args.iter().rev().map(|arg| arg.parse::<u64>());
    let (Some(Ok(memory)), Some(Ok(cpu))) = (bounds.next(), bounds.next()) else {
        return Err("expected the bounds as arguments: seconds of processor time, bytes of memory".into());
    };
    let bound =
        |resource, soft, hard| setrlimit(resource, Rlimit { current: Some(soft), maximum: Some(hard) });
    bound(Resource::Cpu, cpu, cpu.saturating_add(1))
        // What is mapped before anything hostile is read does not count.
        .and_then(|()| bound(Resource::As, memory.saturating_add(mapped()), memory.saturating_add(mapped())))
        .and_then(|()| bound(Resource::Core, 0, 0))
        .and_then(|()| bound(Resource::Fsize, 0, 0))
        // Nothing can be opened from here on.
        .and_then(|()| bound(Resource::Nofile, 3, 3))
        .map_err(|error| format!("cannot put bounds on the compiler: {error}"))?;
    let mut component = Vec::new();
    io::stdin().lock().read_to_end(&mut component).map_err(|error| format!("cannot read: {error}"))?;
    compile(&component).map_err(|error| error.to_string())
}

/// Address space that this process has now, in bytes; 0 where the system does not say.
fn mapped() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or(0)
        .saturating_mul(1024)
}

/// Looks at what was uploaded, wraps it where it is a module, and compiles it.
pub(super) fn compile(uploaded: &[u8]) -> Result<Verdict, CompileError> {
    let component = match admission::componentize(uploaded) {
        Ok(component) => component,
        Err(refusals) => return Ok(Err(refusals)),
    };
    let engine = engine::bare().map_err(|error| CompileError::Failed(format!("{error:#}")))?;
    Ok(engine
        .precompile_component(&component)
        .map_err(|error| vec![admission::Refusal::Invalid(one_line(&format!("{error:#}")))]))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", one_line(line));
}
