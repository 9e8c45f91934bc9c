//! What passes between a filter and whoever runs it, as plain types: the contract `hedgerow:filter@1.0.0` without wasmtime.
//!
//! [`Guest`] is the seam: an [instance](crate) of a component is one, and so is whatever a test makes up.

use hedgerow_model::{Kind, Labels, Mark, UnixMillis};

pub use hedgerow_model::deployment::Capability;

/// How counters are given to a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reading {
    /// Increase per second.
    #[default]
    Rate,
    /// As the source has it.
    Raw,
    /// Increase.
    Delta,
}

/// What a filter is and wants, with the parameters given; checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// `[a-z][a-z0-9-]{0,63}`.
    pub name: String,
    /// As `1.2.3`.
    pub version: String,
    /// One sentence.
    pub description: String,
    /// 1–64 path patterns as text.
    pub predicates: Vec<String>,
    /// How it wants counters.
    pub reading: Reading,
    /// How much history comes first, in milliseconds; 0: none.
    pub look_back_ms: u64,
    /// How often it is ticked, in milliseconds; 0: never.
    pub tick_ms: u64,
    /// JSON Schema of the parameters; empty: it takes none.
    pub schema: String,
    /// What it asks for.
    pub capabilities: Vec<Capability>,
}

/// A series that a filter reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesInfo {
    /// Dense from 0, in the order in which the filter is told.
    pub handle: u32,
    /// Names, raw.
    pub cluster: String,
    /// As `cluster`.
    pub node: String,
    /// As `cluster`.
    pub parameter: String,
    /// Mostly none.
    pub labels: Labels,
    /// What its values mean.
    pub kind: Kind,
    /// UCUM, after the reading.
    pub unit: String,
    /// Expected every so many milliseconds; 0: not declared.
    pub interval_ms: u64,
    /// For people.
    pub description: String,
}

/// Columns of one type. Of one length, but `times` may have a single entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Column<T> {
    /// Handles.
    pub series: Vec<u32>,
    /// Unix milliseconds.
    pub times: Vec<UnixMillis>,
    /// Values.
    pub values: Vec<T>,
}

impl<T> Default for Column<T> {
    fn default() -> Self {
        Self { series: Vec::new(), times: Vec::new(), values: Vec::new() }
    }
}

/// What the hub accepted at once, as far as the filter wants it; handles instead of series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GuestBatch {
    /// Floats.
    pub numbers: Column<f64>,
    /// Integers and codes.
    pub integers: Column<i64>,
    /// Texts.
    pub texts: Column<String>,
    /// Texts of states, by handle, where they changed.
    pub state_texts: Vec<(u32, String)>,
    /// Marks of raw counters, by handle.
    pub marks: Vec<(u32, Mark)>,
    /// From before the deployment came to be.
    pub look_back: bool,
}

/// Why samples do not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GapReason {
    /// The farm keeps them no longer.
    Retention,
    /// The filter was further behind than its bound.
    Lag,
    /// The farm lost them.
    Lost,
}

/// A change in a series' life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifeChange {
    /// Handle.
    pub series: u32,
    /// To what.
    pub life: hedgerow_model::Life,
    /// Unix milliseconds.
    pub time: UnixMillis,
    /// For people.
    pub reason: String,
}

/// One call.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "most are batches, and one is held at a time")]
pub enum Input {
    /// Series whose samples come next.
    Series(Vec<SeriesInfo>),
    /// The next batch.
    Batch(GuestBatch),
    /// Changes of life.
    Life(Vec<LifeChange>),
    /// Samples are missing here; how many, where known.
    Gap(GapReason, Option<u64>),
    /// The farm's time, a multiple of the tick interval.
    Tick(UnixMillis),
}

/// A series that a filter makes, as it declared it; checked. Its place in the order of declarations is its handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputDef {
    /// A name.
    pub node: hedgerow_model::Name,
    /// A name.
    pub parameter: hedgerow_model::Name,
    /// At most 16.
    pub labels: Labels,
    /// What its values mean.
    pub kind: Kind,
    /// UCUM; empty: none.
    pub unit: String,
    /// For people.
    pub description: String,
}

/// What a filter gave with one `emit`: output handles, all of which were declared.
#[derive(Debug, Clone, PartialEq)]
pub enum Emitted {
    /// `emit-numbers`.
    Numbers(Column<f64>),
    /// `emit-integers`.
    Integers(Column<i64>),
    /// `emit-states`: codes, and their texts beside them.
    States(Column<i64>, Vec<String>),
    /// `emit-texts`.
    Texts(Column<String>),
}

/// How much a line of the log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// For its author.
    Debug,
    /// For who deployed it.
    Info,
    /// Something is odd.
    Warning,
    /// Something failed.
    Error,
}

