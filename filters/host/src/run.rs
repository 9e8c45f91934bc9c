//! A run: one filter over its input, live, after a crash, in a backtest, at its author's desk. All of them are this code.
//!
//! It gives the guest what the hub accepted, in number order, and takes what the guest emits. It knows no clock, no cache and no
//! hub: whoever feeds it says what comes next, and stores what comes out together with [`Run::progress`].
//!
//! **Exactly once.** A run begins from a [`Saved`] (a state, and where it was taken) and a [`Progress`] (how far the input was
//! consumed), which must never be the older one of what is stored. It is fed from the former; up to the latter it throws away what the guest emits, logs, raises and asks for: that
//! is stored, or was done. What is given twice is passed over, so whoever feeds may begin a little earlier.
//!
//! **Generation.** What a batch causes has that batch's generation plus one. What a tick, a gap or a change of life causes has one
//! more than the greatest among the series of the input, each with the generation of its last batch, none once it has ended. So
//! a ring of filters rises by one at each turn, and ends at `MAX_GENERATION`, where the hub refuses; and a filter
//! whose input is no longer part of a ring recovers by itself.

mod bytes;
mod checkpoint;
mod clock;
mod intake;
mod outputs;
mod recall;
pub mod supervision;

pub use bytes::Damaged;
pub use checkpoint::{Cost, GapTold, Handled, Place, Progress, Saved};
pub use intake::Declarations;
pub use recall::Recall;

use crate::guest::{
    AlarmCall, Description, Effects, Fault, GapReason, Guest, GuestBatch, Input, LifeChange, LogLevel,
    Reading,
};
use clock::{Hour, Ticks};
use hedgerow_model::{
    Batch, Epoch, Life, LifeMark, Name, Numbered, Position, SeriesDef, SeriesId, UnixMillis,
};
use intake::Intake;
use outputs::Outputs;
use std::collections::VecDeque;
use std::sync::Arc;

/// Gaps that a [`Saved`] keeps; past it the oldest are forgotten, and a backtest does not tell them.
pub const MAX_GAPS: usize = 256;

/// Batches that the hub may make of what one call emits: one for each distinct time, more where a series comes several times at
/// one. Past it: a fault. Each is taken by itself under the hub's lock, for which others wait; how long
/// 1,000 hold it is estimated to be a few milliseconds at most, and not measured yet.
pub const MAX_TIMES: usize = 1000;

/// Room for so many samples stays with a run between batches; for a larger batch it is got anew.
const KEPT_SAMPLES: usize = 4096;

/// What a run is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The deployment's name: the cluster of what it emits.
    pub deployment: Name,
    /// The component's name, for the source of what it emits: `filter:NAME`.
    pub component: String,
    /// The component's version.
    pub version: String,
    /// How counters are given.
    pub reading: Reading,
    /// Interval of ticks; 0: none.
    pub tick_ms: u64,
    /// Series that it may make. Past it: a fault.
    pub output_series: u32,
    /// Samples that it may emit in an hour of the farm's heartbeat. What one call emits past it is left out, as a whole, and
    /// counted.
    pub emit_per_hour: u64,
}

impl Plan {
    /// What a component asks for, within the bounds of the farm.
    pub fn new(deployment: Name, description: &Description, output_series: u32, emit_per_hour: u64) -> Self {
        Self {
            deployment,
            component: description.name.clone(),
            version: description.version.clone(),
            reading: description.reading,
            tick_ms: description.tick_ms,
            output_series,
            emit_per_hour,
        }
    }
}

/// What comes next.
#[derive(Debug, Clone, Copy)]
pub enum Item<'a> {
    /// A batch that the hub accepted, or several of which the filter wants nothing.
    Accepted {
        /// The last number of it, whoever wants it.
        through: Position,
        /// Those of its samples that the filter's predicates match, if any.
        batch: Option<&'a Numbered>,
        /// The time of the farm's heartbeat, where it was among them.
        heartbeat: Option<UnixMillis>,
    },
    /// A change in the life of a series. Behind a number, the end of a gap too, they come all, and in their order, whenever
    /// something is fed again.
    Life(Epoch, &'a LifeMark),
    /// Nothing comes of what lies between what was given last and this number. Where it was told before, by this run or the one
    /// that it goes on from, it is passed over.
    Gap {
        /// The last number of the gap; where it reaches to the end of an epoch, number 0 of the next one.
        through: Position,
        /// Why.
        reason: GapReason,
        /// How many of the filter's samples are missing, where known.
        count: Option<u64>,
    },
}

