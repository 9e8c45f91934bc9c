//! An agent as a sorted map, with the ways in which agents misbehave.

use super::super::{Known, Limits, Sweep, Swept, Wanted};
use hedgerow_snmp::ask::{NO_SUCH_NAME, TOO_BIG};
use hedgerow_snmp::{AskError, Oid, Reply, Request, Value, VarBind};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

/// Numbers that look random, from a seed.
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % sides.max(1)
    }
}

#[derive(Debug, Clone)]
pub struct Agent {
    pub mib: BTreeMap<Oid, Value>,
    /// Longest reply.
    pub cap: usize,
    pub v1: bool,
    /// Says tooBig where others give less.
    pub strict: bool,
    /// Gives no more repetitions.
    pub repetitions: Option<u32>,
    /// Longer replies get lost on the way.
    pub path: usize,
    /// One in so many requests gets no answer.
    pub loss: Option<u64>,
    /// What comes behind a name, against all order.
    pub jumps: BTreeMap<Oid, Oid>,
    /// Makes up one more row for ever, below this column.
    pub endless: Option<Oid>,
    /// Cannot be read: genErr; `true`: with the index 0.
    pub broken: BTreeSet<Oid>,
    pub unnamed: bool,
    /// Says noSuchInstance where a name ends its column.
    pub odd: bool,
    pub dead: bool,
    pub dice: Dice,
    pub asked: usize,
    /// All values that it ever had.
    pub history: BTreeMap<Oid, Vec<Value>>,
}

pub const AROUND: usize = 48;

impl Agent {
    pub fn new(mib: BTreeMap<Oid, Value>) -> Self {
        let mut agent = Self {
            mib,
            cap: 1472,
            v1: false,
            strict: false,
            repetitions: None,
            path: usize::MAX,
            loss: None,
            jumps: BTreeMap::new(),
            endless: None,
            broken: BTreeSet::new(),
            unnamed: false,
            odd: false,
            dead: false,
            dice: Dice(7),
            asked: 0,
            history: BTreeMap::new(),
        };
        agent.history = agent.mib.iter().map(|(name, value)| (name.clone(), vec![value.clone()])).collect();
        agent
    }

    /// It has another value there, from now on.
    pub fn change(&mut self, name: Oid, value: Value) {
        self.history.entry(name.clone()).or_default().push(value.clone());
        self.mib.insert(name, value);
    }

    fn next(&self, after: &Oid) -> VarBind {
        if let Some(column) = &self.endless
            && after.starts_with(column)
        {
            let last = after.arcs().get(column.len()).copied().unwrap_or(0);
            return VarBind::new(column.child(last + 1), Value::Integer(1));
        }
        if let Some(to) = self.jumps.get(after) {
            return VarBind::new(to.clone(), Value::Integer(-1));
        }
        let behind = (Bound::Excluded(after), Bound::Unbounded);
        match self.mib.range::<Oid, _>(behind).next() {
            Some((name, value)) => VarBind::new(name.clone(), value.clone()),
            None => VarBind::new(after.clone(), Value::EndOfMibView),
        }
    }

    fn get(&self, name: &Oid) -> VarBind {
        let value = match self.mib.get(name) {
            Some(value) => value.clone(),
            None if name.parent().is_some_and(|up| self.mib.keys().any(|name| name.starts_with(&up))) => {
                Value::NoSuchInstance
            }
            None => Value::NoSuchObject,
        };
        VarBind::new(name.clone(), value)
    }

    fn status(&self, status: i32, index: usize) -> AskError {
        AskError::Status { status, word: "status", index: if self.unnamed { 0 } else { index } }
    }

    fn check(&self, varbind: VarBind, at: usize) -> Result<VarBind, AskError> {
        if self.broken.contains(&varbind.oid) {
            return Err(self.status(5, at + 1));
        }
        if self.v1 && varbind.value.is_exception() {
            return Err(self.status(NO_SUCH_NAME, at + 1));
        }
        if self.odd && varbind.value.is_exception() {
            return Ok(VarBind::new(varbind.oid, Value::NoSuchObject));
        }
        Ok(varbind)
    }

