//! Alarms in a subscription that asks for them: those that are open first, then each that changes, as it is now. Nothing is
//! queued: a subscriber that is slow is told how an alarm stands when it is ready again.

use super::feed::Feed;
use crate::filter::alarms::{Alarms, ToldAlarm};
use std::sync::Arc;
use tokio::sync::watch;

/// How far one subscriber was told.
pub struct AlarmFeed {
    alarms: Alarms,
    changes: watch::Receiver<u64>,
    /// Up to which change; none: nothing yet.
    revision: Option<u64>,
}

impl AlarmFeed {
    /// Nothing told yet.
    pub fn new(alarms: Alarms) -> Self {
        Self { changes: alarms.changes(), alarms, revision: None }
    }

    fn news(&mut self) -> Vec<Arc<ToldAlarm>> {
        self.changes.borrow_and_update();
        let (news, revision) = match self.revision {
            None => self.alarms.open_now(),
            Some(revision) => self.alarms.since(revision),
        };
        self.revision = Some(revision);
        news
    }
}

/// Waits until some alarm changes; for ever where nobody asked for them.
pub async fn changed(alarms: &mut Option<AlarmFeed>) {
    let is_open = match alarms {
        Some(feed) => feed.changes.changed().await.is_ok(),
        None => false,
    };
    if !is_open {
        std::future::pending::<()>().await;
    }
}

impl Feed {
    /// Adds the alarms that are new to this subscriber and that it asked for.
    pub(super) fn tell_alarms(&mut self) {
        let Some(alarms) = &mut self.alarms else { return };
        for told in alarms.news() {
            if told.is_for(self.hub.farm(), &self.plan.predicate.patterns) {
                self.out.encoded(told.item.clone());
            }
        }
    }
}
