//! The probe of one agent: what a run does, in its order.
//!
//! Gives up some time before the deadline, so that what was read until then is handed in.

use super::address::Address;
use super::asking::{Asking, Life};
use super::book::{Book, SETTLING};
use super::counter::restarted;
use super::detect::{self, Detected};
use super::failure;
use super::look;
use super::plan::Plan;
use super::rows::{self, NamedRows};
use super::series::{Base, Out};
use super::sweep::{Absent, Cell, Known, Limits, Problem, Swept, Wanted};
use crate::module::{BoxFuture, CollectError, Probe, Run};
use crate::spec::SnmpSpec;
use hedgerow_snmp::{Agent, Ask, Counts, Oid, Security, Value};
use hedgerow_snmp_profile::library::Library;
use hedgerow_snmp_profile::profile::Profile;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The part of a run's time that is left for handing in what was read, and its upper bound.
const MARGIN: (u32, Duration) = (10, Duration::from_millis(300));
/// How often an agent is asked what it is, though nothing happened: it may have learned something.
const DETECTED_AGAIN: Duration = Duration::from_secs(3600);

/// What is asked of an agent.
#[derive(Debug)]
pub(super) enum What {
    /// What it seems to have.
    Detected,
    /// These profiles: what it has not got of them is an error.
    Named(Vec<Arc<Profile>>),
}

pub(super) struct SnmpProbe {
    ask: Arc<dyn Ask>,
    counts: Arc<Counts>,
    address: Address,
    security: Arc<Security>,
    limits: Limits,
    library: Arc<Library>,
    what: What,
    state: State,
    book: Book,
    made: Instant,
}

/// What is known of the agent from earlier runs.
struct State {
    plan: Option<Arc<Plan>>,
    /// What is wanted of it; `None`: all of the plan.
    lean: Option<Lean>,
    known: Known,
    object_id: Option<Oid>,
    /// sysUpTime, and when it was read.
    up_time: Option<(u32, i64)>,
    tells_up_time: bool,
    /// There was a problem last time: a sign of life is asked for first, so that one object that the agent has no answer
    /// for is told from an agent that is dead.
    wary: bool,
    /// When it is asked what it is.
    detect_at: Option<Instant>,
}

/// What is left to be wanted once it is known what is read instead of what.
struct Lean {
    wanted: Arc<Wanted>,
    /// By table, how many values were missing then.
    holes: Vec<usize>,
}

/// What was read of an agent in one run.
struct Gathered {
    swept: Swept,
    named: Vec<NamedRows>,
    life: Life,
    late: bool,
    /// Tables, and how many of their rows were left out because two readings did not agree.
    unsure: Vec<(usize, usize)>,
}

impl SnmpProbe {
    pub fn new(
        (ask, counts): (Arc<dyn Ask>, Arc<Counts>),
        address: Address,
        (spec, security): (&SnmpSpec, Arc<Security>),
        what: What,
        base: Base,
    ) -> Self {
        let bulk = !matches!(*security, Security::V1 { .. });
        let limits = Limits { window: spec.window, max_rows: spec.max_rows, bulk, ..Limits::default() };
        let plan = match &what {
            What::Named(profiles) => Some(Arc::new(Plan::new(profiles.clone()))),
            What::Detected => None,
        };
        let state = State {
            plan,
            lean: None,
            known: Known::default(),
            object_id: None,
            up_time: None,
            tells_up_time: true,
            wary: false,
            detect_at: None,
        };
        let (library, book) = (spec.library.clone(), Book::new(base, spec.max_rows));
        let made = Instant::now();
        Self { ask, counts, address, security, limits, library, what, state, book, made }
    }
}

