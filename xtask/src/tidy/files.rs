//! The shape of a file: how long it is, how it begins, what it is called.

use super::Finding;
use crate::workspace::Source;

/// Longer than [`LONGEST`].
pub const LENGTH: &str = "length";
/// A Rust file that does not say what it is for.
pub const HEAD: &str = "head";
/// `foo/mod.rs` instead of `foo.rs`.
pub const MOD_RS: &str = "mod-rs";

/// Lines of code in a file, tests not counted. The aim is half of it.
const LONGEST: usize = 600;

/// What people write line by line; data and prose may be as long as they are.
const CODE: &[&str] = &["rs", "py", "sh", "ts", "js", "svelte"];

/// Code that a program writes and a test compares with what the program would write.
pub fn is_generated(path: &str) -> bool {
    path.starts_with("proto/src/gen/") || path == "proto/src/gen.rs" || path == "filters/sdk/src/bindings.rs"
}

/// All rules about the shape of one file.
pub fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    if is_generated(&source.path) || !CODE.contains(&source.extension()) {
        return findings;
    }
    let path = &source.path;
    let lines = lines_of_code(source);
    if lines > LONGEST {
        let message =
            format!("{lines} lines of code without tests, expected at most {LONGEST}: split it by noun");
        findings.push(Finding::new(path, LONGEST + 1, LENGTH, message));
    }
    if source.extension() == "rs" {
        // `foo/tests.rs` is about `foo.rs`, which has said it.
        if !source.text.starts_with("//!") && !path.ends_with("/tests.rs") {
            let message =
                "expected `//!` on the first line: what the module is for and what it must never do";
            findings.push(Finding::new(path, 1, HEAD, message));
        }
        if path.ends_with("/mod.rs") {
            findings.push(Finding::new(
                path,
                1,
                MOD_RS,
                "expected `foo.rs` beside `foo/` instead of `foo/mod.rs`",
            ));
        }
    }
    findings
}

/// Lines before `#[cfg(test)] mod tests {`; none in a file that is all tests.
fn lines_of_code(source: &Source) -> usize {
    // The crate of end-to-end tests is itself a folder `tests`; its own library is code like any other.
    let in_tests =
        source.path.split('/').skip(1).any(|part| ["tests", "tests.rs", "vectors"].contains(&part));
    if in_tests {
        return 0;
    }
    let lines: Vec<&str> = source.text.lines().collect();
    let tests_begin = |&at: &usize| {
        let mut attributes = lines.iter().skip(at).skip_while(|line| line.starts_with("#["));
        lines.get(at) == Some(&"#[cfg(test)]") && attributes.next() == Some(&"mod tests {")
    };
    (0..lines.len()).find(tests_begin).unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&Source { path: path.into(), text: text.into() }).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn six_hundred_lines_pass_and_one_more_does_not() {
        let file = |lines: usize| format!("//! A.\n{}", "x\n".repeat(lines - 1));
        assert_eq!(found("a/src/b.rs", &file(600)), [""; 0]);
        let expected = "a/src/b.rs:601: 601 lines of code without tests, expected at most 600: split it by noun [length]";
        assert_eq!(found("a/src/b.rs", &file(601)), [expected]);
        assert_eq!(found("docs/b.md", &file(601)), [""; 0]);
        assert_eq!(found("proto/src/gen/hedgerow.farm.v1.rs", &file(601)), [""; 0]);
    }

    #[test]
    fn tests_do_not_count() {
        let code = "//! A.\n";
        let long = "x\n".repeat(700);
        assert_eq!(found("a/src/b.rs", &format!("{code}#[cfg(test)]\nmod tests {{\n{long}}}\n")), [""; 0]);
        let with_attribute = format!("{code}#[cfg(test)]\n#[expect(lint)]\nmod tests {{\n{long}}}\n");
        assert_eq!(found("a/src/b.rs", &with_attribute), [""; 0]);
        assert_eq!(found("a/src/b/tests.rs", &format!("{code}{long}")), [""; 0]);
        assert_eq!(found("tests/tests/kill.rs", &format!("{code}{long}")), [""; 0]);
        assert_eq!(found("model/vectors/check.py", &long), [""; 0]);
        assert_eq!(found("tests/src/sandbox.rs", &format!("{code}{long}")).len(), 1);
        assert_eq!(found("a/src/b.rs", &format!("{code}#[cfg(test)]\nfn one() {{}}\n{long}")).len(), 1);
    }

    #[test]
    fn a_rust_file_begins_with_what_it_is_for() {
        assert_eq!(found("a/src/b.rs", "use std::fmt;\n").len(), 1);
        assert!(
            found("a/src/main.rs", "")[0].starts_with("a/src/main.rs:1: expected `//!` on the first line")
        );
        assert_eq!(found("a/src/b/tests.rs", "use super::*;\n"), [""; 0]);
        assert_eq!(found("a/b.py", "import sys\n"), [""; 0]);
        assert_eq!(found("proto/src/gen/x.rs", "// @generated\n"), [""; 0]);
        assert_eq!(found("filters/sdk/src/bindings.rs", "// Generated\n"), [""; 0]);
    }

    #[test]
    fn a_module_is_not_called_mod() {
        assert!(found("a/src/b/mod.rs", "//! B.\n")[0].ends_with("[mod-rs]"));
        assert_eq!(found("a/src/bmod.rs", "//! B.\n"), [""; 0]);
    }
}
