//! The lookups themselves: how each is by its own account, and a log of what happened in the directory.

use crate::clock;
use crate::column::is_false;
use crate::content::{Content, json};
use crate::views::lock;
use crate::world::{LogLine, World};
use hedgerow_client::Mesh;
use hedgerow_client::directory::LookupStatus;
use hedgerow_model::UnixMillis;
use hedgerow_model::registration::Id;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// How often lookups are asked how they are.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// By how much a start time may wander before it is another one.
const SAME_START: i64 = 5000;

/// Asks for the lookups.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookupsSpec {}

/// What is told of the lookups.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LookupsFrame {
    /// All there is; else what changed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub full: bool,
    /// When it was made, Unix ms.
    pub now: UnixMillis,
    /// All lookups; absent: as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookups: Option<Vec<LookupLine>>,
    /// What happened; new lines only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<LogLine>,
}

/// A lookup.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LookupLine {
    /// Its address.
    pub url: String,
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its name, where another one knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it answers. If not, `why`, and nothing of what follows is known.
    pub answers: bool,
    /// Why it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Its version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Since when it runs, about, Unix ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_since: Option<UnixMillis>,
    /// Leases.
    pub leases: u64,
    /// Leases past half their term.
    pub overdue: u64,
    /// Leases kept over a restart and not renewed since.
    pub unconfirmed: u64,
    /// Leases that ran out while it suspected itself.
    pub suspect: u64,
    /// Whether it suspects itself or the network.
    pub suspects: bool,
    /// Who watches.
    pub watchers: u64,
    /// Since its start: registrations, renewals, leases cancelled and run out, calls refused, identities found twice.
    pub registrations: u64,
    /// Renewals since its start.
    pub renewals: u64,
    /// Leases cancelled since its start.
    pub cancelled: u64,
    /// Leases run out since its start.
    pub expired: u64,
    /// Registrations refused since its start.
    pub refused: u64,
    /// Services refused as copies since its start.
    pub cloned: u64,
    /// Renewals a second, over the last ten.
    pub renewals_per_second: f64,
    /// What it will bear.
    pub max_renewals_per_second: f64,
    /// Signed documents that it keeps.
    pub documents: u64,
    /// Their bytes.
    pub document_bytes: u64,
}

/// The core of the view of lookups.
#[derive(Debug)]
pub(crate) struct LookupsView {
    world: Arc<Mutex<World>>,
    lines: Vec<LookupLine>,
    is_new: bool,
    told_log: u64,
}

impl LookupsView {
    pub fn new(world: Arc<Mutex<World>>) -> Self {
        let told_log = lock(&world).last_line();
        Self { world, lines: Vec::new(), is_new: true, told_log }
    }

    /// How the lookups are.
    pub fn take(&mut self, told: &[LookupStatus], now: UnixMillis) {
        let lines: Vec<LookupLine> = told.iter().map(|one| self.line(one, now)).collect();
        self.is_new |= lines != self.lines;
        self.lines = lines;
    }

    fn line(&self, told: &LookupStatus, now: UnixMillis) -> LookupLine {
        let (url, name) = (told.url.clone(), told.name.clone());
        let status = match &told.status {
            Ok(status) => status,
            Err(error) => {
                return LookupLine { url, name, why: Some(error.to_string()), ..LookupLine::default() };
            }
        };
        let since = now.saturating_sub_unsigned(status.uptime_ms);
        let before = self.lines.iter().find(|line| line.url == url).and_then(|line| line.up_since);
        let up_since =
            before.filter(|before| before.abs_diff(since) < SAME_START.unsigned_abs()).unwrap_or(since);
        LookupLine {
            url,
            id: Id::from_slice(&status.lookup_id).map(|id| id.to_string()),
            name,
            answers: true,
            why: None,
            version: status.version.clone(),
            up_since: Some(up_since),
            leases: status.leases,
            overdue: status.overdue,
            unconfirmed: status.unconfirmed,
            suspect: status.suspect,
            suspects: status.suspects,
            watchers: status.watchers,
            registrations: status.registrations,
            renewals: status.renewals,
            cancelled: status.cancelled,
            expired: status.expired,
            refused: status.refused,
            cloned: status.cloned,
            renewals_per_second: status.renewals_per_second,
            max_renewals_per_second: status.max_renewals_per_second,
            documents: status.documents,
            document_bytes: status.document_bytes,
        }
    }

    pub(crate) fn full_frame(&self, now: UnixMillis) -> LookupsFrame {
        let log = lock(&self.world).log(0, self.told_log);
        LookupsFrame { full: true, now, lookups: Some(self.lines.clone()), log }
    }

    pub(crate) fn changed_frame(&mut self, now: UnixMillis) -> Option<LookupsFrame> {
        let (last, log) = {
            let world = lock(&self.world);
            (world.last_line(), world.log(self.told_log, world.last_line()))
        };
        if !self.is_new && log.is_empty() {
            return None;
        }
        self.told_log = last;
        let lookups = std::mem::take(&mut self.is_new).then(|| self.lines.clone());
        Some(LookupsFrame { full: false, now, lookups, log })
    }
}

