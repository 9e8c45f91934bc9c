//! `bench`: measurements, in a release build, as tables on standard output; with `--save` in `benches/results`, too.

use crate::{Outcome, filters, process, workspace};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::{env, fs};

/// Runs the measurement named.
pub fn run(args: &[String]) -> Outcome {
    let save = args.iter().any(|arg| arg == "--save");
    let args: Vec<&String> = args.iter().filter(|arg| *arg != "--save").collect();
    let mut command = if args.first().is_some_and(|name| ["filter", "lookup", "web"].contains(&name.as_str()))
    {
        // It measures the program that users start. Both by one command, and then not by cargo's `run`: for other packages
        // than these two it would build what they share with other features, anew.
        let both = ["build", "--release", "--package", "hedgerow", "--package", "hedgerow-bench"];
        process::run(process::cargo().args(both))?;
        process::at_root(built("hedgerow-bench")?)
    } else {
        let mut command = process::cargo();
        command.args(["run", "--release", "--quiet", "--package", "hedgerow-bench", "--"]);
        command
    };
    if args.first().is_some_and(|name| *name == "filter") {
        command.env("HEDGEROW_BENCH_GUESTS", filters::measured()?);
        command.env("HEDGEROW_BENCH_SHIPPED", workspace::root().join("filters/prebuilt"));
    }
    command.args(&args);
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

/// A program in a release build, beside the debug build that we are of.
fn built(name: &str) -> Result<PathBuf, String> {
    let us = env::current_exe().map_err(|error| format!("cannot tell where we are: {error}"))?;
    let target = us.parent().and_then(Path::parent).ok_or("we are in no target folder")?;
    Ok(target.join("release").join(name))
}
