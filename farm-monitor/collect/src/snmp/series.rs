//! One series of a target: declared once, its values handed in with what is to be said of its counter.

use super::counter::{Counter, Reading};
use crate::engine::MAX_TARGET_SERIES;
use crate::module::{CollectError, Run};
use hedgerow_model::{Kind, Labels, Life, Mark, Name, SeriesDef, SeriesId, SeriesKey, UnixMillis, Value};
use hedgerow_snmp::Counts;
use hedgerow_snmp::Value as Raw;
use hedgerow_snmp_profile::number::NoValue;
use hedgerow_snmp_profile::profile::Object;
use hedgerow_snmp_profile::row::Row;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// What all series of one target have in common.
#[derive(Debug, Clone)]
pub(super) struct Base {
    pub cluster: Name,
    pub node: Name,
    pub source: String,
    pub interval: Duration,
    pub lifetime: Option<Duration>,
}

/// One run, as the parts of the module see it.
pub(super) struct Out<'a> {
    pub run: &'a mut dyn Run,
    pub counts: &'a Counts,
    pub time: UnixMillis,
    /// The agent's sysUpTime now.
    pub up_time: Option<u32>,
    /// Now, in milliseconds of a clock that does not jump.
    pub at_ms: i64,
    /// Values of a wrong type, by object: the first, and how many.
    wrong: BTreeMap<String, (String, usize)>,
    /// Series that another object writes already.
    clashes: BTreeMap<String, usize>,
    /// Series past the bound of a target.
    too_many: usize,
}

/// One series, from run to run.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub id: Option<SeriesId>,
    /// Its row has another description than when it was declared.
    pub redescribed: bool,
    /// Its value comes from another row than last time.
    pub moved: bool,
    /// The column it came from last.
    from: Option<usize>,
    /// It once was a fraction: whole numbers are, too, so that its column stays one.
    float: bool,
    counter: Counter,
}

/// A value as it was read.
#[derive(Debug)]
pub(super) struct Seen {
    value: Value,
    /// Of a counter: as the agent counts, before it was scaled, and whether it counts in 64 bits.
    count: Option<(u64, bool)>,
    /// The row's counters last jumped then.
    jumped: Option<u32>,
    /// It cannot grow by more in a second.
    fastest: Option<f64>,
    from: usize,
}

impl Seen {
    /// Which column it is from.
    pub fn from(self, from: usize) -> Self {
        Self { from, ..self }
    }
}

impl<'a> Out<'a> {
    pub fn new(run: &'a mut dyn Run, counts: &'a Counts, up_time: Option<u32>, at_ms: i64) -> Self {
        let time = run.started();
        Self {
            run,
            counts,
            time,
            up_time,
            at_ms,
            wrong: BTreeMap::new(),
            clashes: BTreeMap::new(),
            too_many: 0,
        }
    }

    pub fn seen(&self, raw: &Raw, value: Value, jumped: Option<u32>, fastest: Option<f64>) -> Seen {
        Seen { value, count: count(raw), jumped, fastest, from: 0 }
    }

    /// A value that its object cannot have.
    pub fn wrong(&mut self, object: &Object, place: &dyn Fn() -> String, why: &NoValue) {
        self.counts.wrong_type.add_one();
        let first = || (format!("{} {why}", place()), 0);
        self.wrong.entry(object.name.clone()).or_insert_with(first).1 += 1;
    }

    pub fn end(&mut self, series: Vec<SeriesId>, reason: &str) {
        if !series.is_empty() {
            self.run.set_life(&series, Life::Ended, reason);
        }
    }

    /// Says what was gathered of problems.
    pub fn finish(self) {
        for (object, (first, many)) in self.wrong {
            let more = if many > 1 { format!(" (and {} more of it)", many - 1) } else { String::new() };
            self.run.part_failed(&object, CollectError::BadAnswer(format!("{first}{more}")));
        }
        for (object, many) in self.clashes {
            let what = format!("{many} series are written by another object already: left out");
            self.run.part_failed(&object, CollectError::Failed(what));
        }
        if self.too_many > 0 {
            let what =
                format!("left out: {} series more than the {MAX_TARGET_SERIES} of a target", self.too_many);
            self.run.part_failed("series", CollectError::Failed(what));
        }
    }
}

