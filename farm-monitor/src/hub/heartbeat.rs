//! The heartbeat: one series whose samples' times are the farm's time, for those who must see the same time again later.
//!
//! It is stored like any other, with every measurement of the farm's own; and every second while somebody asks for it.

use super::Hub;
use crate::config::RESERVED_CLUSTER;
use crate::self_measure::{ORIGIN, PERIOD, described};
use hedgerow_collect::front_door::FrontDoor;
use hedgerow_model::{BatchBuilder, Labels, Name, SeriesDef, SeriesKey, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Its parameter.
pub const HEARTBEAT: &str = "heartbeat";

/// As long as it is held, the heartbeat comes every second.
#[derive(Debug)]
pub struct Heartbeat(Arc<AtomicUsize>);

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Hub {
    /// Asks for the heartbeat every second.
    pub fn heartbeat(&self) -> Heartbeat {
        self.heartbeats.fetch_add(1, Ordering::Relaxed);
        Heartbeat(Arc::clone(&self.heartbeats))
    }

    /// Whether somebody asks for it.
    pub fn is_heartbeat_asked(&self) -> bool {
        self.heartbeats.load(Ordering::Relaxed) > 0
    }

    /// What it is called; none where the farm's name is no name.
    pub fn heartbeat_key(&self) -> Option<SeriesKey> {
        Some(SeriesKey {
            cluster: Name::new(RESERVED_CLUSTER).ok()?,
            node: Name::new(&self.farm).ok()?,
            parameter: Name::new(HEARTBEAT).ok()?,
            labels: Labels::none(),
        })
    }

    /// One beat: a batch of its own, so that it has its own place among the others.
    pub fn beat(&self) {
        let Some((key, (kind, unit, description))) = self.heartbeat_key().zip(described(HEARTBEAT)) else {
            return;
        };
        let def = SeriesDef {
            key,
            kind,
            unit: unit.to_owned(),
            source: ORIGIN.to_owned(),
            interval: Some(PERIOD),
            lifetime: None,
            description: description.to_owned(),
        };
        let origin = self.origin(ORIGIN);
        let Ok(id) = self.declare(origin, &def) else { return };
        let now = self.now();
        let mut batch = BatchBuilder::new();
        batch.push(id, now, Value::I64(now.saturating_sub(self.opened).div_euclid(1000)), None);
        self.accept(origin, batch.build());
    }
}
