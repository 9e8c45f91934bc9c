//! What `filter run` and `filter backtest` share: at which farms, and how what comes is told: samples on standard output, the rest on
//! standard error or, with `--events`, in its place.

use super::component::Component;
use super::local;
use super::parameters::ParameterArgs;
use crate::client::ClientOptions;
use crate::outcome::CommandError;
use crate::output::amount::{amount, bytes};
use crate::output::clock::Zone;
use crate::output::events::{Event, plural};
use crate::output::lines::Lines;
use crate::output::safe::{clean, in_a_line};
use crate::output::{Out, json, say};
use hedgerow_client::filters::{Heard, Hold};
use hedgerow_client::mesh::Mesh;
use hedgerow_client::subscription::{Farm, Update};
use hedgerow_model::{Kind, Template, UnixMillis, Value, duration, name};
use hedgerow_proto::filter::{Cost, Described, LogLevel, LogLine};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// What is run, and where.
#[derive(Debug, clap::Args)]
pub struct HeldArgs {
    /// A filter that is shipped, by its name, or a file of yours, as ./mine.wasm
    #[arg(value_name = "NAME|FILE.wasm")]
    filter: String,
    #[command(flatten)]
    parameters: ParameterArgs,
    /// At which farms: a name, or a template as in `find` [default: all]
    #[arg(long, value_name = "FARM|TEMPLATE")]
    farm: Vec<String>,
    /// Logs, alarms, actions, gaps and the cost as JSON objects, too, in their place; implies --json
    #[arg(long, help_heading = "Client options")]
    events: bool,
    #[command(flatten)]
    pub client: ClientOptions,
}

impl HeldArgs {
    /// What the farms are asked to run.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn hold(
        &self,
        cluster: Option<&str>,
        stored: Option<Range<UnixMillis>>,
    ) -> Result<Hold, CommandError> {
        let name = cluster.unwrap_or_default().to_owned();
        if !name.is_empty() {
            name::check(&name).map_err(|error| CommandError::Misuse(format!("--as {name}: {error}")))?;
        }
        let given = self.parameters.given()?;
        let component = Component::read(&self.filter)?;
        let as_given = given.object();
        // What the filter takes values for it says itself; whether it is taken at all, the farms say.
        let fitted = given.is_ambiguous().then(|| local::taken(&component, given).ok()).flatten();
        let parameters = fitted.map_or(as_given, |taken| taken.parameters);
        Ok(Hold { component: component.bytes.into(), parameters, name, stored })
    }

    /// The farms, by name.
    ///
    /// # Errors
    /// Where there is none, or the template is none.
    pub async fn farms(&self, mesh: &Mesh) -> Result<Vec<Farm>, CommandError> {
        let text = self.farm.join(" ");
        let template =
            Template::parse(&text).map_err(|error| crate::question::wrong("--farm", &text, &error))?;
        let found = mesh.farms(&template).await;
        crate::client::some_lookup_answered(&found)?;
        let mut farms =
            found.services.iter().map(|service| mesh.to_change(service)).collect::<Result<Vec<_>, _>>()?;
        farms.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        if farms.is_empty() {
            let all = mesh.farms(&Template::default()).await;
            return Err(CommandError::Failed(crate::watch::no_farm(&all)));
        }
        Ok(farms)
    }
}

/// Tells what comes.
pub struct Teller {
    out: Out,
    lines: Lines,
    zone: Zone,
    json: bool,
    events: bool,
    farms: BTreeMap<Arc<str>, Account>,
    /// What was said of a filter; farms that say the same are not told again.
    said: Vec<String>,
}

/// What is known of the run at one farm.
#[derive(Default)]
struct Account {
    filter: String,
    cost: Option<Cost>,
    samples: u64,
    gaps: u64,
    alarms: u64,
    actions: u64,
}

/// An event, beside those of streams.
#[derive(Serialize)]
struct Told<'a, T: Serialize> {
    event: &'static str,
    farm: &'a str,
    #[serde(flatten)]
    what: &'a T,
}

#[derive(Serialize)]
struct DescribedLine<'a> {
    filter: &'a str,
    version: &'a str,
    predicates: &'a [String],
    look_back_ms: u64,
    tick_ms: u64,
}

#[derive(Serialize)]
struct LogEvent<'a> {
    time: UnixMillis,
    level: &'static str,
    text: &'a str,
}

#[derive(Serialize)]
struct CostEvent {
    cpu_us: u64,
    memory_bytes: u64,
    samples_in: u64,
    samples_out: u64,
    samples_refused: u64,
    missed: u64,
    gaps: u64,
    log_lines_dropped: u64,
}

