//! `ls`: which series there are, with their last values.

use crate::client::{ClientOptions, Patience, as_known, say_coverage};
use crate::outcome::{CommandError, Outcome};
use crate::output::amount::{age, of_series};
use crate::output::clock::now;
use crate::output::json::{Fields, Key};
use crate::output::lines::path;
use crate::output::table::{Align, Table};
use crate::output::{Out, json, say};
use hedgerow_client::mesh::{ListedSeries, Mesh, MeshUpdate, SeriesList};
use hedgerow_client::subscription::Update;
use hedgerow_model::predicate::{Reading, Window};
use hedgerow_model::{Kind, Life, Predicate, SeriesKey};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;

const AFTER: &str = "\
Counters are shown as rates, in JSON raw. Quote patterns, so that the shell
leaves them alone.

Examples:
  hedgerow ls
  hedgerow ls '*/hosts/*/disk_*'
  hedgerow ls 'cern-*/net/*/in[Gi0/*]' --json";

/// List series: path, kind, unit, last value, age, life, source
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Patterns FARM/CLUSTER/NODE/PARAMETER[LABELS] with * ? {a,b}; missing parts at the end mean * [default: *]
    #[arg(value_name = "PREDICATE")]
    words: Vec<String>,
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
    let text = if args.words.is_empty() { "*".to_owned() } else { args.words.join(" ") };
    let predicate = crate::question::read(&text, &args.client.zone())?;
    if predicate.constraint.is_some()
        || predicate.window != Window::default()
        || predicate.reading != Reading::Raw
    {
        return Err(CommandError::Misuse(
            "ls takes patterns only: for values of a time or a size, ask `hedgerow query`".to_owned(),
        ));
    }
    crate::runtime::client(async {
        let mesh = args.client.mesh(args.patience.timeout).await?;
        let list = mesh.list_series(&predicate.patterns).await;
        let mut out = Out::new();
        if args.client.json {
            for listed in &list.series {
                out.line(json::line(&Line::of(listed))?)?;
            }
        } else if !list.series.is_empty() {
            let rates = rates(&mesh, &predicate, &list).await;
            out.lines(table(&list, &rates).lines())?;
        }
        out.flush()?;
        let outcome = say_coverage(&list.coverage);
        if list.coverage.asked > 0 && list.coverage.answered == 0 {
            return Err(CommandError::Silent);
        }
        if list.coverage.asked == 0 {
            say(&crate::watch::no_farm(&mesh.farms(&hedgerow_model::Template::default()).await));
        } else if list.series.is_empty() && outcome == Outcome::Done {
            say("no series matches");
        }
        Ok(as_known(&mesh, outcome))
    })
}

type Rates = HashMap<(Arc<str>, SeriesKey), String>;

/// The counters' newest rates, as shown. One that has none yet is left out.
async fn rates(mesh: &Mesh, predicate: &Predicate, list: &SeriesList) -> Rates {
    let mut rates = Rates::new();
    if !list.series.iter().any(|listed| listed.def.kind == Kind::Counter) {
        return rates;
    }
    let window = Window { last: true, ..Window::default() };
    let predicate = Predicate { window, reading: Reading::Rate, ..predicate.clone() };
    let mut answer = mesh.query(&predicate);
    while let Some(update) = answer.next().await {
        let MeshUpdate::Farm { update: Update::Samples(samples), .. } = update else { continue };
        for sample in samples.iter() {
            let shown = of_series(&sample.value, &sample.series);
            rates.insert((sample.farm, sample.series.key.clone()), shown);
        }
    }
    rates
}

fn table(list: &SeriesList, rates: &Rates) -> Table {
    let mut table = Table::new(&[
        ("PATH", Align::Left),
        ("KIND", Align::Left),
        ("UNIT", Align::Left),
        ("LAST", Align::Right),
        ("AGE", Align::Right),
        ("LIFE", Align::Left),
        ("SOURCE", Align::Left),
    ]);
    let now = now();
    for listed in &list.series {
        let def = &listed.def;
        let raw = listed.last.as_ref().map(|(_, value)| of_series(value, def)).unwrap_or_default();
        let last = match def.kind {
            Kind::Counter => rates.get(&(Arc::clone(&listed.farm), def.key.clone())).cloned().unwrap_or(raw),
            _ => raw,
        };
        let life = match listed.life {
            Some(Life::Live) | None => listed.life.map_or("", Life::as_str).to_owned(),
            Some(life) if listed.life_reason.is_empty() => life.as_str().to_owned(),
            Some(life) => format!("{}: {}", life.as_str(), listed.life_reason),
        };
        table.row([
            path(&listed.farm, &def.key),
            def.kind.as_str().to_owned(),
            def.unit.clone(),
            last,
            listed.last.as_ref().map(|(time, _)| age((now - time).max(0))).unwrap_or_default(),
            life,
            def.source.clone(),
        ]);
    }
    table
}

#[derive(Serialize)]
struct Line<'a> {
    farm: &'a str,
    #[serde(flatten)]
    key: Key<'a>,
    kind: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    unit: &'a str,
    source: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval_ms: Option<u64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    views: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    life: Option<&'static str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    life_reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<i64>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    last: Option<Fields<'a>>,
}

impl<'a> Line<'a> {
    fn of(listed: &'a ListedSeries) -> Self {
        let def = &listed.def;
        Self {
            farm: &listed.farm,
            key: (&def.key).into(),
            kind: def.kind.as_str(),
            unit: &def.unit,
            source: &def.source,
            description: &def.description,
            interval_ms: def.interval.and_then(|interval| u64::try_from(interval.as_millis()).ok()),
            views: &listed.views,
            life: listed.life.map(Life::as_str),
            life_reason: &listed.life_reason,
            time: listed.last.as_ref().map(|(time, _)| *time),
            last: listed.last.as_ref().map(|(_, value)| Fields::new(value, def.kind)),
        }
    }
}
