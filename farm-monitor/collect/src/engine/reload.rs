//! A new configuration: first everything it needs is made, which may fail; then it is taken over, which cannot.

use super::actor::Actor;
use super::table::{Collector, Entry, Leaving};
use super::{Applied, ApplyError, Counts, made_by};
use crate::module::Probe;
use crate::pool::Facts;
use crate::schedule::{Moment, TargetKey, spread};
use crate::spec::{CollectorSpec, PoolSpec, Target};
use hedgerow_model::Life;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// A collector that is not simply kept.
struct Prepared {
    spec: Arc<CollectorSpec>,
    module: &'static str,
    targets: Vec<(Target, Slot)>,
    change: Change,
}

enum Slot {
    Kept(TargetKey),
    New(Box<dyn Probe>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Added,
    Retargeted,
    Changed,
}

impl Actor {
    pub fn apply(
        &mut self,
        pool: PoolSpec,
        collectors: Vec<CollectorSpec>,
        now: Moment,
    ) -> Result<Applied, ApplyError> {
        let mut names = BTreeSet::new();
        let mut applied = Applied::default();
        let mut prepared = Vec::new();
        for spec in collectors {
            if !names.insert(spec.name.clone()) {
                return Err(ApplyError::CollectorTwice(spec.name));
            }
            if self.table.collectors.get(&spec.name).is_some_and(|old| *old.spec == spec) {
                applied.kept.push(spec.name);
            } else {
                prepared.push(self.prepare(spec)?);
            }
        }
        self.limit = pool.global.max(1);
        self.pool.set_bounds(pool);
        applied.removed =
            self.table.collectors.keys().filter(|name| !names.contains(*name)).cloned().collect();
        for name in &applied.removed {
            self.remove_collector(name);
        }
        for prepared in prepared {
            let list = match prepared.change {
                Change::Added => &mut applied.added,
                Change::Retargeted => &mut applied.retargeted,
                Change::Changed => &mut applied.changed,
            };
            list.push(prepared.spec.name.clone());
            self.take_over(prepared, now);
        }
        Ok(applied)
    }

    fn prepare(&self, spec: CollectorSpec) -> Result<Prepared, ApplyError> {
        let module = made_by(&self.modules, &spec)?;
        let old = self.table.collectors.get(&spec.name);
        let change = match old {
            None => Change::Added,
            Some(old) if but_for_targets(&old.spec, &spec) => Change::Retargeted,
            Some(_) => Change::Changed,
        };
        let mut kept: HashMap<&Target, TargetKey> = HashMap::new();
        if let (Change::Retargeted, Some(old)) = (change, old) {
            let entries = old.targets.iter().filter_map(|key| Some((key, self.table.entries.get(key)?)));
            kept.extend(entries.map(|(key, entry)| (&*entry.target, *key)));
        }
        let mut nodes = HashSet::new();
        let mut targets = Vec::with_capacity(spec.targets.len());
        for target in &spec.targets {
            if !nodes.insert(&target.node) {
                let (collector, target) = (spec.name.clone(), target.node.clone());
                return Err(ApplyError::TargetTwice { collector, target });
            }
            let alike = old.is_some_and(|old| old.spec.module.asks_alike(&spec.module, &target.node));
            let slot = match kept.get(target).filter(|_| alike) {
                Some(key) => Slot::Kept(*key),
                None => {
                    let probe = module.probe(&spec, target);
                    Slot::New(probe.map_err(|reason| ApplyError::probe(&spec, target, reason))?)
                }
            };
            targets.push((target.clone(), slot));
        }
        Ok(Prepared { module: module.name(), spec: Arc::new(spec), targets, change })
    }