impl Probe for SnmpProbe {
    fn run<'a>(&'a mut self, run: &'a mut dyn Run) -> BoxFuture<'a, Result<(), CollectError>> {
        Box::pin(async move {
            let left = run.deadline().saturating_duration_since(Instant::now());
            let until = run.deadline() - (left / MARGIN.0).min(MARGIN.1);
            let address = self.address.resolve(until).await?;
            let agent = Agent { address, security: self.security.clone() };
            let mut done = self.ask_agent(run, &agent, until).await;
            if let Err(CollectError::TimedOut(text)) = &mut done
                && self.state.up_time.is_none()
            {
                text.push_str(look::silent(&self.security));
            }
            if let Err(CollectError::TimedOut(_) | CollectError::Unreachable(_)) = &done {
                self.address.silent();
            }
            done
        })
    }
}

impl SnmpProbe {
    async fn ask_agent(
        &mut self,
        run: &mut dyn Run,
        agent: &Agent,
        until: Instant,
    ) -> Result<(), CollectError> {
        let ask = self.ask.clone();
        let mut asking = Asking {
            ask: &*ask,
            agent,
            until,
            life: Life::default(),
            tells_up_time: self.state.tells_up_time,
            heard: false,
        };
        let (mut refused, mut absent) = (None, Absent::Object);
        if matches!(self.what, What::Detected) && self.detection_is_due() {
            let detected = detect::detect(&*ask, agent, &self.library, until).await;
            let detected = detected.map_err(|error| failure::of_asking(&error, ""))?;
            (asking.heard, asking.life.up_time) = (true, detected.up_time);
            (refused, absent) = (detected.refused.clone(), detected.absent);
            self.take_detected(detected);
        }
        let Some(plan) = self.state.plan.clone().filter(|plan| !plan.profiles.is_empty()) else {
            let id = self.state.object_id.as_ref().map_or("none".to_owned(), Oid::to_string);
            let what = format!("no profile is for this agent (its sysObjectID: {id})");
            let error = match refused {
                Some(error) => failure::of_asking(&error, &what),
                None => failure::of_absence(absent, what),
            };
            run.part_failed("profiles", error);
            return Ok(());
        };
        if self.state.wary && !asking.heard {
            asking.hello().await.map_err(|error| failure::of_asking(&error, ""))?;
        }
        let gathered = self.gather(&mut asking, &plan).await;
        self.state.tells_up_time = asking.tells_up_time;
        self.state.wary = gathered.as_ref().map_or(true, |gathered| !gathered.swept.problems.is_empty());
        let gathered = gathered?;
        self.take(run, &plan, gathered).await;
        Ok(())
    }

    fn detection_is_due(&self) -> bool {
        self.state.detect_at.is_none_or(|at| Instant::now() >= at)
    }

    fn take_detected(&mut self, detected: Detected) {
        let state = &mut self.state;
        let same_device = state.object_id == detected.object_id;
        let before = state.plan.as_ref().filter(|_| same_device).map_or(&[][..], |plan| &plan.profiles);
        // What an agent had it is asked for still: it may only be slow to fill its tables.
        let mut profiles: Vec<Arc<Profile>> = before.to_vec();
        for profile in detected.profiles {
            if !profiles.iter().any(|known| known.name == profile.name) {
                profiles.push(profile);
            }
        }
        profiles.sort_by(|a, b| a.name.cmp(&b.name));
        let settles = detected.up_time.and_then(|up_time| SETTLING.checked_sub(up_time));
        let again = match settles {
            // With nothing to ask it would not be noticed that it has something now: what it shows was put right, or it
            // has got over its errors.
            _ if !detected.whole || profiles.is_empty() => Duration::ZERO,
            Some(ticks) => Duration::from_millis(u64::from(ticks) * 10),
            None => DETECTED_AGAIN,
        };
        state.detect_at = Some(Instant::now() + again);
        state.object_id = detected.object_id;
        let as_before = state.plan.as_ref().is_some_and(|plan| plan.profiles == profiles);
        if !as_before {
            let plan = Plan::new(profiles);
            self.book.keep_only(&plan);
            (state.plan, state.known) = (Some(Arc::new(plan)), Known::default());
        }
        state.lean = None;
    }

