//! `proto`: makes the committed code from the `.proto` files anew.

use crate::{Outcome, process};

/// Arguments go to the generator: `--baseline` also makes what later versions may only add to.
pub fn run(args: &[String]) -> Outcome {
    process::run(process::cargo().args(["run", "--quiet", "--package", "hedgerow-codegen", "--"]).args(args))
}
