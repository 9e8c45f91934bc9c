//! What an author writes: the trait [`Filter`], and the description it gives.

use crate::{Batch, Gap, LifeChange, Load, Millis, Out, Parameters, Save, Series};

/// A filter. Only the first three functions have to be there.
///
/// All are called one at a time. What they emit leaves together, when they return.
pub trait Filter: Sized {
    /// The parameters, read and checked.
    type Settings;

    /// Reads the parameters. Each call on `parameters` also adds to the schema that users are shown, so always make the same calls.
    fn settings(parameters: &mut Parameters) -> Self::Settings;

    /// What the filter is and wants, with these settings.
    ///
    /// # Errors
    /// Shown to who deploys: say which parameter, and what was expected.
    fn describe(settings: &Self::Settings) -> Result<Description, String>;

    /// Begins: from nothing, or from what [`save`](Self::save) gave of this version or an earlier one.
    ///
    /// # Errors
    /// Refuses the deployment, or, where there is a state, leaves the one before running.
    fn configure(settings: Self::Settings, saved: Option<&mut Load>) -> Result<Self, String>;

    /// Series whose first samples come next. They can also be asked of `out` at any time later: see [`Out::series`].
    fn on_series(&mut self, series: &[Series], out: &mut Out) {
        _ = (series, out);
    }

    /// The next batch.
    fn on_batch(&mut self, batch: &Batch, out: &mut Out) {
        _ = (batch, out);
    }

    /// What happened to series, between the batches before and after it.
    fn on_life(&mut self, changes: &[LifeChange], out: &mut Out) {
        _ = (changes, out);
    }

    /// Samples are missing here.
    fn on_gap(&mut self, gap: Gap, out: &mut Out) {
        _ = (gap, out);
    }

    /// The farm's time has reached `time`, a multiple of the tick interval since 1970. Once where several were due.
    fn on_tick(&mut self, time: Millis, out: &mut Out) {
        _ = (time, out);
    }

    /// Everything that the filter must have to go on. The series it was told of are kept for it.
    fn save(&self, to: &mut Save) {
        _ = to;
    }
}

/// How counters are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reading {
    /// Increase per second between neighbouring samples; none across a reset or a discontinuity.
    #[default]
    Rate,
    /// As the source has it.
    Raw,
    /// Increase between neighbouring samples; none across a reset or a discontinuity.
    Delta,
}

/// What a filter may ask for beyond reading, emitting, logging and keeping state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// [`Out::raise`] and [`Out::clear`].
    Alarms,
    /// [`Out::ask`].
    Actions,
    /// [`Out::history`].
    History,
}

/// What a filter is and wants.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Description {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) description: String,
    pub(crate) predicates: Vec<String>,
    pub(crate) reading: Reading,
    pub(crate) look_back_ms: u64,
    pub(crate) tick_ms: u64,
    pub(crate) capabilities: Vec<Capability>,
}

impl Description {
    /// Of that name (`[a-z][a-z0-9-]*`, at most 64), of that version (`1.2.3`), described in one sentence.
    pub fn new(name: &str, version: &str, description: &str) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            description: description.into(),
            predicates: Vec::new(),
            reading: Reading::Rate,
            look_back_ms: 0,
            tick_ms: 0,
            capabilities: Vec::new(),
        }
    }

    /// Which series it reads: 1 to 64 path patterns, as `*/hosts/*/cpu_busy`.
    pub fn on<T: AsRef<str>>(mut self, patterns: &[T]) -> Self {
        self.predicates.extend(patterns.iter().map(|pattern| pattern.as_ref().into()));
        self
    }

    /// How it wants counters; as rates where it does not say.
    pub fn reading(mut self, reading: Reading) -> Self {
        self.reading = reading;
        self
    }

    /// How much history comes first; at most what the farm allows.
    pub fn look_back(mut self, span: Millis) -> Self {
        self.look_back_ms = span.max(0).unsigned_abs();
        self
    }

    /// How often [`Filter::on_tick`] is called: at least a second.
    pub fn every(mut self, interval: Millis) -> Self {
        self.tick_ms = interval.max(0).unsigned_abs();
        self
    }

    /// Asks for a capability. Ask only for what you call, and call only what you asked for.
    pub fn wants(mut self, capability: Capability) -> Self {
        self.capabilities.push(capability);
        self
    }
}
