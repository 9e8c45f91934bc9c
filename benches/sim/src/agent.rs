//! One agent: decides whether it answers, with what, when and from where. Knows no socket and no clock.

use crate::device::{Device, DeviceConfig, mix};
use crate::fault::{Fault, Misbehaviour};
use crate::message::{Ask, Request, V1, V2C};
use crate::respond::respond;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// What an agent is like at first.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentConfig {
    /// Who asks with another gets no answer.
    pub community: String,
    /// Which versions it answers.
    pub versions: Versions,
    /// Its replies are never longer; 484 is the least that the standard allows.
    pub max_reply: usize,
    /// How long it takes to answer: evenly distributed.
    pub delay: RangeInclusive<Duration>,
    /// Whether it works on one request at a time, the others waiting.
    pub one_at_a_time: bool,
    /// Whether its time passes.
    pub motion: Motion,
    /// It re-numbers its rows before every n-th request; 0: never.
    pub renumber_every: u64,
    /// Its misbehaviours: the first whose chance comes is the answer's only one.
    pub faults: Vec<Fault>,
    /// Whether its port is closed: who asks is told so by ICMP.
    pub is_closed: bool,
    /// What it tells about.
    pub device: DeviceConfig,
}

impl Default for AgentConfig {
    fn default() -> Self {
        Self {
            community: "public".to_owned(),
            versions: Versions::Both,
            max_reply: 1472,
            delay: Duration::ZERO..=Duration::ZERO,
            one_at_a_time: false,
            motion: Motion::Still,
            renumber_every: 0,
            faults: Vec::new(),
            is_closed: false,
            device: DeviceConfig::default(),
        }
    }
}

/// Which versions an agent answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say all")]
pub enum Versions {
    V1,
    V2c,
    Both,
}

/// Whether an agent's time passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motion {
    /// Only by [`Device::advance`].
    Still,
    /// With the clock, too.
    Clock,
}

/// What an agent has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Requests that were understood and let in.
    pub requests: u64,
    /// Of those, GET.
    pub gets: u64,
    /// Of those, GETNEXT.
    pub get_nexts: u64,
    /// Of those, GETBULK.
    pub get_bulks: u64,
    /// Names in all of them.
    pub names: u64,
    /// Replies sent.
    pub replies: u64,
    /// Varbinds in all of them.
    pub varbinds: u64,
    /// The longest of them.
    pub longest_reply: usize,
    /// Times it misbehaved.
    pub misbehaved: u64,
    /// Datagrams that were no request.
    pub unreadable: u64,
    /// Requests of another community or version.
    pub refused: u64,
}

/// An agent.
#[derive(Debug, Clone)]
pub struct Agent {
    /// May be changed at any time.
    pub config: AgentConfig,
    /// May be changed at any time. The part of `config` that it was made from is not looked at again.
    pub device: Device,
    counts: Counts,
    random: u64,
    busy_until: Option<Instant>,
    clock: Option<Instant>,
}

/// A datagram to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    pub at: Instant,
    pub via: Via,
    pub bytes: Vec<u8>,
}

/// Where a datagram is sent from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Via {
    Own,
    OtherPort,
    OtherAddress,
}

impl Agent {
    pub(crate) fn new(config: AgentConfig, seed: u64, like: Option<&Self>) -> Self {
        let device = Device::new(config.device.clone(), seed, like.map(|like| &like.device));
        Self { config, device, counts: Counts::default(), random: seed, busy_until: None, clock: None }
    }

    /// What it has done.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Misbehaves in this way from now on, each time; not any more in others.
    pub fn misbehave(&mut self, what: Misbehaviour) {
        self.config.faults = vec![Fault::always(what)];
    }

    /// Is honest from now on.
    pub fn behave(&mut self) {
        self.config.faults.clear();
    }

    /// Lets time pass until `now`, where it does.
    pub(crate) fn passes(&mut self, now: Instant) {
        if let (Motion::Clock, Some(before)) = (self.config.motion, self.clock) {
            self.device.advance(now.saturating_duration_since(before));
        }
        self.clock = Some(now);
    }

