//! `find --facets`: which values the services that match have, and how many have each.

use super::Args;
use crate::client::{brief, unanswered};
use crate::outcome::{CommandError, Outcome};
use crate::output::table::{Align, Table};
use crate::output::{Out, json, say};
use hedgerow_client::directory::Facet;
use hedgerow_client::mesh::Mesh;
use hedgerow_model::Template;
use serde_json::json;

/// Values of each key that are asked for; of more the most frequent are shown, and how many there are.
const VALUES: u32 = 100;

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
            out.line(json::line(&object(facet))?)?;
        }
    } else if answer.facets.is_empty() {
        say("no service matches");
    } else {
        out.lines(table(&answer.facets).lines())?;
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

fn object(facet: &Facet) -> serde_json::Value {
    let value = |(value, services): &(String, u64)| json!({"value": value, "services": services});
    let values: Vec<_> = facet.values.iter().map(value).collect();
    json!({"key": facet.key, "services": facet.registrations, "distinct": facet.distinct, "values": values})
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