    /// Reads all that is wanted, and finds out which row is which.
    async fn gather(&mut self, asking: &mut Asking<'_>, plan: &Plan) -> Result<Gathered, CollectError> {
        let wanted = match &self.state.lean {
            Some(lean) => lean.wanted.clone(),
            None => plan.wanted.clone(),
        };
        let mut read =
            asking.sweep(wanted.clone(), std::mem::take(&mut self.state.known), self.limits.clone()).await;
        if read.restarted {
            read.known.doubt();
            read = asking.sweep(wanted, read.known, self.limits.clone()).await;
        }
        self.state.known = read.known;
        if read.restarted {
            let what = "the agent restarted twice while it was read".to_owned();
            return Err(CollectError::BadAnswer(what));
        }
        if !asking.heard {
            return Err(no_answer(asking, &read.swept.problems));
        }
        if let (Some(before), Some(now)) = (self.state.up_time, asking.life.up_time)
            && restarted(before.0, now, self.now_ms() - before.1)
        {
            self.book.restarted();
            self.state.known.doubt();
            self.state.detect_at = None;
            self.state.lean = None;
        }
        let mut swept = read.swept;
        drop_endless(plan, &mut swept);
        let mut named = self.name(plan, &swept);
        let unsure = self.settle(asking, plan, &mut swept, &mut named).await;
        Ok(Gathered { swept, named, life: asking.life, late: read.late, unsure })
    }

