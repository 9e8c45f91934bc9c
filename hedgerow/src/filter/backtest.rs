//! `filter backtest`: a filter over what the farms have stored, as if it had run then: the same output every time.

use super::held::{HeldArgs, Teller};
use crate::client::{as_known, brief};
use crate::outcome::{CommandError, Outcome};
use crate::output::clock::now;
use crate::output::safe::in_a_line;
use crate::output::say;
use hedgerow_client::error::ClientError;
use hedgerow_client::filters::{Hold, hold};
use hedgerow_client::mesh::FARM_PATIENCE;
use hedgerow_client::subscription::Farm;
use hedgerow_model::UnixMillis;
use hedgerow_model::predicate::When;
use std::ops::Range;

const AFTER: &str = "\
The farm gives it what it accepted in that time, in the order of the numbers,
with the farm's time of then. With --as, gaps that the deployment of that name
was told are told at the same places. Ends with what it cost, and what was
missing.

Examples:
  hedgerow filter backtest threshold --set above=0.9 --on '*/hosts/*/disk_used' --from 1d
  hedgerow filter backtest ./mine.wasm --farm oak --from '2026-11-20 14:00' --to '2026-11-20 15:00' --json";

/// Run a filter over what farms have stored: what it would have made then
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    held: HeldArgs,
    /// From when: 5m, 2d (back from now), 2026-11-20T14:00:00Z, "2026-11-20 14:00"
    #[arg(long, value_name = "TIME")]
    from: String,
    /// Until when, exclusive [default: now]
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// The deployment that this is about: the cluster of what it emits, and whose gaps are told [default: the filter's name]
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
}

/// Asks the farms, one after the other.
///
/// # Errors
/// Where no farm answers, or one stopped it.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    let times = times(args, now())?;
    let order = args.held.hold(args.name.as_deref(), Some(times))?;
    let mut teller = Teller::new(&args.held);
    crate::runtime::client(async {
        let mesh = args.held.client.mesh_to_change(FARM_PATIENCE).await?;
        let farms = args.held.farms(&mesh).await?;
        let mut done = 0;
        for farm in &farms {
            match one(farm, &order, &mut teller).await? {
                Ok(()) => done += 1,
                Err(error) => say(&format!("{}: {}", farm.name, in_a_line(&brief(&error)))),
            }
        }
        teller.end()?;
        match done {
            0 => Err(CommandError::Silent),
            done if done < farms.len() => Ok(Outcome::InPart),
            _ => Ok(as_known(&mesh, Outcome::Done)),
        }
    })
}

/// What comes from one farm, to its end, or why it did not come to that.
async fn one(
    farm: &Farm,
    order: &Hold,
    teller: &mut Teller,
) -> Result<Result<(), ClientError>, CommandError> {
    let mut held = match hold(farm, order).await {
        Ok(held) => held,
        Err(error) => return Ok(Err(error)),
    };
    loop {
        match held.next().await {
            Ok(Some(heard)) => teller.tell(&farm.name, heard)?,
            Ok(None) => return Ok(Ok(())),
            Err(error) => {
                teller.write()?;
                return Ok(Err(error));
            }
        }
    }
}

/// The window, in absolute times.
fn times(args: &Args, now: UnixMillis) -> Result<Range<UnixMillis>, CommandError> {
    let zone = args.held.client.zone();
    let at = |option: &str, text: &str| {
        let when = When::parse(text, &|local: &_| zone.resolve(local));
        match when.map_err(|error| CommandError::Misuse(format!("--{option}: {error}")))? {
            When::At(time) => Ok(time),
            When::Ago(ago) => {
                Ok::<_, CommandError>(now.saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX)))
            }
        }
    };
    let from = at("from", &args.from)?;
    let to = args.to.as_deref().map_or(Ok(now), |text| at("to", text))?;
    if from >= to {
        return Err(CommandError::Misuse("--from: expected a time before --to".to_owned()));
    }
    Ok(from..to)
}
