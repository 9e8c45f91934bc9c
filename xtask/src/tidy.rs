//! `tidy`: taste as a test. Checks what no compiler checks; each check is a function from text to findings.
//!
//! A justified exception stands where it is, as a comment on the line or on a line of its own before it, with its
//! reason: `tidy-allow(RULE): why`. Never changes a file.

mod allow;
mod crates;
mod files;
mod pages;
mod words;

use std::fmt;

use crate::{Outcome, workspace};

/// Something to mend.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// From 1.
    line: usize,
    /// The word that an exception names.
    rule: &'static str,
    /// What is there and what is expected instead.
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, rule: &'static str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, rule, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {} [{}]", self.path, self.line, self.message, self.rule)
    }
}

/// Every rule, as exceptions name it.
const RULES: &[&str] = &[
    crates::DIRECTION,
    crates::OWNER,
    crates::BANNED,
    files::LENGTH,
    files::HEAD,
    files::MOD_RS,
    words::LEFT_OVER,
    words::TYPE_NAME,
    words::ABSOLUTE_PATH,
    pages::LINK,
    pages::MAP,
];

/// `tidy`: prints every finding.
pub fn run(args: &[String]) -> Outcome {
    if let Some(first) = args.first() {
        return Err(format!("expected no arguments, found `{first}`"));
    }
    let sources = workspace::sources()?;
    let root = workspace::root();
    let members = crates::members(&root)?;

    let mut findings = crates::direction(&members);
    findings.extend(crates::owners(&members));
    findings.extend(pages::map(&sources, &members));
    for source in &sources {
        findings.extend(crates::banned(source, &crates::is_linked));
        findings.extend(files::check(source));
        findings.extend(words::check(source, &root.to_string_lossy()));
        findings.extend(pages::links(source, &|path| root.join(path).exists()));
    }
    let mut findings = allow::judge(findings, &sources);
    findings.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));

    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        count => {
            Err(format!("{count} findings; a justified exception is a comment `tidy-allow(RULE): why` there"))
        }
    }
}
