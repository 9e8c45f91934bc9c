//! A question as it stands on the command line, read as a predicate: its words, and options that say the same.

use crate::outcome::CommandError;
use crate::output::clock::Zone;
use hedgerow_model::predicate::{Reading, When, Window};
use hedgerow_model::{Predicate, SyntaxError};
use std::fmt::Display;

/// What to ask for. Every option can also be a word of the predicate.
#[derive(Debug, clap::Args)]
pub struct QuestionArgs {
    /// Patterns FARM/CLUSTER/NODE/PARAMETER[LABELS] with * ? {a,b}; missing parts at the end mean *
    #[arg(required = true, value_name = "PREDICATE")]
    words: Vec<String>,
    /// Only samples with such a value: 'value > 0.9', 'value in {up,down}'
    #[arg(long = "where", value_name = "CONSTRAINT", help_heading = "Question")]
    constraint: Option<String>,
    /// From when: 5m, 2d (back from now), 2026-11-20T14:00:00Z, "2026-11-20 14:00"
    #[arg(long, value_name = "TIME", help_heading = "Question")]
    since: Option<String>,
    /// Until when, exclusive
    #[arg(long, value_name = "TIME", help_heading = "Question")]
    until: Option<String>,
    /// The newest value of each series
    #[arg(long, help_heading = "Question")]
    last: bool,
    /// Condensed into bins: 5m:mean,max (of last, mean, min, max, count)
    #[arg(long, value_name = "WIDTH:AGGREGATES", help_heading = "Question")]
    every: Option<String>,
    /// How counters are given: raw, rate or delta [default: rate for people, raw in JSON]
    #[arg(long = "as", value_name = "READING", help_heading = "Question")]
    reading: Option<String>,
}

impl QuestionArgs {
    /// The predicate. Where nothing says how counters are given, it is `reading`.
    ///
    /// # Errors
    /// Which word is wrong, and what was expected.
    pub fn predicate(&self, zone: &Zone, reading: Reading) -> Result<Predicate, CommandError> {
        let resolve = |local: &_| zone.resolve(local);
        let mut predicate = read(&self.words.join(" "), zone)?;
        let says_reading = self.words.join(" ").split_ascii_whitespace().any(|word| word.starts_with("as="));
        let Window { since, until, last, every } = &mut predicate.window;
        if let Some(text) = &self.constraint {
            once("where", predicate.constraint.is_some())?;
            predicate.constraint = part("where", &format!("* where {text}"), 8)?.constraint;
        }
        for (option, given, slot) in [("since", &self.since, since), ("until", &self.until, until)] {
            if let Some(text) = given {
                once(option, slot.is_some())?;
                *slot = Some(When::parse(text, &resolve).map_err(|error| misuse(option, error))?);
            }
        }
        *last |= self.last;
        if let Some(text) = &self.every {
            once("every", every.is_some())?;
            *every = part("every", &format!("* since=1s every={text}"), 17)?.window.every;
        }
        if let Some(text) = &self.reading {
            once("as", says_reading)?;
            predicate.reading = part("as", &format!("* as={text}"), 5)?.reading;
        } else if !says_reading {
            predicate.reading = reading;
        }
        predicate
            .check()
            .map_err(|fault| CommandError::Misuse(format!("the question does not add up: {fault}")))?;
        Ok(predicate)
    }
}

/// Reads a predicate; a mistake is shown in its place.
///
/// # Errors
/// Which word is wrong, and what was expected.
pub fn read(text: &str, zone: &Zone) -> Result<Predicate, CommandError> {
    Predicate::parse_with(text, &|local| zone.resolve(local))
        .map_err(|error| wrong("predicate", text, &error))
}

/// What is wrong with a text, and where.
pub fn wrong(what: &str, text: &str, error: &SyntaxError) -> CommandError {
    let before = text.get(..error.at).unwrap_or(text);
    let column = unicode_width::UnicodeWidthStr::width(&*crate::output::safe::clean(before));
    CommandError::Misuse(format!(
        "{what}: {}, expected {}\n  {text}\n  {:column$}^",
        error.what, error.expected, ""
    ))
}

/// Reads the part of a predicate that an option gives; `at` is where it begins in `text`.
fn part(option: &str, text: &str, at: usize) -> Result<Predicate, CommandError> {
    Predicate::parse(text).map_err(|error| {
        let given = text.get(at..).unwrap_or_default();
        let error = SyntaxError { at: error.at.saturating_sub(at), ..error };
        wrong(&format!("--{option}"), given, &error)
    })
}

fn once(option: &str, given: bool) -> Result<(), CommandError> {
    if given { Err(misuse(option, "the predicate says it already: expected it once")) } else { Ok(()) }
}

fn misuse(option: &str, problem: impl Display) -> CommandError {
    CommandError::Misuse(format!("--{option}: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        question: QuestionArgs,
    }

    fn predicate(words: &[&str]) -> Result<String, String> {
        let args = std::iter::once("x").chain(words.iter().copied());
        let only = Only::try_parse_from(args).map_err(|error| error.to_string())?;
        let zone = Zone::new(true);
        only.question
            .predicate(&zone, Reading::Rate)
            .map(|predicate| predicate.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn options_say_the_same_as_words() {
        let expected = "*/hosts a where value > 0.9 since=2h until=1h every=5m:mean,max as=raw";
        for words in [
            &["*/hosts", "a", "where", "value > 0.9", "since=2h", "until=1h", "every=5m:mean,max", "as=raw"]
                [..],
            &[
                "*/hosts a",
                "--where=value > 0.9",
                "--since=2h",
                "--until=1h",
                "--every=5m:mean,max",
                "--as=raw",
            ],
            &[
                "--since",
                "2h",
                "*/hosts",
                "a",
                "until=1h",
                "--where",
                "value > 0.9",
                "every=5m:mean,max",
                "--as",
                "raw",
            ],
        ] {
            assert_eq!(predicate(words).as_deref().map(normal), Ok(normal(expected)), "{words:?}");
        }
        assert_eq!(predicate(&["a", "--last"]).as_deref(), Ok("a/*/*/* last as=rate"));
        assert_eq!(
            predicate(&["a", "--since", "2026-11-20 14:00"]).as_deref(),
            Ok("a/*/*/* since=2026-11-20T14:00:00Z as=rate")
        );
    }

    fn normal(text: &str) -> String {
        Predicate::parse(text).unwrap().to_string()
    }

    #[test]
    fn mistakes_are_shown_in_their_place() {
        insta::assert_snapshot!(
            [
                &["a/[b", "--last"][..],
                &["a", "since=yesterday"],
                &["a", "--since", "yesterday"],
                &["a", "--where", "valu > 1"],
                &["a", "--since=1h", "--every", "5m:average"],
                &["a", "since=1h", "--since=2h"],
                &["a", "--as=speed"],
                &["a", "--last", "--since=1h"],
                &["a", "--since=1h", "--until=2h"],
            ]
            .map(|words| predicate(words).unwrap_err())
            .join("\n---\n")
        );
    }
}
