//! `watch`: samples as they come, of all farms that match, those that appear later too. Also how `query` and `watch` tell.

use crate::alarm::AlarmLine;
use crate::client::{ClientOptions, as_known, brief, unanswered};
use crate::outcome::{CommandError, Outcome};
use crate::output::clock::Zone;
use crate::output::events::Event;
use crate::output::lines::Lines;
use crate::output::{Out, json, say};
use crate::question::QuestionArgs;
use hedgerow_client::directory::Found;
use hedgerow_client::mesh::{Coverage, FARM_PATIENCE, MeshUpdate};
use hedgerow_client::subscription::{SubscribeOptions, Update};
use hedgerow_model::predicate::Reading;
use hedgerow_model::{Gap, GapScope, SeriesDef, SeriesId, Template};
use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// After so long without anything a person is told how to find out why.
const SILENCE: Duration = Duration::from_secs(15);
/// How often it is looked whether anybody still reads.
pub const LOOK_AFTER_READER: Duration = Duration::from_millis(500);

const AFTER: &str = "\
Without a window it gives what comes from now on; --last gives the newest value
of each series first, --since history first. Ctrl-C ends it. Quote patterns, so
that the shell leaves them alone.

Examples:
  hedgerow watch '*/hosts/*/cpu_busy' --last
  hedgerow watch '*/*/*/up where value < 1'
  hedgerow watch 'cern-*/net' --since 5m --json --events
  hedgerow watch '*/hosts/*/load1' --every 10s:mean,max";

/// Watch live values: samples as they come, with history first where asked
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    question: QuestionArgs,
    #[command(flatten)]
    stream: StreamOptions,
    /// Leave out what was skipped because the reader was too slow, instead of fetching it afterwards
    #[arg(long, help_heading = "Client options")]
    no_back_fill: bool,
    /// Alarms, too, of what matches: those that are open, then each that changes; with --json as objects with an `event` field
    #[arg(long, help_heading = "Question")]
    alarms: bool,
    #[command(flatten)]
    client: ClientOptions,
}

/// What is told beside the values.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct StreamOptions {
    /// Notices (gaps, lags, stale and ended series, ends) as JSON objects with an `event` field, too; implies --json
    #[arg(long, help_heading = "Client options")]
    events: bool,
    /// The epoch and number of each sample, in JSON
    #[arg(long, help_heading = "Client options")]
    numbers: bool,
}

/// Watches until the window ends, or for ever.
///
/// # Errors
/// Where no lookup answers at the start.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    let mut teller = Teller::new(&args.client, &args.stream);
    let predicate = args.question.predicate(&args.client.zone(), teller.reading())?;
    crate::runtime::client(async {
        let mesh = args.client.mesh(FARM_PATIENCE).await?;
        let found = mesh.farms(&Template::default()).await;
        let matches = |service: &&hedgerow_client::directory::Service| {
            predicate.matches_farm(&service.shown) || predicate.matches_farm(&service.registration.name)
        };
        if !found.services.iter().any(|service| matches(&service)) {
            say(&format!("{}; waiting for one", no_farm(&found)));
        }
        let options = SubscribeOptions {
            back_fill: !args.no_back_fill,
            alarms: args.alarms,
            ..SubscribeOptions::default()
        };
        let mut stream = mesh.subscribe_with(&predicate, options);
        let mut silence = std::pin::pin!(tokio::time::sleep(SILENCE));
        let mut silent = true;
        let mut looks = tokio::time::interval(LOOK_AFTER_READER);
        loop {
            tokio::select! {
                update = stream.next() => {
                    let Some(update) = update else { break };
                    teller.tell(&update)?;
                    teller.write()?;
                }
                _ = looks.tick() => {
                    if teller.out.reader_is_gone() {
                        return Err(CommandError::ReaderGone);
                    }
                }
                () = &mut silence, if silent => {
                    silent = false;
                    if !teller.any() {
                        say("nothing has come yet: `hedgerow ls PATTERN` shows which series match; waiting");
                    }
                }
            }
        }
        Ok(if teller.failed { Outcome::InPart } else { as_known(&mesh, Outcome::Done) })
    })
}

/// That a lookup suspects itself, or no longer does: as an event, and for people.
pub fn suspicion(url: &str, begun: bool, overdue: u64, leases: u64) -> (&'static str, String) {
    if begun {
        let text = format!(
            "lookup {url} suspects itself or the network: {overdue} of {leases} leases are overdue; it keeps them for now"
        );
        ("lookup_suspects", text)
    } else {
        ("lookup_trusts", format!("lookup {url} no longer suspects itself or the network"))
    }
}

/// There is no farm of that name: which there are.
pub fn no_farm(found: &Found) -> String {
    let known: Vec<&str> = found.services.iter().map(|service| &*service.shown).collect();
    if known.is_empty() {
        "no farm is registered".to_owned()
    } else {
        format!("no farm matches (there is {})", known.join(", "))
    }
}

/// Tells updates: samples on standard output, notices where they were asked for.
pub struct Teller {
    out: Out,
    lines: Lines,
    zone: Zone,
    json: bool,
    events: bool,
    numbers: bool,
    any: bool,
    /// A farm's part ended with an error.
    failed: bool,
    /// Farms whose connection is lost, and lookups that do not answer: told once.
    down: HashSet<String>,
    /// By farm: what ids mean, for gaps.
    series: HashMap<Arc<str>, HashMap<SeriesId, Arc<SeriesDef>>>,
}

