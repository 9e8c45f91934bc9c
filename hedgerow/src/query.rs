//! `query`: what the farms' caches have, once.

use crate::client::{ClientOptions, Patience, as_known, say_coverage};
use crate::outcome::{CommandError, Outcome};
use crate::output::say;
use crate::question::QuestionArgs;
use crate::watch::{StreamOptions, Teller};

const AFTER: &str = "\
Without --since it gives the newest value of each series. Quote patterns, so
that the shell leaves them alone.

Examples:
  hedgerow query '*/hosts/*/load1'
  hedgerow query '*/hosts/*/cpu_busy' --since 1h --every 5m:mean,max
  hedgerow query 'cern-*/net/*/in[Gi0/*]' --since '2026-11-20 14:00' --until '2026-11-20 15:00' --json
  hedgerow query '*/*/*/up where value < 1 last'";

/// Ask for history: samples that the farms have kept, or bins of them
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    question: QuestionArgs,
    #[command(flatten)]
    stream: StreamOptions,
    #[command(flatten)]
    client: ClientOptions,
    #[command(flatten)]
    patience: Patience,
}

/// Asks all farms that match.
///
/// # Errors
/// Where no lookup answers, or none of the farms.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    let zone = args.client.zone();
    let mut teller = Teller::new(&args.client, &args.stream);
    let mut predicate = args.question.predicate(&zone, teller.reading())?;
    let window = &mut predicate.window;
    if window.since.is_none() && !window.last {
        if window.every.is_some() || window.until.is_some() {
            return Err(CommandError::Misuse("from when? Add --since, as in --since 1h".to_owned()));
        }
        window.last = true;
    }
    crate::runtime::client(async {
        let mesh = args.client.mesh(args.patience.timeout).await?;
        let mut answer = mesh.query(&predicate);
        while let Some(update) = answer.next().await {
            teller.tell_history(&update)?;
        }
        let coverage = answer.coverage().cloned().unwrap_or_default();
        teller.coverage(&coverage)?;
        teller.write()?;
        let outcome = say_coverage(&coverage);
        if coverage.asked == 0 {
            let found = mesh.farms(&hedgerow_model::Template::default()).await;
            say(&crate::watch::no_farm(&found));
        } else if coverage.answered == 0 {
            return Err(CommandError::Silent);
        } else if !teller.any() && !teller.is_json() {
            say(
                "no samples: `hedgerow ls PATTERN` shows which series match, and when they were last heard of",
            );
        }
        Ok(as_known(&mesh, outcome))
    })
}
