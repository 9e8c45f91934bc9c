//! Running other programs, always said aloud first, so that a person can repeat by hand what a command does.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A command of the cargo that runs us, at the root of the workspace.
pub fn cargo() -> Command {
    at_root(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A command at the root of the workspace.
pub fn at_root(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(crate::workspace::root());
    command
}

/// Says and runs the command; an error unless it ends with status 0.
pub fn run(command: &mut Command) -> Result<(), String> {
    let line = line(command);
    eprintln!("$ {line}");
    let status = command.status().map_err(|error| format!("cannot start `{line}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` ended with {status}")) }
}

/// Whether the command can be started and ends with status 0. Says nothing, shows nothing.
pub fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// The program as a person would type it.
pub fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// The file that `name` starts: a path as it is, a bare name looked up in PATH.
pub fn find(name: &str) -> Option<PathBuf> {
    let search = env::var_os("PATH").unwrap_or_default();
    find_in(name, env::split_paths(&search))
}

fn find_in(name: &str, folders: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| path.is_file());
    }
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_looked_up_and_a_path_is_not() {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let here = || std::iter::once(PathBuf::from(env!("CARGO_MANIFEST_DIR")));
        assert_eq!(find_in("Cargo.toml", here()), Some(PathBuf::from(manifest)));
        assert_eq!(find_in("Cargo.lock", here()), None);
        assert_eq!(find_in(manifest, std::iter::empty()), Some(PathBuf::from(manifest)));
        assert_eq!(find_in("/nowhere/Cargo.toml", here()), None);
    }

    #[test]
    fn a_program_that_fails_or_is_absent_is_an_error_that_names_it() {
        assert_eq!(run(&mut Command::new("true")), Ok(()));
        assert!(run(Command::new("false").arg("x")).unwrap_err().contains("`false x` ended with"));
        assert!(
            run(&mut Command::new("no-such-program")).unwrap_err().contains("cannot start `no-such-program`")
        );
        assert!(!succeeds(&mut Command::new("no-such-program")));
    }
}
