//! From a notification to samples: `CLUSTER/NODE/trap[linkDown]`, a text for people, and where a profile says that it tells
//! a state, `CLUSTER/NODE/link[Gi0/3]`.

use crate::line::line;
use hedgerow_collect::front_door::{FrontDoor, OriginId};
use hedgerow_model::{
    Batch, BatchBuilder, Kind, Labels, Name, SeriesDef, SeriesId, SeriesKey, UnixMillis, Value,
};
use hedgerow_snmp::notify::Notification;
use hedgerow_snmp::{Oid, VarBind};
use hedgerow_snmp_profile::profile::{Trap, TrapCode, TrapState};
use hedgerow_snmp_profile::{Library, Names};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// What the series say of where they are from.
const SOURCE: &str = "traps";
/// Most series whose ids are kept; past that all are asked for anew.
const MAX_KNOWN: usize = 100_000;
/// Events of one series in the same millisecond are told one after the other; by no more than this.
const MAX_SHIFT: UnixMillis = 1_000;

/// Makes samples; keeps the ids of their series.
pub struct Samples {
    front: Arc<dyn FrontDoor>,
    origin: OriginId,
    cluster: Name,
    lifetime: Option<Duration>,
    names: Names,
    traps: HashMap<Oid, Trap>,
    known: HashMap<SeriesKey, Known>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    id: SeriesId,
    /// The time of its newest sample.
    newest: UnixMillis,
}

impl Samples {
    /// For the series of `cluster`.
    pub fn new(
        front: Arc<dyn FrontDoor>,
        origin: OriginId,
        cluster: Name,
        lifetime: Option<Duration>,
        library: &Library,
    ) -> Self {
        let traps = library.iter().flat_map(|profile| &profile.traps);
        Self {
            front,
            origin,
            cluster,
            lifetime,
            names: Names::of(library),
            traps: traps.map(|trap| (trap.oid.clone(), trap.clone())).collect(),
            known: HashMap::new(),
        }
    }

    /// What a notification of this node says. `None`: the hub does not take its series.
    pub fn of(
        &mut self,
        node: &Name,
        notification: &Notification,
        from: IpAddr,
        now: UnixMillis,
    ) -> Option<Batch> {
        let trap = self.traps.get(&notification.oid).cloned();
        let shown = self.names.show(&notification.oid);
        // A name for the beginning only would change when more names are known.
        let name = match &trap {
            Some(trap) => trap.name.clone(),
            None if shown.contains('.') => notification.oid.to_string(),
            None => shown,
        };
        let text = line(&name, notification, &self.names, from);
        let description = trap.as_ref().map_or("", |trap| &trap.description);
        let event = self.declared(node, "trap", Some(&name), Kind::Text, description)?;
        let state = trap.as_ref().and_then(|trap| Some((trap, trap.state.as_ref()?)));
        let state = state.and_then(|(trap, state)| {
            let (code, word) = code(state, notification)?;
            let item = self.item(state, &notification.varbinds);
            let id =
                self.declared(node, &state.parameter, item.as_deref(), Kind::State, &trap.description)?;
            Some((id, Value::State(code, Some(word.into()))))
        });
        let values = [Some((event, Value::Text(text.into()))), state];
        Some(self.batch(values.into_iter().flatten().collect(), now))
    }

    /// A line about a storm from this node.
    pub fn storm(&mut self, node: &Name, text: String, now: UnixMillis) -> Option<Batch> {
        let description = "begin and end of storms: more notifications than one source may send";
        let id = self.declared(node, "storm", None, Kind::Text, description)?;
        Some(self.batch(vec![(id, Value::Text(text.into()))], now))
    }

    /// All of one time: the next at which none of these series has a sample yet. So two events of one millisecond are two,
    /// in their order.
    fn batch(&mut self, values: Vec<(Entry, Value)>, now: UnixMillis) -> Batch {
        let newest = values.iter().filter_map(|((key, _), _)| self.known.get(key)).map(|known| known.newest);
        let newest = newest.max().unwrap_or(UnixMillis::MIN);
        let shift = (now..=now.saturating_add(MAX_SHIFT)).contains(&newest);
        let time = if shift { newest.saturating_add(1) } else { now };
        let mut batch = BatchBuilder::new();
        for ((key, id), value) in values {
            if let Some(known) = self.known.get_mut(&key) {
                known.newest = time;
            }
            batch.push(id, time, value, None);
        }
        batch.build()
    }

    /// The series' key and id, made known where it is not.
    fn declared(
        &mut self,
        node: &Name,
        parameter: &str,
        item: Option<&str>,
        kind: Kind,
        description: &str,
    ) -> Option<Entry> {
        let labels = match item {
            Some(item) => Labels::item(item).ok()?,
            None => Labels::none(),
        };
        let parameter = Name::new(parameter).ok()?;
        let key = SeriesKey { cluster: self.cluster.clone(), node: node.clone(), parameter, labels };
        if let Some(known) = self.known.get(&key) {
            return Some((key, known.id));
        }
        let def = SeriesDef {
            key: key.clone(),
            kind,
            unit: String::new(),
            source: SOURCE.to_owned(),
            interval: Some(Duration::ZERO),
            lifetime: self.lifetime,
            description: description.to_owned(),
        };
        let id = self.front.declare(self.origin, &def).ok()?;
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        self.known.insert(key.clone(), Known { id, newest: UnixMillis::MIN });
        Some((key, id))
    }

    /// The row that the state is of.
    fn item(&self, state: &TrapState, varbinds: &[VarBind]) -> Option<String> {
        let named = state.item.iter().find_map(|of| {
            let varbind = varbinds.iter().find(|varbind| varbind.oid.starts_with(of))?;
            Some(self.names.show_value(&varbind.oid, &varbind.value)).filter(|text| !text.is_empty())
        });
        let indexed = || {
            let told = match &state.code {
                TrapCode::Of(of) => varbinds.iter().find(|varbind| varbind.oid.starts_with(of)),
                TrapCode::Fixed(_) => None,
            };
            Some(told.or(varbinds.first())?.oid.arcs().last()?.to_string())
        };
        named.or_else(indexed)
    }
}

/// A series' key and id.
type Entry = (SeriesKey, SeriesId);

/// The code that a notification tells, and its word.
fn code(state: &TrapState, notification: &Notification) -> Option<(i64, String)> {
    let code = match &state.code {
        TrapCode::Fixed(code) => *code,
        TrapCode::Of(of) => {
            let varbind = notification.varbinds.iter().find(|varbind| varbind.oid.starts_with(of))?;
            i64::from(varbind.value.as_i32()?)
        }
    };
    Some((code, state.words.get(&code).cloned().unwrap_or_else(|| code.to_string())))
}