/// What came of an item; all of it together, or (after a fault) nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Step {
    /// Batches for the hub. The id of a series is its place in [`Run::outputs`] plus one.
    pub batches: Vec<Batch>,
    /// How many the hub makes of these: one for each time, as it takes them.
    pub times: usize,
    /// What it asked of the alarms. Caused by [`Run::place`], in this order; the handles in it are known to [`Run::series`].
    pub alarms: Vec<AlarmCall>,
    /// Actions it asked for: name, and arguments as JSON. Caused by [`Run::place`].
    pub actions: Vec<(String, String)>,
    /// What it logged.
    pub logs: Vec<(LogLevel, String)>,
}

impl Step {
    /// Whether nothing came of it.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.alarms.is_empty() && self.actions.is_empty() && self.logs.is_empty()
    }
}

/// A filter and its input.
pub struct Run {
    guest: Box<dyn Guest>,
    plan: Plan,
    intake: Intake,
    outputs: Outputs,
    ticks: Ticks,
    hour: Hour,
    /// What is in the guest.
    place: Place,
    /// Changes of life offered behind `place.position`; those up to `place.lives` are in the guest.
    lives_offered: u32,
    /// Effects up to here are thrown away.
    until: Place,
    look_back_through: Option<Position>,
    gaps: VecDeque<GapTold>,
    /// Of `gaps`, those from this place on are not in the last state saved.
    unsaved_gaps: usize,
    /// Gaps to be told again when the input comes to them.
    pending: VecDeque<GapTold>,
    cost: Cost,
    unsaved: u64,
    /// Always a batch; its columns are used again and again.
    batch: Input,
    has_failed: bool,
}

impl Run {
    /// Goes on from `saved`, with `guest` configured from its state, and what it did in `configure`. Without a progress nothing
    /// is thrown away.
    ///
    /// # Errors
    /// Where `configure` did more than declare and log.
    pub fn resume(
        guest: Box<dyn Guest>,
        configured: Effects,
        plan: Plan,
        saved: &Saved,
        progress: Option<Progress>,
    ) -> Result<Self, Fault> {
        let progress = progress.filter(|progress| progress.consumed >= saved.at);
        let progress =
            progress.unwrap_or(Progress { consumed: saved.at, gaps: Vec::new(), cost: Cost::default() });
        let source = format!("filter:{}", plan.component);
        let mut outputs = Outputs::new(plan.deployment.clone(), source, plan.output_series);
        if !(configured.emitted.is_empty() && configured.alarms.is_empty() && configured.actions.is_empty()) {
            let what = "it emitted, or asked for something: in `configure` it may only declare".to_owned();
            return Err(Fault::Breach { call: "configure", what });
        }
        outputs.declare("configure", configured.declared)?;
        // The progress may be older than the state, and tell gaps that are in it.
        let pending = progress.gaps.iter().filter(|gap| gap.through > saved.at.position).copied().collect();
        let next_tick = saved.next_tick.filter(|_| saved.tick_ms == plan.tick_ms);
        Ok(Self {
            guest,
            intake: Intake::new(plan.reading, saved),
            outputs,
            ticks: Ticks::new(plan.tick_ms, next_tick),
            hour: Hour { bound: plan.emit_per_hour, hour: saved.hour, emitted: saved.emitted_in_hour },
            plan,
            place: saved.at,
            lives_offered: 0,
            until: progress.consumed,
            look_back_through: saved.look_back_through,
            gaps: saved.gaps.iter().copied().collect(),
            unsaved_gaps: saved.gaps.len(),
            pending,
            cost: Cost { cpu_ns: progress.cost.cpu_ns + configured.cpu_ns, ..progress.cost },
            unsaved: 0,
            batch: Input::Batch(GuestBatch::default()),
            has_failed: false,
        })
    }

    /// Over stored input, with the gaps of an earlier run told at the same places. Feed it from `from`, and at last an
    /// [`Item::Accepted`] through the end: a gap there is told with it.
    ///
    /// # Errors
    /// As [`Self::resume`].
    pub fn backtest(
        guest: Box<dyn Guest>,
        configured: Effects,
        plan: Plan,
        from: Position,
        look_back_through: Option<Position>,
        gaps: &[GapTold],
    ) -> Result<Self, Fault> {
        let mut run = Self::resume(guest, configured, plan, &Saved::fresh(from, look_back_through), None)?;
        run.pending = gaps.iter().filter(|gap| gap.through > from).copied().collect();
        Ok(run)
    }

    /// Gives the guest what comes next.
    ///
    /// # Errors
    /// Why the guest was stopped. Then this run has ended: what it emitted for this item is void, and another run goes on from
    /// the last state.
    pub fn give(&mut self, item: Item<'_>, defs: Declarations<'_>) -> Result<Step, Fault> {
        if self.has_failed {
            return Err(Fault::Host("the run has ended with a fault before".to_owned()));
        }
        let mut step = Step::default();
        let given = self.give_all(item, defs, &mut step);
        self.has_failed = given.is_err();
        given.map(|()| step)
    }

