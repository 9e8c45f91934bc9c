//! `filter build`: makes a `.wasm` of a folder with a filter in it, with whatever compiler its author has.
//!
//! Installs nothing: where something is missing, it says the command that gets it.

use crate::outcome::{CommandError, Outcome};
use crate::output::{Out, say};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-unknown-unknown";
/// Numbers in a module as short as they can be: a fifth less of it.
const SHORT: &str = "-Clink-arg=--compress-relocations";

/// Build a filter: a folder with a Cargo.toml, or with a filter.js
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Where to put it [default: NAME.wasm in the folder]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Of filter.js: what it imports, a world of wit/filter.wit: base, trigger (alarms and actions) or full (and history)
    #[arg(long, value_name = "WORLD", default_value = "base")]
    world: String,
}

/// Builds it, and says how large it is.
///
/// # Errors
/// What is missing, and how to get it; or that it does not build.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    let folder = &args.folder;
    let output = if folder.join("Cargo.toml").is_file() {
        rust(folder, args.output.as_deref())?
    } else if folder.join("filter.js").is_file() {
        javascript(folder, args)?
    } else {
        return Err(CommandError::Failed(format!(
            "{} has neither Cargo.toml nor filter.js: `hedgerow filter new NAME` makes a folder that has",
            folder.display()
        )));
    };
    let bytes = fs::metadata(&output).map_err(|error| unreadable(&output, &error))?.len();
    let mut out = Out::new();
    out.line(format!("{}: {bytes} bytes", output.display()))?;
    out.flush()?;
    Ok(Outcome::Done)
}

fn rust(folder: &Path, output: Option<&Path>) -> Result<PathBuf, CommandError> {
    let package = package(folder)?;
    let (mut cargo, with_std) = compiler(folder)?;
    patience(with_std, &package.target).iter().for_each(|line| say(line));
    cargo.args(["--", SHORT]);
    done(&mut cargo)?;
    let built =
        package.target.join(TARGET).join("release").join(format!("{}.wasm", package.name.replace('-', "_")));
    let output = output.map_or_else(|| folder.join(format!("{}.wasm", package.name)), Path::to_path_buf);
    fs::copy(&built, &output).map_err(|error| {
        let hint = "is its [lib] crate-type \"cdylib\"?";
        CommandError::Failed(format!(
            "cannot copy {} to {}: {error}; {hint}",
            built.display(),
            output.display()
        ))
    })?;
    Ok(output)
}

/// What to say before a build that takes minutes where the author expects seconds.
fn patience(with_std: bool, target: &Path) -> Option<&'static str> {
    (with_std && !target.join(TARGET).is_dir()).then_some(
        "the Rust of this machine has no standard library for WASM, so that is built, too: some minutes, this first time",
    )
}

/// What cargo knows of the package.
struct Package {
    name: String,
    target: PathBuf,
}

fn package(folder: &Path) -> Result<Package, CommandError> {
    let mut cargo = Command::new("cargo");
    cargo.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(folder);
    let said = cargo.output().map_err(|_| {
        CommandError::Failed("cargo is not installed: see https://rustup.rs, then run this again".into())
    })?;
    if !said.status.success() {
        let why = String::from_utf8_lossy(&said.stderr);
        return Err(CommandError::Failed(format!(
            "cargo does not take {}: {}",
            folder.display(),
            why.trim()
        )));
    }
    let unknown =
        || CommandError::Failed(format!("{} is no package: its Cargo.toml names none", folder.display()));
    let metadata: serde_json::Value = serde_json::from_slice(&said.stdout).map_err(|_| unknown())?;
    let own = fs::canonicalize(folder.join("Cargo.toml")).map_err(|error| unreadable(folder, &error))?;
    let mut packages = metadata["packages"].as_array().into_iter().flatten();
    let name = packages.find(|package| package["manifest_path"].as_str().map(Path::new) == Some(&own));
    let name = name.and_then(|package| package["name"].as_str()).ok_or_else(unknown)?;
    let target = metadata["target_directory"].as_str().ok_or_else(unknown)?;
    Ok(Package { name: name.into(), target: target.into() })
}

