//! The test runner. One that is installed is taken as it is (`.config/nextest.toml` names the oldest that will do);
//! otherwise it is compiled into `.tools`, once.

use std::path::PathBuf;

use crate::{Outcome, process, workspace};

/// What is compiled where there is none.
const VERSION: &str = "0.9.143";

/// The runner: ours if it was compiled, else the one in PATH.
pub fn program() -> Option<PathBuf> {
    Some(ours()).filter(|ours| ours.is_file()).or_else(|| process::find("cargo-nextest"))
}

/// Compiles the runner if there is none.
pub fn ensure() -> Outcome {
    if program().is_some() {
        return Ok(());
    }
    eprintln!("missing: cargo-nextest; compiling it into .tools takes minutes, once");
    // Without optimisation: it waits for tests, it does not compute, and this way it is there in half the time.
    let install = ["install", "--locked", "--debug", "cargo-nextest", "--version", VERSION];
    let features = ["--no-default-features", "--features", "default-no-update"];
    process::run(process::cargo().args(install).args(features).arg("--root").arg(workspace::tools()))
}

fn ours() -> PathBuf {
    workspace::tools().join("bin/cargo-nextest")
}