    fn bulk(&self, plain: usize, repetitions: u32, oids: &[Oid]) -> Result<Vec<VarBind>, AskError> {
        let mut all = Vec::new();
        for (at, oid) in oids.iter().take(plain).enumerate() {
            all.push(self.check(self.next(oid), at)?);
        }
        let mut cursors: Vec<Oid> = oids.iter().skip(plain).cloned().collect();
        for _ in 0..self.repetitions.unwrap_or(u32::MAX).min(repetitions) {
            for (at, cursor) in cursors.iter_mut().enumerate() {
                let next = self.check(self.next(cursor), at + plain)?;
                *cursor = next.oid.clone();
                all.push(next);
            }
        }
        Ok(all)
    }

    pub fn answer(&mut self, request: &Request) -> Result<Reply, AskError> {
        self.asked += 1;
        let silent = AskError::TimedOut {
            address: ([127, 0, 0, 1], 161).into(),
            attempts: 3,
            waited: Duration::from_secs(3),
            seen: String::new(),
        };
        if self.dead || self.loss.is_some_and(|one_in| self.dice.roll(one_in) == 0) {
            return Err(silent);
        }
        let single = |next: bool| -> Result<Vec<VarBind>, AskError> {
            let of = |oid: &Oid| if next { self.next(oid) } else { self.get(oid) };
            request.oids().iter().enumerate().map(|(at, oid)| self.check(of(oid), at)).collect()
        };
        let mut varbinds = match request {
            Request::Get(_) => single(false)?,
            Request::GetNext(_) => single(true)?,
            Request::GetBulk { .. } if self.v1 => return Err(AskError::NotAskable("bulk with v1".into())),
            Request::GetBulk { non_repeaters, max_repetitions, oids } => {
                self.bulk(*non_repeaters as usize, *max_repetitions, oids)?
            }
        };
        let cuts = matches!(request, Request::GetBulk { .. }) && !self.strict;
        let mut bytes = AROUND + varbinds.iter().map(VarBind::encoded_size).sum::<usize>();
        while bytes > self.cap {
            if !cuts {
                return Err(self.status(TOO_BIG, 0));
            }
            let Some(last) = varbinds.pop() else { break };
            bytes -= last.encoded_size();
        }
        if bytes > self.path {
            return Err(silent);
        }
        Ok(Reply { varbinds, bytes, took: Duration::from_millis(1) })
    }
}

/// Replies come in any order, as many requests in flight as the sweep likes; `between` changes the agent.
pub fn sweep_with(
    agent: &mut Agent,
    wanted: &Arc<Wanted>,
    known: Known,
    limits: &Limits,
    mut between: impl FnMut(&mut Agent),
) -> (Swept, Known) {
    let mut sweep = Sweep::new(Arc::clone(wanted), known, limits.clone());
    let mut flying = Vec::new();
    agent.asked = 0;
    let most = super::super::MAX_REQUESTS;
    while !sweep.is_done() {
        while let Some((ticket, request)) = sweep.next_request() {
            assert!(!request.oids().is_empty() && request.oids().len() <= limits.max_names);
            assert!(limits.bulk || !matches!(request, Request::GetBulk { .. }));
            flying.push((ticket, agent.answer(&request)));
            between(agent);
            assert!(flying.len() <= limits.window);
        }
        if sweep.is_done() {
            break;
        }
        assert!(!flying.is_empty(), "nothing in flight, nothing to send, and not done");
        let at = agent.dice.roll(flying.len() as u64) as usize;
        let (ticket, answer) = flying.swap_remove(at);
        sweep.answered(ticket, answer);
        assert!(agent.asked <= most.min(4000), "{:?} {:?}", agent.jumps, agent.endless);
    }
    sweep.finish()
}

pub fn sweep(agent: &mut Agent, wanted: &Arc<Wanted>, known: Known, limits: &Limits) -> (Swept, Known) {
    sweep_with(agent, wanted, known, limits, |_| {})
}
