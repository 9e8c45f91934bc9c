//! Exceptions: a comment at the place, with the rule and a reason. One that is not needed any more is itself a finding.

use super::{Finding, RULES};
use crate::workspace::Source;

/// The rule of findings about exceptions; there is no exception to it.
const EXCEPTION: &str = "exception";

/// Rules about a whole file: their exception may stand on any line.
const WHOLE_FILE: &[&str] =
    &[super::files::LENGTH, super::files::HEAD, super::files::MOD_RS, super::pages::MAP];

struct Exception<'a> {
    path: &'a str,
    line: usize,
    rule: &'static str,
    reason: bool,
    used: bool,
}

/// Takes away what is excused; adds exceptions that excuse nothing or give no reason.
pub fn judge(findings: Vec<Finding>, sources: &[Source]) -> Vec<Finding> {
    let mut exceptions: Vec<Exception<'_>> = sources.iter().flat_map(exceptions).collect();
    let mut left: Vec<Finding> = Vec::new();
    for finding in findings {
        let mut excused = false;
        for exception in exceptions.iter_mut().filter(|exception| exception.covers(&finding)) {
            exception.used = true;
            excused = true;
        }
        if !excused {
            left.push(finding);
        }
    }
    for exception in exceptions {
        let message = match (exception.reason, exception.used) {
            (false, _) => {
                format!("the exception to `{}` gives no reason; expected `: why` after it", exception.rule)
            }
            (true, false) => format!("the exception to `{}` excuses nothing here; remove it", exception.rule),
            (true, true) => continue,
        };
        left.push(Finding::new(exception.path, exception.line, EXCEPTION, message));
    }
    left
}

impl Exception<'_> {
    fn covers(&self, finding: &Finding) -> bool {
        let here = finding.line == self.line || finding.line == self.line + 1;
        self.path == finding.path && self.rule == finding.rule && (here || WHOLE_FILE.contains(&self.rule))
    }
}

/// Only a comment counts, and only with the name of a rule: prose about exceptions is not one.
fn exceptions(source: &Source) -> Vec<Exception<'_>> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(source.text.lines()) {
        let Some((before, after)) = line.split_once("tidy-allow(") else { continue };
        let comment = ["//", "#", "<!--"].iter().any(|opener| before.trim_end().ends_with(opener));
        let Some((name, rest)) = after.split_once(')').filter(|_| comment) else { continue };
        let Some(&rule) = RULES.iter().find(|rule| **rule == name) else { continue };
        let reason = rest.strip_prefix(':').is_some_and(|why| !why.trim_end_matches("-->").trim().is_empty());
        found.push(Exception { path: &source.path, line: number, rule, reason, used: false });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An exception in a file; put together, so that this file has none.
    fn file(comment: &str) -> Source {
        Source { path: "a.rs".into(), text: format!("//! A.\n{}\nx", comment.replace('@', "tidy-allow(")) }
    }

    fn judged(comment: &str, finding: Option<Finding>) -> Vec<String> {
        judge(finding.into_iter().collect(), &[file(comment)]).iter().map(ToString::to_string).collect()
    }

    fn left_over(line: usize) -> Option<Finding> {
        Some(Finding::new("a.rs", line, super::super::words::LEFT_OVER, "there"))
    }

    #[test]
    fn an_exception_with_a_reason_covers_its_line_and_the_next() {
        let comment = "// @left-over): quoted from the standard";
        assert_eq!(judged(comment, left_over(2)), [""; 0]);
        assert_eq!(judged(comment, left_over(3)), [""; 0]);
        assert_eq!(
            judged(comment, left_over(1)).len(),
            2,
            "the finding stays and the exception excuses nothing"
        );
    }

    #[test]
    fn an_exception_to_a_rule_about_files_stands_anywhere() {
        let long = Finding::new("a.rs", 601, super::super::files::LENGTH, "long");
        assert_eq!(judged("// @length): one table", Some(long)), [""; 0]);
    }

    #[test]
    fn an_exception_without_a_reason_or_without_need_is_a_finding() {
        assert!(judged("// @left-over)", left_over(2))[0].contains("gives no reason"));
        assert!(judged("<!-- @left-over): -->", left_over(2))[0].contains("gives no reason"));
        assert!(
            judged("// @left-over): because", None)[0]
                .contains("a.rs:2: the exception to `left-over` excuses nothing")
        );
    }

    #[test]
    fn prose_and_unknown_rules_are_not_exceptions() {
        assert_eq!(judged("say `@left-over): why`", None), [""; 0]);
        assert_eq!(judged("// @no-such-rule): because", left_over(2)).len(), 1);
    }
}
