//! What goes out: declared series, their samples, alarms, actions. Samples leave together at the end of a call, as columns.

mod declared;

use crate::host::{self, OutputDef};
use crate::{Alarm, Batch, Column, Kind, Level, Millis, Series, SeriesHandle};
use declared::Declared;

/// A series that the filter makes. Not to be kept in a state: declare it again.
///
/// Where the farm refused the declaration (it says why in the log), what is emitted for it goes nowhere.
/// The default goes nowhere either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Output(Option<u32>);

/// Where a filter's effects go. Given to every call.
#[derive(Debug, Default)]
pub struct Out {
    pub(crate) series: Vec<Option<Series>>,
    declared: Declared,
    numbers: Column<f64>,
    integers: Column<i64>,
    states: Column<i64>,
    state_texts: Vec<String>,
    texts: Column<String>,
}

impl Out {
    /// A series that the filter was told of, however long ago.
    pub fn series(&self, series: SeriesHandle) -> Option<&Series> {
        self.series.get(series as usize)?.as_ref()
    }

    /// All series that the filter was told of.
    pub fn all_series(&self) -> impl Iterator<Item = &Series> {
        self.series.iter().flatten()
    }

    /// Declares a series of numbers that go up and down.
    pub fn gauge<'a>(&'a mut self, node: &str, parameter: &str) -> Declare<'a> {
        self.output(node, parameter, Kind::Gauge)
    }

    /// Declares a series of numbers that only grow.
    pub fn counter<'a>(&'a mut self, node: &str, parameter: &str) -> Declare<'a> {
        self.output(node, parameter, Kind::Counter)
    }

    /// Declares a series of states: codes with a text.
    pub fn state<'a>(&'a mut self, node: &str, parameter: &str) -> Declare<'a> {
        self.output(node, parameter, Kind::State)
    }

    /// Declares a series of texts.
    pub fn texts<'a>(&'a mut self, node: &str, parameter: &str) -> Declare<'a> {
        self.output(node, parameter, Kind::Text)
    }

    fn output<'a>(&'a mut self, node: &str, parameter: &str, kind: Kind) -> Declare<'a> {
        let (unit, description) = (String::new(), String::new());
        let def = OutputDef {
            node: node.into(),
            parameter: parameter.into(),
            labels: Vec::new(),
            kind,
            unit,
            description,
        };
        Declare { out: self, def }
    }

    /// Emits a number.
    pub fn number(&mut self, output: Output, time: Millis, value: f64) {
        push(&mut self.numbers, output, time, value);
    }

    /// Emits an integer; of a counter the bits of a u64.
    pub fn integer(&mut self, output: Output, time: Millis, value: i64) {
        push(&mut self.integers, output, time, value);
    }

    /// Emits a state: its code, and a text for it.
    pub fn state_of(&mut self, output: Output, time: Millis, code: i64, text: &str) {
        if push(&mut self.states, output, time, code) {
            self.state_texts.push(text.into());
        }
    }

    /// Emits a text.
    pub fn text(&mut self, output: Output, time: Millis, value: &str) {
        push(&mut self.texts, output, time, value.into());
    }

    /// A line for `hedgerow filter logs`, as it is. The macros [`info!`](crate::info) and the others put values into it, with 3 kB of code.
    pub fn log(&mut self, level: Level, line: &str) {
        host::log(level, line);
    }

    /// Raises, changes or confirms an alarm. Takes [`Capability::Alarms`](crate::Capability::Alarms).
    pub fn raise(&mut self, alarm: &Alarm) {
        host::raise(alarm);
    }

    /// Clears an alarm, saying why; nothing where there is none. As [`raise`](Self::raise).
    pub fn clear(&mut self, key: &str, why: &str) {
        host::clear(key, why);
    }

    /// Asks for an action that the farm's configuration names, with its arguments as a JSON object. It runs, if at all, after
    /// the call. Takes [`Capability::Actions`](crate::Capability::Actions).
    ///
    /// # Errors
    /// Why it will not run, as far as that follows from what is stored: it is not granted to the deployment, its arguments are no
    /// JSON object or have more than 64 KiB, or this call has asked for 100 already. Whether the farm has such an action, takes
    /// these arguments, and how often it may run is in its configuration, which may change: that is judged behind the call, and
    /// said in the log.
    pub fn ask(&mut self, action: &str, arguments: &str) -> Result<(), String> {
        host::ask(action, arguments)
    }

    /// Samples with `since` <= time < `until` that the filter has been given, as one batch in which a series may come more
    /// than once. Takes [`Capability::History`](crate::Capability::History).
    ///
    /// # Errors
    /// More than 65,536, or the farm has them no longer.
    pub fn history(
        &mut self,
        series: &[SeriesHandle],
        since: Millis,
        until: Millis,
    ) -> Result<Batch, String> {
        host::history(series, since, until)
    }

    /// Tells of series: from now on they can be asked for.
    pub(crate) fn learn(&mut self, series: &[Series]) {
        for one in series {
            let at = one.handle as usize;
            if at >= self.series.len() {
                self.series.resize(at + 1, None);
            }
            self.series[at] = Some(one.clone());
        }
    }

    /// Gives the farm what was emitted.
    pub(crate) fn flush(&mut self) {
        if !self.numbers.is_empty() {
            host::emit_numbers(&shared(&mut self.numbers));
        }
        if !self.integers.is_empty() {
            host::emit_integers(&shared(&mut self.integers));
        }
        if !self.states.is_empty() {
            host::emit_states(&shared(&mut self.states), &std::mem::take(&mut self.state_texts));
        }
        if !self.texts.is_empty() {
            host::emit_texts(&shared(&mut self.texts));
        }
    }
}

