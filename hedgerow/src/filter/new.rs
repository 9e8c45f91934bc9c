//! `filter new`: a folder in which a filter can be written, with all that it needs but the compiler.
//!
//! Never writes into a folder that is there already.

use crate::outcome::{CommandError, Outcome};
use crate::output::Out;
use clap::ValueEnum;
use std::fs;
use std::path::{Path, PathBuf};

/// Begin a filter of one's own: a folder with an example that works, tests and the SDK
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its name: small letters, digits and `-`
    #[arg(value_name = "NAME")]
    name: String,
    /// What it is written in
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    lang: Language,
    /// Folder to make it in [default: ./NAME]
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Language {
    /// 50 to 70 kB
    Rust,
    /// 1.7 MB, as an interpreter comes with it; slower
    Js,
}

/// Files of a folder: path in it, and content.
type Files = &'static [(&'static str, &'static str)];

macro_rules! files {
    ($($to:literal: $from:literal,)*) => {
        &[$(($to, include_str!(concat!("../../../filters/", $from)))),*]
    };
}

/// The SDK goes with each filter: it has no dependencies, and builds as it is, offline, for as long as there is a compiler.
const RUST: Files = files! {
    "Cargo.toml": "templates/rust/Cargo.toml.in",
    "src/lib.rs": "templates/rust/lib.rs.in",
    "hedgerow-filter/src/abi.rs": "sdk/src/abi.rs",
    "hedgerow-filter/src/actions.rs": "sdk/src/actions.rs",
    "hedgerow-filter/src/alarms.rs": "sdk/src/alarms.rs",
    "hedgerow-filter/src/allocator.rs": "sdk/src/allocator.rs",
    "hedgerow-filter/src/bench.rs": "sdk/src/bench.rs",
    "hedgerow-filter/src/bindings.rs": "sdk/src/bindings.rs",
    "hedgerow-filter/src/filter.rs": "sdk/src/filter.rs",
    "hedgerow-filter/src/guest.rs": "sdk/src/guest.rs",
    "hedgerow-filter/src/host.rs": "sdk/src/host.rs",
    "hedgerow-filter/src/input.rs": "sdk/src/input.rs",
    "hedgerow-filter/src/json.rs": "sdk/src/json.rs",
    "hedgerow-filter/src/lib.rs": "sdk/src/lib.rs",
    "hedgerow-filter/src/log.rs": "sdk/src/log.rs",
    "hedgerow-filter/src/number.rs": "sdk/src/number.rs",
    "hedgerow-filter/src/out.rs": "sdk/src/out.rs",
    "hedgerow-filter/src/out/declared.rs": "sdk/src/out/declared.rs",
    "hedgerow-filter/src/parameters.rs": "sdk/src/parameters.rs",
    "hedgerow-filter/src/parameters/kinds.rs": "sdk/src/parameters/kinds.rs",
    "hedgerow-filter/src/parameters/tests.rs": "sdk/src/parameters/tests.rs",
    "hedgerow-filter/src/per_series.rs": "sdk/src/per_series.rs",
    "hedgerow-filter/src/state.rs": "sdk/src/state.rs",
};

/// The SDK's own manifest names the workspace that it lives in; a copy stands by itself.
const SDK_MANIFEST: &str = "\
[package]
name = \"hedgerow-filter\"
description = \"Write filters for Hedgerow: programs that run beside the data\"
version = \"0.1.0\"
edition = \"2024\"
license = \"Apache-2.0 OR MIT\"
publish = false

[features]
# For filters that are shipped: an allocator of its own, and no last words.
small = []
";

const JS: Files = files! {
    "package.json": "templates/js/package.json.in",
    "filter.js": "templates/js/filter.js.in",
    "hedgerow.js": "templates/js/hedgerow.js.in",
    "wit/filter.wit": "wit/filter.wit",
};

