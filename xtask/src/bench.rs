//! `bench`: measurements, in a release build, as tables on standard output; with `--save` in `benches/results`, too.

use crate::{Outcome, process, workspace};
use std::fs;
use std::process::Stdio;

/// Runs the measurement named.
pub fn run(args: &[String]) -> Outcome {
    let save = args.iter().any(|arg| arg == "--save");
    let args: Vec<&String> = args.iter().filter(|arg| *arg != "--save").collect();
    if args.first().is_some_and(|name| *name == "lookup") {
        // It measures the program that users start.
        process::run(process::cargo().args(["build", "--release", "--package", "hedgerow"]))?;
    }
    let mut command = process::cargo();
    command.args(["run", "--release", "--quiet", "--package", "hedgerow-bench", "--"]).args(&args);
    if !save {
        return process::run(&mut command);
    }
    let Some(name) = args.first() else { return Err("--save needs the name of a measurement".to_owned()) };
    let line = process::line(&command);
    eprintln!("$ {line}");
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("cannot start `{line}`: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{line}` ended with {}", output.status));
    }
    let page = String::from_utf8_lossy(&output.stdout).trim_end().to_owned() + "\n";
    print!("{page}");
    let file = workspace::root().join("benches/results").join(format!("{name}.md"));
    fs::write(&file, page).map_err(|error| format!("cannot write {}: {error}", file.display()))
}
