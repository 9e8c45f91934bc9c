//! The module `script` as the engine sees it: runs the program for each target and turns what it prints into samples.
//!
//! It must never start a program for a target while something of the run before still lives.

use super::client::{Keeper, ScriptRun};
use super::output::{self, Measurement, Parsed, nagios};
use super::wire::{Ending, ScriptOutcome, Stage};
use crate::module::{BoxFuture, CollectError, Module, Probe, Run};
use crate::spec::{CollectorSpec, ModuleSpec, ScriptFormat, ScriptSpec, Target};
use hedgerow_model::{Labels, Mark, Name, SeriesDef, SeriesId, SeriesKey, Value};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::time::Duration;
use tokio::time::Instant;

/// Where programs are looked for, unless the configuration sets `PATH`.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The part of a run's time that is left for reading what it printed, and its upper bound.
const MARGIN: (u32, Duration) = (10, Duration::from_millis(500));
/// How many problems of one run are told one by one.
const TOLD_PROBLEMS: usize = 3;
/// How much of standard error's last line is told, in bytes.
const TOLD_STDERR: usize = 300;

/// The module: makes a probe per target, all with the same keeper.
pub struct ScriptModule {
    keeper: Keeper,
    environment: BTreeMap<String, String>,
}

impl ScriptModule {
    /// Scripts get `HOME` and `TZ` of this process, a fixed `PATH` and `LANG`, and nothing else but what is configured.
    pub fn new(keeper: Keeper) -> Self {
        Self { keeper, environment: base_environment() }
    }
}

/// What programs that the farm runs have in their environment, besides what is configured.
pub fn base_environment() -> BTreeMap<String, String> {
    let mut environment =
        BTreeMap::from([("PATH".to_owned(), PATH.to_owned()), ("LANG".to_owned(), "C.UTF-8".to_owned())]);
    environment.insert("HOME".to_owned(), std::env::var("HOME").unwrap_or_else(|_| "/".to_owned()));
    environment.extend(std::env::var("TZ").ok().map(|tz| ("TZ".to_owned(), tz)));
    environment
}

impl Module for ScriptModule {
    fn name(&self) -> &'static str {
        "script"
    }

    fn probe(&self, spec: &CollectorSpec, target: &Target) -> Result<Box<dyn Probe>, String> {
        let ModuleSpec::Script(script) = &spec.module else {
            return Err(format!("module `{}` is not `script`", spec.module.name()));
        };
        let name =
            |what: &str, text: &str| Name::new(text).map_err(|error| format!("{what} `{text}` {error}"));
        let mut environment = self.environment.clone();
        environment.extend(script.environment.clone());
        Ok(Box::new(ScriptProbe {
            keeper: self.keeper.clone(),
            run: ScriptRun {
                command: command_for(script, target)?,
                environment: environment.into_iter().collect(),
                directory: script.directory.clone(),
                deadline: spec.deadline,
                max_output: script.max_output,
                max_memory: script.max_memory,
            },
            format: script.format,
            before: None,
            book: SeriesBook {
                cluster: name("cluster", &spec.cluster)?,
                node: name("node", &target.node)?,
                labels: Labels::new(&target.labels).map_err(|error| error.to_string())?,
                source: format!("script:{}", spec.name),
                interval: spec.period,
                lifetime: spec.lifetime,
                known: HashMap::new(),
                runs: 0,
            },
        }))
    }
}

/// The command, with the target's address and node put in.
fn command_for(script: &ScriptSpec, target: &Target) -> Result<Vec<String>, String> {
    let [program, arguments @ ..] = &*script.command else {
        return Err("command: expected a program and its arguments".to_owned());
    };
    let mut command = vec![program.clone()];
    for argument in arguments {
        let filled = fill(argument, target);
        // An address from a file must not become an option of the program.
        if filled.starts_with('-') && !argument.starts_with('-') {
            return Err(format!("`{filled}` begins with `-`: the program would read it as an option"));
        }
        command.push(filled);
    }
    Ok(command)
}

