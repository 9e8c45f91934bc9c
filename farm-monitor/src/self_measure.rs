//! The farm's measurements of itself, in the reserved cluster `hedgerow`: the ledger of each edge, the cache, memory, CPU.
//!
//! What collection says of itself comes from the engine, by the same origin.

use crate::api::cache_edge;
use crate::config::RESERVED_CLUSTER;
use crate::door::TrapDoor;
use crate::filter::actions::Actions;
use crate::filter::alarms::Alarms;
use crate::filter::{Deployments, state_word};
use crate::hub::{Edge, HEARTBEAT, Hub};
use crate::snmp::Snmp;
use hashbrown::HashMap;
use hedgerow_client::lease::LeaseKeeper;
use hedgerow_collect::front_door::{FrontDoor, OriginId};
use hedgerow_model::{BatchBuilder, Kind, Labels, Life, Mark, Name, SeriesDef, SeriesId, SeriesKey, Value};
use hedgerow_proto::filter::{DeploymentState, DeploymentStatus};
use hedgerow_snmp::Counts;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The origin of all measurements of the farm itself; the engine uses the same.
pub const ORIGIN: &str = "hedgerow";
/// How often they are taken.
pub const PERIOD: Duration = Duration::from_secs(10);

/// Name, kind, unit and meaning of everything measured here; checked against the reference by a test.
pub const PARAMETERS: [(&str, Kind, &str, &str); 38] = [
    ("edge_samples", Kind::Counter, "", "made by the source, or matched for the consumer"),
    ("edge_passed", Kind::Counter, "", "accepted by the hub, or delivered to the consumer"),
    ("edge_lost", Kind::Counter, "", "refused or dropped, by reason; `series:REASON` counts series"),
    ("edge_held", Kind::Gauge, "", "on their way"),
    ("edge_conflated", Kind::Counter, "", "left out because a newer one took their place"),
    ("series", Kind::Gauge, "", "series the farm knows"),
    ("subscribers", Kind::Gauge, "", "open subscriptions"),
    ("texts_cut", Kind::Counter, "", "texts longer than 4 KiB, cut"),
    ("number", Kind::Counter, "", "the last number given in this epoch"),
    ("cache_bytes", Kind::Gauge, "By", "size of the cache on disk"),
    ("cache_pending_bytes", Kind::Gauge, "By", "accepted and not committed"),
    ("cache_head_bytes", Kind::Gauge, "By", "committed and not sealed yet, in memory"),
    ("cache_commits", Kind::Counter, "", "commits"),
    ("cache_failed_commits", Kind::Counter, "", "commits that failed and were tried again"),
    ("cache_deleted", Kind::Counter, "", "samples deleted, by reason"),
    ("snmp", Kind::Counter, "", "requests, replies, and what was no reply, each under its own name"),
    ("traps", Kind::Counter, "", "notifications, and what became of them, each fate under its own name"),
    ("filter_state", Kind::State, "", "how the deployment stands"),
    ("filter_cpu", Kind::Counter, "s", "processor time of the deployment"),
    ("filter_memory", Kind::Gauge, "By", "what its instance holds"),
    ("filter_state_bytes", Kind::Gauge, "By", "its state as it was saved last"),
    ("filter_samples_in", Kind::Counter, "", "samples that it was given"),
    ("filter_samples_out", Kind::Counter, "", "samples that it emitted"),
    ("filter_samples_refused", Kind::Counter, "", "of these, what the farm did not take"),
    ("filter_behind", Kind::Gauge, "", "samples accepted by the hub since its last one, where it is behind"),
    ("filter_lateness", Kind::Gauge, "s", "how old the farm's time is that it has seen, where it is behind"),
    ("filter_restarts", Kind::Counter, "", "how often it was begun again after a fault"),
    ("filter_missed", Kind::Counter, "", "samples that it should have been given and never was"),
    ("filter_log_dropped", Kind::Counter, "", "lines of its log that were left out"),
    (
        "lookups",
        Kind::Gauge,
        "",
        "lookups, by whether the farm is registered there; those of another mesh it never is",
    ),
    (
        "actions",
        Kind::Counter,
        "",
        "what filters asked this site to do, and what became of it, each under its own name",
    ),
    ("alarms", Kind::Gauge, "", "open alarms, by level"),
    ("alarms_refused", Kind::Counter, "", "alarms that were refused because too many are open"),
    ("memory_resident", Kind::Gauge, "By", "resident memory of the process"),
    ("cpu_user", Kind::Counter, "s", "CPU time of the process in user mode"),
    ("cpu_system", Kind::Counter, "s", "CPU time of the process in the kernel"),
    ("open_files", Kind::Gauge, "", "open file descriptors of the process"),
    (HEARTBEAT, Kind::Gauge, "s", "since the farm started; its samples' times are the farm's time"),
];

