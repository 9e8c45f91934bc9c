//! Deployments and how they fare, as tables.

use crate::outcome::{CommandError, Outcome};
use crate::output::clock::now;
use crate::output::table::{Align, Table};
use crate::output::{amount, safe, say};
use hedgerow_client::filters::{Absent, AtFarm, Deployed};
use hedgerow_model::template::Template;
use hedgerow_proto::filter::{Cost, DeploymentStatus};
pub use hedgerow_shown::deployments::{DeploymentLine as Line, reason, state, word};

/// Which farms, for people.
pub fn to(farms: &Template) -> String {
    if farms.terms.is_empty() { "all farms".to_owned() } else { farms.to_string() }
}

/// The farms of one deployment, each with its state, what it costs there, and why.
pub fn farms(farms: &[AtFarm]) -> Table {
    let mut table = Table::new(&[
        ("FARM", Align::Left),
        ("STATE", Align::Left),
        ("SINCE", Align::Right),
        ("CPU", Align::Right),
        ("MEMORY", Align::Right),
        ("IN", Align::Right),
        ("OUT", Align::Right),
        ("REFUSED", Align::Right),
        ("LATE", Align::Right),
        ("RESTARTS", Align::Right),
        ("REASON", Align::Left),
    ]);
    for at in farms {
        let status: Option<&DeploymentStatus> = at.status.as_ref().ok();
        let cost = status.and_then(|status| status.cost.as_ref());
        let of = |shown: fn(&Cost) -> String| cost.map(shown).unwrap_or_default();
        table.row([
            at.farm.to_string(),
            state(at).to_owned(),
            status.map(|status| amount::age((now() - status.since_ms).max(0))).unwrap_or_default(),
            of(|cost| format!("{} ms", cost.cpu_us / 1000)),
            of(|cost| amount::bytes(cost.memory_bytes)),
            of(|cost| cost.samples_in.to_string()),
            of(|cost| cost.samples_out.to_string()),
            // Seldom any: without them there is no such column.
            of(|cost| {
                Some(cost.samples_refused)
                    .filter(|refused| *refused > 0)
                    .map_or_else(String::new, |n| n.to_string())
            }),
            of(|cost| format!("{} ms", cost.lateness_ms)),
            of(|cost| cost.restarts.to_string()),
            safe::in_a_line(&reason(at)),
        ]);
    }
    table
}

/// Says what an answer does not cover, if anything: lookups and farms that did not answer.
///
/// # Errors
/// Where nobody said what is deployed.
pub fn coverage(deployed: &Deployed, asked: &[String]) -> Result<Outcome, CommandError> {
    if !deployed.is_known {
        let reasons: Vec<String> =
            deployed.lookups_missing.iter().map(|(_, error)| error.to_string()).collect();
        return Err(crate::client::no_lookup(asked, &reasons));
    }
    for (url, error) in &deployed.lookups_missing {
        say(&crate::client::unanswered(url, error));
    }
    let silent = |at: &&AtFarm| matches!(at.status, Err(Absent::Unreachable(_)));
    let farms = deployed.deployments.iter().flat_map(|deployed| &deployed.farms).filter(silent);
    let mut names: Vec<String> =
        farms.map(|at| format!("{}: {}", at.farm, safe::in_a_line(&reason(at)))).collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return Ok(if deployed.stale_since.is_some() { Outcome::InPart } else { Outcome::Done });
    }
    say(&format!("{} did not answer:", if names.len() == 1 { "a farm" } else { "farms" }));
    names.iter().for_each(|name| say(&format!("  {name}")));
    Ok(Outcome::InPart)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_refused_is_a_column_where_there_is_any_and_a_long_reason_is_cut() {
        let at = |samples_refused, reason: String| {
            let cost = Some(Cost { samples_out: 2, samples_refused, ..Cost::default() });
            let status = DeploymentStatus { cost, reason, since_ms: now(), ..DeploymentStatus::default() };
            AtFarm { farm: "oak".into(), id: "0".repeat(32).parse().unwrap(), status: Ok(status) }
        };
        let lines = farms(&[at(3, String::new()), at(0, "line\n".repeat(1000))]).lines();
        assert!(lines[0].contains("OUT  REFUSED"), "{}", lines[0]);
        assert!(lines[1].contains("  2        3  "), "{}", lines[1]);
        assert!(lines.len() == 3 && lines[2].len() < 2000 && lines[2].contains('…'), "{}", lines[2]);
        assert!(!farms(&[at(0, String::new())]).lines()[0].contains("REFUSED"));
    }
}
