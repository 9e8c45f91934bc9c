//! What becomes of a datagram. Decides by the bytes, the settings and the time it is given; hands samples in at the front
//! door, and says what is to be sent and what is to be waited for. Knows no socket.

use crate::counts::{Counted, Counts};
use crate::nodes::Nodes;
use crate::remembered::{Judged, Key, Peer, Remembered, Sender};
use crate::samples::Samples;
use crate::settings::TrapSettings;
use crate::storm::{News, Source, Storms, Verdict};
use bytes::Bytes;
use hedgerow_collect::front_door::{FrontDoor, Kept, NotKept, OriginId};
use hedgerow_model::{Batch, Name, UnixMillis, duration};
use hedgerow_snmp::notify::{Acceptor, Incoming, Keyring, MAX_NOTIFICATION_BYTES, Notification, Version};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The origin of all samples of this door, in the ledger `source:door traps`.
pub const ORIGIN: &str = "door traps";

/// A trap of v1 has no request id: only for so long is one that is the same in every bit taken for the same.
const V1_DUPLICATES: Duration = Duration::from_secs(1);
/// A signed trap that comes again within the time window of RFC 3414 is a repetition, however late: so none passes twice.
const SIGNED_DUPLICATES: Duration = Duration::from_secs(320);

/// What is to be done.
pub enum Effect {
    /// Nothing.
    None,
    /// Send this back.
    Answer(Vec<u8>),
    /// Wait for this, then tell [`Core::committed`].
    Wait(Key, Kept),
}

/// See the module.
pub struct Core {
    front: Arc<dyn FrontDoor>,
    origin: OriginId,
    counts: Arc<Counts>,
    acceptor: Acceptor,
    settings: TrapSettings,
    nodes: Nodes,
    storms: Storms,
    remembered: Remembered,
    samples: Samples,
}

impl Core {
    /// One for these settings.
    pub fn new(
        front: Arc<dyn FrontDoor>,
        counts: Arc<Counts>,
        mut acceptor: Acceptor,
        settings: TrapSettings,
        keyring: Keyring,
        nodes: Nodes,
    ) -> Self {
        let origin = front.origin(ORIGIN);
        acceptor.set_keyring(keyring);
        Self {
            samples: samples(&front, origin, &settings),
            storms: Storms::new(settings.rate, settings.burst),
            remembered: Remembered::default(),
            front,
            origin,
            counts,
            acceptor,
            settings,
            nodes,
        }
    }

    /// Changes the settings; what is remembered stays.
    pub fn apply(&mut self, settings: TrapSettings, keyring: Keyring, nodes: Nodes) {
        self.acceptor.set_keyring(keyring);
        self.storms.set(settings.rate, settings.burst);
        self.samples = samples(&self.front, self.origin, &settings);
        (self.settings, self.nodes) = (settings, nodes);
    }

    /// Knows other nodes from now on.
    pub fn set_nodes(&mut self, nodes: Nodes) {
        self.nodes = nodes;
    }

    /// The acceptor, for what it has learned.
    pub fn acceptor(&self) -> &Acceptor {
        &self.acceptor
    }

    /// Judges a datagram.
    pub fn datagram(&mut self, datagram: &[u8], peer: Peer, now: Instant, wall: UnixMillis) -> Effect {
        self.counts.add(Counted::Received);
        let (fate, effect) = self.judged(datagram, peer, now, wall);
        self.counts.add(fate);
        effect
    }

    fn judged(&mut self, datagram: &[u8], peer: Peer, now: Instant, wall: UnixMillis) -> (Counted, Effect) {
        let from = peer.address.ip().to_canonical();
        if !self.settings.allow.iter().any(|network| network.holds(from)) {
            return (Counted::NotAllowed, Effect::None);
        }
        match self.storms.judge(from, now) {
            Verdict::Admit => {}
            Verdict::Drop => return (Counted::Storm, Effect::None),
            Verdict::Begins(source) => {
                self.storm_begins(source, wall);
                return (Counted::Storm, Effect::None);
            }
        }
        if datagram.len() > MAX_NOTIFICATION_BYTES {
            return (Counted::TooLong, Effect::None);
        }
        match self.acceptor.take(&Bytes::copy_from_slice(datagram), now) {
            Ok(incoming) => self.let_in(incoming, peer, now, wall),
            Err(refused) => (refused.reason.into(), refused.report.map_or(Effect::None, Effect::Answer)),
        }
    }