/// Kind, unit and meaning of a parameter.
pub fn described(parameter: &str) -> Option<(Kind, &'static str, &'static str)> {
    let (_, kind, unit, description) = PARAMETERS.iter().find(|(name, ..)| *name == parameter)?;
    Some((*kind, *unit, *description))
}

/// Takes the measurements; keeps the ids of their series.
pub struct SelfMeasure {
    hub: Arc<Hub>,
    origin: OriginId,
    node: Name,
    snmp: Snmp,
    traps: TrapDoor,
    deployments: Deployments,
    /// Those that were measured last, and their serials: what they cost is counted anew with each.
    deployed: BTreeMap<String, u64>,
    leases: Arc<Mutex<Option<LeaseKeeper>>>,
    alarms: Alarms,
    actions: Actions,
    ids: HashMap<(&'static str, Labels), Option<SeriesId>>,
}

/// What filters do at the farm.
pub struct OfFilters {
    /// Those that run.
    pub deployments: Deployments,
    /// What they raised.
    pub alarms: Alarms,
    /// What they asked for.
    pub actions: Actions,
}

impl SelfMeasure {
    /// Measures the farm of this hub, under this node; `snmp` and `traps` once they are used, `leases` while they are kept.
    pub fn new(
        hub: Arc<Hub>,
        node: Name,
        snmp: Snmp,
        traps: TrapDoor,
        filters: OfFilters,
        leases: Arc<Mutex<Option<LeaseKeeper>>>,
    ) -> Self {
        let OfFilters { deployments, alarms, actions } = filters;
        let origin = hub.origin(ORIGIN);
        let (deployed, ids) = (BTreeMap::new(), HashMap::new());
        Self { hub, origin, node, snmp, traps, deployments, deployed, leases, alarms, actions, ids }
    }

    /// Takes them once.
    pub fn measure(&mut self) {
        let hub = Arc::clone(&self.hub);
        let mut run = Run { batch: BatchBuilder::new(), now: hub.now() };
        let stats = hub.cache().stats();
        let committed = hub.cache().committed().borrow().number;
        let mut edges = hub.edges();
        let cache = cache_edge(&stats, committed);
        edges.push(Edge {
            name: cache.name,
            samples: cache.samples,
            passed: cache.passed,
            held: cache.held,
            conflated: 0,
            lost: cache.lost.into_iter().collect(),
        });
        for edge in &edges {
            let labels = |more: &[(&str, &str)]| {
                Labels::new([("item", edge.name.as_str())].iter().chain(more).copied())
            };
            let Ok(plain) = labels(&[]) else { continue };
            self.count(&mut run, "edge_samples", &plain, edge.samples);
            self.count(&mut run, "edge_passed", &plain, edge.passed);
            self.count(&mut run, "edge_conflated", &plain, edge.conflated);
            self.gauge(&mut run, "edge_held", &plain, edge.held);
            for (reason, count) in &edge.lost {
                if let Ok(labels) = labels(&[("reason", reason)]) {
                    self.count(&mut run, "edge_lost", &labels, *count);
                }
            }
        }
        let none = Labels::none();
        self.gauge(&mut run, "series", &none, hub.series_count() as u64);
        self.gauge(&mut run, "subscribers", &none, hub.subscribers() as u64);
        self.count(&mut run, "texts_cut", &none, hub.texts_cut());
        self.count(&mut run, "number", &none, hub.routed().number);
        self.gauge(&mut run, "cache_bytes", &none, stats.disk_bytes);
        self.gauge(&mut run, "cache_pending_bytes", &none, stats.pending_bytes as u64);
        self.gauge(&mut run, "cache_head_bytes", &none, stats.head_bytes as u64);
        self.count(&mut run, "cache_commits", &none, stats.commits);
        self.count(&mut run, "cache_failed_commits", &none, stats.failed_commits);
        for (reason, count) in [
            ("retention", stats.retained_away),
            ("quota", stats.quota_away),
            ("disk_full", stats.disk_full_away),
            ("corruption", stats.corrupt),
        ] {
            if let Ok(labels) = Labels::new([("reason", reason)]) {
                self.count(&mut run, "cache_deleted", &labels, count);
            }
        }
        let counts = self.snmp.counts().map(Counts::all).unwrap_or_default();
        for (name, count, _) in counts {
            if let Ok(labels) = Labels::new([("item", name)]) {
                self.count(&mut run, "snmp", &labels, count);
            }
        }
        for (name, count) in self.traps.counts() {
            if let Ok(labels) = Labels::new([("item", name)]) {
                self.count(&mut run, "traps", &labels, count);
            }
        }
        self.filters(&mut run);
        self.lookups(&mut run);
        self.alarms_and_actions(&mut run);
        self.process(&mut run);
        hub.accept(self.origin, run.batch.build());
        // Else it comes every second anyway.
        if !hub.is_heartbeat_asked() {
            hub.beat();
        }
    }

