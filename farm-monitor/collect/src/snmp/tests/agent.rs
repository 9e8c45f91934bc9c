//! An agent in memory that implements [`Ask`], in virtual time; and a run that writes everything down.

use crate::module::{CollectError, Run};
use hedgerow_model::{Life, Mark, SeriesDef, SeriesId, UnixMillis, Value as Shown};
use hedgerow_snmp::ask::{NO_SUCH_NAME, TOO_BIG};
use hedgerow_snmp::{Agent, Ask, AskError, BoxFuture, Oid, Reply, Request, Value, VarBind};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// What an agent does from its n-th request on.
type Turn = Box<dyn FnMut(&mut Simulated) + Send>;

pub struct Simulated {
    pub mib: BTreeMap<Oid, Value>,
    pub v1: bool,
    pub dead: bool,
    /// Refuses who asks.
    pub refuses: bool,
    pub latency: Duration,
    /// Most names of a reply; more are cut off (GETBULK) or refused (tooBig).
    pub names: usize,
    /// When it began, and at which sysUpTime.
    pub booted: (Instant, u32),
    pub asked: Vec<Request>,
    /// Names below these get no answer.
    pub lost: Vec<Oid>,
    /// Done just before request number n is answered.
    pub turns: BTreeMap<usize, Turn>,
    /// So long is waited for an answer that does not come.
    pub patience: Duration,
}

#[derive(Clone)]
pub struct Memory(pub Arc<Mutex<Simulated>>);

pub fn oid(text: &str) -> Oid {
    Oid::parse(text).unwrap()
}

pub fn text(text: &str) -> Value {
    Value::OctetString(text.as_bytes().to_vec().into())
}

impl Memory {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Simulated {
            mib: BTreeMap::new(),
            v1: false,
            dead: false,
            refuses: false,
            latency: Duration::from_millis(20),
            names: 40,
            booted: (Instant::now(), 10_000_000),
            asked: Vec::new(),
            lost: Vec::new(),
            turns: BTreeMap::new(),
            patience: Duration::from_secs(3),
        })))
    }

    pub fn lock(&self) -> MutexGuard<'_, Simulated> {
        self.0.lock().unwrap()
    }

    pub fn set(&self, name: &str, value: Value) -> &Self {
        self.lock().set(name, value);
        self
    }

    pub fn system(&self) -> &Self {
        self.set("1.3.6.1.2.1.1.1.0", text("a switch"))
            .set("1.3.6.1.2.1.1.2.0", Value::ObjectIdentifier(oid("1.3.6.1.4.1.9.1.1")))
            .set("1.3.6.1.2.1.1.5.0", text("sw1"))
    }
}

impl Simulated {
    pub fn set(&mut self, name: &str, value: Value) {
        self.mib.insert(oid(name), value);
    }

    /// An interface with 64-bit octets, its state up, and a speed of 1 Gbit/s.
    pub fn interface(&mut self, index: u32, name: &str, octets: u64) {
        for (column, value) in [
            ("2.2.1.1", Value::Integer(index.cast_signed())),
            ("2.2.1.2", text(&format!("interface {name}"))),
            ("2.2.1.8", Value::Integer(1)),
            ("2.2.1.10", Value::Counter32(octets as u32)),
            ("31.1.1.1.1", text(name)),
            ("31.1.1.1.6", Value::Counter64(octets)),
            ("31.1.1.1.15", Value::Gauge32(1000)),
            ("31.1.1.1.18", text("")),
        ] {
            self.set(&format!("1.3.6.1.2.1.{column}.{index}"), value);
        }
    }

    pub fn remove_below(&mut self, root: &str) {
        let root = oid(root);
        self.mib.retain(|name, _| !name.starts_with(&root));
    }

    pub fn remove_interface(&mut self, index: u32) {
        self.mib.retain(|name, _| {
            let interfaces =
                name.starts_with(&oid("1.3.6.1.2.1.2.2")) || name.starts_with(&oid("1.3.6.1.2.1.31"));
            !(interfaces && name.arcs().last() == Some(&index))
        });
    }