    fn give_all(&mut self, item: Item<'_>, defs: Declarations<'_>, step: &mut Step) -> Result<(), Fault> {
        let position = match item {
            Item::Accepted { through, .. } | Item::Gap { through, .. } => through,
            Item::Life(epoch, mark) => Position { epoch, number: mark.after },
        };
        while let Some(gap) = self.pending.front().copied().filter(|gap| position > gap.after) {
            self.pending.pop_front();
            self.gap(gap.through, gap.reason, gap.count, step)?;
        }
        match item {
            Item::Accepted { through, batch, heartbeat } if through > self.place.position => {
                self.go_to(through);
                if let Some(numbered) = batch.filter(|numbered| !numbered.batch.is_empty()) {
                    self.batch(numbered, defs, step)?;
                }
                heartbeat.map_or(Ok(()), |time| self.heartbeat(time, step))
            }
            Item::Life(_, mark) if position >= self.place.position => self.life(position, mark, step),
            Item::Gap { through, reason, count } if through > self.place.position => {
                self.gap(through, reason, count, step)
            }
            // Fed again.
            _ => Ok(()),
        }
    }

    fn go_to(&mut self, position: Position) {
        self.place = position.into();
        self.lives_offered = 0;
    }

    fn batch(&mut self, numbered: &Numbered, defs: Declarations<'_>, step: &mut Step) -> Result<(), Fault> {
        let batch = &numbered.batch;
        let generation = batch.generation.saturating_add(1);
        let (new, plain) = self.intake.resolve(batch, defs);
        if !new.is_empty() {
            self.call(&Input::Series(new), generation, step)?;
        }
        let look_back = self.look_back_through.is_some_and(|through| self.place.position <= through);
        let Input::Batch(mut given) = std::mem::replace(&mut self.batch, Input::Tick(0)) else {
            unreachable!("invariant: `batch` is a batch")
        };
        given.look_back = look_back;
        let samples = self.intake.fill(batch, plain, &mut given);
        let input = Input::Batch(given);
        if samples > 0 {
            self.unsaved += samples;
            if !self.is_known() {
                self.cost.samples_in += samples;
            }
            self.call(&input, generation, step)?;
        }
        if batch.len() <= KEPT_SAMPLES {
            self.batch = input;
        } else {
            self.batch = Input::Batch(GuestBatch::default());
            self.intake.shrink();
        }
        Ok(())
    }

    fn heartbeat(&mut self, time: UnixMillis, step: &mut Step) -> Result<(), Fault> {
        self.hour.heartbeat(time);
        match self.ticks.heartbeat(time) {
            Some(tick) => self.call(&Input::Tick(tick), self.beside_batches(), step),
            None => Ok(()),
        }
    }

    fn life(&mut self, position: Position, mark: &LifeMark, step: &mut Step) -> Result<(), Fault> {
        let Some(handle) = self.intake.handle(mark.series) else { return Ok(()) };
        if position > self.place.position {
            self.go_to(position);
        }
        self.lives_offered += 1;
        if self.lives_offered <= self.place.lives {
            return Ok(());
        }
        self.place.lives = self.lives_offered;
        if mark.life == Life::Ended {
            self.intake.ended(handle);
        }
        let LifeMark { life, time, .. } = *mark;
        let change = LifeChange { series: handle, life, time, reason: mark.reason.to_string() };
        self.call(&Input::Life(vec![change]), self.beside_batches(), step)
    }

    fn gap(
        &mut self,
        through: Position,
        reason: GapReason,
        count: Option<u64>,
        step: &mut Step,
    ) -> Result<(), Fault> {
        let told = GapTold { after: self.place.position, through, reason, count };
        self.go_to(through);
        self.gaps.push_back(told);
        if self.gaps.len() > MAX_GAPS {
            self.gaps.pop_front();
            self.unsaved_gaps = self.unsaved_gaps.saturating_sub(1);
        }
        if !self.is_known() {
            self.cost.missed += count.unwrap_or_default();
        }
        self.intake.forget_counters();
        self.call(&Input::Gap(reason, count), self.beside_batches(), step)
    }

    /// The generation of what is not caused by a batch.
    fn beside_batches(&self) -> u8 {
        self.intake.generation().saturating_add(1)
    }

