//! `up`: from sources to a running mesh. Hands its process over, so that signals and status are the mesh's own.

use std::os::unix::process::CommandExt;

use crate::setup::{self, Purpose};
use crate::{Outcome, process, web, workspace};

/// Builds the release binary and becomes `hedgerow up`; the arguments go to it unread.
pub fn run(args: &[String]) -> Outcome {
    setup::ensure(Purpose::Up)?;
    // A mesh needs no page: without node it says by itself how to build one.
    if web::can_be_built() {
        web::run(&[])?;
    } else {
        eprintln!("node and npm are not installed: built without the page");
    }
    process::run(process::cargo().args(["build", "--release", "-p", "hedgerow"]))?;
    let binary = workspace::target().join("release/hedgerow");
    // Not `at_root`: a relative `--data` means the folder of who typed it.
    let mut hedgerow = std::process::Command::new(&binary);
    hedgerow.arg("up").args(args);
    eprintln!("$ {}", process::line(&hedgerow));
    Err(format!("cannot start {}: {}", binary.display(), hedgerow.exec()))
}
