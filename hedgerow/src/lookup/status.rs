//! `lookup status`: leases, renewals, watchers and what is wrong, as the lookups themselves say.

use crate::client::{ClientOptions, brief, no_lookup, unanswered};
use crate::outcome::{CommandError, Outcome};
use crate::output::table::{Align, Table};
use crate::output::{Out, amount, json, say};
use hedgerow_client::channel::Caller;
use hedgerow_client::directory::{Directory, LookupStatus};
use hedgerow_client::error::ClientError;
use hedgerow_model::registration::Id;
use hedgerow_proto::lookup::{LeaseState, StatusResponse};
use serde_json::{Value, json};

const AFTER: &str = "\
Asks the lookups that are named, and all that these know.

Examples:
  hedgerow lookup status
  hedgerow lookup status --lookup http://127.0.0.1:7401 --json";

/// Ask lookups how they are: leases, renewals, watchers, what they are unsure of, and which others they know
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    client: ClientOptions,
}

/// Asks.
///
/// # Errors
/// Where no lookup answers.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    crate::runtime::client(async {
        let directory = Directory::new(args.client.lookups(), Caller::default())
            .map_err(|error| CommandError::Misuse(format!("--lookup: {error}")))?
            .keeping(args.client.kept());
        let all = directory.lookup_status().await;
        let silent: Vec<(&LookupStatus, _)> =
            all.iter().filter_map(|one| Some((one, one.status.as_ref().err()?))).collect();
        if silent.len() == all.len() {
            let reasons: Vec<String> = silent.iter().map(|(_, error)| error.to_string()).collect();
            return Err(no_lookup(&args.client.lookups(), &reasons));
        }
        let mut out = Out::new();
        if args.client.json {
            for one in &all {
                out.line(json::line(&object(one))?)?;
            }
        } else {
            out.lines(table(&all).lines())?;
        }
        out.flush()?;
        all.iter().for_each(say_what_is_wrong);
        for (one, error) in &silent {
            let name = one.name.as_ref().map_or_else(String::new, |name| format!("{name} at "));
            say(&unanswered(&format!("{name}{}", one.url), error));
        }
        Ok(if silent.is_empty() { Outcome::Done } else { Outcome::InPart })
    })
}

/// For people; programs have the numbers.
fn say_what_is_wrong(one: &LookupStatus) {
    let Ok(status) = &one.status else { return };
    let at = one.name.as_deref().unwrap_or(&one.url);
    if status.suspects {
        say(&format!(
            "{at} suspects itself or the network: {} of {} leases are overdue, {} are kept although they have run out",
            status.overdue, status.leases, status.suspect
        ));
    }
    for clone in &status.clones {
        let id = Id::from_slice(&clone.id).map_or_else(String::new, |id| id.to_string());
        let place = |urls: &[String]| {
            if urls.is_empty() { "an address it does not tell".to_owned() } else { urls.join(" ") }
        };
        say(&format!(
            "{at}: two services run with the identity of {} ({id}): the older, at {}, keeps it; the newer, at {}, is refused: \
             stop one of them",
            clone.name,
            place(&clone.older_urls),
            place(&clone.newer_urls)
        ));
    }
}

fn table(all: &[LookupStatus]) -> Table {
    let mut table = Table::new(&[
        ("NAME", Align::Left),
        ("ADDRESS", Align::Left),
        ("ID", Align::Left),
        ("LEASES", Align::Right),
        ("RENEWALS/S", Align::Right),
        ("WATCHERS", Align::Right),
        ("UNCONFIRMED", Align::Right),
        ("SUSPECT", Align::Right),
        ("PEERS", Align::Right),
        ("UPTIME", Align::Right),
        ("VERSION", Align::Left),
    ]);
    for one in all {
        let name = one.name.clone().unwrap_or_default();
        let status = match &one.status {
            Ok(status) => status,
            Err(error) => {
                let mut row = vec![name, one.url.clone(), no_status(error).to_owned()];
                row.resize(11, String::new());
                table.row(row);
                continue;
            }
        };
        table.row([
            name,
            one.url.clone(),
            Id::from_slice(&status.lookup_id).map_or_else(String::new, |id| id.short().to_string()),
            status.leases.to_string(),
            format!("{:.1}", status.renewals_per_second),
            status.watchers.to_string(),
            status.unconfirmed.to_string(),
            status.suspect.to_string(),
            status.peers.len().to_string(),
            amount::age(i64::try_from(status.uptime_ms).unwrap_or(i64::MAX)),
            status.version.clone(),
        ]);
    }
    table
}

/// In the place of an id.
fn no_status(error: &ClientError) -> &'static str {
    match error {
        ClientError::OtherMesh { .. } => "other mesh",
        ClientError::NotALookup { .. } => "no lookup",
        _ => "no answer",
    }
}

fn object(one: &LookupStatus) -> Value {
    match &one.status {
        Ok(status) => answered(one, status),
        Err(error) => json!({"name": one.name, "url": one.url, "error": brief(error)}),
    }
}

fn answered(one: &LookupStatus, status: &StatusResponse) -> Value {
    let id = |bytes: &[u8]| Id::from_slice(bytes).map(|id| id.to_string());
    let peer = |peer: &hedgerow_proto::lookup::status_response::Peer| json!({"id": id(&peer.id), "name": peer.name, "urls": peer.urls, "state": word(peer.state())});
    let peers: Vec<Value> = status.peers.iter().map(peer).collect();
    let clone = |clone: &hedgerow_proto::lookup::status_response::Clone| json!({"id": id(&clone.id), "name": clone.name, "older": clone.older_urls, "newer": clone.newer_urls});
    let clones: Vec<Value> = status.clones.iter().map(clone).collect();
    json!({
        "name": one.name, "url": one.url, "id": id(&status.lookup_id),
        "mesh": status.mesh_name, "mesh_id": id(&status.mesh_id), "version": status.version,
        "uptime_ms": status.uptime_ms, "leases": status.leases, "unconfirmed": status.unconfirmed,
        "overdue": status.overdue, "suspect": status.suspect, "suspects": status.suspects,
        "watchers": status.watchers, "renewals_per_second": status.renewals_per_second,
        "max_renewals_per_second": status.max_renewals_per_second, "registrations": status.registrations,
        "renewals": status.renewals, "cancelled": status.cancelled, "expired": status.expired,
        "refused": status.refused, "cloned": status.cloned, "resets": status.resets, "stalls": status.stalls,
        "documents": status.documents, "document_bytes": status.document_bytes, "peers": peers,
        "clones": clones,
    })
}

fn word(state: LeaseState) -> &'static str {
    match state {
        LeaseState::Live | LeaseState::Unspecified => "live",
        LeaseState::Unconfirmed => "unconfirmed",
        LeaseState::Suspect => "suspect",
    }
}