    pub fn restart(&mut self) {
        self.booted = (Instant::now(), 10);
    }

    fn up_time(&self) -> VarBind {
        let ticks = self.booted.0.elapsed().as_millis() / 10;
        let ticks = self.booted.1.wrapping_add(u32::try_from(ticks % (1 << 32)).unwrap());
        VarBind::new(oid("1.3.6.1.2.1.1.3.0"), Value::TimeTicks(ticks))
    }

    fn get(&self, name: &Oid) -> VarBind {
        let up_time = self.up_time();
        if *name == up_time.oid && !self.hides_up_time() {
            return up_time;
        }
        let parent = name.parent().unwrap();
        let value = match self.mib.get(name) {
            Some(value) => value.clone(),
            None if self.mib.keys().any(|known| known.starts_with(&parent)) => Value::NoSuchInstance,
            None => Value::NoSuchObject,
        };
        VarBind::new(name.clone(), value)
    }

    fn hides_up_time(&self) -> bool {
        self.booted.1 == u32::MAX
    }

    fn next(&self, behind: &Oid) -> VarBind {
        let range = (Bound::Excluded(behind), Bound::Unbounded);
        let next = self.mib.range::<Oid, _>(range).next();
        let up_time = self.up_time();
        match next {
            _ if self.hides_up_time() => {}
            Some((name, _)) if *behind < up_time.oid && up_time.oid < *name => return up_time,
            None if *behind < up_time.oid => return up_time,
            _ => {}
        }
        match next {
            Some((name, value)) => VarBind::new(name.clone(), value.clone()),
            None => VarBind::new(behind.clone(), Value::EndOfMibView),
        }
    }

    fn answer(&mut self, request: &Request) -> Result<Vec<VarBind>, AskError> {
        let mut found = match request {
            Request::Get(names) => names.iter().map(|name| self.get(name)).collect(),
            Request::GetNext(names) => names.iter().map(|name| self.next(name)).collect::<Vec<_>>(),
            Request::GetBulk { non_repeaters, max_repetitions, oids } => {
                let (once, often) = oids.split_at(*non_repeaters as usize);
                let mut found: Vec<VarBind> = once.iter().map(|name| self.next(name)).collect();
                let mut cursors = often.to_vec();
                for _ in 0..*max_repetitions {
                    for cursor in &mut cursors {
                        let next = self.next(cursor);
                        *cursor = next.oid.clone();
                        found.push(next);
                    }
                    if cursors.is_empty() || found.len() > self.names {
                        break;
                    }
                }
                found.truncate(self.names);
                found
            }
        };
        if found.len() > self.names {
            return Err(AskError::Status { status: TOO_BIG, word: "tooBig", index: 0 });
        }
        if self.v1
            && let Some(at) = found.iter().position(|bind| bind.value.is_exception())
        {
            return Err(AskError::Status { status: NO_SUCH_NAME, word: "noSuchName", index: at + 1 });
        }
        if self.v1 {
            found.retain(|bind| !matches!(bind.value, Value::Counter64(_)));
        }
        Ok(found)
    }
}

impl Ask for Memory {
    fn ask<'a>(
        &'a self,
        agent: &'a Agent,
        request: Request,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Reply, AskError>> {
        Box::pin(async move {
            let (silent, latency, patience) = {
                let mut agent = self.lock();
                let number = agent.asked.len();
                agent.asked.push(request.clone());
                if let Some(mut turn) = agent.turns.remove(&number) {
                    turn(&mut agent);
                }
                let lost = |name: &Oid| agent.lost.iter().any(|lost| name.starts_with(lost));
                let silent = agent.dead || request.oids().iter().any(lost);
                (silent, agent.latency, agent.patience)
            };
            if silent {
                sleep_until(deadline.min(Instant::now() + patience)).await;
                let (address, seen) = (agent.address, String::new());
                return Err(AskError::TimedOut { address, attempts: 3, waited: patience, seen });
            }
            if self.lock().refuses {
                return Err(AskError::Refused("unknownUserName".to_owned()));
            }
            sleep(latency / 2).await;
            let answer = self.lock().answer(&request);
            sleep(latency / 2).await;
            let varbinds = answer?;
            let bytes = 48 + varbinds.iter().map(VarBind::encoded_size).sum::<usize>();
            Ok(Reply { varbinds, bytes, took: latency })
        })
    }
}

