//! What an earlier serial of a deployment made and the one that runs does not: it ends, with the reason, where it would be stale until its
//! life time is over.
//!
//! A filter declares its series as it makes them, so nobody can say at once what the new serial will not make. It shows once the hub
//! calls a series stale that lived when the serial began: what was due three times over has not come, while others have. One
//! that was silent before stays what it was: its source may come back. What is not known any more after a restart of the farm, or
//! of a serial that makes nothing at all, ends with its life time, as everything does.

use crate::hub::Hub;
use hedgerow_collect::front_door::FrontDoor;
use hedgerow_model::predicate::PathPattern;
use hedgerow_model::{Glob, Life, SeriesId};
use std::collections::BTreeSet;

/// See the module.
#[derive(Debug)]
pub struct Earlier {
    /// Which serial runs, or ran last; none: none has.
    serial: Option<u64>,
    /// Lived when it began, and it has not made them yet.
    series: Vec<SeriesId>,
}

impl Earlier {
    /// `serial`: which one ran last, in the process before.
    pub fn new(serial: Option<u64>) -> Self {
        Self { serial, series: Vec::new() }
    }

    /// A serial of this deployment begins.
    pub fn begins(&mut self, hub: &Hub, name: &str, serial: u64) {
        if self.serial.replace(serial) == Some(serial) {
            return;
        }
        let known = hub.known(&hub.matching(&[own(name)]));
        self.series = known.iter().filter(|known| known.life == Life::Live).map(|known| known.id).collect();
    }

    /// Ends what it has not made in time. `made`: what it has.
    pub fn look(&mut self, hub: &Hub, made: impl Iterator<Item = SeriesId>) {
        if self.series.is_empty() {
            return;
        }
        let made: BTreeSet<SeriesId> = made.collect();
        self.series.retain(|id| !made.contains(id));
        if made.is_empty() {
            return;
        }
        let known = hub.known(&self.series);
        let over: Vec<SeriesId> =
            known.iter().filter(|known| known.life != Life::Live).map(|known| known.id).collect();
        let reason = format!("serial {} of its deployment does not make it", self.serial.unwrap_or_default());
        hub.set_life(&over, Life::Ended, &reason);
        self.series.retain(|id| !over.contains(id));
    }
}

/// All that a deployment makes.
pub fn own(name: &str) -> PathPattern {
    PathPattern { cluster: Glob::exact(name), ..PathPattern::any() }
}