    /// What each deployment costs.
    fn filters(&mut self, run: &mut Run) {
        let mut statuses: BTreeMap<String, DeploymentStatus> = BTreeMap::new();
        for status in self.deployments.statuses(&[]) {
            // Of several owners' only one is not refused.
            if status.state() != DeploymentState::Refused || !statuses.contains_key(&status.name) {
                statuses.insert(status.name.clone(), status);
            }
        }
        let now: BTreeMap<String, u64> =
            statuses.iter().map(|(name, status)| (name.clone(), status.serial)).collect();
        let before = std::mem::replace(&mut self.deployed, now);
        for (name, serial) in before {
            if self.deployed.get(&name) != Some(&serial)
                && let Ok(labels) = Labels::new([("item", name.as_str())])
            {
                // Other parameters may have an item of that name.
                let its = |key: &(&str, Labels)| key.0.starts_with("filter_") && key.1 == labels;
                let of_it: Vec<_> = self.ids.extract_if(|key, _| its(key)).collect();
                if !self.deployed.contains_key(&name) {
                    let ids: Vec<SeriesId> = of_it.into_iter().filter_map(|(_, id)| id).collect();
                    self.hub.set_life(&ids, Life::Ended, "the deployment is gone");
                }
            }
        }
        for (name, status) in statuses {
            let Ok(labels) = Labels::new([("item", name.as_str())]) else { continue };
            let (state, cost) = (status.state(), status.cost.unwrap_or_default());
            let state = Value::State(i64::from(i32::from(state)), Some(state_word(state).into()));
            self.push(run, "filter_state", &labels, state);
            self.push(run, "filter_cpu", &labels, Value::F64(seconds(cost.cpu_us, 1e6)));
            self.gauge(run, "filter_memory", &labels, cost.memory_bytes);
            self.gauge(run, "filter_state_bytes", &labels, cost.state_bytes);
            self.count(run, "filter_samples_in", &labels, cost.samples_in);
            self.count(run, "filter_samples_out", &labels, cost.samples_out);
            self.count(run, "filter_samples_refused", &labels, cost.samples_refused);
            self.gauge(run, "filter_behind", &labels, cost.behind);
            self.push(run, "filter_lateness", &labels, Value::F64(seconds(cost.lateness_ms, 1e3)));
            self.count(run, "filter_restarts", &labels, cost.restarts);
            self.count(run, "filter_missed", &labels, cost.missed);
            self.count(run, "filter_log_dropped", &labels, cost.log_lines_dropped);
        }
    }

    /// What filters raised and is open, and what became of what they asked for.
    fn alarms_and_actions(&mut self, run: &mut Run) {
        for (level, count) in self.alarms.levels() {
            if let Ok(labels) = Labels::new([("item", level.as_str())]) {
                self.gauge(run, "alarms", &labels, count);
            }
        }
        let refused = self.alarms.counts().refused;
        self.count(run, "alarms_refused", &Labels::none(), refused);
        for (name, count) in self.actions.counts() {
            if let Ok(labels) = Labels::new([("item", name)]) {
                self.count(run, "actions", &labels, count);
            }
        }
    }

    /// At how many lookups the farm is registered, and at how many it is not: of addresses, which come and go, there would
    /// be more and more series.
    fn lookups(&mut self, run: &mut Run) {
        let Some(state) = self.leases.lock().as_ref().map(LeaseKeeper::state) else { return };
        let registered = state.iter().filter(|lease| lease.registered).count();
        for (item, count) in [("registered", registered), ("not_registered", state.len() - registered)] {
            if let Ok(labels) = Labels::new([("item", item)]) {
                self.gauge(run, "lookups", &labels, count as u64);
            }
        }
    }