/// What a filter's crate cannot be called: crates that each filter is built with, and words of the language.
#[rustfmt::skip]
const NOT_IN_RUST: [&str; 57] = [
    "alloc", "core", "hedgerow-filter", "proc-macro", "std", "test",
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else", "enum",
    "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut",
    "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Writes them.
///
/// # Errors
/// Where the name is none, the folder is there, or cannot be written.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    let name = &args.name;
    if !is_name(name) {
        return Err(CommandError::Misuse(format!(
            "`{name}` is no name of a filter: expected a small letter, then at most 63 of small letters, digits and `-`"
        )));
    }
    if matches!(args.lang, Language::Rust) && NOT_IN_RUST.contains(&name.as_str()) {
        return Err(CommandError::Misuse(format!(
            "`{name}` is a name that Rust has for something else, and a crate called so does not compile: take another, as \
             my-{name}"
        )));
    }
    let folder = args.into.clone().unwrap_or_else(|| PathBuf::from(name));
    if folder.exists() {
        return Err(CommandError::Failed(format!(
            "{} is there already: nothing was written",
            folder.display()
        )));
    }
    let files = match args.lang {
        Language::Rust => RUST,
        Language::Js => JS,
    };
    for (path, content) in files {
        let is_template = !path.starts_with("hedgerow-filter/") && !path.starts_with("wit/");
        let content = if is_template { content.replace("NAME", name) } else { (*content).to_owned() };
        write(&folder.join(path), &content)?;
    }
    let mut out = Out::new();
    let shown = folder.display();
    match args.lang {
        Language::Rust => {
            write(&folder.join("hedgerow-filter/Cargo.toml"), SDK_MANIFEST)?;
            write(&folder.join(".gitignore"), "/target\n*.wasm\n")?;
            out.line(format!("{shown}/src/lib.rs is the filter. Next:"))?;
            out.line(format!("  cd {shown} && cargo test && hedgerow filter build"))?;
        }
        Language::Js => {
            write(&folder.join(".gitignore"), "/node_modules\n*.wasm\n")?;
            out.line(format!("{shown}/filter.js is the filter. Next:"))?;
            out.line(format!("  cd {shown} && npm install && hedgerow filter build"))?;
        }
    }
    out.flush()?;
    Ok(Outcome::Done)
}

fn is_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    let rest = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    first && rest && name.len() <= 64
}

fn write(path: &Path, content: &str) -> Result<(), CommandError> {
    let failed =
        |error: std::io::Error| CommandError::Failed(format!("cannot write {}: {error}", path.display()));
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    fs::write(path, content).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(lang: Language, name: &str) -> (tempfile::TempDir, PathBuf) {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join(name);
        run(&Args { name: name.into(), lang, into: Some(folder.clone()) }).unwrap();
        (parent, folder)
    }

    #[test]
    fn every_file_of_the_sdk_is_in_the_copy() {
        let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../filters/sdk");
        let mut folders = vec![sdk.join("src")];
        while let Some(folder) = folders.pop() {
            for file in fs::read_dir(folder).unwrap() {
                let file = file.unwrap().path();
                if file.is_dir() {
                    folders.push(file);
                    continue;
                }
                let path = Path::new("hedgerow-filter").join(file.strip_prefix(&sdk).unwrap());
                assert!(
                    RUST.iter().any(|(to, _)| Path::new(to) == path),
                    "{} is not in RUST",
                    path.display()
                );
            }
        }
    }

    #[test]
    fn the_name_is_in_every_template() {
        let (_kept, folder) = made(Language::Rust, "my-mean");
        assert!(fs::read_to_string(folder.join("Cargo.toml")).unwrap().contains("name = \"my-mean\""));
        assert!(
            fs::read_to_string(folder.join("src/lib.rs")).unwrap().contains("Description::new(\"my-mean\"")
        );
        let (_kept, folder) = made(Language::Js, "my-mean");
        assert!(fs::read_to_string(folder.join("filter.js")).unwrap().contains("name: \"my-mean\""));
        assert!(folder.join("wit/filter.wit").is_file());
    }

    #[test]
    fn a_crate_that_cannot_compile_is_not_begun() {
        let parent = tempfile::tempdir().unwrap();
        let begun = |name: &str, lang| {
            let into = Some(parent.path().join(name));
            run(&Args { name: name.into(), lang, into }).map_err(|error| error.to_string())
        };
        for name in ["std", "core", "test", "hedgerow-filter", "match"] {
            let said = begun(name, Language::Rust).unwrap_err();
            assert!(said.contains("take another") && !parent.path().join(name).exists(), "{said}");
        }
        assert!(begun("std", Language::Js).is_ok() && begun("standard", Language::Rust).is_ok());
    }

    #[test]
    fn a_folder_that_is_there_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let args = Args { name: "a".into(), lang: Language::Js, into: Some(folder.path().into()) };
        assert!(run(&args).unwrap_err().to_string().contains("is there already"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn names_are_those_that_a_description_takes() {
        assert!(["a", "a-1", &"a".repeat(64)].into_iter().all(is_name));
        assert!(!["", "1a", "A", "a_b", "../a", &"a".repeat(65)].into_iter().any(is_name));
    }
}