fn fill(argument: &str, target: &Target) -> String {
    let mut filled = String::new();
    let mut rest = argument;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        filled.push_str(before);
        rest = if let Some(after) = from.strip_prefix("{address}") {
            filled.push_str(&target.address);
            after
        } else if let Some(after) = from.strip_prefix("{node}") {
            filled.push_str(&target.node);
            after
        } else {
            filled.push('{');
            from.get(1..).unwrap_or_default()
        };
    }
    filled + rest
}

struct ScriptProbe {
    keeper: Keeper,
    run: ScriptRun,
    format: ScriptFormat,
    /// The run before this one.
    before: Option<u64>,
    book: SeriesBook,
}

impl Probe for ScriptProbe {
    fn run<'a>(&'a mut self, run: &'a mut dyn Run) -> BoxFuture<'a, Result<(), CollectError>> {
        Box::pin(async move {
            let left = run.deadline().saturating_duration_since(Instant::now());
            if let Some(before) = self.before {
                // Killing takes milliseconds; what takes longer hangs in the kernel.
                if let Err(what) = self.keeper.over(before, left / 2).await {
                    return Err(CollectError::Failed(format!(
                        "not started: the run before cannot be killed: {what}"
                    )));
                }
            }
            let left = run.deadline().saturating_duration_since(Instant::now());
            self.run.deadline = left - (left / MARGIN.0).min(MARGIN.1);
            let running = self.keeper.run(&self.run);
            self.before = Some(running.id());
            let outcome = running.await;
            let result = self.judge(&outcome);
            let parsed = self.read(&outcome);
            let understood = !parsed.measurements.is_empty();
            self.book.push(run, parsed.measurements);
            if outcome.stdout_cut {
                let what = format!("cut at {} bytes (max_output)", outcome.stdout.len());
                run.part_failed("output", CollectError::BadAnswer(what));
            }
            match parsed.problems.first() {
                Some(first) if !understood && result.is_ok() => {
                    return Err(CollectError::BadAnswer(first.to_string()));
                }
                _ => tell_problems(run, &parsed.problems, parsed.problem_count),
            }
            result
        })
    }
}

fn tell_problems(run: &mut dyn Run, problems: &[output::Problem], count: usize) {
    for problem in problems.iter().take(TOLD_PROBLEMS) {
        run.part_failed(&problem.place, CollectError::BadAnswer(problem.what.clone()));
    }
    if let Some(more) = count.checked_sub(TOLD_PROBLEMS).filter(|more| *more > 0) {
        run.part_failed("output", CollectError::BadAnswer(format!("{more} more could not be read")));
    }
}

impl ScriptProbe {
    /// What the ending means for the target, whatever was printed.
    fn judge(&self, outcome: &ScriptOutcome) -> Result<(), CollectError> {
        let program = self.run.command.first().map_or("", |program| program);
        let said = last_line(&outcome.stderr).map_or(String::new(), |line| format!(": {line}"));
        Err(match &outcome.ending {
            Ending::Exited(0) => return Ok(()),
            Ending::Exited(status)
                if self.format == ScriptFormat::Nagios && nagios::STATES.contains(status) =>
            {
                return Ok(());
            }
            Ending::Exited(status) => CollectError::Failed(format!("{program}: exit status {status}{said}")),
            Ending::Signalled(signal) => {
                CollectError::Failed(format!("{program}: killed by signal {signal}{said}"))
            }
            Ending::Deadline => {
                CollectError::TimedOut(format!("{program}: killed after {:.1?}{said}", self.run.deadline))
            }
            Ending::Stuck(what) => CollectError::TimedOut(format!("{program}: cannot be killed: {what}")),
            Ending::NotStarted { stage, errno } => self.not_started(program, *stage, *errno),
            Ending::Refused(why) => CollectError::Failed(format!("{program}: not started: {why}")),
            Ending::Lost | Ending::Cancelled => {
                let why = self.keeper.down();
                let why = why.as_deref().unwrap_or("the process that watched it has died");
                CollectError::Failed(format!("{program}: {why}"))
            }
        })
    }