impl Teller {
    /// Nothing told yet.
    pub fn new(args: &HeldArgs) -> Self {
        Self {
            out: Out::new(),
            lines: Lines::new(args.client.zone()),
            zone: args.client.zone(),
            json: args.client.json || args.events,
            events: args.events,
            farms: BTreeMap::new(),
            said: Vec::new(),
        }
    }

    /// Whether nobody reads any more.
    pub fn reader_is_gone(&self) -> bool {
        self.out.reader_is_gone()
    }

    /// Tells what was heard of a farm.
    ///
    /// # Errors
    /// Where nobody reads.
    pub fn tell(&mut self, farm: &Arc<str>, heard: Heard) -> io::Result<()> {
        let account = self.farms.entry(Arc::clone(farm)).or_default();
        match heard {
            Heard::Described(described) => self.described(farm, &described),
            Heard::Samples(samples) => {
                account.samples += samples.len() as u64;
                for sample in samples.iter() {
                    if self.json {
                        self.out.line(json::sample(&sample, false)?)?;
                    } else {
                        self.lines.sample(&mut self.out, &sample)?;
                    }
                }
                Ok(())
            }
            Heard::Log(line) => self.log(farm, &line),
            Heard::Alarm(alarm) => {
                account.alarms += 1;
                self.alarm(farm, &alarm)
            }
            Heard::Action(action) => {
                account.actions += 1;
                self.action(farm, &action)
            }
            Heard::Gap(gap) => {
                account.gaps += 1;
                let update = Update::Gap { gap, late: false };
                let Some(event) = Event::of(farm, &update, None, &|at| self.zone.print(at)) else {
                    return Ok(());
                };
                if self.events {
                    return self.out.line(event.json()?);
                }
                self.say(event.text())
            }
            Heard::Cost(cost) => {
                account.cost = Some(cost);
                Ok(())
            }
        }
    }

    /// Writes out what has gathered.
    ///
    /// # Errors
    /// Where nobody reads.
    pub fn write(&mut self) -> io::Result<()> {
        self.lines.write(&mut self.out)?;
        self.out.flush()
    }

    /// Tells what it cost at each farm.
    ///
    /// # Errors
    /// Where nobody reads.
    pub fn end(&mut self) -> io::Result<()> {
        self.write()?;
        for (farm, account) in std::mem::take(&mut self.farms) {
            let Some(cost) = &account.cost else { continue };
            if self.events {
                let Cost { cpu_us, memory_bytes, samples_in, samples_out, samples_refused, missed, .. } =
                    *cost;
                let (gaps, log_lines_dropped) = (account.gaps, cost.log_lines_dropped);
                let what = CostEvent {
                    cpu_us,
                    memory_bytes,
                    samples_in,
                    samples_out,
                    samples_refused,
                    missed,
                    gaps,
                    log_lines_dropped,
                };
                self.event("cost", &farm, &what)?;
            } else {
                summary(&farm, &account, cost).iter().for_each(|line| say(line));
            }
        }
        self.out.flush()
    }

    fn described(&mut self, farm: &Arc<str>, described: &Described) -> io::Result<()> {
        let Described { name, version, description, predicates, look_back_ms, tick_ms, .. } = described;
        let filter = format!("{name} {version}");
        if let Some(account) = self.farms.get_mut(farm) {
            account.filter.clone_from(&filter);
        }
        if self.events {
            let (look_back_ms, tick_ms) = (*look_back_ms, *tick_ms);
            let what = DescribedLine { filter: name, version, predicates, look_back_ms, tick_ms };
            return self.event("described", farm, &what);
        }
        let mut said = vec![format!("reads {}", predicates.join(" "))];
        let print = |ms: u64| duration::print(Duration::from_millis(ms));
        said.extend((*look_back_ms > 0).then(|| format!("look-back {}", print(*look_back_ms))));
        said.extend((*tick_ms > 0).then(|| format!("a tick every {}", print(*tick_ms))));
        let said =
            format!("{}\n  {}", in_a_line(&format!("{filter}: {description}")), clean(&said.join("; ")));
        if !self.said.contains(&said) {
            say(&said);
            self.said.push(said);
        }
        Ok(())
    }