type Sample = (SeriesId, UnixMillis, Shown, Option<Mark>);

/// A run that keeps what it is given.
#[derive(Default)]
pub struct Notes {
    pub series: Vec<SeriesDef>,
    pub samples: Vec<Sample>,
    pub parts: Vec<(String, CollectError)>,
    pub lives: Vec<(SeriesId, Life, String)>,
    pub time: UnixMillis,
    pub deadline: Option<Instant>,
}

impl Run for Notes {
    fn started(&self) -> UnixMillis {
        self.time
    }

    fn deadline(&self) -> Instant {
        self.deadline.unwrap()
    }

    fn series(&mut self, def: &SeriesDef) -> Option<SeriesId> {
        let at = self.series.iter().position(|known| known.key == def.key).unwrap_or(self.series.len());
        match self.series.get_mut(at) {
            Some(known) => *known = def.clone(),
            None => self.series.push(def.clone()),
        }
        Some(SeriesId(u32::try_from(at + 1).unwrap()))
    }

    fn push(&mut self, series: SeriesId, time: UnixMillis, value: Shown, mark: Option<Mark>) {
        assert!(
            !self.samples.iter().any(|(id, at, ..)| (*id, *at) == (series, time)),
            "one value a series and run: {}",
            self.path(series)
        );
        self.samples.push((series, time, value, mark));
    }

    fn part_failed(&mut self, part: &str, error: CollectError) {
        self.parts.push((part.to_owned(), error));
    }

    fn set_life(&mut self, series: &[SeriesId], life: Life, reason: &str) {
        self.lives.extend(series.iter().map(|id| (*id, life, reason.to_owned())));
    }
}

impl Notes {
    pub fn def(&self, id: SeriesId) -> &SeriesDef {
        &self.series[id.0 as usize - 1]
    }

    /// `in[Gi0/1]`
    pub fn path(&self, id: SeriesId) -> String {
        let key = &self.def(id).key;
        let labels: Vec<&str> = key.labels.iter().map(|(_, value)| value).collect();
        if labels.is_empty() {
            key.parameter.to_string()
        } else {
            format!("{}[{}]", key.parameter, labels.join(","))
        }
    }

    pub fn named(&self, path: &str) -> Option<&SeriesDef> {
        let at =
            (1..=self.series.len()).find(|at| self.path(SeriesId(u32::try_from(*at).unwrap())) == path)?;
        Some(&self.series[at - 1])
    }

    /// What the last run gave of a series.
    pub fn last(&self, path: &str) -> Option<(Shown, Option<Mark>)> {
        let now = self.samples.iter().filter(|(id, time, ..)| *time == self.time && self.path(*id) == path);
        now.map(|(.., value, mark)| (value.clone(), *mark)).next()
    }

    /// All values that the last run gave of a parameter, by path.
    pub fn all(&self, parameter: &str) -> BTreeMap<String, Shown> {
        let now = self.samples.iter().filter(|(_, time, ..)| *time == self.time);
        let of = now.filter(|(id, ..)| &*self.def(*id).key.parameter == parameter);
        of.map(|(id, _, value, _)| (self.path(*id), value.clone())).collect()
    }

    pub fn parts(&self) -> Vec<String> {
        self.parts.iter().map(|(part, error)| format!("{part}: {error}")).collect()
    }

    pub fn lives(&self) -> Vec<(String, Life, String)> {
        self.lives.iter().map(|(id, life, reason)| (self.path(*id), *life, reason.clone())).collect()
    }
}
