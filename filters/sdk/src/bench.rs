//! Runs a filter natively, for tests: the same code, no WASM. Only for tests; one bench a thread.

use crate::guest::{self, Running};
use crate::host::{self, Record};
use crate::{
    Alarm, Batch, Column, Description, Filter, Gap, Kind, Level, Life, LifeChange, Millis, Series,
    SeriesHandle,
};

/// A filter on a bench: give it series and batches, look at what it does.
///
/// ```
/// # use hedgerow_filter::*;
/// # struct Twice;
/// # impl Filter for Twice {
/// #     type Settings = ();
/// #     fn settings(_: &mut Parameters) {}
/// #     fn describe(_: &()) -> Result<Description, String> {
/// #         Ok(Description::new("twice", "1.0.0", "Twice as much.").on(&["*"]))
/// #     }
/// #     fn configure(_: (), _: Option<&mut Load>) -> Result<Self, String> { Ok(Twice) }
/// #     fn on_batch(&mut self, batch: &Batch, out: &mut Out) {
/// #         for sample in batch.numeric() {
/// #             let output = out.gauge("a", "twice").declare();
/// #             out.number(output, sample.time, sample.value * 2.0);
/// #         }
/// #     }
/// # }
/// let mut bench = Bench::<Twice>::new("{}").unwrap();
/// let a = bench.series("hosts", "a", "load");
/// assert_eq!(bench.batch(1_000, &[(a, 1.5)]).value("a", "twice"), Some(3.0));
/// bench.restart(); // save, and go on from there
/// assert_eq!(bench.batch(2_000, &[(a, 2.0)]).value("a", "twice"), Some(4.0));
/// ```
#[derive(Debug)]
pub struct Bench<F> {
    parameters: String,
    running: Running<F>,
    next: SeriesHandle,
}

/// What a filter did in one call.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Seen {
    /// What it emitted: numbers, integers, states, texts, each in order.
    pub emitted: Vec<Emitted>,
    /// Alarms that it raised.
    pub raised: Vec<Alarm>,
    /// Alarms that it cleared: key, and why.
    pub cleared: Vec<(String, String)>,
    /// Actions that it asked for: name, and arguments.
    pub asked: Vec<(String, String)>,
    /// What it logged.
    pub logs: Vec<(Level, String)>,
}

/// A sample that a filter emitted.
#[derive(Debug, Clone, PartialEq)]
pub struct Emitted {
    /// Of which node.
    pub node: String,
    /// Of which parameter.
    pub parameter: String,
    /// Sorted by key.
    pub labels: Vec<(String, String)>,
    /// Of which kind.
    pub kind: Kind,
    /// UCUM.
    pub unit: String,
    /// When.
    pub time: Millis,
    /// The number, integer, or code; not a number where it is a text.
    pub value: f64,
    /// The text, also of a state.
    pub text: String,
}

impl Seen {
    /// The last value of an output without labels.
    pub fn value(&self, node: &str, parameter: &str) -> Option<f64> {
        self.labelled(node, parameter, &[])
    }

    /// The last value of an output.
    pub fn labelled(&self, node: &str, parameter: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let same = |emitted: &&Emitted| {
            let these = emitted.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
            emitted.node == node && emitted.parameter == parameter && these.eq(labels.iter().copied())
        };
        self.emitted.iter().rev().find(same).map(|emitted| emitted.value)
    }

    /// The last text of an output without labels.
    pub fn text(&self, node: &str, parameter: &str) -> Option<&str> {
        let same = |emitted: &&Emitted| emitted.node == node && emitted.parameter == parameter;
        self.emitted.iter().rev().find(same).map(|emitted| emitted.text.as_str())
    }

    /// Whether it did nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl<F: Filter> Bench<F> {
    /// A filter with these parameters, a JSON object.
    ///
    /// # Errors
    /// What the filter says of them.
    pub fn new(parameters: &str) -> Result<Self, String> {
        _ = Self::describe(parameters)?;
        host::record(|record| *record = Record::default());
        let running = Running::configure(parameters, None)?;
        Ok(Self { parameters: parameters.into(), running, next: 0 })
    }

    /// The description with these parameters, and the schema of the parameters.
    ///
    /// # Errors
    /// What the filter says of them.
    pub fn describe(parameters: &str) -> Result<(Description, String), String> {
        guest::describe::<F>(parameters)
    }

    /// Tells the filter of a gauge, and gives its handle.
    pub fn series(&mut self, cluster: &str, node: &str, parameter: &str) -> SeriesHandle {
        self.series_with(cluster, node, parameter, |_| ())
    }

