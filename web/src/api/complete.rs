//! What may come next while somebody types a predicate.

use super::index::{Level, MAX_NAMES};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Asked, json};
use axum::extract::State;
use axum::response::Response;
use hedgerow_client::{Predicate, Template};
use hedgerow_model::predicate::PathPattern;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Candidates in one answer.
const MAX_CANDIDATES: usize = 50;
/// Longest text that is looked at, in bytes.
const MAX_TEXT: usize = 4096;
/// Words that may stand behind patterns.
const WORDS: [(&str, &str); 6] = [
    ("where", "where value > "),
    ("since=", "since=1h"),
    ("until=", "until="),
    ("last", "last"),
    ("every=", "every=1m:mean"),
    ("as=", "as=rate"),
];

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct CompleteAsked {
    /// The text up to where the cursor is.
    #[serde(default)]
    text: String,
}

#[derive(Serialize, ToSchema)]
pub struct CompleteAnswer {
    candidates: Vec<Candidate>,
    /// What is wrong with the text as it stands, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

#[derive(Debug, Serialize, ToSchema, PartialEq, Eq)]
struct Candidate {
    /// The whole text with it.
    text: String,
    /// What is added, for people.
    label: String,
    /// `farm`, `cluster`, `node`, `parameter` or `word`.
    kind: &'static str,
    /// Series below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<usize>,
}

#[derive(Serialize, ToSchema)]
struct Problem {
    /// Where, in bytes.
    at: usize,
    message: String,
}

/// What may come next in a predicate
///
/// Names that there are, below what is typed so far, and words of the window. May be some seconds old.
#[utoipa::path(get, path = "/api/v1/complete", tag = "data", params(CompleteAsked), responses(
    (status = 200, description = "Candidates", body = CompleteAnswer),
    (status = 400, description = "The text is too long", body = crate::error::ErrorBody),
))]
pub async fn complete(
    State(app): State<Arc<App>>,
    Asked(CompleteAsked { text }): Asked<CompleteAsked>,
) -> Result<Response, ApiError> {
    if text.len() > MAX_TEXT {
        return Err(ApiError::wrong(format!(
            "text is {} bytes long: expected at most {MAX_TEXT}",
            text.len()
        )));
    }
    let problem = Predicate::parse(&text).err().map(|error| Problem {
        at: error.at,
        message: format!("{}, expected {}", error.what, error.expected),
    });
    let candidates = match typed(&text) {
        Typed::Words { before, word } => words(before, word),
        Typed::Name { before, pattern, level, begun } => {
            let mesh = app.mesh().await?;
            let _place = app.queries.acquire().await.map_err(|_| ApiError::internal("closing"))?;
            let names: BTreeMap<String, Option<usize>> = if level == Level::Farm {
                let found = mesh.farms(&Template::default()).await;
                let farms = found.services.iter().take(MAX_NAMES);
                farms.map(|service| (service.shown.to_string(), None)).collect()
            } else {
                let names = app.index.names(&mesh, &pattern, level).await?;
                names.names.iter().map(|(name, below)| (name.clone(), Some(below.series))).collect()
            };
            candidates(before, level, begun, &names)
        }
        Typed::Elsewhere => Vec::new(),
    };
    json(&CompleteAnswer { candidates, problem })
}

/// What is being typed.
enum Typed<'a> {
    /// A name of this level, below what the pattern says.
    Name { before: &'a str, pattern: Box<PathPattern>, level: Level, begun: &'a str },
    /// A word of the window, behind patterns.
    Words { before: &'a str, word: &'a str },
    /// Nothing that can be helped with.
    Elsewhere,
}

fn typed(text: &str) -> Typed<'_> {
    let begin = unescaped(text, |c| c.is_whitespace()).last().map_or(0, |at| at + 1);
    let (before, word) = text.split_at_checked(begin).unwrap_or((text, ""));
    let patterns = before.trim_end();
    let behind = !patterns.is_empty();
    let in_window =
        patterns.split_whitespace().any(|word| word == "where" || word == "last" || word.contains('='));
    if behind && (in_window || word.is_empty() || WORDS.iter().any(|(name, _)| name.starts_with(word))) {
        let after_where = patterns.split_whitespace().next_back() == Some("where");
        return if after_where { Typed::Elsewhere } else { Typed::Words { before, word } };
    }
    let slashes: Vec<usize> = unescaped(word, |c| c == '/').take(3).collect();
    let level = [Level::Farm, Level::Cluster, Level::Node, Level::Parameter].get(slashes.len()).copied();
    let from = slashes.last().map_or(0, |at| at + 1);
    let (above, begun) = word.split_at_checked(from).unwrap_or(("", word));
    let above = above.strip_suffix('/').unwrap_or(above);
    let pattern = if above.is_empty() { Ok(PathPattern::any()) } else { PathPattern::parse(above) };
    match (pattern, level) {
        (Ok(pattern), Some(level)) if !begun.contains('[') => Typed::Name {
            before: text.get(..text.len() - begun.len()).unwrap_or_default(),
            pattern: Box::new(pattern),
            level,
            begun,
        },
        _ => Typed::Elsewhere,
    }
}