/// What a filter asked of the alarms.
#[derive(Debug, Clone, PartialEq)]
pub enum AlarmCall {
    /// Raise, change or confirm.
    Raise {
        /// Which.
        key: String,
        /// info, warning, critical.
        severity: hedgerow_model::Status,
        /// For people.
        text: String,
        /// What it is about: input handles.
        series: Vec<u32>,
        /// The value that led to it.
        value: Option<f64>,
        /// What to do.
        runbook: String,
    },
    /// Clear it.
    Clear {
        /// Which.
        key: String,
        /// Why.
        text: String,
    },
}

/// What one call did, in order of each kind.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Effects {
    /// Series declared in this call for the first time: they follow those declared before.
    pub declared: Vec<OutputDef>,
    /// What it emitted.
    pub emitted: Vec<Emitted>,
    /// What it logged; cut and bounded.
    pub logs: Vec<(LogLevel, String)>,
    /// Lines past the bound.
    pub logs_dropped: u64,
    /// What it asked of the alarms.
    pub alarms: Vec<AlarmCall>,
    /// Actions it asked for, that may be granted: name, and arguments as JSON.
    pub actions: Vec<(String, String)>,
    /// Processor time of the call, in nanoseconds.
    pub cpu_ns: u64,
}

/// Why a guest was stopped. After a fault an instance is not called again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The guest's own error, in its words: of `describe` and `configure`.
    #[error("it refuses: {0}")]
    Refused(String),
    /// unreachable, out of bounds, division by zero, stack overflow, …; with its last words where it left some.
    #[error("it failed in `{call}`: {what}")]
    Trap {
        /// The function of the contract.
        call: &'static str,
        /// What happened.
        what: String,
    },
    /// More than it may have.
    #[error("in `{call}` it took more {what} than it may: the bound is {bound}")]
    Overrun {
        /// The function of the contract.
        call: &'static str,
        /// `processor time`, `memory`, `emitted samples`, `state`, …
        what: &'static str,
        /// With its unit.
        bound: String,
    },
    /// It broke the contract: a handle nobody gave it, columns of different lengths, a description that is none.
    #[error("in `{call}` it broke the contract: {what}")]
    Breach {
        /// The function of the contract.
        call: &'static str,
        /// How.
        what: String,
    },
    /// Nothing of its own: the host could not run it.
    #[error("it could not be run: {0}")]
    Host(String),
}

/// Bounds of one deployment. Each is a line of the farm's configuration (`[filters]`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory and tables together, in bytes. Past it: a fault.
    pub memory_bytes: u64,
    /// Processor time of one call. Past it: a fault.
    pub call_cpu: std::time::Duration,
    /// Samples that one call may emit. Past it: a fault.
    pub emit_samples: u64,
    /// Series that it may declare. Past it: `declare` says no.
    pub output_series: u32,
    /// What `save` may give. Past it: a fault.
    pub state_bytes: u64,
    /// Lines of log that one call may leave. Past it they are counted.
    pub log_lines: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            call_cpu: std::time::Duration::from_millis(200),
            emit_samples: 1 << 20,
            output_series: 10_000,
            state_bytes: 16 << 20,
            log_lines: 100,
        }
    }
}

/// Looks up what a filter with the capability `history` asks for. The answer has handles of the filter's.
pub trait HistorySource: Send {
    /// Samples with `since` <= time < `until` of these handles, of what was consumed.
    ///
    /// # Errors
    /// Words for the filter.
    fn read(&mut self, series: &[u32], since: UnixMillis, until: UnixMillis) -> Result<GuestBatch, String>;
}

/// Says whether an action that a filter with the capability `actions` asks for will run. What it says must follow from what is
/// stored, as all that a filter sees.
pub trait ActionJudge: Send {
    /// The arguments are a JSON object.
    ///
    /// # Errors
    /// Why it will not, in words for the filter.
    fn judge(&mut self, action: &str, arguments: &str) -> Result<(), String>;
}

/// A filter that has been configured.
pub trait Guest: Send {
    /// One call.
    ///
    /// # Errors
    /// Why it was stopped; then it must not be called again. What it did in that call is void.
    fn call(&mut self, input: &Input) -> Result<Effects, Fault>;

    /// Everything that it must have to go on.
    ///
    /// # Errors
    /// As `call`.
    fn save(&mut self) -> Result<Vec<u8>, Fault>;

    /// What it holds now, in bytes.
    fn memory_bytes(&self) -> u64;

    /// Processor time of the last `save`, or of the call that it was stopped in, in nanoseconds.
    fn spent_ns(&self) -> u64 {
        0
    }
}