/// Whether it goes anywhere.
fn push<T>(column: &mut Column<T>, output: Output, time: Millis, value: T) -> bool {
    let Output(Some(handle)) = output else { return false };
    column.series.push(handle);
    column.times.push(time);
    column.values.push(value);
    true
}

/// Takes the column, with a single time where all are the same.
fn shared<T>(column: &mut Column<T>) -> Column<T> {
    let mut column = std::mem::take(column);
    if column.times.windows(2).all(|pair| pair[0] == pair[1]) {
        column.times.truncate(1);
    }
    column
}

/// A series that is being declared. Ends with [`declare`](Self::declare).
#[derive(Debug)]
#[must_use]
pub struct Declare<'a> {
    out: &'a mut Out,
    def: OutputDef,
}

impl Declare<'_> {
    /// Its unit, in UCUM: `s`, `By`, `1` for ratios.
    pub fn unit(mut self, unit: &str) -> Self {
        self.def.unit = unit.into();
        self
    }

    /// A label, at most 16.
    pub fn label(mut self, key: &str, value: &str) -> Self {
        let at = self.def.labels.partition_point(|(other, _)| other.as_str() < key);
        self.def.labels.insert(at, (key.into(), value.into()));
        self
    }

    /// The labels of a series that is read.
    pub fn labels_of(mut self, series: &Series) -> Self {
        self.def.labels.clone_from(&series.labels);
        self
    }

    /// For people.
    pub fn describe(mut self, description: &str) -> Self {
        self.def.description = description.into();
        self
    }

    /// Declares it, or finds it where it was declared before. Where the farm refuses, the log says why.
    pub fn declare(self) -> Output {
        let Declare { out, def } = self;
        if let Some(output) = out.declared.find(&def) {
            return output;
        }
        let output = Output(
            host::declare(&def)
                .map_err(|why| {
                    let why = ["no series ", &def.node, "/", &def.parameter, ": ", &why].concat();
                    host::log(Level::Warning, &why);
                })
                .ok(),
        );
        out.declared.put(def, output);
        output
    }
}