    fn not_started(&self, program: &str, stage: Stage, errno: i32) -> CollectError {
        let error = io::Error::from_raw_os_error(errno);
        match (stage, error.kind()) {
            (Stage::Program, io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
                CollectError::Unreachable(format!("{program}: {error}"))
            }
            (Stage::Program, _) if errno == libc::ENOEXEC => CollectError::Unreachable(format!(
                "{program}: {error}: expected a program, or a script that begins with #!"
            )),
            (Stage::Directory, _) => {
                CollectError::Unreachable(format!("directory {}: {error}", self.run.directory.display()))
            }
            _ => CollectError::Failed(format!("{program}: cannot be started: {error}")),
        }
    }

    fn read(&self, outcome: &ScriptOutcome) -> Parsed {
        let mut text = &*outcome.stdout;
        let whole = !outcome.stdout_cut && matches!(outcome.ending, Ending::Exited(_));
        if !whole && self.format != ScriptFormat::Json {
            // The last line may be half of one.
            let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            text = text.get(..end).unwrap_or_default();
        }
        match (self.format, &outcome.ending) {
            (ScriptFormat::Nagios, Ending::Exited(status)) if nagios::STATES.contains(status) => {
                nagios::parse(text, *status)
            }
            (ScriptFormat::Nagios, _) => Parsed::default(),
            // What a script that failed did not print is no second error.
            (ScriptFormat::Json, ending) if text.is_empty() && *ending != Ending::Exited(0) => {
                Parsed::default()
            }
            (ScriptFormat::Json, _) => output::json::parse(text),
            (ScriptFormat::KeyValue, _) => output::keyvalue::parse(text),
            (ScriptFormat::Influx, _) => output::influx::parse(text),
        }
    }
}