    fn let_in(
        &mut self,
        incoming: Incoming,
        peer: Peer,
        now: Instant,
        wall: UnixMillis,
    ) -> (Counted, Effect) {
        let Incoming { notification, fingerprint, engine, ack } = incoming;
        let from = peer.address.ip().to_canonical();
        let window = self.window(&notification, engine.is_some());
        let key = Key { sender: engine.map_or(Sender::Address(from), Sender::Engine), fingerprint };
        let Some(ack) = ack else {
            let new = self.remembered.is_new(key, window, now);
            let fate = if new { self.trap(&notification, from, wall) } else { Counted::Duplicate };
            return (fate, Effect::None);
        };
        match self.remembered.inform(&key, ack, peer, now) {
            Judged::New => self.inform(key, &notification, from, wall),
            Judged::Waiting => (Counted::Duplicate, Effect::None),
            Judged::Overload => (Counted::Overload, Effect::None),
            Judged::Committed(ack) => {
                let answer = self.acceptor.acknowledgement(&ack, now);
                (Counted::AcknowledgedAgain, answer.map_or(Effect::None, Effect::Answer))
            }
        }
    }

    /// For how long a trap is taken for the same.
    fn window(&self, notification: &Notification, signed: bool) -> Duration {
        match notification.version {
            _ if signed => SIGNED_DUPLICATES,
            Version::V1 => self.settings.duplicates.min(V1_DUPLICATES),
            _ => self.settings.duplicates,
        }
    }

    fn trap(&mut self, notification: &Notification, from: IpAddr, wall: UnixMillis) -> Counted {
        let stored = self.batch(notification, from, wall).is_some_and(|batch| {
            let made = batch.len() as u64;
            self.front.accept(self.origin, batch).accepted == made
        });
        if stored { Counted::Stored } else { Counted::NotStored }
    }

    fn inform(
        &mut self,
        key: Key,
        notification: &Notification,
        from: IpAddr,
        wall: UnixMillis,
    ) -> (Counted, Effect) {
        if let Some(batch) = self.batch(notification, from, wall) {
            let made = batch.len() as u64;
            let (accepted, kept) = self.front.accept_durably(self.origin, batch);
            if accepted.accepted == made {
                return (Counted::Stored, Effect::Wait(key, kept));
            }
        }
        self.remembered.forget(&key);
        (Counted::NotStored, Effect::None)
    }

    fn batch(&mut self, notification: &Notification, from: IpAddr, wall: UnixMillis) -> Option<Batch> {
        let relayed = self.settings.relays.iter().any(|network| network.holds(from));
        let agent = notification.agent.map(IpAddr::from).filter(|_| relayed);
        let node = self.node(agent.unwrap_or(from))?;
        self.samples.of(&node, notification, from, wall)
    }

    /// The name under which it is polled, else its address.
    fn node(&self, address: IpAddr) -> Option<Name> {
        self.nodes.get(&address).cloned().or_else(|| Name::new(&address.to_string()).ok())
    }

    /// An inform was committed, or was not: what is to be sent, and where to.
    pub fn committed(
        &mut self,
        key: &Key,
        kept: Result<(), NotKept>,
        now: Instant,
    ) -> Option<(Vec<u8>, Peer)> {
        if kept.is_err() {
            self.counts.add(Counted::NotKept);
            self.remembered.forget(key);
            return None;
        }
        let (ack, peer) = self.remembered.committed(key, now)?;
        Some((self.acceptor.acknowledgement(&ack, now)?, peer))
    }

    /// Called about once a second.
    pub fn tick(&mut self, now: Instant, wall: UnixMillis) {
        self.remembered.tick(now);
        for News { source, dropped, lasted, over } in self.storms.tick(now) {
            let (verb, lasted) =
                (if over { "is over" } else { "goes on" }, duration::print(whole_seconds(lasted)));
            let text = format!("storm from {} {verb}: {dropped} dropped in {lasted}", shown(source));
            tracing::info!(event = "trap_storm", source = shown(source), dropped, over);
            self.tell(source, text, wall);
        }
    }

    fn storm_begins(&mut self, source: Source, wall: UnixMillis) {
        self.counts.add(Counted::Storms);
        let TrapSettings { rate, burst, .. } = self.settings;
        let text = format!(
            "storm from {}: more than {rate} a second ({burst} at once); what is above is dropped",
            shown(source)
        );
        tracing::warn!(event = "trap_storm_began", source = shown(source), rate, burst);
        self.tell(source, text, wall);
    }

    fn tell(&mut self, source: Source, text: String, wall: UnixMillis) {
        let node = match source {
            Source::Address(address) => self.node(address),
            Source::Others => Name::new("others").ok(),
        };
        if let Some(batch) = node.and_then(|node| self.samples.storm(&node, text, wall)) {
            self.front.accept(self.origin, batch);
        }
    }
}

fn samples(front: &Arc<dyn FrontDoor>, origin: OriginId, settings: &TrapSettings) -> Samples {
    let TrapSettings { cluster, lifetime, library, .. } = settings;
    Samples::new(Arc::clone(front), origin, cluster.clone(), *lifetime, library)
}

fn shown(source: Source) -> String {
    match source {
        Source::Address(address) => address.to_string(),
        Source::Others => "other addresses".to_owned(),
    }
}

fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs().max(1))
}