/// Where characters stand that are not escaped.
fn unescaped(text: &str, is: impl Fn(char) -> bool) -> impl Iterator<Item = usize> {
    let mut escaped = false;
    text.char_indices().filter_map(move |(at, c)| {
        let counts = !escaped && is(c);
        escaped = !escaped && c == '\\';
        counts.then_some(at)
    })
}

fn words(before: &str, word: &str) -> Vec<Candidate> {
    let fits = WORDS.iter().filter(|(name, _)| name.starts_with(word));
    fits.map(|(name, whole)| Candidate {
        text: format!("{before}{whole}"),
        label: (*name).to_owned(),
        kind: "word",
        count: None,
    })
    .collect()
}

/// Those that begin so first, then those that hold it.
fn candidates(
    before: &str,
    level: Level,
    begun: &str,
    names: &BTreeMap<String, Option<usize>>,
) -> Vec<Candidate> {
    let wanted = begun.replace('\\', "").to_lowercase();
    let mut fits: Vec<(bool, &String, Option<usize>)> = names
        .iter()
        .filter_map(|(name, count)| {
            let at = name.to_lowercase().find(&wanted)?;
            Some((at > 0, name, *count))
        })
        .collect();
    fits.sort();
    let end = if level == Level::Parameter { "" } else { "/" };
    fits.truncate(MAX_CANDIDATES);
    fits.into_iter()
        .map(|(_, name, count)| Candidate {
            text: format!("{before}{}{end}", escaped(name, level)),
            label: name.clone(),
            kind: level.as_str(),
            count,
        })
        .collect()
}

/// A name as it is typed in a pattern.
fn escaped(name: &str, level: Level) -> String {
    let special =
        |c: char| "\\*?{},[]=".contains(c) || c.is_whitespace() || (c == '/' && level != Level::Parameter);
    name.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn texts(text: &str, names: &[&str]) -> Vec<String> {
        match typed(text) {
            Typed::Name { before, level, begun, .. } => {
                let names = names.iter().map(|name| ((*name).to_owned(), None)).collect();
                candidates(before, level, begun, &names).into_iter().map(|candidate| candidate.text).collect()
            }
            Typed::Words { before, word } => words(before, word).into_iter().map(|c| c.text).collect(),
            Typed::Elsewhere => Vec::new(),
        }
    }

    #[test]
    fn names_are_completed_in_their_place_and_read_back() {
        assert_eq!(texts("", &["oak", "elm"]), ["elm/", "oak/"]);
        assert_eq!(texts("o", &["oak", "moor"]), ["oak/", "moor/"]);
        assert_eq!(texts("oak/hosts/n1/cpu", &["cpu_busy", "load1"]), ["oak/hosts/n1/cpu_busy"]);
        assert_eq!(texts("oak/h elm/ho", &["hosts"]), ["oak/h elm/hosts/"]);
        let odd = texts("oak/", &["a b/*"]);
        assert_eq!(odd, ["oak/a\\ b\\/\\*/"]);
        let pattern = PathPattern::parse(&format!("{}n", odd[0])).unwrap();
        assert_eq!(pattern.cluster.literal(), Some("a b/*"));
        assert_eq!(texts("oak/a\\ b", &["a b"]), ["oak/a\\ b/"]);
    }

    #[test]
    fn behind_patterns_come_the_words_of_the_window() {
        assert_eq!(texts("oak/hosts si", &[]), ["oak/hosts since=1h"]);
        assert_eq!(texts("oak ", &[]).len(), WORDS.len());
        assert!(texts("oak where ", &[]).is_empty());
        assert!(texts("oak/hosts/n1/in[Gi", &["x"]).is_empty());
    }
}