    fn call(&mut self, input: &Input, generation: u8, step: &mut Step) -> Result<(), Fault> {
        let call = name_of(input);
        let effects = self.guest.call(input).inspect_err(|_| self.cost.cpu_ns += self.guest.spent_ns())?;
        let Effects { declared, emitted, logs, logs_dropped, alarms, actions, cpu_ns } = effects;
        self.cost.cpu_ns += cpu_ns;
        self.outputs.declare(call, declared)?;
        let batches = self.outputs.batches(call, emitted, generation)?;
        for alarm in &alarms {
            self.check_alarm(call, alarm)?;
        }
        let times = batches.iter().map(outputs::pieces).sum::<usize>();
        if times > MAX_TIMES {
            return Err(Fault::Overrun {
                call,
                what: "distinct times to emit at",
                bound: MAX_TIMES.to_string(),
            });
        }
        let samples = batches.iter().map(|batch| batch.len() as u64).sum();
        let fits = self.hour.takes(samples);
        if self.is_known() {
            return Ok(());
        }
        self.cost.calls += 1;
        self.cost.logs_dropped += logs_dropped;
        if fits {
            self.cost.samples_out += samples;
            step.batches.extend(batches);
            step.times += times;
        } else {
            self.cost.samples_refused += samples;
        }
        step.alarms.extend(alarms);
        step.actions.extend(actions);
        step.logs.extend(logs);
        Ok(())
    }

    fn check_alarm(&self, call: &'static str, alarm: &AlarmCall) -> Result<(), Fault> {
        let AlarmCall::Raise { series, .. } = alarm else { return Ok(()) };
        match series.iter().find(|handle| self.series(**handle).is_none()) {
            Some(handle) => {
                let what = format!("an alarm about the series handle {handle}, which it was not given");
                Err(Fault::Breach { call, what })
            }
            None => Ok(()),
        }
    }

    /// Everything that another run must have to go on from here, without the progress.
    ///
    /// # Errors
    /// Why the guest was stopped.
    pub fn save(&mut self) -> Result<Saved, Fault> {
        if self.has_failed {
            return Err(Fault::Host("the run has ended with a fault before".to_owned()));
        }
        let state = self.guest.save();
        self.cost.cpu_ns += self.guest.spent_ns();
        self.has_failed = state.is_err();
        let state = state?;
        let mut saved = Saved::fresh(self.place.position, self.look_back_through);
        saved.at = self.place;
        saved.state = Some(state);
        saved.version.clone_from(&self.plan.version);
        self.intake.save(&mut saved);
        saved.tick_ms = self.plan.tick_ms;
        saved.next_tick = self.ticks.next();
        (saved.hour, saved.emitted_in_hour) = (self.hour.hour, self.hour.emitted);
        saved.gaps = self.gaps.iter().copied().collect();
        self.unsaved_gaps = saved.gaps.len();
        self.unsaved = 0;
        Ok(saved)
    }

    /// How far it is: to be stored in one commit with what was emitted up to here.
    pub fn progress(&self) -> Progress {
        let told = self.gaps.iter().skip(self.unsaved_gaps);
        let gaps = told.chain(&self.pending).copied().collect();
        Progress { consumed: self.place.max(self.until), gaps, cost: self.cost }
    }

    /// Where the guest is.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Whether what the guest does now was stored before, and is thrown away.
    pub fn is_replaying(&self) -> bool {
        self.place < self.until
    }

    /// As `is_replaying`, of the call under way: `place` is where it leads to.
    fn is_known(&self) -> bool {
        self.place <= self.until
    }

    /// How many samples it was given since its state was saved: what a replay costs.
    pub fn unsaved(&self) -> u64 {
        self.unsaved
    }

    /// What it has cost so far.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// What the guest holds now, in bytes.
    pub fn memory_bytes(&self) -> u64 {
        self.guest.memory_bytes()
    }

    /// The series it made, by output handle.
    pub fn outputs(&self) -> &[Arc<SeriesDef>] {
        self.outputs.defs()
    }

    /// The series that it was given, by handle.
    pub fn handles(&self) -> &[Handled] {
        self.intake.handles()
    }

    /// The gaps that it was told, oldest first: the newest [`MAX_GAPS`].
    pub fn gaps(&self) -> &VecDeque<GapTold> {
        &self.gaps
    }

    /// The series with this handle.
    pub fn series(&self, handle: u32) -> Option<SeriesId> {
        self.intake.handles().get(handle as usize).map(|known| known.id)
    }

    /// A series that it may read was declared anew: the guest is told before the next sample of it.
    pub fn redeclared(&mut self, id: SeriesId) {
        self.intake.redeclared(id);
    }
}

/// The function of the contract.
fn name_of(input: &Input) -> &'static str {
    match input {
        Input::Series(_) => "on-series",
        Input::Batch(_) => "on-batch",
        Input::Life(_) => "on-life",
        Input::Gap(..) => "on-gap",
        Input::Tick(_) => "on-tick",
    }
}

#[cfg(test)]
mod tests;