    fn log(&mut self, farm: &str, line: &LogLine) -> io::Result<()> {
        let level = match line.level() {
            LogLevel::Debug => "debug",
            LogLevel::Unspecified | LogLevel::Info => "info",
            LogLevel::Warning => "warning",
            LogLevel::Error => "error",
        };
        if self.events {
            return self.event("log", farm, &LogEvent { time: line.time, level, text: &line.text });
        }
        let time = self.zone.print(line.time);
        if line.of_farm {
            return self.say(&format!("{time}  {farm}: {}", clean(&line.text)));
        }
        self.say(&format!("{time}  {farm}: log {level}: {}", clean(&line.text)))
    }

    fn alarm(&mut self, farm: &str, text: &str) -> io::Result<()> {
        let alarm: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(text).unwrap_or_default();
        let cleared = alarm.contains_key("cleared");
        if self.events {
            return self.event(if cleared { "alarm_cleared" } else { "alarm" }, farm, &alarm);
        }
        let field = |key: &str| alarm.get(key).and_then(|value| value.as_str()).unwrap_or_default();
        let level = if cleared { "cleared" } else { field("level") };
        let time = alarm.get("time").and_then(serde_json::Value::as_i64).unwrap_or_default();
        let time = self.zone.print(time);
        let (key, text) = (clean(field("key")), clean(field("text")));
        self.say(&format!("{time}  {farm}: alarm {key}: {level}: {text}"))
    }

    fn action(&mut self, farm: &str, text: &str) -> io::Result<()> {
        let asked: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(text).unwrap_or_default();
        if self.events {
            return self.event("action", farm, &asked);
        }
        let field = |key: &str| clean(asked.get(key).and_then(|value| value.as_str()).unwrap_or_default());
        let time = asked.get("time").and_then(serde_json::Value::as_i64).unwrap_or_default();
        let (time, action, arguments) = (self.zone.print(time), field("action"), field("arguments"));
        self.say(&format!("{time}  {farm}: action {action} {arguments}: asked for, not run"))
    }

    fn event<T: Serialize>(&mut self, event: &'static str, farm: &str, what: &T) -> io::Result<()> {
        self.out.line(json::line(&Told { event, farm, what })?)
    }

    /// Says something in its place among the lines.
    fn say(&mut self, text: &str) -> io::Result<()> {
        self.write()?;
        say(text);
        Ok(())
    }
}

fn summary(farm: &str, account: &Account, cost: &Cost) -> Vec<String> {
    #[expect(clippy::cast_precision_loss, reason = "shown with four digits")]
    let cpu = amount(&Value::F64(cost.cpu_us as f64 / 1e6), Kind::Gauge, "s");
    let mut read = plural(cost.samples_in, "sample");
    if account.gaps > 0 {
        let missed = match cost.missed {
            0 => "an unknown number".to_owned(),
            missed => plural(missed, "sample"),
        };
        read.push_str(&format!("; {missed} missing in {}", plural(account.gaps, "gap")));
    }
    let mut made = plural(account.samples, "sample");
    if account.alarms > 0 {
        made.push_str(&format!(", {} of alarms", plural(account.alarms, "call")));
    }
    if account.actions > 0 {
        made.push_str(&format!(", {} asked for", plural(account.actions, "action")));
    }
    if cost.samples_refused > 0 {
        made.push_str(&format!("; {} more than it may in an hour", cost.samples_refused));
    }
    vec![
        format!("{} at {farm}", account.filter),
        format!("  read    {read}"),
        format!("  made    {made}"),
        format!("  cpu     {cpu}"),
        format!("  memory  {}", bytes(cost.memory_bytes)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_cost_and_what_was_missing_is_told_in_few_lines() {
        let mut account = Account { filter: "load 1.0.0".into(), samples: 60, ..Account::default() };
        let mut cost = Cost { cpu_us: 1_200, memory_bytes: 1_179_648, samples_in: 12_000, ..Cost::default() };
        let expected = "load 1.0.0 at oak\n  read    12000 samples\n  made    60 samples\n  cpu     1.2 ms\n  memory  1.125 MiB";
        assert_eq!(summary("oak", &account, &cost).join("\n"), expected);
        (account.gaps, account.alarms, account.actions) = (2, 1, 3);
        (cost.missed, cost.samples_refused) = (150, 7);
        let told = summary("oak", &account, &cost);
        assert_eq!(
            told.get(1).map(String::as_str),
            Some("  read    12000 samples; 150 samples missing in 2 gaps")
        );
        let made =
            "  made    60 samples, 1 call of alarms, 3 actions asked for; 7 more than it may in an hour";
        assert_eq!(told.get(2).map(String::as_str), Some(made));
    }
}
