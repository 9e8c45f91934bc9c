//! `find --facets`: which values the services that match have, and how many have each.

use super::Args;
use crate::client::{brief, unanswered};
use crate::outcome::{CommandError, Outcome};
use crate::output::table::{Align, Table};
use crate::output::{Out, json, say};
use hedgerow_client::directory::Facet;
use hedgerow_client::mesh::Mesh;
use hedgerow_model::Template;
use hedgerow_model::template::Field;
use serde::Serialize;

/// Values of each key that are asked for; of more the most frequent are shown, and how many there are.
const VALUES: u32 = 100;

/// Most keys that a lookup counts at a time.
const MAX_KEYS: usize = 64;

/// Whether these can be counted.
///
/// # Errors
/// Which key cannot, and what was expected.
pub fn check(keys: &[String]) -> Result<(), CommandError> {
    let misuse = |text: String| Err(CommandError::Misuse(format!("--facets: {text}")));
    if keys.len() > MAX_KEYS {
        return misuse(format!("{} keys, expected at most {MAX_KEYS}", keys.len()));
    }
    for key in keys {
        match Field::named(key) {
            Ok(Field::Id | Field::Name) => {
                return misuse(format!(
                    "`{key}` is not counted: expected kind, group, version, api or an attribute"
                ));
            }
            Err(_) if key.is_empty() => {
                return misuse("a key is missing: expected KEY,KEY; without `=` all are counted".to_owned());
            }
            Err(fault) => return misuse(fault.to_string()),
            Ok(_) => {}
        }
    }
    Ok(())
}

/// Asks all lookups; the one that counted most answers.
///
/// # Errors
/// Where none answers.
pub async fn run(
    args: &Args,
    mesh: &Mesh,
    template: &Template,
    keys: &[String],
) -> Result<Outcome, CommandError> {
    let answer = mesh.directory().facets(template, keys, VALUES).await;
    let Some((url, _)) = &answer.counted_by else {
        let why: Vec<String> =
            answer.missing.iter().map(|(url, error)| format!("{url}: {}", brief(error))).collect();
        let text = format!("no lookup counted ({}): values are counted by lookups only", why.join("; "));
        return Err(CommandError::Failed(text));
    };
    let mut out = Out::new();
    if args.client.json {
        for facet in &answer.facets {
            out.line(json::line(&Line::of(facet))?)?;
        }
    } else if answer.total == 0 {
        say("no service matches");
    } else {
        let table = table(&answer.facets);
        if !table.is_empty() {
            out.lines(table.lines())?;
        }
        out.flush()?;
        for none in answer.facets.iter().filter(|facet| facet.distinct == 0) {
            say(&format!("no service that matches has `{}`", none.key));
        }
    }
    out.flush()?;
    for (other, total) in &answer.others {
        say(&format!("counted by {url}, where {} services match; at {other} {total} do", answer.total));
    }
    for (url, error) in &answer.missing {
        say(&unanswered(url, error));
    }
    Ok(Outcome::Done)
}

#[derive(Serialize)]
struct Line<'a> {
    key: &'a str,
    services: u64,
    distinct: u64,
    values: Vec<Count<'a>>,
}

#[derive(Serialize)]
struct Count<'a> {
    value: &'a str,
    services: u64,
}

impl<'a> Line<'a> {
    fn of(facet: &'a Facet) -> Self {
        let count = |(value, services): &'a (String, u64)| Count { value, services: *services };
        let values = facet.values.iter().map(count).collect();
        Self { key: &facet.key, services: facet.registrations, distinct: facet.distinct, values }
    }
}

fn table(facets: &[Facet]) -> Table {
    let mut table = Table::new(&[("KEY", Align::Left), ("VALUE", Align::Left), ("SERVICES", Align::Right)]);
    for facet in facets {
        for (value, services) in &facet.values {
            table.row([facet.key.clone(), value.clone(), services.to_string()]);
        }
        let more = facet.distinct.saturating_sub(facet.values.len() as u64);
        if more > 0 {
            table.row([facet.key.clone(), format!("… and {more} more"), String::new()]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_its_keys_in_the_order_of_the_reference() {
        let values = vec![("lookup".to_owned(), 2), ("farm".to_owned(), 1)];
        let facet = Facet { key: "kind".to_owned(), values, distinct: 2, registrations: 3 };
        let line = json::line(&Line::of(&facet)).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        let reference = include_str!("../../../docs/reference/command.md");
        assert!(reference.lines().any(|known| known == line.trim_end()), "{line}");
    }

    #[test]
    fn what_is_not_counted_is_misused() {
        let said = |key: &str| match check(&["kind".to_owned(), key.to_owned()]) {
            Err(CommandError::Misuse(text)) => text,
            other => format!("{other:?}"),
        };
        assert!(said("name").contains("`name` is not counted: expected kind, group"), "{}", said("name"));
        assert!(said("id").contains("`id` is not counted"));
        assert!(said("").contains("without `=` all are counted"));
        assert!(said("a b").contains("key `a b`: expected 1 to 64 of"));
        assert!(check(&vec!["x".to_owned(); 65]).is_err());
        assert!(check(&["kind".to_owned(), "attr.name".to_owned(), "country".to_owned()]).is_ok());
    }
}