    /// Milliseconds of a clock that does not jump.
    fn now_ms(&self) -> i64 {
        i64::try_from(self.made.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    fn name(&self, plan: &Plan, swept: &Swept) -> Vec<NamedRows> {
        let name = |at| rows::name_rows(plan, at, swept, self.book.names(plan, at));
        (0..plan.tables.len()).map(name).collect()
    }

    /// Reads tables once more whose rows are not what they were; gives how many rows of which are left out.
    async fn settle(
        &mut self,
        asking: &mut Asking<'_>,
        plan: &Plan,
        swept: &mut Swept,
        named: &mut [NamedRows],
    ) -> Vec<(usize, usize)> {
        let all = || (0..plan.tables.len()).zip(named.iter());
        let appeared: BTreeSet<usize> = all()
            .filter(|(at, named)| !named.rows.is_empty() && self.book.was_empty(plan, *at))
            .map(|(at, _)| at)
            .collect();
        let changed = all().filter(|(at, named)| self.book.contradicts(plan, *at, named));
        let doubted: BTreeSet<usize> = changed.map(|(at, _)| at).chain(appeared.iter().copied()).collect();
        if doubted.is_empty() {
            return Vec::new();
        }
        if !appeared.is_empty() {
            self.state.known.doubt();
        }
        let wanted = plan.only(&doubted);
        let life = asking.life;
        let mut again = asking.sweep(wanted.clone(), Known::default(), self.limits.clone()).await;
        if again.restarted {
            // What was read before is of the life before, and still true of it.
            (again.swept, asking.life) = (Swept::default(), life);
        }
        for (at, columns) in wanted.tables.iter().enumerate().filter(|(_, columns)| !columns.is_empty()) {
            if let Some(table) = swept.tables.get_mut(at) {
                *table = again.swept.tables.get_mut(at).map(std::mem::take).unwrap_or_default();
                table.columns.resize(columns.len(), super::sweep::Column::Part);
            }
        }
        swept.problems.append(&mut again.swept.problems);
        let mut unsure = Vec::new();
        // Those that look-ups go to were read again, too.
        let read = |at: &usize| wanted.tables.get(*at).is_some_and(|columns| !columns.is_empty());
        for at in (0..named.len()).filter(read) {
            let Some(first) = named.get_mut(at) else { continue };
            let mut second = rows::name_rows(plan, at, swept, self.book.names(plan, at));
            if !appeared.contains(&at) {
                second.rows.retain(|index, name| {
                    first.rows.get(index).is_none_or(|first| first.labels == name.labels)
                });
            }
            let lost = first.rows.keys().filter(|index| !second.rows.contains_key(*index)).count();
            if lost > 0 {
                unsure.push((at, lost));
            }
            *first = second;
        }
        unsure
    }

    /// Hands in what was read, and says what was not.
    async fn take(&mut self, run: &mut dyn Run, plan: &Plan, gathered: Gathered) {
        let Gathered { swept, named, life, late, unsure } = gathered;
        failure::tell(run, &self.counts, plan, &swept.problems);
        if late {
            let what = "the deadline came before all was read".to_owned();
            run.part_failed("sweep", CollectError::TimedOut(what));
        }
        for (at, rows) in unsure {
            let what = format!(
                "{rows} rows could not be read twice alike after names changed: left out of this run"
            );
            run.part_failed(table_name(plan, at), CollectError::BadAnswer(what));
        }
        let mut out = Out::new(run, &self.counts, life.up_time, self.now_ms());
        self.book.scalars(&mut out, plan, &swept);
        for (at, named) in named.into_iter().enumerate() {
            failure::tell_names(out.run, table_name(plan, at), &named);
            self.book.table(&mut out, plan, at, &swept, named).await;
        }
        out.finish();
        if matches!(self.what, What::Named(_)) {
            failure::tell_absent(run, plan, &swept);
        }
        self.learn(plan, &swept, life, late);
        // An agent that fills its tables is asked for all of them each time.
        let settling = life.up_time.is_some_and(|up_time| up_time < SETTLING);
        if settling || self.book.misses_all_of_a_table(plan) {
            self.state.known.doubt();
        }
    }

    fn learn(&mut self, plan: &Plan, swept: &Swept, life: Life, late: bool) {
        let now = self.now_ms();
        let state = &mut self.state;
        state.up_time = life.up_time.map(|ticks| (ticks, now)).or(state.up_time);
        if let Some(Cell::Is(Value::ObjectIdentifier(now))) = swept.scalars.get(plan.object_id)
            && state.object_id.as_ref().is_some_and(|before| before != now)
        {
            state.detect_at = None;
        }
        let holes: Vec<usize> = (0..plan.tables.len()).map(|at| plan.holes(at, swept)).collect();
        match &state.lean {
            Some(lean) if lean.holes.iter().zip(&holes).any(|(before, now)| now > before) => {
                state.lean = None;
            }
            None if !late && swept.problems.is_empty() => {
                let wanted = plan.lean(&plan.needs_instead(swept));
                state.lean = Some(Lean { wanted, holes });
            }
            _ => {}
        }
    }
}

/// What an agent makes up without end is no table: nothing of it is taken.
fn drop_endless(plan: &Plan, swept: &mut Swept) {
    let Swept { tables, problems, .. } = swept;
    for (table, columns) in tables.iter_mut().zip(&plan.wanted.tables) {
        let is = |problem: &Problem| matches!(problem, Problem::Endless { column, .. } if columns.contains(column));
        if problems.iter().any(is) {
            table.rows.clear();
            table.columns.fill(super::sweep::Column::Part);
        }
    }
}

fn table_name(plan: &Plan, at: usize) -> &str {
    plan.tables.get(at).and_then(|of| plan.table(of)).map_or("table", |table| &table.name)
}

fn no_answer(asking: &Asking<'_>, problems: &[Problem]) -> CollectError {
    let error = problems.iter().find_map(|problem| match problem {
        Problem::Asking { error, .. } => Some(error),
        _ => None,
    });
    match error {
        Some(error) => failure::of_asking(error, ""),
        None => {
            CollectError::TimedOut(format!("no answer from {} before the deadline", asking.agent.address))
        }
    }
}
