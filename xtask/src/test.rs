//! `test`: everything that has to hold. Every stage runs even when an earlier one failed; the cheap ones come first and
//! the tests last, so that the runner's own summary is next to ours at the end of the output.

use std::process::Command;

use crate::setup::{self, Purpose};
use crate::workspace::{self, Source};
use crate::{Outcome, filters, process, tidy, web};

/// How a stage ended, when it did not fail.
enum Stage {
    Passed,
    /// Not run, and why that is all right.
    Skipped(&'static str),
}

type Ending = Result<Stage, String>;

/// `test [FILTER…]`; with a filter only the tests themselves run, and the filter goes to nextest as it is.
pub fn run(filter: &[String]) -> Outcome {
    setup::ensure(Purpose::Test)?;
    let mut endings: Vec<(&str, Ending)> = Vec::new();
    if filter.is_empty() {
        let sources = workspace::sources()?;
        endings.push(("tidy", tidy::run(&[]).map(|()| Stage::Passed)));
        endings.push(("deny", deny()));
        endings.push(("vectors", vectors(&sources)));
        endings.push(("docs", docs(&sources)));
        endings.push(("filters", filters::test().map(|()| Stage::Passed)));
    }
    // Before the build: the binary that is tested has the page.
    endings.push(("web", page()));
    // What does not build fails here once, with the compiler's words at the end of the output.
    let built = build();
    let tested = if built.is_ok() { tests(filter) } else { Err("not run, the build failed".into()) };
    endings.push(("build", built));
    endings.push(("tests", tested));

    println!();
    for (name, ending) in &endings {
        println!("{}", summary(name, ending));
    }
    let failed: Vec<&str> =
        endings.iter().filter(|(_, ending)| ending.is_err()).map(|(name, _)| *name).collect();
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

fn summary(name: &str, ending: &Ending) -> String {
    match ending {
        Ok(Stage::Passed) => format!("{name:<8} ok"),
        Ok(Stage::Skipped(why)) => format!("{name:<8} skipped: {why}"),
        Err(message) => format!("{name:<8} FAILED: {message}"),
    }
}

fn pass(command: &mut Command) -> Ending {
    process::run(command).map(|()| Stage::Passed)
}

/// Licences, banned crates, sources; not advisories, which change without a change of ours. What is banned is also found by tidy, so that nothing rests on this being here.
fn deny() -> Ending {
    let Some(deny) = process::find("cargo-deny") else {
        return Ok(Stage::Skipped("cargo-deny is not installed"));
    };
    pass(process::at_root(deny).args(["check", "bans", "licenses", "sources"]))
}

/// The page, where it can be built.
fn page() -> Ending {
    if !web::can_be_built() {
        return Ok(Stage::Skipped("node and npm are not installed"));
    }
    web::run(&[]).and_then(|()| web::test()).map(|()| Stage::Passed)
}

/// The golden vectors, decoded by a second implementation.
fn vectors(sources: &[Source]) -> Ending {
    let mut scripts = sources.iter().filter(|source| checks_vectors(&source.path)).peekable();
    if scripts.peek().is_none() {
        return Ok(Stage::Skipped("no vectors/check*.py"));
    }
    let run = |script: &Source| {
        let mut python = process::at_root(setup::python());
        process::run(python.env("PYTHONDONTWRITEBYTECODE", "1").arg(&script.path))
    };
    let failed: Vec<String> = scripts.filter_map(|script| run(script).err()).collect();
    if failed.is_empty() { Ok(Stage::Passed) } else { Err(failed.join("; ")) }
}

fn checks_vectors(path: &str) -> bool {
    let mut folders = path.rsplit('/');
    let name = folders.next().unwrap_or_default();
    name.starts_with("check") && name.ends_with(".py") && folders.next() == Some("vectors")
}

/// The binaries that end-to-end tests start, together with the tests, so that both share one set of features.
fn build() -> Ending {
    pass(process::cargo().args(["build", "--workspace", "--bins", "--tests"]))
}

fn docs(sources: &[Source]) -> Ending {
    if !sources.iter().any(|source| source.extension() == "rs" && has_doc_test(&source.text)) {
        return Ok(Stage::Skipped("no documentation has an example"));
    }
    pass(process::cargo().args(["test", "--workspace", "--doc", "--quiet"]))
}

/// Whether rustdoc would find an example to compile.
fn has_doc_test(text: &str) -> bool {
    let mut inside = false;
    for line in text.lines().map(str::trim_start) {
        let doc = line.strip_prefix("//!").or_else(|| line.strip_prefix("///"));
        let Some(info) = doc.and_then(|doc| doc.trim_start().strip_prefix("```")) else { continue };
        let rust = ["", "rust", "no_run", "should_panic", "compile_fail"];
        if !inside && info.split(',').any(|word| rust.contains(&word.trim())) {
            return true;
        }
        inside = !inside;
    }
    false
}

fn tests(filter: &[String]) -> Ending {
    let nextest = setup::nextest().ok_or("cargo-nextest is not installed")?;
    // Tests in Rust that start a foreign client find its interpreter here.
    let mut nextest = process::at_root(nextest);
    pass(nextest.env("HEDGEROW_PYTHON", setup::python()).args(["nextest", "run", "--workspace"]).args(filter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_checks_beside_vectors_are_run() {
        assert!(checks_vectors("proto/vectors/check.py"));
        assert!(checks_vectors("model/vectors/check_paths.py"));
        assert!(!checks_vectors("proto/vectors/make.py"));
        assert!(!checks_vectors("tests/check.py"));
        assert!(!checks_vectors("check.py"));
    }

    #[test]
    fn an_example_counts_only_if_rustdoc_compiles_it() {
        assert!(has_doc_test("/// ```\n/// let a = 1;\n/// ```"));
        assert!(has_doc_test("    //! ```no_run\n"));
        assert!(has_doc_test("/// ```text\n/// a\n/// ```\n/// ```rust\n"));
        assert!(!has_doc_test("/// ```text\n/// a\n/// ```\n"), "the end of a block is not the start of one");
        assert!(!has_doc_test("// ```\n"));
    }

    #[test]
    fn the_summary_says_what_failed_and_what_did_not_run() {
        assert_eq!(summary("tidy", &Ok(Stage::Passed)), "tidy     ok");
        assert_eq!(summary("deny", &Ok(Stage::Skipped("absent"))), "deny     skipped: absent");
        assert_eq!(summary("docs", &Err("`x` ended with 1".into())), "docs     FAILED: `x` ended with 1");
    }
}