impl Content for LookupsView {
    fn full(&mut self, now: UnixMillis) -> String {
        json(&self.full_frame(now))
    }

    fn difference(&mut self, now: UnixMillis) -> Option<String> {
        self.changed_frame(now).map(|frame| json(&frame))
    }

    fn weight(&self) -> usize {
        self.lines.len()
    }
}

/// Asks the lookups how they are, again and again.
pub(crate) async fn feed(mesh: Mesh, core: Arc<Mutex<LookupsView>>) -> String {
    let mut tick = tokio::time::interval(ASK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let told = mesh.directory().lookup_status().await;
        lock(&core).take(&told, clock::now());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::{id, service};
    use hedgerow_client::ClientError;
    use hedgerow_client::directory::Transition;
    use hedgerow_proto::lookup::StatusResponse;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// A reader that does as the contract says.
    #[derive(Debug, Default, PartialEq)]
    struct Reader {
        lookups: Vec<LookupLine>,
        log: BTreeMap<u64, LogLine>,
    }

    impl Reader {
        fn take(&mut self, frame: LookupsFrame) {
            let frame: LookupsFrame = serde_json::from_str(&json(&frame)).unwrap();
            if frame.full {
                *self = Self::default();
            }
            self.lookups = frame.lookups.unwrap_or(std::mem::take(&mut self.lookups));
            for line in frame.log {
                assert!(self.log.insert(line.n, line).is_none(), "a line a second time");
            }
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        /// The lookups say how they are: of each how many leases it has, or nothing.
        Told(Vec<Option<u64>>),
        Appeared(u8),
        Reached(u8),
        Lost(u8),
        /// A reader takes what changed.
        Tell,
        /// Somebody else takes all of it.
        Full,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => proptest::collection::vec(proptest::option::of(0..3_u64), 0..4).prop_map(Step::Told),
            1 => (0..5_u8).prop_map(Step::Appeared),
            1 => (0..3_u8).prop_map(Step::Reached),
            1 => (0..3_u8).prop_map(Step::Lost),
            3 => Just(Step::Tell),
            1 => Just(Step::Full),
        ];
        proptest::collection::vec(step, 0..60)
    }

    fn told(leases: &[Option<u64>], uptime_ms: u64) -> Vec<LookupStatus> {
        let of = |(n, leases): (usize, &Option<u64>)| {
            let lookup_id = id(u8::try_from(n).unwrap()).0.to_vec().into();
            let status = leases.map(|leases| StatusResponse {
                lookup_id,
                leases,
                uptime_ms,
                ..StatusResponse::default()
            });
            LookupStatus {
                url: format!("http://{n}"),
                name: None,
                status: status.ok_or(ClientError::NoLookup(vec![])),
            }
        };
        leases.iter().enumerate().map(of).collect()
    }

    proptest! {
        #[test]
        fn differences_make_what_a_full_frame_is(steps in steps()) {
            let world = Arc::new(Mutex::new(World::default()));
            let mut view = LookupsView::new(Arc::clone(&world));
            let mut reader = Reader::default();
            reader.take(view.full_frame(0));
            for (now, step) in (1_i64..).zip(steps.iter().chain([&Step::Tell])) {
                let url = |n: &u8| format!("http://{n}");
                match step {
                    // A clock that wanders by less than it may begins nothing anew.
                    Step::Told(leases) => view.take(&told(leases, 1000 + now.unsigned_abs() % 3), 10_000 + now),
                    Step::Appeared(n) => lock(&world).hear(&Transition::Appeared(service(*n, &[])), now),
                    Step::Reached(n) => lock(&world).hear(&Transition::LookupReached { url: url(n) }, now),
                    Step::Lost(n) => {
                        let error = ClientError::NoLookup(vec![]);
                        lock(&world).hear(&Transition::LookupLost { url: url(n), error }, now);
                    }
                    Step::Full => {
                        // Who comes now and takes what follows knows the same in the end.
                        reader = Reader::default();
                        reader.take(view.full_frame(now));
                    }
                    Step::Tell => {
                        if let Some(frame) = view.changed_frame(now) {
                            prop_assert!(!frame.full);
                            reader.take(frame);
                        }
                        let mut fresh = Reader::default();
                        fresh.take(view.full_frame(now));
                        prop_assert_eq!(&reader, &fresh);
                        prop_assert_eq!(view.changed_frame(now), None, "nothing is told twice");
                    }
                }
            }
        }
    }

    #[test]
    fn a_start_time_wanders_less_than_clocks_do_and_a_restart_is_seen() {
        let mut view = LookupsView::new(Arc::default());
        let since = |view: &LookupsView| view.lines.first().unwrap().up_since.unwrap();
        view.take(&told(&[Some(1)], 50_000), 100_000);
        assert_eq!(since(&view), 50_000);
        view.take(&told(&[Some(1)], 51_900), 104_000);
        assert_eq!(since(&view), 50_000);
        view.take(&told(&[Some(1)], 1_000), 106_000);
        assert_eq!(since(&view), 105_000);
    }
}