fn last_line(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    let shown = line.get(..line.floor_char_boundary(TOLD_STDERR)).unwrap_or_default();
    Some(shown.chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
}

/// The series of one target, so that they are declared once and not with every sample.
struct SeriesBook {
    cluster: Name,
    node: Name,
    labels: Labels,
    source: String,
    interval: Duration,
    lifetime: Option<Duration>,
    /// What the last run printed: no more than [`output::MAX_MEASUREMENTS`].
    known: HashMap<SeriesKey, Known>,
    runs: u64,
}

struct Known {
    id: SeriesId,
    unit: String,
    description: String,
    kind: hedgerow_model::Kind,
    /// It once was a fraction: whole numbers are floats, too, so that its column stays one.
    float: bool,
    /// Of a counter, what it showed last.
    counted: Option<Value>,
    seen: u64,
}

impl Known {
    /// A counter that fell has begun again: nobody knows what it counted before.
    fn mark(&mut self, value: &Value) -> Option<Mark> {
        if self.kind != hedgerow_model::Kind::Counter {
            return None;
        }
        let fell = match (self.counted.replace(value.clone())?, value) {
            (Value::I64(before), Value::I64(now)) => now.cast_unsigned() < before.cast_unsigned(),
            (Value::F64(before), Value::F64(now)) => *now < before,
            _ => false,
        };
        fell.then_some(Mark::Reset)
    }
}

impl SeriesBook {
    fn push(&mut self, run: &mut dyn Run, measurements: Vec<Measurement>) {
        self.runs += 1;
        for measurement in measurements {
            let key = SeriesKey {
                cluster: self.cluster.clone(),
                node: measurement.node.clone().unwrap_or_else(|| self.node.clone()),
                parameter: measurement.parameter.clone(),
                labels: self.all_labels(&measurement.labels),
            };
            let (time, mut value) =
                (measurement.time.unwrap_or_else(|| run.started()), measurement.value.clone());
            let Some(known) = self.known(run, key, measurement) else { continue };
            match value {
                Value::F64(_) => known.float = true,
                #[expect(clippy::cast_precision_loss, reason = "only where nothing is lost")]
                Value::I64(whole) if known.float && whole.unsigned_abs() <= 1 << f64::MANTISSA_DIGITS => {
                    value = Value::F64(whole as f64);
                }
                _ => {}
            }
            let mark = known.mark(&value);
            run.push(known.id, time, value, mark);
        }
        let now = self.runs;
        self.known.retain(|_, known| known.seen == now);
    }

    /// The entry of a series, declared where it is new or has changed; `None` where the hub refuses it.
    fn known(&mut self, run: &mut dyn Run, key: SeriesKey, measurement: Measurement) -> Option<&mut Known> {
        let Measurement { unit, description, kind, .. } = measurement;
        let as_before = self.known.get(&key).is_some_and(|known| {
            known.unit == unit && known.description == description && known.kind == kind
        });
        if !as_before {
            let def = SeriesDef {
                key: key.clone(),
                kind,
                unit: unit.clone(),
                source: self.source.clone(),
                interval: Some(self.interval),
                lifetime: self.lifetime,
                description: description.clone(),
            };
            let Some(id) = run.series(&def) else {
                self.known.remove(&key);
                return None;
            };
            let before = self.known.get(&key);
            let float = before.is_some_and(|known| known.float);
            let counted = before.and_then(|known| known.counted.clone());
            self.known.insert(key.clone(), Known { id, unit, description, kind, float, counted, seen: 0 });
        }
        let known = self.known.get_mut(&key)?;
        known.seen = self.runs;
        Some(known)
    }

    /// The script's labels, and those of the target that it does not give itself.
    fn all_labels(&self, own: &Labels) -> Labels {
        if self.labels.is_empty() {
            return own.clone();
        }
        let of_target = self.labels.iter().filter(|(key, _)| own.get(key).is_none());
        // Too many together: the target's are left out, rather than the measurement.
        Labels::new(own.iter().chain(of_target)).unwrap_or_else(|_| own.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &[&str], address: &str) -> Result<Vec<String>, String> {
        let script = ScriptSpec {
            command: words.iter().map(|word| (*word).to_owned()).collect(),
            format: ScriptFormat::Json,
            environment: BTreeMap::new(),
            directory: "/".into(),
            max_output: 1024,
            max_memory: None,
        };
        let target = Target { node: "n1".into(), address: address.into(), labels: BTreeMap::new() };
        command_for(&script, &target)
    }

    #[test]
    fn a_counter_that_fell_is_marked_and_a_gauge_is_not() {
        let known = |kind| Known {
            id: SeriesId(1),
            unit: String::new(),
            description: String::new(),
            kind,
            float: false,
            counted: None,
            seen: 0,
        };
        let marks = |mut known: Known, values: &[u64]| -> Vec<Option<Mark>> {
            values.iter().map(|value| known.mark(&Value::counter(*value))).collect()
        };
        let values = [90, 91, 0, 5, u64::MAX];
        assert_eq!(
            marks(known(hedgerow_model::Kind::Counter), &values),
            [None, None, Some(Mark::Reset), None, None]
        );
        assert_eq!(marks(known(hedgerow_model::Kind::Gauge), &values), [None; 5]);
    }

    #[test]
    fn address_and_node_are_put_into_arguments_once() {
        let filled = command(&["/x/{node}", "-H", "{address}:{node}", "{other} {{node}"], "{node}").unwrap();
        assert_eq!(filled, ["/x/{node}", "-H", "{node}:n1", "{other} {n1"]);
    }

    #[test]
    fn an_address_cannot_become_an_option() {
        assert_eq!(command(&["ping", "-c1", "{address}"], "10.0.0.1").unwrap(), ["ping", "-c1", "10.0.0.1"]);
        assert_eq!(command(&["ssh", "--host={address}"], "-v").unwrap(), ["ssh", "--host=-v"]);
        let refused = command(&["ssh", "{address}"], "-oProxyCommand=x").unwrap_err();
        assert!(refused.contains("begins with `-`"), "{refused}");
        assert!(command(&[], "a").is_err());
    }

    #[test]
    fn the_last_line_of_an_error_is_short_and_plain() {
        assert_eq!(last_line(b"first\n a\tb \n\n"), Some("a b".to_owned()));
        assert_eq!(last_line(&[b'x'; 1000]).map(|line| line.len()), Some(TOLD_STDERR));
        assert_eq!(last_line(b"\n"), None);
    }
}