impl Slot {
    /// Hands in a value, under a declaration that is made where it is new or has changed.
    pub fn push(
        &mut self,
        out: &mut Out<'_>,
        base: &Base,
        taken: &mut HashSet<SeriesId>,
        object: &Object,
        (labels, description): (&Labels, &str),
        seen: Seen,
    ) {
        if self.id.is_none() || self.redescribed {
            self.declare(out, base, taken, object, (labels, description));
        }
        let Some(id) = self.id else { return };
        let last_from = self.from.replace(seen.from);
        let moved = std::mem::take(&mut self.moved) | last_from.is_some_and(|at| at != seen.from);
        let mark = match object.kind {
            // The series may have values from before: of a row that had gone, of an earlier start of the farm. What
            // the counter did since then nobody has seen.
            Kind::Counter if last_from.is_none() => {
                self.judge(out, object, &seen, moved);
                Some(Mark::Discontinuity)
            }
            Kind::Counter => self.judge(out, object, &seen, moved),
            _ => None,
        };
        let value = match seen.value {
            // No text would mean: as before.
            Value::State(code, None) => Value::State(code, Some(Arc::from(code.to_string()))),
            #[expect(clippy::cast_precision_loss, reason = "beside fractions a whole number is one, too")]
            Value::I64(whole) if self.float && object.kind == Kind::Gauge => Value::F64(whole as f64),
            value => value,
        };
        self.float |= matches!(value, Value::F64(_));
        out.run.push(id, out.time, value, mark);
    }

    fn judge(&mut self, out: &Out<'_>, object: &Object, seen: &Seen, moved: bool) -> Option<Mark> {
        let (value, wide) = seen.count?;
        let mark = self.counter.judge(&Reading {
            value,
            wide,
            at_ms: out.at_ms,
            up_time: out.up_time,
            jumped: seen.jumped,
            fastest: seen.fastest,
            moved,
        });
        match mark {
            // Its series goes round elsewhere than at 2^32.
            Some(Mark::Wrap32 | Mark::Wrap64) if !object.scale.is_plain() => Some(Mark::Discontinuity),
            mark => mark,
        }
    }

    fn declare(
        &mut self,
        out: &mut Out<'_>,
        base: &Base,
        taken: &mut HashSet<SeriesId>,
        object: &Object,
        (labels, description): (&Labels, &str),
    ) {
        if self.id.is_none() && taken.len() >= MAX_TARGET_SERIES {
            out.too_many += 1;
            return;
        }
        let described = match (&*object.description, description) {
            (of_object, "") => of_object.to_owned(),
            ("", of_row) => of_row.to_owned(),
            (of_object, of_row) => format!("{of_object}: {of_row}"),
        };
        let def = SeriesDef {
            key: SeriesKey {
                cluster: base.cluster.clone(),
                node: base.node.clone(),
                parameter: object.parameter.clone(),
                labels: labels.clone(),
            },
            kind: object.kind,
            unit: object.unit.clone(),
            source: base.source.clone(),
            interval: Some(base.interval),
            lifetime: base.lifetime,
            description: described,
        };
        let Some(id) = out.run.series(&def) else { return };
        if self.id.is_none() && !taken.insert(id) {
            *out.clashes.entry(object.name.clone()).or_insert(0) += 1;
            return;
        }
        (self.id, self.redescribed) = (Some(id), false);
    }
}

/// The value of an object, from what the agent says. `None` where it says that it has none.
///
/// # Errors
/// The agent's value is of a type that the object cannot have.
pub(super) fn value_of(object: &Object, raw: &Raw, row: &dyn Row) -> Result<Option<Value>, NoValue> {
    if object.kind == Kind::Counter && !raw.is_exception() && count(raw).is_none() {
        return Err(NoValue::NoNumber(raw.kind().as_str()));
    }
    object.value(raw, row)
}

/// The count of a counter, and whether it has 64 bits. A text that holds digits is no counter.
fn count(raw: &Raw) -> Option<(u64, bool)> {
    match raw {
        Raw::Counter32(count) | Raw::Gauge32(count) | Raw::UInteger32(count) | Raw::TimeTicks(count) => {
            Some((u64::from(*count), false))
        }
        Raw::Integer(count) => Some((u64::try_from(*count).ok()?, false)),
        Raw::Counter64(count) => Some((*count, true)),
        Raw::Opaque(_) => Some((raw.as_opaque_counter64().or_else(|| raw.as_opaque_u64())?, true)),
        _ => None,
    }
}