/// A cargo that can build for WASM: rustup's with the target, or Debian's, which builds the standard library too; and whether it
/// does.
fn compiler(folder: &Path) -> Result<(Command, bool), CommandError> {
    let build = ["rustc", "--release", "--lib", "--target", TARGET, "--crate-type", "cdylib"];
    let sysroot =
        said(Command::new("rustc").args(["--print", "sysroot"]).current_dir(folder)).unwrap_or_default();
    let rustlib = Path::new(&sysroot).join("lib/rustlib");
    let mut cargo = Command::new("cargo");
    if rustlib.join(TARGET).is_dir() {
        cargo.args(build).current_dir(folder);
        return Ok((cargo, false));
    }
    let debian = ["/usr/bin/rustc", "/usr/bin/cargo", "/usr/lib/rustlib/src/rust/library/std"];
    let linker = linker(&rustlib);
    match linker.filter(|_| debian.iter().all(|path| Path::new(path).exists())) {
        Some(linker) => {
            cargo = Command::new("/usr/bin/cargo");
            cargo.args(build).args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"]);
            cargo.env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1").env_remove("RUSTUP_TOOLCHAIN");
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker).current_dir(folder);
            Ok((cargo, true))
        }
        None => Err(CommandError::Failed(format!(
            "the Rust on this machine has no {TARGET}: run `rustup target add {TARGET}`, or on Debian, without rustup, \
             `apt-get install rustc-web cargo-web rust-web-src lld`; then this again"
        ))),
    }
}

/// The linker of a Rust toolchain, or LLVM's.
fn linker(rustlib: &Path) -> Option<PathBuf> {
    let hosts = fs::read_dir(rustlib).into_iter().flatten().flatten();
    let mut linkers = hosts.map(|host| host.path().join("bin/rust-lld")).chain(["/usr/bin/wasm-ld".into()]);
    linkers.find(|linker| linker.is_file())
}

fn javascript(folder: &Path, args: &Args) -> Result<PathBuf, CommandError> {
    let program = Path::new("node_modules/.bin/componentize-qjs");
    if !folder.join(program).exists() {
        return Err(CommandError::Failed(format!(
            "componentize-qjs is not installed: run `npm install` in {} (Node 20 or later), then this again",
            folder.display()
        )));
    }
    let manifest = folder.join("package.json");
    let manifest = fs::read(&manifest).map_err(|error| unreadable(&manifest, &error))?;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest)
        .map_err(|error| CommandError::Failed(format!("package.json is no JSON: {error}")))?;
    let name = manifest["name"].as_str().unwrap_or("filter");
    let output = args.output.clone().unwrap_or_else(|| folder.join(format!("{name}.wasm")));
    let output = std::path::absolute(&output).map_err(|error| unreadable(&output, &error))?;
    // Without WASI: a farm has none. Without the asynchronous ABI: a farm calls one function at a time.
    let mut componentize = Command::new(program);
    componentize.args(["--stub-wasi", "--sync", "--wit", "wit", "--js", "filter.js", "--world", &args.world]);
    componentize.arg("--output").arg(&output).current_dir(folder);
    done(&mut componentize)?;
    Ok(output)
}

/// Runs it; what it says is the author's to read.
fn done(command: &mut Command) -> Result<(), CommandError> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status =
        command.status().map_err(|error| CommandError::Failed(format!("cannot start {name}: {error}")))?;
    if status.success() { Ok(()) } else { Err(CommandError::Failed(format!("{name} ended with {status}"))) }
}

fn said(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn unreadable(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::Failed(format!("cannot read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(folder: &Path) -> String {
        let args = Args { folder: folder.into(), output: None, world: "base".into() };
        run(&args).unwrap_err().to_string()
    }

    #[test]
    fn a_build_of_minutes_is_said_once() {
        let target = tempfile::tempdir().unwrap();
        assert!(patience(true, target.path()).is_some_and(|line| line.contains("some minutes")));
        assert_eq!(patience(false, target.path()), None);
        fs::create_dir(target.path().join(TARGET)).unwrap();
        assert_eq!(patience(true, target.path()), None);
    }

    #[test]
    fn what_is_missing_is_said_with_the_command_that_gets_it() {
        let folder = tempfile::tempdir().unwrap();
        assert!(why(folder.path()).contains("`hedgerow filter new NAME` makes a folder that has"));
        fs::write(folder.path().join("filter.js"), "").unwrap();
        assert!(why(folder.path()).contains("run `npm install` in "));
        fs::write(folder.path().join("Cargo.toml"), "nothing").unwrap();
        assert!(why(folder.path()).contains("cargo does not take "));
    }
}