impl Teller {
    /// Nothing told yet.
    pub fn new(client: &ClientOptions, stream: &StreamOptions) -> Self {
        Self {
            out: Out::new(),
            lines: Lines::new(client.zone()),
            zone: client.zone(),
            json: client.json || stream.events,
            events: stream.events,
            numbers: stream.numbers,
            any: false,
            failed: false,
            down: HashSet::new(),
            series: HashMap::new(),
        }
    }

    /// How counters are given where nothing else is asked.
    pub fn reading(&self) -> Reading {
        if self.json { Reading::Raw } else { Reading::Rate }
    }

    /// Whether a program reads.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether any sample has come.
    pub fn any(&self) -> bool {
        self.any
    }

    /// Writes out what has gathered.
    ///
    /// # Errors
    /// Where nobody reads.
    pub fn write(&mut self) -> io::Result<()> {
        self.lines.write(&mut self.out)?;
        self.out.flush()
    }

    /// Tells an update of a stream.
    ///
    /// # Errors
    /// Where nobody reads.
    pub fn tell(&mut self, update: &MeshUpdate) -> io::Result<()> {
        match update {
            MeshUpdate::Farm { farm, update, .. } => {
                if matches!(update, Update::Opened { .. }) {
                    self.down.remove(&**farm);
                }
                let again =
                    matches!(update, Update::Disconnected { .. }) && !self.down.insert(farm.to_string());
                self.failed |= matches!(update, Update::Failed(_));
                self.farm(farm, update, again)
            }
            MeshUpdate::Joined(service) => {
                let farm = &*service.shown;
                let quiet = !self.down.remove(&format!("left {farm}"));
                self.event(&Event::new("joined", Some(farm), format!("{farm}: is back")), quiet)
            }
            MeshUpdate::Left(service, gone) => {
                let farm = &*service.shown;
                self.down.insert(format!("left {farm}"));
                let text = format!("{farm}: is gone from the directory: {}", gone.as_str());
                self.event(&Event::new("left", Some(farm), text).because(gone.as_str()), false)
            }
            MeshUpdate::Unreachable(service, error) => {
                self.failed = true;
                let farm = &*service.shown;
                let event = Event::new("unreachable", Some(farm), format!("{farm}: {error}"));
                self.event(&event.because(error.to_string()), false)
            }
            MeshUpdate::Lookup { url, error: Some(error) } => {
                let again = !self.down.insert(url.clone());
                let text = unanswered(url, error);
                self.event(&Event::new("lookup_lost", None, text).of_lookup(url).because(brief(error)), again)
            }
            MeshUpdate::LookupSuspects { url, begun, overdue, leases } => {
                let (name, text) = suspicion(url, *begun, *overdue, *leases);
                self.event(&Event::new(name, None, text).of_lookup(url), false)
            }
            MeshUpdate::Lookup { url, error: None } => {
                let quiet = !self.down.remove(url);
                let text = format!("lookup {url} answers again");
                self.event(&Event::new("lookup_reached", None, text).of_lookup(url), quiet)
            }
        }
    }

    /// Tells an update of an answer, whose ends and failures its coverage tells.
    ///
    /// # Errors
    /// Where nobody reads.
    pub fn tell_history(&mut self, update: &MeshUpdate) -> io::Result<()> {
        match update {
            MeshUpdate::Farm { update: Update::End { .. } | Update::Failed(_), .. } => Ok(()),
            update => self.tell(update),
        }
    }

    /// What an answer covers, as an event.
    ///
    /// # Errors
    /// Where nobody reads.
    pub fn coverage(&mut self, coverage: &Coverage) -> io::Result<()> {
        if self.events { self.out.line(json::coverage(coverage)?) } else { Ok(()) }
    }

    fn farm(&mut self, farm: &Arc<str>, update: &Update, quiet: bool) -> io::Result<()> {
        match update {
            Update::Samples(samples) => {
                self.any |= !samples.is_empty();
                for sample in samples.iter() {
                    if self.json {
                        self.out.line(json::sample(&sample, self.numbers)?)?;
                    } else {
                        self.lines.sample(&mut self.out, &sample)?;
                    }
                }
                Ok(())
            }
            Update::Bins(bins) => {
                self.any = true;
                if self.json {
                    self.out.lines(json::bins(bins)?)
                } else {
                    self.lines.bins(&mut self.out, bins)
                }
            }
            Update::Alarm(alarm) => {
                self.any = true;
                if self.json {
                    return self.out.line(AlarmLine::event(farm, alarm).json()?);
                }
                // In its place among the lines.
                self.lines.write(&mut self.out)?;
                self.out.line(crate::alarm::in_a_line(farm, alarm, &self.zone))
            }
            Update::Series { id, def } => {
                self.series.entry(Arc::clone(farm)).or_default().insert(*id, Arc::clone(def));
                Ok(())
            }
            other => {
                let series = match other {
                    Update::Gap { gap: Gap { scope: GapScope::Series(id), .. }, .. } => {
                        self.series.get(farm).and_then(|series| series.get(id)).cloned()
                    }
                    _ => None,
                };
                match Event::of(farm, other, series.as_deref(), &|at| self.zone.print(at)) {
                    Some(event) => self.event(&event, quiet || event.is_end()),
                    None => Ok(()),
                }
            }
        }
    }

    /// Tells a notice: every one to programs, those that are news to people.
    fn event(&mut self, event: &Event<'_>, quiet: bool) -> io::Result<()> {
        if self.events {
            return self.out.line(event.json()?);
        }
        if !quiet {
            // In its place among the lines.
            self.write()?;
            say(event.text());
        }
        Ok(())
    }
}
