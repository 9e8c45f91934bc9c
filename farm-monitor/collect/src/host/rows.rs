//! What has been declared: a row for each item of a family (an interface, a mount point), a slot for each parameter.
//! Keeps series ids and the last counter, so that a run declares nothing twice and marks what ran back.

use super::files::Skipped;
use super::parameters::{Family, Parameter};
use crate::module::{CollectError, Run};
use hedgerow_model::{
    Labels, Life, Mark, Name, SeriesDef, SeriesId, SeriesKey, UnixMillis, Value, labels, name,
};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// What all series of one target have in common.
#[derive(Debug, Clone)]
pub(super) struct Base {
    pub cluster: Name,
    pub node: Name,
    pub labels: Vec<(String, String)>,
    pub period: Duration,
    pub lifetime: Option<Duration>,
}

/// One run, as the parts of the module see it.
pub(super) struct Out<'a> {
    pub run: &'a mut dyn Run,
    pub base: &'a Base,
    pub time: UnixMillis,
    /// The machine has started anew since the last run: all counters have.
    pub rebooted: bool,
    /// The kernel counts in words of 32 bits.
    pub narrow: bool,
    /// How many files could be read.
    pub answers: usize,
}

impl Out<'_> {
    pub fn failed(&mut self, part: &str, error: CollectError) {
        self.run.part_failed(part, error);
    }

    /// Takes the outcome of reading a file: its text, or the failure told. `optional` files may be absent.
    pub fn read<T>(&mut self, file: &str, text: io::Result<T>, optional: bool) -> Option<T> {
        match text {
            Ok(text) => {
                self.answers += 1;
                Some(text)
            }
            Err(error) => {
                // A kernel can have a file and refuse to fill it: pressure that is switched off.
                let absent = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::Unsupported);
                if !(optional && absent) {
                    self.failed(file, super::files::failure(file, &error));
                }
                None
            }
        }
    }

    /// Tells of the lines that were not understood; whether there were none.
    pub fn understood(&mut self, file: &str, skipped: &Skipped) -> bool {
        if let Some(error) = skipped.failure(file) {
            self.failed(file, error);
        }
        skipped.lines == 0
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Last {
    None,
    Count(u64),
    Seconds(f64),
    State(i64),
}

#[derive(Debug, Clone)]
struct Slot {
    id: Option<SeriesId>,
    last: Last,
    /// Time of the last sample.
    fed: UnixMillis,
    /// Said to be stale since.
    stale: bool,
}

/// One item of a family.
#[derive(Debug)]
pub(super) struct Row<E> {
    family: Family,
    /// `None` where the item cannot be a label: the row stays empty.
    labels: Option<Labels>,
    interval: Duration,
    slots: Box<[Slot]>,
    seen: u64,
    /// What the family keeps of an item beside its series.
    pub extra: E,
    /// The item's counters have begun anew (an interface made again); for one run.
    pub renewed: bool,
}

impl<E> Row<E> {
    fn slot(&mut self, out: &mut Out<'_>, at: usize) -> Option<(SeriesId, &mut Slot, &'static Parameter)> {
        let (slot, parameter) = (self.slots.get_mut(at)?, self.family.get(at)?);
        if slot.id.is_none() {
            let def = SeriesDef {
                key: SeriesKey {
                    cluster: out.base.cluster.clone(),
                    node: out.base.node.clone(),
                    parameter: Name::new(parameter.name).ok()?,
                    labels: self.labels.clone()?,
                },
                kind: parameter.kind,
                unit: parameter.unit.to_owned(),
                source: "host".to_owned(),
                interval: Some(self.interval),
                lifetime: out.base.lifetime,
                description: parameter.meaning.to_owned(),
            };
            slot.id = out.run.series(&def);
        }
        (slot.fed, slot.stale) = (out.time, false);
        slot.id.map(|id| (id, slot, parameter))
    }

    fn put(&mut self, out: &mut Out<'_>, at: usize, value: Value) {
        if let Some((id, _, _)) = self.slot(out, at) {
            out.run.push(id, out.time, value, None);
        }
    }

    /// A gauge of whole numbers.
    pub fn gauge(&mut self, out: &mut Out<'_>, at: impl Into<usize>, value: u64) {
        self.put(out, at.into(), Value::I64(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    /// A gauge.
    pub fn measure(&mut self, out: &mut Out<'_>, at: impl Into<usize>, value: f64) {
        self.put(out, at.into(), Value::F64(value));
    }

    /// The share `part / whole`; nothing where there is no whole.
    pub fn share(&mut self, out: &mut Out<'_>, at: impl Into<usize>, part: u64, whole: u64) {
        if whole > 0 {
            self.put(out, at.into(), Value::F64((float(part) / float(whole)).clamp(0.0, 1.0)));
        }
    }

    /// A state; its text goes with it when it changes.
    pub fn state(&mut self, out: &mut Out<'_>, at: impl Into<usize>, code: i64, text: &str) {
        if let Some((id, slot, _)) = self.slot(out, at.into()) {
            let text = (slot.last != Last::State(code)).then(|| Arc::from(text));
            slot.last = Last::State(code);
            out.run.push(id, out.time, Value::State(code, text), None);
        }
    }

    /// A counter of whole numbers.
    pub fn count(&mut self, out: &mut Out<'_>, at: impl Into<usize>, value: u64) {
        let renewed = self.renewed;
        if let Some((id, slot, parameter)) = self.slot(out, at.into()) {
            let mark = match slot.last {
                Last::Count(_) if out.rebooted || renewed => Some(Mark::Reset),
                Last::Count(last) => judge(last, value, parameter.kernel_word && out.narrow),
                _ => None,
            };
            slot.last = Last::Count(value);
            out.run.push(id, out.time, Value::counter(value), mark);
        }
    }

    /// A counter of seconds. One that runs back by `slack` or less is the kernel's accounting out of step (idle and
    /// iowait do that): the last value holds until it is passed.
    pub fn seconds(&mut self, out: &mut Out<'_>, at: impl Into<usize>, value: f64, slack: f64) {
        let renewed = self.renewed;
        if let Some((id, slot, _)) = self.slot(out, at.into()) {
            let (value, mark) = match slot.last {
                Last::Seconds(_) if out.rebooted || renewed => (value, Some(Mark::Reset)),
                Last::Seconds(last) if last - value > slack => (value, Some(Mark::Reset)),
                Last::Seconds(last) => (value.max(last), None),
                _ => (value, None),
            };
            slot.last = Last::Seconds(value);
            out.run.push(id, out.time, Value::F64(value), mark);
        }
    }

    /// All series of the row that are fed from what is silent now are stale; said once, until the next sample.
    pub fn stale(&mut self, out: &mut Out<'_>, reason: &str) {
        let mut series = Vec::new();
        for slot in self.slots.iter_mut().filter(|slot| slot.fed != out.time && !slot.stale) {
            slot.stale = true;
            series.extend(slot.id);
        }
        if !series.is_empty() {
            out.run.set_life(&series, Life::Stale, reason);
        }
    }

    /// Its series, as far as they are declared.
    fn series(&self) -> impl Iterator<Item = SeriesId> {
        self.slots.iter().filter_map(|slot| slot.id)
    }
}

/// How a counter that may have run back is judged. A word of 32 bits has wrapped where that makes the smaller step.
fn judge(last: u64, value: u64, narrow: bool) -> Option<Mark> {
    const WRAP: u64 = 1 << 32;
    if value >= last {
        None
    } else if narrow && last < WRAP && WRAP - last + value < WRAP / 2 {
        Some(Mark::Wrap32)
    } else {
        Some(Mark::Reset)
    }
}

/// The rows of a family.
#[derive(Debug)]
pub(super) struct Rows<E> {
    family: Family,
    every: u32,
    round: u64,
    rows: HashMap<String, Row<E>>,
}

impl<E: Default> Rows<E> {
    pub fn new(family: Family) -> Self {
        Self::every(family, 1)
    }

    /// Rows that get samples each `every` runs only.
    pub fn every(family: Family, every: u32) -> Self {
        Self { family, every, round: 1, rows: HashMap::new() }
    }

    /// The row of an item; empty: the row without item. A new one is made.
    pub fn row(&mut self, out: &mut Out<'_>, item: &str) -> &mut Row<E> {
        if !self.rows.contains_key(item) {
            self.rows.insert(item.to_owned(), self.make(out, item));
        }
        let row = self.rows.get_mut(item).expect("invariant: the row was made above");
        row.seen = self.round;
        if let (None, Err(error)) = (&row.labels, name::check(item)) {
            out.failed(item, CollectError::BadAnswer(format!("its name {error}")));
        }
        row
    }

    fn make(&self, out: &Out<'_>, item: &str) -> Row<E> {
        let item = (!item.is_empty()).then_some((labels::ITEM, item));
        let all = out.base.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).chain(item);
        Row {
            family: self.family,
            labels: Labels::new(all).ok(),
            interval: out.base.period * self.every,
            slots: vec![
                Slot { id: None, last: Last::None, fed: UnixMillis::MIN, stale: false };
                self.family.len()
            ]
            .into(),
            seen: self.round,
            extra: E::default(),
            renewed: false,
        }
    }

    /// Whether the item has a row.
    pub fn has(&self, item: &str) -> bool {
        self.rows.contains_key(item)
    }

    /// Ends the series of all items that were not seen since the last sweep.
    pub fn sweep(&mut self, out: &mut Out<'_>, reason: &str) {
        let round = self.round;
        let mut gone = Vec::new();
        self.rows.retain(|_, row| {
            if row.seen < round {
                gone.extend(row.series());
            }
            row.seen >= round
        });
        self.round += 1;
        if !gone.is_empty() {
            gone.sort_unstable();
            out.run.set_life(&gone, Life::Ended, reason);
        }
    }
}

/// A whole number as f64; above 2^53 to the nearest.
#[expect(clippy::cast_precision_loss, reason = "shares and scaled counts need no more than 53 bits")]
pub(super) fn float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_wraps_only_where_the_kernel_is_narrow_and_the_step_small() {
        let near = u64::from(u32::MAX) - 10;
        assert_eq!(judge(5, 5, true), None);
        assert_eq!(judge(near, 4, true), Some(Mark::Wrap32));
        assert_eq!(judge(near, 4, false), Some(Mark::Reset));
        assert_eq!(judge(1000, 4, true), Some(Mark::Reset), "from 1000 to 4 is a restart");
        assert_eq!(judge(near + (1 << 33), 4, true), Some(Mark::Reset), "it was wider than 32 bits before");
        assert_eq!(judge(u64::MAX, 0, true), Some(Mark::Reset));
    }
}
