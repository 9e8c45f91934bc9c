//! The Python of the tests: a virtual environment of this checkout with pinned packages. Product code never uses it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Outcome, process, workspace};

const REQUIREMENTS: &str = "xtask/python-requirements.txt";

/// The interpreter inside the environment.
pub fn python() -> PathBuf {
    folder().join("bin/python")
}

/// Whether the environment holds exactly what the requirements say now.
pub fn is_ready() -> bool {
    let wanted = fs::read(workspace::root().join(REQUIREMENTS));
    let installed = fs::read(stamp());
    python().exists() && matches!((wanted, installed), (Ok(wanted), Ok(installed)) if wanted == installed)
}

/// What it takes: environments, and a database in files for recorded SNMP agents, which interpreters that were compiled
/// at home often lack.
const ABLE: &str = "import ensurepip, venv\ntry:\n import dbm.gnu\nexcept ImportError:\n import dbm.ndbm";

/// A system interpreter that can do what the tests need. The one in PATH first, then Debian's own.
pub fn interpreter() -> Option<&'static Path> {
    let able = |python: &&Path| process::succeeds(Command::new(python).args(["-c", ABLE]));
    ["python3", "/usr/bin/python3"].into_iter().map(Path::new).find(able)
}

/// Makes the environment anew unless it is ready.
pub fn ensure() -> Outcome {
    if is_ready() {
        return Ok(());
    }
    let interpreter = interpreter().ok_or("no python3 with venv and pip was found")?;
    process::run(process::at_root(interpreter).args(["-m", "venv", "--clear"]).arg(folder()))?;
    let pip =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", REQUIREMENTS];
    process::run(process::at_root(python()).args(pip))?;
    // Written last: an environment that was only half made is made again.
    let copied = fs::copy(workspace::root().join(REQUIREMENTS), stamp());
    copied.map(drop).map_err(|error| format!("cannot write {}: {error}", stamp().display()))
}

fn folder() -> PathBuf {
    workspace::tools().join("venv")
}

/// A copy of the requirements that were installed.
fn stamp() -> PathBuf {
    folder().join("requirements.txt")
}
