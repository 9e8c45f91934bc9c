//! Finds the alarm that a person names by the beginning of its id, wherever it is.

use super::line;
use crate::client::{no_lookup, say_coverage};
use crate::outcome::{CommandError, Outcome};
use crate::output::say;
use hedgerow_client::Template;
use hedgerow_client::alarms::MeshAlarms;
use hedgerow_client::directory::Service;
use hedgerow_client::mesh::{Coverage, Mesh};
use hedgerow_proto::filter::Alarm;
use std::sync::Arc;

/// Candidates that are listed; more are counted.
const MOST: usize = 10;

/// An alarm, and the farm that has it.
pub struct Found {
    /// The farm's name, as shown.
    pub farm: Arc<str>,
    /// It.
    pub service: Service,
    /// The alarm.
    pub alarm: Alarm,
    /// In part where some farm did not answer: it may have another one of this name.
    pub outcome: Outcome,
}

/// Whether some lookup answered.
///
/// # Errors
/// Where none did.
pub fn known(alarms: &MeshAlarms, asked: &[String]) -> Result<(), CommandError> {
    if alarms.is_known {
        return Ok(());
    }
    let missing = &alarms.coverage.lookups_missing;
    let reasons: Vec<String> = missing.iter().map(|(_, error)| error.to_string()).collect();
    Err(no_lookup(asked, &reasons))
}

/// Says that there is nothing, as far as is known: of farms that did not answer it is not claimed.
pub fn say_none(nothing: &str, coverage: &Coverage) {
    none(nothing, coverage).iter().for_each(|text| say(text));
}

fn none(nothing: &str, coverage: &Coverage) -> Option<String> {
    match (coverage.answered, coverage.missing.len()) {
        (0, 1..) => None,
        (_, 0) => Some(nothing.to_owned()),
        _ => Some(format!("{nothing} at those that answered")),
    }
}

/// The one alarm whose id begins so.
///
/// # Errors
/// Where there is none, or several.
pub async fn find(mesh: &Mesh, asked: &[String], prefix: &str) -> Result<Found, CommandError> {
    let prefix = prefix.to_ascii_lowercase();
    if prefix.is_empty() || !prefix.chars().all(|c| c.is_ascii_hexdigit()) {
        let text =
            format!("{prefix}: no id of an alarm: expected hex digits, as `hedgerow alarm list` shows them");
        return Err(CommandError::Misuse(text));
    }
    let all = mesh.alarms(&Template::default(), true, "").await;
    known(&all, asked)?;
    let outcome = say_coverage(&all.coverage);
    let mut found = Vec::new();
    for at in all.farms {
        for alarm in at.alarms {
            if line::id(&alarm).starts_with(&prefix) {
                found.push(Found { farm: Arc::clone(&at.farm), service: at.service.clone(), alarm, outcome });
            }
        }
    }
    if found.len() > 1 {
        let named = found.iter().take(MOST);
        let named: Vec<String> = named
            .map(|one| format!("  {}  {}: {}", line::id(&one.alarm), one.farm, one.alarm.text))
            .collect();
        let text =
            format!("{} alarms begin with {prefix}: say more of the id\n{}", found.len(), named.join("\n"));
        return Err(CommandError::Misuse(text));
    }
    found.pop().ok_or_else(|| {
        let text = if outcome == Outcome::Done {
            format!(
                "there is no alarm {prefix}: `hedgerow alarm list --all` shows those that are open or were"
            )
        } else {
            format!("no farm that answered has an alarm {prefix}")
        };
        CommandError::Failed(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hedgerow_client::error::ClientError;
    use hedgerow_client::mesh::Missing;

    #[test]
    fn of_farms_that_do_not_answer_nothing_is_claimed() {
        let missing = || Missing { farm: "oak".into(), why: ClientError::NoLookup(Vec::new()) };
        let said = |answered, missing: Vec<Missing>| {
            none(
                "no alarm is open",
                &Coverage { answered, asked: answered + missing.len(), missing, ..Coverage::default() },
            )
        };
        assert_eq!(said(0, vec![missing()]), None);
        assert_eq!(said(1, vec![missing()]).as_deref(), Some("no alarm is open at those that answered"));
        assert_eq!(said(0, Vec::new()).as_deref(), Some("no alarm is open"));
        assert_eq!(said(2, Vec::new()).as_deref(), Some("no alarm is open"));
    }
}
