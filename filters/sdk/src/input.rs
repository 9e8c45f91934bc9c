//! What comes in: series, batches of their samples, changes of their life, gaps. Plain data; nothing is decided here.

/// A series that a filter reads. Dense from 0, and the same for as long as the deployment keeps its state.
pub type SeriesHandle = u32;

/// Unix milliseconds.
pub type Millis = i64;

/// What the values of a series mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number that goes up and down.
    Gauge,
    /// A number that only grows. Filters get its increase per second, unless they ask otherwise.
    Counter,
    /// A code, and a text for it.
    State,
    /// Free text.
    Text,
}

/// A series, as it is declared. Names are raw: without the escapes of path text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// What samples of it are marked with.
    pub handle: SeriesHandle,
    /// The first level below the farm: `hosts`, `net`, …
    pub cluster: String,
    /// The second: a machine, a switch, …
    pub node: String,
    /// The third: what is measured.
    pub parameter: String,
    /// Sorted pairs of key and value; mostly none. `item` names the row of a device.
    pub labels: Vec<(String, String)>,
    /// What its values mean.
    pub kind: Kind,
    /// UCUM; a counter in `By` read as a rate has `By/s`. Empty: none.
    pub unit: String,
    /// A sample is expected every so many milliseconds; 0: its source does not say.
    pub interval_ms: u64,
    /// For people.
    pub description: String,
}

impl Series {
    /// `cluster/node/parameter[labels]`, for people: names are not escaped.
    pub fn path(&self) -> String {
        let mut path = [&*self.cluster, "/", &self.node, "/", &self.parameter].concat();
        for (at, (key, value)) in self.labels.iter().enumerate() {
            path.push(if at == 0 { '[' } else { ',' });
            if key != "item" {
                path.push_str(key);
                path.push('=');
            }
            path.push_str(value);
        }
        if !self.labels.is_empty() {
            path.push(']');
        }
        path
    }
}

/// Samples of one type of value, as columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Column<T> {
    /// Whose.
    pub series: Vec<SeriesHandle>,
    /// When: one entry a sample, or a single one for all.
    pub times: Vec<Millis>,
    /// What.
    pub values: Vec<T>,
}

impl<T> Default for Column<T> {
    fn default() -> Self {
        Self { series: Vec::new(), times: Vec::new(), values: Vec::new() }
    }
}

/// One sample of a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample<T> {
    /// Whose.
    pub series: SeriesHandle,
    /// When.
    pub time: Millis,
    /// What.
    pub value: T,
}

impl<T> Column<T> {
    /// The samples, in order.
    pub fn iter(&self) -> impl Iterator<Item = Sample<&T>> {
        let shared = (self.times.len() == 1).then(|| self.times[0]);
        let rows = self.series.iter().zip(&self.values).enumerate();
        rows.filter_map(move |(row, (&series, value))| {
            let time = shared.or_else(|| self.times.get(row).copied())?;
            Some(Sample { series, time, value })
        })
    }

    /// How many samples.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

/// What was seen at a sample of a counter that is read raw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Went past 2^32 and began again: the increase is known.
    Wrap32,
    /// Went past 2^64 and began again: the increase is known.
    Wrap64,
    /// Began again from 0: the increase is unknown.
    Reset,
    /// The source says that the value may have jumped: the increase is unknown.
    Discontinuity,
}

/// What the farm accepted at once, as far as the filter's predicates match it. Each series comes at most once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    /// Floating-point numbers; among them rates and increases of counters.
    pub numbers: Column<f64>,
    /// Integers of gauges, codes of states, and raw counters (the bits of a u64).
    pub integers: Column<i64>,
    /// Texts.
    pub texts: Column<String>,
    /// The text of a state's code, where it changed.
    pub state_texts: Vec<(SeriesHandle, String)>,
    /// Where raw counters wrapped or began anew.
    pub marks: Vec<(SeriesHandle, Mark)>,
    /// From before the deployment came to be.
    pub look_back: bool,
}

impl Batch {
    /// Everything that is a number, floats first: what most filters want.
    pub fn numeric(&self) -> impl Iterator<Item = Sample<f64>> {
        let floats = self.numbers.iter().map(|s| Sample { series: s.series, time: s.time, value: *s.value });
        let whole = self.integers.iter();
        floats.chain(whole.map(|s| Sample { series: s.series, time: s.time, value: *s.value as f64 }))
    }

    /// The newest time of any sample in it.
    pub fn newest(&self) -> Option<Millis> {
        let times = [&self.numbers.times, &self.integers.times, &self.texts.times];
        times.into_iter().flatten().copied().max()
    }
}

/// Whether the last value of a series still speaks for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It does.
    Live,
    /// Three expected samples were missed, or the source says that it cannot be read.
    Stale,
    /// Gone for longer than its life time, or the source says that it is no more.
    Ended,
}

/// A change in a series' life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifeChange {
    /// Whose.
    pub series: SeriesHandle,
    /// To what.
    pub life: Life,
    /// When.
    pub time: Millis,
    /// For people.
    pub reason: String,
}

/// Why samples do not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapReason {
    /// The farm keeps them no longer: the filter was behind, or away, for longer than that.
    Retention,
    /// The filter was further behind than its bound.
    Lag,
    /// The farm lost them: a crash, a full disk, a damaged block.
    Lost,
}

/// Samples that matched, or may have, and that will not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Why.
    pub reason: GapReason,
    /// How many; none: nobody knows.
    pub count: Option<u64>,
}
