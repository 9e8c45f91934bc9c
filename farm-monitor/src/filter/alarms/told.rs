//! What is told of alarms: each as it was last, in the order of the changes, so that whoever follows them asks for what is new.
//! A reader that is slow misses steps in between, never how an alarm is now.

use super::wire;
use bytes::Bytes;
use hedgerow_filter_host::alarms::Alarm;
use hedgerow_model::predicate::PathPattern;
use hedgerow_model::registration::Id;
use hedgerow_proto::farm::{Item, item};
use hedgerow_proto::stream::encode;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// An alarm as it was told last.
#[derive(Debug)]
pub struct ToldAlarm {
    /// It.
    pub alarm: Alarm,
    /// As an item of streams, encoded once for all of them.
    pub item: Bytes,
}

impl ToldAlarm {
    fn new(alarm: Alarm) -> Self {
        let item = encode(&Item { item: Some(item::Item::Alarm(wire::alarm(&alarm))) });
        Self { alarm, item }
    }

    /// Whether a subscription to these patterns is told of it: where one matches a path that it is about, or names its
    /// deployment as a cluster, and nothing behind it.
    pub fn is_for(&self, farm: &str, patterns: &[PathPattern]) -> bool {
        let any = PathPattern::any();
        let Alarm { key, series, .. } = &self.alarm;
        patterns.iter().any(|pattern| {
            let of_deployment = || {
                pattern.farm.matches(farm)
                    && pattern.cluster.matches(&key.deployment)
                    && (&pattern.node, &pattern.parameter, &pattern.labels)
                        == (&any.node, &any.parameter, &any.labels)
            };
            series.iter().any(|key| pattern.matches(farm, key)) || of_deployment()
        })
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct Told {
    revision: u64,
    by_revision: BTreeMap<u64, Arc<ToldAlarm>>,
    of: HashMap<Id, u64>,
}

impl Told {
    /// An alarm is so now; nothing new where that was told.
    pub fn put(&mut self, alarm: &Alarm) {
        let before = self.of.get(&alarm.id).and_then(|revision| self.by_revision.get(revision));
        if before.is_some_and(|before| before.alarm.version >= alarm.version) {
            return;
        }
        self.revision += 1;
        if let Some(before) = self.of.insert(alarm.id, self.revision) {
            self.by_revision.remove(&before);
        }
        self.by_revision.insert(self.revision, Arc::new(ToldAlarm::new(alarm.clone())));
    }

    /// It is kept no longer.
    pub fn forget(&mut self, id: Id) {
        if let Some(revision) = self.of.remove(&id) {
            self.by_revision.remove(&revision);
        }
    }

    /// How many changes there were.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Those that changed behind this revision, each as it is now.
    pub fn since(&self, revision: u64) -> impl Iterator<Item = &Arc<ToldAlarm>> {
        self.by_revision.range(revision + 1..).map(|(_, told)| told)
    }
}
