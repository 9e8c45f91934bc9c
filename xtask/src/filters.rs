//! `filters`: builds the shipped filters as WASM, and checks what is committed of them.
//!
//! The guests are a workspace of their own, in `filters/`. Their `.wasm` files are committed with checksums, so that building and
//! testing the project needs no WASM target. Their code is tested natively with everything else.

mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Outcome, process, workspace};
use toolchain::Toolchain;

/// What is shipped: name, crate, features.
const SHIPPED: &[(&str, &str, &str)] = &[
    ("absent", "absent", ""),
    ("absent-action", "absent", "actions"),
    ("absent-alarm", "absent", "alarms"),
    ("anomaly", "anomaly", ""),
    ("anomaly-alarm", "anomaly", "alarms"),
    ("expr", "expr", ""),
    ("flap", "flap", ""),
    ("flap-alarm", "flap", "alarms"),
    ("forecast", "forecast", ""),
    ("forecast-alarm", "forecast", "alarms"),
    ("load", "load", ""),
    ("quantile", "quantile", ""),
    ("rate", "rate", ""),
    ("threshold", "threshold", ""),
    ("threshold-action", "threshold", "actions"),
    ("threshold-alarm", "threshold", "alarms"),
];

/// What `bench filter` measures, built for size, as authors are told to, and for speed: the level of optimization, and the file.
const MEASURED: [(&str, &str); 2] = [("z", "ewma-small.wasm"), ("3", "ewma-fast.wasm")];

/// Largest a shipped filter may be, in bytes: it goes to every farm that wants it.
const LARGEST: u64 = 53_000;

/// Sums as `sha256sum -c` reads them.
const SUMS: &str = "SHA256SUMS";
/// The compiler that made what is committed: another one makes other bytes.
const BUILT_WITH: &str = "BUILT-WITH";

/// `filters [--check | --bindings]`.
pub fn run(args: &[String]) -> Outcome {
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => build(),
        ["--check"] => check(),
        ["--bindings"] => bindings(),
        _ => Err(format!("expected --check, --bindings or nothing, found `{}`", args.join(" "))),
    }
}

/// Builds all into `prebuilt`.
fn build() -> Outcome {
    let toolchain = Toolchain::find_or_install()?;
    let folder = prebuilt();
    fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    for (name, file) in built(&toolchain)? {
        let to = folder.join(format!("{name}.wasm"));
        let bytes = read(&file)?;
        println!("{name:<20} {:>7} bytes", bytes.len());
        if bytes.len() as u64 > LARGEST {
            return Err(format!("{name} has {} bytes: expected at most {LARGEST}", bytes.len()));
        }
        fs::write(&to, bytes).map_err(|error| format!("cannot write {}: {error}", to.display()))?;
    }
    let write = |name: &str, text: String| {
        fs::write(folder.join(name), text).map_err(|error| format!("cannot write {name}: {error}"))
    };
    write(SUMS, sums()?)?;
    write(BUILT_WITH, format!("{}\n", toolchain.version))
}

/// Whether what is committed is what its sums say, and, with the same compiler, what its source says.
fn check() -> Outcome {
    check_sums()?;
    let wanted = fs::read_to_string(prebuilt().join(BUILT_WITH)).unwrap_or_default();
    let toolchain = match Toolchain::find() {
        Ok(toolchain) if toolchain.version == wanted.trim() => toolchain,
        Ok(other) => {
            println!("not rebuilt: here is {}, they were built with {}", other.version, wanted.trim());
            return Ok(());
        }
        Err(why) => {
            println!("not rebuilt: {why}");
            return Ok(());
        }
    };
    for (name, file) in built(&toolchain)? {
        if read(&file)? != read(&prebuilt().join(format!("{name}.wasm")))? {
            return Err(format!("{name}.wasm is not what its source gives: run `cargo xtask filters`"));
        }
    }
    Ok(())
}

