//! `bench`: measurements, in a release build, as tables on standard output.

use crate::{Outcome, process};

/// Runs the measurement named.
pub fn run(args: &[String]) -> Outcome {
    process::run(
        process::cargo()
            .args(["run", "--release", "--quiet", "--package", "hedgerow-bench", "--"])
            .args(args),
    )
}