    /// What the kernel says of this process.
    fn process(&mut self, run: &mut Run) {
        let none = Labels::none();
        let read = |file: &str| std::fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
        let resident = read("status").lines().find_map(|line| {
            line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
        });
        if let Some(kibibytes) = resident {
            self.gauge(run, "memory_resident", &none, kibibytes * 1024);
        }
        // The name in brackets may hold anything: the figures begin behind its end. utime and stime are fields 14 and 15.
        let stat = read("stat");
        let figures = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
        let ticks: Vec<f64> =
            figures.split_whitespace().skip(11).take(2).filter_map(|t| t.parse().ok()).collect();
        if let [user, system] = ticks[..] {
            #[expect(clippy::cast_precision_loss, reason = "ticks a second: 100")]
            let per_second = rustix::param::clock_ticks_per_second() as f64;
            self.push(run, "cpu_user", &none, Value::F64(user / per_second));
            self.push(run, "cpu_system", &none, Value::F64(system / per_second));
        }
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            self.gauge(run, "open_files", &none, files.count() as u64);
        }
    }

    fn gauge(&mut self, run: &mut Run, name: &'static str, labels: &Labels, value: u64) {
        self.push(run, name, labels, Value::I64(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    fn count(&mut self, run: &mut Run, name: &'static str, labels: &Labels, value: u64) {
        self.push(run, name, labels, Value::counter(value));
    }

    fn push(&mut self, run: &mut Run, name: &'static str, labels: &Labels, value: Value) {
        let key = (name, labels.clone());
        // The counters begin anew with the process: their first sample says so.
        let first = !self.ids.contains_key(&key);
        let id = match self.ids.get(&key) {
            Some(id) => *id,
            None => {
                let id = self.declare(name, labels);
                self.ids.insert(key, id);
                id
            }
        };
        let is_counter = PARAMETERS.iter().any(|(of, kind, ..)| *of == name && *kind == Kind::Counter);
        if let Some(id) = id {
            run.batch.push(id, run.now, value, (first && is_counter).then_some(Mark::Reset));
        }
    }

    fn declare(&self, name: &str, labels: &Labels) -> Option<SeriesId> {
        let (kind, unit, description) = described(name)?;
        let def = SeriesDef {
            key: SeriesKey {
                cluster: Name::new(RESERVED_CLUSTER).ok()?,
                node: self.node.clone(),
                parameter: Name::new(name).ok()?,
                labels: labels.clone(),
            },
            kind,
            unit: unit.to_owned(),
            source: ORIGIN.to_owned(),
            interval: Some(PERIOD),
            lifetime: None,
            description: description.to_owned(),
        };
        self.hub.declare(self.origin, &def).ok()
    }
}

#[expect(clippy::cast_precision_loss, reason = "centuries of it are exact")]
fn seconds(amount: u64, in_a_second: f64) -> f64 {
    amount as f64 / in_a_second
}

struct Run {
    batch: BatchBuilder,
    now: hedgerow_model::UnixMillis,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_stands_in_the_reference() {
        let page = include_str!("../../docs/reference/parameters-self.md");
        for (name, kind, unit, _) in PARAMETERS {
            let unit = if unit.is_empty() { String::new() } else { format!("`{unit}`") };
            let row = format!("| `{name}` | {kind} | {unit} |");
            assert!(page.contains(&row), "expected a row `{row}`");
        }
    }

    #[test]
    fn every_count_of_snmp_stands_in_the_reference_with_its_meaning() {
        let page = include_str!("../../docs/reference/parameters-self.md");
        for (name, _, meaning) in Counts::default().all() {
            let row = format!("| `{name}` | {} |", meaning.trim_end_matches('.'));
            assert!(page.contains(&row), "expected a row `{row}`");
        }
    }

    #[test]
    fn every_fate_of_an_action_stands_in_the_reference_with_its_meaning() {
        let page = include_str!("../../docs/reference/parameters-self.md");
        for what in crate::filter::actions::Counted::ALL {
            let row = format!("| `{}` | {} |", what.as_str(), what.meaning());
            assert!(page.contains(&row), "expected a row `{row}`");
        }
    }

    #[test]
    fn every_fate_of_a_notification_stands_in_the_reference_with_its_meaning() {
        let page = include_str!("../../docs/reference/parameters-self.md");
        for what in hedgerow_traps::Counted::ALL {
            let row = format!("| `{}` | {} |", what.as_str(), what.meaning());
            assert!(page.contains(&row), "expected a row `{row}`");
        }
    }
}
