//! `filter run`: a filter at the farms for as long as this command runs; what it makes comes here and nowhere else.

use super::held::{HeldArgs, Teller};
use crate::client::{as_known, brief};
use crate::outcome::{CommandError, Outcome};
use crate::output::safe::in_a_line;
use crate::output::say;
use crate::watch::LOOK_AFTER_READER;
use futures_util::future::join_all;
use futures_util::stream::{self, SelectAll, StreamExt as _};
use hedgerow_client::error::ClientError;
use hedgerow_client::filters::{Heard, Held, hold};
use hedgerow_client::mesh::FARM_PATIENCE;
use hedgerow_service::drain::termination;
use std::sync::Arc;

const AFTER: &str = "\
It runs at the farms, beside the data, within the bounds that their
configuration sets. What it emits is printed here and not kept; alarms and
actions are only told. Ctrl-C ends it, and the farms drop it.

Examples:
  hedgerow filter run threshold --set above=0.9 --on '*/hosts/*/disk_used'
  hedgerow filter run ./mine.wasm --on 'cern-*/hosts/*/load1' --farm group=alice --json";

/// Run a filter at the farms for as long as this command runs, and print what it makes
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    held: HeldArgs,
    /// The cluster of what it emits [default: the filter's name]
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
}

/// What comes from one farm; the last says how it ended.
type Told = (Arc<str>, Result<Heard, ClientError>);

/// Runs it until Ctrl-C, or until no farm runs it any longer.
///
/// # Errors
/// Where no farm takes it, or all have stopped it.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    let order = args.held.hold(args.name.as_deref(), None)?;
    let mut teller = Teller::new(&args.held);
    crate::runtime::client(async {
        let mesh = args.held.client.mesh_to_change(FARM_PATIENCE).await?;
        let farms = args.held.farms(&mesh).await?;
        let begun = join_all(farms.iter().map(|farm| hold(farm, &order))).await;
        let mut runs = SelectAll::new();
        let mut outcome = Outcome::Done;
        for (farm, begun) in farms.iter().zip(begun) {
            match begun {
                Ok(held) => runs.push(Box::pin(heard(Arc::clone(&farm.name), held))),
                Err(error) => {
                    say(&format!("{}: {}", farm.name, in_a_line(&brief(&error))));
                    outcome = Outcome::InPart;
                }
            }
        }
        let mut looks = tokio::time::interval(LOOK_AFTER_READER);
        let mut ended = std::pin::pin!(termination());
        loop {
            tokio::select! {
                told = runs.next() => match told {
                    Some((farm, Ok(heard))) => {
                        teller.tell(&farm, heard)?;
                        teller.write()?;
                    }
                    Some((farm, Err(error))) => {
                        teller.write()?;
                        say(&format!("{farm}: {}", in_a_line(&brief(&error))));
                        outcome = Outcome::InPart;
                    }
                    // No farm runs it any longer, and each has said why.
                    None => {
                        teller.end()?;
                        return Err(CommandError::Silent);
                    }
                },
                _ = looks.tick() => {
                    if teller.reader_is_gone() {
                        return Err(CommandError::ReaderGone);
                    }
                }
                _ = &mut ended => break,
            }
        }
        teller.end()?;
        Ok(as_known(&mesh, outcome))
    })
}

/// What a run tells, as a stream that ends with it.
fn heard(farm: Arc<str>, held: Held) -> impl stream::Stream<Item = Told> {
    stream::unfold(Some(held), move |held| {
        let farm = Arc::clone(&farm);
        async move {
            let mut held = held?;
            match held.next().await {
                Ok(Some(heard)) => Some(((farm, Ok(heard)), Some(held))),
                Ok(None) => None,
                Err(error) => Some(((farm, Err(error)), None)),
            }
        }
    })
}