    /// What it sends for this datagram.
    pub(crate) fn receive(&mut self, datagram: &[u8], now: Instant) -> Vec<Outgoing> {
        self.passes(now);
        let Some(request) = Request::read(datagram) else {
            self.counts.unreadable += 1;
            return Vec::new();
        };
        if !self.lets_in(&request) {
            self.counts.refused += 1;
            return Vec::new();
        }
        self.count(&request);
        if self.config.renumber_every > 0 && self.counts.requests.is_multiple_of(self.config.renumber_every) {
            self.device.renumber();
        }
        let at = self.ready(now);
        let fault = self.chosen();
        let mut out = Vec::new();
        if let Some(fault) = fault {
            self.counts.misbehaved += 1;
            self.wrong(&request, fault.what, at, &mut out);
        }
        if fault.is_none_or(|fault| fault.then_right) {
            out.extend(self.reply(&request, None, at));
        }
        out
    }

    fn wrong(&mut self, request: &Request, what: Misbehaviour, at: Instant, out: &mut Vec<Outgoing>) {
        if what == Misbehaviour::Silent {
            return;
        }
        out.extend(self.reply(request, Some(what), at + what.delay()));
        if what == Misbehaviour::Double {
            out.extend(self.reply(request, None, at));
        }
    }

    fn reply(&mut self, request: &Request, fault: Option<Misbehaviour>, at: Instant) -> Option<Outgoing> {
        let mut reply = respond(&self.device, request, self.config.max_reply, fault)?;
        if let Some(fault) = fault {
            fault.spoil(&mut reply);
        }
        let mut bytes = reply.write();
        if let Some(fault) = fault {
            fault.garble(&mut bytes, self.random());
        }
        self.counts.replies += 1;
        self.counts.varbinds += reply.varbinds.len() as u64;
        self.counts.longest_reply = self.counts.longest_reply.max(bytes.len());
        let via = match fault {
            Some(Misbehaviour::OtherPort) => Via::OtherPort,
            Some(Misbehaviour::OtherAddress) => Via::OtherAddress,
            _ => Via::Own,
        };
        Some(Outgoing { at, via, bytes })
    }

    fn lets_in(&self, request: &Request) -> bool {
        let version = match self.config.versions {
            Versions::V1 => request.version == V1,
            Versions::V2c => request.version == V2C,
            Versions::Both => request.version == V1 || request.version == V2C,
        };
        version && request.community == self.config.community.as_bytes()
    }

    fn count(&mut self, request: &Request) {
        self.counts.requests += 1;
        self.counts.names += request.names.len() as u64;
        match request.ask {
            Ask::Get => self.counts.gets += 1,
            Ask::GetNext => self.counts.get_nexts += 1,
            Ask::GetBulk => self.counts.get_bulks += 1,
            Ask::Other => {}
        }
    }

    /// When a request that came now is answered.
    fn ready(&mut self, now: Instant) -> Instant {
        let (least, most) = (*self.config.delay.start(), *self.config.delay.end());
        let takes = least + most.saturating_sub(least).mul_f64(self.chance());
        let begins = self.busy_until.filter(|until| self.config.one_at_a_time && *until > now).unwrap_or(now);
        let at = begins + takes;
        self.busy_until = Some(at);
        at
    }

    fn chosen(&mut self) -> Option<Fault> {
        let faults = self.config.faults.clone();
        faults.into_iter().find(|fault| fault.chance >= 1.0 || self.chance() < fault.chance)
    }

    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(1);
        mix(self.random)
    }

    /// Evenly distributed from 0 to 1.
    fn chance(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let numerator = (self.random() >> 11) as f64;
        #[expect(clippy::cast_precision_loss, reason = "a power of two")]
        let denominator = (1u64 << 53) as f64;
        numerator / denominator
    }
}

#[cfg(test)]
mod tests;
