//! The pages: links lead somewhere, and the map of the project shows every crate.

use super::Finding;
use super::crates::Member;
use crate::workspace::Source;

/// A relative link to nothing.
pub const LINK: &str = "link";
/// A crate that the map leaves out.
pub const MAP: &str = "map";

const MAP_PAGE: &str = "ARCHITECTURE.md";

/// Relative links of one page whose target is not in the project.
pub fn links(page: &Source, exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    if page.extension() != "md" {
        return findings;
    }
    let folder = page.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut fenced = false;
    for (number, line) in (1..).zip(page.text.lines()) {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for target in targets(&without_code(line)) {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let message = match resolve(folder, path) {
                None => format!("link `{target}` leads out of the project; expected a file in it"),
                Some(path) if !exists(&path) => format!("link `{target}`: there is no {path}"),
                Some(_) => continue,
            };
            findings.push(Finding::new(&page.path, number, LINK, message));
        }
    }
    findings
}

/// Crates that the map does not name, by folder or by name.
pub fn map(sources: &[Source], members: &[Member]) -> Vec<Finding> {
    let Some(page) = sources.iter().find(|source| source.path == MAP_PAGE) else {
        return vec![Finding::new(MAP_PAGE, 1, MAP, "expected a page that shows every crate, found none")];
    };
    let shown = |word: &str| {
        let mut pieces =
            page.text.split(|letter: char| !(letter.is_alphanumeric() || "_-/".contains(letter)));
        pieces.any(|piece| piece.trim_end_matches('/') == word)
    };
    let absent = members.iter().filter(|member| !shown(&member.name) && !shown(&member.folder));
    let message =
        |member: &Member| format!("expected a line about the crate `{}/` ({})", member.folder, member.name);
    absent.map(|member| Finding::new(MAP_PAGE, 1, MAP, message(member))).collect()
}

/// The line with everything between backticks taken out.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// Targets of `[text](target)` and of a definition `[name]: target`.
fn targets(line: &str) -> Vec<&str> {
    let definition = line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")).map(|(_, target)| target);
    let inline = line.split("](").skip(1).map(|rest| rest.split(')').next().unwrap_or_default());
    let first_word = |target: &'_ str| -> usize { target.find(' ').unwrap_or(target.len()) };
    let bare = |target| -> &str { str::trim_matches(target, ['<', '>']) };
    definition.into_iter().chain(inline).map(|target| bare(&target[..first_word(target)])).collect()
}

/// The path from the root, or nothing if it leaves the project.
fn resolve(folder: &str, path: &str) -> Option<String> {
    let (from, path) = path.strip_prefix('/').map_or((folder, path), |from_root| ("", from_root));
    let mut parts: Vec<&str> = Vec::new();
    for part in from.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.into() }
    }

    fn dead(text: &str) -> Vec<String> {
        let exists = |path: &str| ["docs/a.md", "README.md", "docs"].contains(&path);
        links(&page("docs/b.md", text), &exists).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_link_leads_to_a_file_of_the_project() {
        assert_eq!(
            dead("[a](a.md), [r](../README.md#top), [d](/docs/), [w](https://x.org/y), [h](#here)"),
            [""; 0]
        );
        assert_eq!(dead("\n[c](c.md)"), ["docs/b.md:2: link `c.md`: there is no docs/c.md [link]"]);
        assert_eq!(dead("[c]: c.md \"title\"").len(), 1);
        assert_eq!(dead("[a](a.md) and [c](<c.md>)").len(), 1);
        assert!(dead("[o](../../other/x.md)")[0].contains("leads out of the project"));
    }

    #[test]
    fn code_has_no_links() {
        assert_eq!(dead("`[c](c.md)` and\n```\n[c](c.md)\n```\n"), [""; 0]);
        assert_eq!(dead("`x` [c](c.md) `y`").len(), 1);
    }

    #[test]
    fn only_pages_have_links() {
        assert_eq!(links(&page("a.rs", "[c](c.md)"), &|_| false), []);
    }

    #[test]
    fn the_map_shows_every_crate_by_folder_or_name() {
        let member =
            |name: &str, folder: &str| Member { name: name.into(), folder: folder.into(), uses: Vec::new() };
        let members = [member("hedgerow-model", "model"), member("hedgerow-cache", "farm-monitor/cache")];
        let missing = |text: &str| map(&[page(MAP_PAGE, text)], &members).len();
        assert_eq!(missing("`model/` the words; `hedgerow-cache` the history"), 0);
        assert_eq!(missing("`farm-monitor/cache/` keeps what the data models say"), 1);
        assert_eq!(missing(""), 2);
        assert_eq!(map(&[], &members).len(), 1);
    }
}
