//! Words that do not belong into what is committed.

use super::{Finding, files};
use crate::workspace::Source;

/// A note to oneself instead of an issue.
pub const LEFT_OVER: &str = "left-over";
/// A type called after nothing in the domain.
pub const TYPE_NAME: &str = "type-name";
/// A path that exists only on one machine.
pub const ABSOLUTE_PATH: &str = "absolute-path";

/// Written apart, so that this file does not hold them.
const LEFT_OVERS: &[&str] =
    &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("todo", "!")];

const EMPTY_NAMES: &[&str] = &["Manager", "Managers", "Helper", "Helpers", "Util", "Utils", "Common"];

/// Where people and runners keep checkouts. A name has to follow: the folder itself is a mount point like any other.
const HOMES: &[&str] = &["/home/", "/Users/", "/root/", "/work/", "/workspace/", "/workspaces/", "/builds/"];

/// All rules about words in one file; `root` is where this checkout is.
pub fn check(source: &Source, root: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    // Of generated text only the machine it was generated on is of interest.
    let written = !files::is_generated(&source.path) && source.extension() != "lock";
    for (number, line) in (1..).zip(source.text.lines()) {
        let mut find = |rule, message| findings.push(Finding::new(&source.path, number, rule, message));
        if let Some(word) = left_over(line).filter(|_| written) {
            find(LEFT_OVER, format!("`{word}`: expected the thing done, or an issue"));
        }
        if let Some(name) = empty_name(line).filter(|_| written && source.extension() == "rs") {
            find(TYPE_NAME, format!("type `{name}`: expected a noun of the domain"));
        }
        if let Some(path) = absolute_path(line, root) {
            find(ABSOLUTE_PATH, format!("`{path}`: expected a path that exists on every machine"));
        }
    }
    findings
}

fn left_over(line: &str) -> Option<&'static str> {
    LEFT_OVERS.iter().copied().find(|word| {
        line.match_indices(word).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = line[at + word.len()..].chars().next();
            !before.is_some_and(is_word) && (word.ends_with('!') || !after.is_some_and(is_word))
        })
    })
}

/// The name of the type that this line declares, if one of its words is empty.
fn empty_name(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace().skip_while(|word| word.starts_with("pub") || *word == "unsafe");
    if !matches!(words.next()?, "struct" | "enum" | "union" | "trait" | "type") {
        return None;
    }
    let name = words.next()?.split(|letter| !is_word(letter)).next()?;
    camel_words(name).any(|word| EMPTY_NAMES.contains(&word)).then_some(name)
}

/// `LeaseTable` as `Lease`, `Table`.
fn camel_words(name: &str) -> impl Iterator<Item = &str> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let end = rest
            .char_indices()
            .skip(1)
            .find(|(_, letter)| letter.is_uppercase())
            .map_or(rest.len(), |(at, _)| at);
        let (word, after) = rest.split_at(end);
        rest = after;
        (!word.is_empty()).then_some(word)
    })
}

/// The first path on the line that leads into somebody's home, or into this very checkout.
fn absolute_path<'a>(line: &'a str, root: &str) -> Option<&'a str> {
    let is_path = |letter: char| letter.is_alphanumeric() || "/._-".contains(letter);
    // `/src` is not a place on one machine.
    let checkout = Some(root).filter(|root| root.matches('/').count() > 1);
    let begins = HOMES.iter().copied().chain(checkout).flat_map(|home| line.match_indices(home));
    begins.map(|(at, home)| (at, &line[at..], home)).find_map(|(at, path, home)| {
        let inside =
            line[..at].chars().next_back().is_some_and(|letter| is_path(letter) || "})".contains(letter));
        let path = path.split(|letter| !is_path(letter)).next()?;
        let leads = home == root || path[home.len()..].starts_with(|letter: char| letter.is_alphanumeric());
        (!inside && leads).then_some(path)
    })
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn left_overs_are_words_of_their_own() {
        assert_eq!(left_over(concat!("// TO", "DO: later")), Some(LEFT_OVERS[0]));
        assert_eq!(left_over(concat!("    todo", "!()")), Some(LEFT_OVERS[3]));
        assert_eq!(left_over(concat!("mktemp XX", "XXXX")), None);
        assert_eq!(left_over("todo = \"deny\""), None);
        assert_eq!(left_over(concat!("AUTO", "DO")), None);
    }

    #[test]
    fn a_type_is_a_noun_of_the_domain() {
        assert_eq!(empty_name("pub struct LeaseManager {"), Some("LeaseManager"));
        assert_eq!(empty_name("    pub(crate) enum HelperKind<T> {"), Some("HelperKind"));
        assert_eq!(empty_name("type Common = u8;"), Some("Common"));
        assert_eq!(empty_name("struct Commonwealth;"), None);
        assert_eq!(empty_name("struct LeaseTable(Vec<Lease>);"), None);
        assert_eq!(empty_name("// the helper struct"), None);
    }

    #[test]
    fn a_path_is_one_that_every_machine_has() {
        let home = concat!("/ho", "me/alice/x.rs");
        assert_eq!(absolute_path(&format!("see {home}, there"), "/data/hedgerow"), Some(home));
        assert_eq!(absolute_path("in /data/hedgerow now", "/data/hedgerow"), Some("/data/hedgerow"));
        assert_eq!(absolute_path("in /srv now", "/srv"), None, "too short to mean this checkout");
        assert_eq!(absolute_path("disk_used[/home]", "/data/hedgerow"), None);
        assert_eq!(absolute_path("the folder /home/ itself", "/data/hedgerow"), None);
        assert_eq!(absolute_path("https://example.org/home/page", "/data/hedgerow"), None);
        assert_eq!(absolute_path("$STATE/work/queue ${X}/work/queue", "/data/hedgerow"), None);
    }

    #[test]
    fn a_finding_says_where_what_and_what_was_expected() {
        let text = concat!("//! A.\n\n// TO", "DO\nstruct Utils;\n");
        let found = check(&Source { path: "a.rs".into(), text: text.into() }, "/data/hedgerow");
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found[1], "a.rs:4: type `Utils`: expected a noun of the domain [type-name]");
        assert!(found[0].starts_with("a.rs:3: `"));
    }
}