/// Whether the committed files are those that were built, and all of them.
pub fn check_sums() -> Outcome {
    let written =
        fs::read_to_string(prebuilt().join(SUMS)).map_err(|error| format!("cannot read {SUMS}: {error}"))?;
    if written == sums()? {
        Ok(())
    } else {
        Err(format!("the files in filters/prebuilt are not those of {SUMS}"))
    }
}

fn sums() -> Result<String, String> {
    let files: Vec<String> = SHIPPED.iter().map(|(name, ..)| format!("{name}.wasm")).collect();
    let output = Command::new("sha256sum").args(&files).current_dir(prebuilt()).output();
    let output = output.map_err(|error| format!("cannot start sha256sum: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    String::from_utf8(output.stdout).map_err(|error| error.to_string())
}

/// Makes the SDK's bindings from the contract.
fn bindings() -> Outcome {
    process::run(here(process::cargo()).args(["run", "--quiet", "--package", "hedgerow-filter-codegen"]))
}

/// Formats, lints and tests the guests natively; they are small. The examples of the SDK are among the tests.
pub fn test() -> Outcome {
    check_sums()?;
    process::run(here(process::cargo()).args(["fmt", "--all", "--check"]))?;
    let lints = ["clippy", "--quiet", "--all-targets", "--all-features", "--", "-D", "warnings"];
    process::run(here(process::cargo()).args(lints))?;
    process::run(here(process::cargo()).args(["test", "--quiet", "--all-features", "--locked"]))
}

/// A cargo in the workspace of the guests, building beside the others.
fn here(mut cargo: Command) -> Command {
    cargo
        .current_dir(workspace::root().join("filters"))
        .env("CARGO_TARGET_DIR", workspace::target().join("filters"));
    cargo
}

/// Builds all; name and file of each.
fn built(toolchain: &Toolchain) -> Result<Vec<(&'static str, PathBuf)>, String> {
    let target = workspace::target().join("filters-wasm");
    let mut files = Vec::new();
    for (name, package, features) in SHIPPED {
        let mut cargo = toolchain.cargo(&workspace::root().join("filters"));
        cargo
            .env("CARGO_TARGET_DIR", &target)
            .args(["--package", package, "--features", features])
            .args(Toolchain::LAST);
        process::run(&mut cargo)?;
        // Features share a name: what was built is put aside before the next.
        let file =
            target.join("wasm32-unknown-unknown/release").join(format!("{}.wasm", package.replace('-', "_")));
        let aside = target.join(format!("{name}.wasm"));
        fs::copy(&file, &aside).map_err(|error| format!("cannot copy {}: {error}", file.display()))?;
        files.push((*name, aside));
    }
    Ok(files)
}

/// Builds what `bench filter` measures; where it is.
pub fn measured() -> Result<PathBuf, String> {
    let toolchain = Toolchain::find_or_install()?;
    let target = workspace::target().join("filters-wasm");
    for (level, name) in MEASURED {
        let mut cargo = toolchain.cargo(&workspace::root().join("filters"));
        cargo
            .env("CARGO_TARGET_DIR", &target)
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", level)
            .args(["--quiet", "--package", "ewma"])
            .args(Toolchain::LAST);
        process::run(&mut cargo)?;
        let file = target.join("wasm32-unknown-unknown/release/ewma.wasm");
        fs::copy(&file, target.join(name))
            .map_err(|error| format!("cannot copy {}: {error}", file.display()))?;
    }
    Ok(target)
}

fn prebuilt() -> PathBuf {
    workspace::root().join("filters/prebuilt")
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crate_of_the_shipped_is_built() {
        let folders = fs::read_dir(workspace::root().join("filters/shipped")).unwrap();
        for folder in folders {
            let name = folder.unwrap().file_name().into_string().unwrap();
            assert!(SHIPPED.iter().any(|(_, package, _)| *package == name), "{name} is not in SHIPPED");
        }
    }
}