    fn take_over(&mut self, prepared: Prepared, now: Moment) {
        let Prepared { spec, module, targets, .. } = prepared;
        let old = self.table.collectors.remove(&spec.name);
        let same_cluster = old.as_ref().is_some_and(|old| old.spec.cluster == spec.cluster);
        let mut before: HashMap<String, TargetKey> = HashMap::new();
        for key in old.iter().flat_map(|old| &old.targets) {
            if let Some(entry) = self.table.entries.get(key) {
                before.insert(entry.target.node.clone(), *key);
            }
        }
        let number = old.as_ref().map_or_else(|| self.table.next_collector(), |old| old.number);
        let mut collector = Collector {
            number,
            origin: self.door.origin(&format!("collector {}", spec.name)),
            spec: spec.clone(),
            module,
            counts: old.as_ref().map_or_else(Counts::default, |old| old.counts),
            reported: old.map(|old| old.reported).unwrap_or_default(),
            targets: Vec::with_capacity(targets.len()),
        };
        for (target, slot) in targets {
            let earlier = before.remove(&target.node);
            let key = match slot {
                Slot::Kept(key) => {
                    if let Some(entry) = self.table.entries.get_mut(&key) {
                        entry.spec = spec.clone();
                    }
                    key
                }
                Slot::New(probe) => self.add_target(&collector, target, probe, earlier, same_cluster, now),
            };
            collector.targets.push(key);
        }
        for key in before.into_values() {
            self.remove_target(key, Leaving::Ended("target removed"));
        }
        self.table.collectors.insert(spec.name.clone(), collector);
    }

    fn add_target(
        &mut self,
        collector: &Collector,
        target: Target,
        probe: Box<dyn Probe>,
        earlier: Option<TargetKey>,
        same_cluster: bool,
        now: Moment,
    ) -> TargetKey {
        let spec = &collector.spec;
        let mut entry = Entry::new(spec.clone(), Arc::new(target), collector.origin, probe);
        if let Some(earlier) = earlier {
            if same_cluster && let Some(old) = self.table.entries.get_mut(&earlier) {
                entry.series = std::mem::take(&mut old.series);
                self.remove_target(earlier, Leaving::Replaced);
            } else {
                self.remove_target(earlier, Leaving::Ended("collector writes another cluster"));
            }
        }
        let key = self.table.next_target();
        let (node, address) = (&entry.target.node, &entry.target.address);
        self.schedule.add(key, spread(&spec.name, node, address), spec.period, now);
        let facts = Facts {
            collector: collector.number,
            module: collector.module.into(),
            address: (*address != *self.config.node).then(|| address.as_str().into()),
            period: spec.period,
            deadline: spec.deadline.min(spec.period),
        };
        self.pool.add(key, facts);
        self.table.entries.insert(key, entry);
        key
    }

    fn remove_collector(&mut self, name: &str) {
        let Some(collector) = self.table.collectors.remove(name) else { return };
        for key in &collector.targets {
            self.remove_target(*key, Leaving::Ended("collector removed"));
        }
        let reported: Vec<_> = collector.reported.into_iter().flatten().collect();
        if !reported.is_empty() {
            self.door.set_life(&reported, Life::Ended, "collector removed");
        }
    }

    /// Takes a target out. A run that goes on is cut; what it gathered is handed in before its series end.
    fn remove_target(&mut self, key: TargetKey, leaving: Leaving) {
        self.schedule.remove(key);
        let runs = self.pool.remove(key);
        if let Some(entry) = self.table.entries.get_mut(&key) {
            entry.leaving = Some(leaving);
            if !runs {
                self.forget(key);
            }
        }
    }

    /// The last thing done for a target.
    pub fn forget(&mut self, key: TargetKey) {
        let Some(entry) = self.table.entries.remove(&key) else { return };
        if let Some(Leaving::Ended(reason)) = entry.leaving {
            let mut series = entry.series.known;
            series.extend(entry.series.reported.into_iter().flatten());
            if !series.is_empty() {
                self.door.set_life(&series, Life::Ended, reason);
            }
        }
    }
}

fn but_for_targets(old: &CollectorSpec, new: &CollectorSpec) -> bool {
    let bare = |spec: &CollectorSpec| CollectorSpec {
        targets: Vec::new(),
        module: spec.module.but_for_targets(),
        ..spec.clone()
    };
    bare(old) == bare(new)
}