    /// Tells the filter of a series, which `change` changes before: unit, labels, kind, interval.
    pub fn series_with(
        &mut self,
        cluster: &str,
        node: &str,
        parameter: &str,
        change: impl FnOnce(&mut Series),
    ) -> SeriesHandle {
        let mut series = Series {
            handle: self.next,
            cluster: cluster.into(),
            node: node.into(),
            parameter: parameter.into(),
            labels: Vec::new(),
            kind: Kind::Gauge,
            unit: String::new(),
            interval_ms: 10_000,
            description: String::new(),
        };
        change(&mut series);
        self.next += 1;
        self.running.series(&[series]);
        self.next - 1
    }

    /// Gives it numbers that were all taken at one time.
    pub fn batch(&mut self, time: Millis, samples: &[(SeriesHandle, f64)]) -> Seen {
        self.whole_batch(&Batch {
            numbers: Column {
                series: samples.iter().map(|(series, _)| *series).collect(),
                times: vec![time],
                values: samples.iter().map(|(_, value)| *value).collect(),
            },
            ..Batch::default()
        })
    }

    /// Gives it a batch of whatever kind.
    pub fn whole_batch(&mut self, batch: &Batch) -> Seen {
        host::record(|record| {
            host::append(&mut record.past.numbers, &batch.numbers);
            host::append(&mut record.past.integers, &batch.integers);
            host::append(&mut record.past.texts, &batch.texts);
        });
        self.running.batch(batch);
        seen()
    }

    /// Tells it what happened to a series.
    pub fn life(&mut self, series: SeriesHandle, life: Life, time: Millis) -> Seen {
        self.running.life(&[LifeChange { series, life, time, reason: "no samples".into() }]);
        seen()
    }

    /// Tells it that samples are missing.
    pub fn gap(&mut self, gap: Gap) -> Seen {
        self.running.gap(gap);
        seen()
    }

    /// Tells it that the time has come.
    pub fn tick(&mut self, time: Millis) -> Seen {
        self.running.tick(time);
        seen()
    }

    /// Stops it, and goes on in a new one from what it saved: nothing that it does afterwards may differ. Gives the size of
    /// the state, in bytes.
    ///
    /// # Panics
    /// Where the filter does not take back what it saved.
    pub fn restart(&mut self) -> usize {
        let parameters = self.parameters.clone();
        self.restart_with(&parameters)
    }

    /// The same with other parameters, as where it is deployed again: it has to take what it saved with those before.
    ///
    /// # Panics
    /// As [`restart`](Self::restart).
    #[expect(clippy::panic, reason = "for tests: the message is what the author has to see")]
    pub fn restart_with(&mut self, parameters: &str) -> usize {
        self.parameters = parameters.into();
        let state = self.running.save();
        // Handles of outputs are given anew, as the farm does: what is kept of them in a state is wrong.
        host::record(|record| record.declared.clear());
        match Running::configure(&self.parameters, Some(&state)) {
            Ok(running) => self.running = running,
            Err(why) => panic!("the filter refuses its own state: {why}"),
        }
        state.len()
    }
}

/// Takes what was recorded.
fn seen() -> Seen {
    host::record(|record| {
        let declared = &record.declared;
        let sample = |series: u32, time: Millis, value: f64, text: &str| {
            let def = declared.get(series as usize)?;
            Some(Emitted {
                node: def.node.clone(),
                parameter: def.parameter.clone(),
                labels: def.labels.clone(),
                kind: def.kind,
                unit: def.unit.clone(),
                time,
                value,
                text: text.into(),
            })
        };
        let numbers = record.numbers.iter().map(|s| sample(s.series, s.time, *s.value, ""));
        let integers = record.integers.iter().map(|s| sample(s.series, s.time, *s.value as f64, ""));
        let states = record.states.iter().zip(&record.state_texts);
        let states = states.map(|(s, text)| sample(s.series, s.time, *s.value as f64, text));
        let texts = record.texts.iter().map(|s| sample(s.series, s.time, f64::NAN, s.value));
        let emitted = numbers.chain(integers).chain(states).chain(texts).flatten().collect();
        record.numbers = Column::default();
        record.integers = Column::default();
        record.states = Column::default();
        record.texts = Column::default();
        record.state_texts.clear();
        Seen {
            emitted,
            raised: std::mem::take(&mut record.raised),
            cleared: std::mem::take(&mut record.cleared),
            asked: std::mem::take(&mut record.asked),
            logs: std::mem::take(&mut record.logs),
        }
    })
}
