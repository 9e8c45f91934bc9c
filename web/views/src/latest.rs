//! The last value of each matching series: tables, and the heat map of nodes.

use crate::column::{Cell, is_false, is_zero};
use crate::content::{Content, json};
use crate::coverage::Coverage;
use crate::newest::{Newest, OfNewest};
use crate::series::SeriesHead;
use crate::spec::{Refused, predicate, within};
use hedgerow_model::UnixMillis;
use serde::{Deserialize, Serialize};

/// Series of a table, where it does not say how many.
pub const DEFAULT_LIMIT: u32 = 2000;
/// Most series of a table; a matching series beyond is counted in `more`.
pub const MAX_LIMIT: u32 = 100_000;

/// What a table shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LatestSpec {
    /// Patterns, and perhaps `where …`.
    pub predicate: String,
    /// Most series, [`DEFAULT_LIMIT`] where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

impl LatestSpec {
    pub(crate) fn checked(self) -> Result<Self, Refused> {
        let limit = Some(within("limit", self.limit, DEFAULT_LIMIT, 1..=MAX_LIMIT)?);
        Ok(Self { predicate: predicate(&self.predicate)?.canonical(), limit })
    }
}

/// What a table's reader is told.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LatestFrame {
    /// All there is; else what changed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub full: bool,
    /// When it was made, Unix ms.
    pub now: UnixMillis,
    /// Series that are new or that changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<SeriesHead>,
    /// Values that are new.
    #[serde(default, skip_serializing_if = "Values::is_empty")]
    pub values: Values,
    /// Series whose value does not satisfy the constraint any more: they have none to show until another comes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<u32>,
    /// Whom it covers; absent: as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// Farms that match are still to answer for the first time.
    #[serde(default, skip_serializing_if = "is_false")]
    pub loading: bool,
    /// Matching series for which there is no room.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
}

/// Values, in columns of one length.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Values {
    /// Of which series.
    pub s: Vec<u32>,
    /// When, Unix ms.
    pub t: Vec<UnixMillis>,
    /// What.
    pub v: Vec<Cell>,
}

impl Values {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.s.is_empty()
    }

    fn push(&mut self, s: u32, time: UnixMillis, value: Cell) {
        self.s.push(s);
        self.t.push(time);
        self.v.push(value);
    }
}

/// The core of a table.
#[derive(Debug)]
pub(crate) struct Latest {
    newest: Newest,
    told: (Coverage, u64, bool),
}

impl Latest {
    pub fn new(spec: &LatestSpec) -> Result<Self, Refused> {
        let limit = spec.limit.unwrap_or(DEFAULT_LIMIT) as usize;
        Ok(Self { newest: Newest::new(&spec.predicate, limit)?, told: (Coverage::default(), 0, true) })
    }

    fn values(&self, series: impl Iterator<Item = u32>) -> (Values, Vec<u32>) {
        let (mut values, mut removed) = (Values::default(), Vec::new());
        for s in series {
            match self.newest.last(s as usize) {
                Some(last) if last.is_wanted => values.push(s, last.time, Cell::of(&last.value)),
                Some(_) => removed.push(s),
                None => {}
            }
        }
        (values, removed)
    }

    pub(crate) fn full_frame(&self, now: UnixMillis) -> LatestFrame {
        let Newest { book, farms, .. } = &self.newest;
        LatestFrame {
            full: true,
            now,
            series: (0..book.len()).filter_map(|s| book.head(s, farms)).collect(),
            values: self.values((0_u32..).take(book.len())).0,
            coverage: Some(farms.coverage(now)),
            loading: !farms.are_settled(),
            more: book.beyond(),
            ..LatestFrame::default()
        }
    }

    pub(crate) fn changed_frame(&mut self, now: UnixMillis) -> Option<LatestFrame> {
        let heads = self.newest.book.take_dirty();
        let dirty = self.newest.take_dirty();
        let Newest { book, farms, .. } = &self.newest;
        let (coverage, more, loading) = (farms.coverage(now), book.beyond(), !farms.are_settled());
        let covers_the_same = coverage.says_the_same(&self.told.0);
        if heads.is_empty()
            && dirty.is_empty()
            && covers_the_same
            && (more, loading) == (self.told.1, self.told.2)
        {
            return None;
        }
        let (values, removed) = self.values(dirty.into_iter());
        let frame = LatestFrame {
            full: false,
            now,
            series: heads.into_iter().filter_map(|s| book.head(s as usize, farms)).collect(),
            values,
            removed,
            coverage: (!covers_the_same).then(|| coverage.clone()),
            loading,
            more,
        };
        self.told = (coverage, more, loading);
        Some(frame)
    }
}

impl OfNewest for Latest {
    fn newest(&mut self) -> &mut Newest {
        &mut self.newest
    }
}

impl Content for Latest {
    fn full(&mut self, now: UnixMillis) -> String {
        json(&self.full_frame(now))
    }

    fn difference(&mut self, now: UnixMillis) -> Option<String> {
        self.changed_frame(now).map(|frame| json(&frame))
    }

    fn weight(&self) -> usize {
        self.newest.weight()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::{EPOCH, def, from, lost, opened, service};
    use hedgerow_client::sample::Samples;
    use hedgerow_client::{MeshUpdate, Update};
    use hedgerow_model::{BatchBuilder, Kind, Life, Numbered, Numbers, SeriesId, Value};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Debug, Default, PartialEq)]
    struct Reader {
        series: BTreeMap<u32, SeriesHead>,
        values: BTreeMap<u32, (UnixMillis, Cell)>,
        coverage: Option<Coverage>,
        loading: bool,
        more: u64,
    }

    impl Reader {
        fn take(&mut self, frame: LatestFrame) {
            if frame.full {
                *self = Self::default();
            }
            self.series.extend(frame.series.into_iter().map(|head| (head.s, head)));
            let Values { s, t, v } = frame.values;
            self.values.extend(s.into_iter().zip(t.into_iter().zip(v)));
            frame.removed.iter().for_each(|s| drop(self.values.remove(s)));
            if let Some(coverage) = frame.coverage {
                self.coverage = Some(Coverage { as_of: None, ..coverage });
            }
            (self.loading, self.more) = (frame.loading, frame.more);
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Value(u8, u32, i64),
        Life(u8, u32, Life),
        Lost(u8),
        Opened(u8),
        Tell,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let farm = 1..3_u8;
        let step = prop_oneof![
            4 => (farm.clone(), 1..5_u32, -3..3_i64).prop_map(|(f, s, v)| Step::Value(f, s, v)),
            1 => (farm.clone(), 1..5_u32, prop_oneof![Just(Life::Live), Just(Life::Stale)])
                .prop_map(|(f, s, life)| Step::Life(f, s, life)),
            1 => farm.clone().prop_map(Step::Lost),
            1 => farm.prop_map(Step::Opened),
            2 => Just(Step::Tell),
        ];
        prop::collection::vec(step, 0..60)
    }

    fn update(step: &Step, time: i64) -> Option<MeshUpdate> {
        let table = || {
            (1..5)
                .map(|n| def(&format!("n{n}"), Kind::Gauge))
                .collect::<hedgerow_client::series_table::SeriesTable>()
        };
        let (farm, update) = match step {
            Step::Value(farm, series, value) => {
                let mut builder = BatchBuilder::new();
                #[expect(clippy::cast_precision_loss, reason = "small")]
                builder.push(SeriesId(*series), time, Value::F64(*value as f64), None);
                let numbered = Numbered { epoch: EPOCH, numbers: Numbers::Derived, batch: builder.build() };
                (farm, Update::Samples(Samples { farm: "x".into(), numbered, series: table(), late: false }))
            }
            Step::Life(farm, series, life) => {
                let id = SeriesId(*series);
                let def = table().get(id).unwrap();
                (farm, Update::Life { id, def, life: *life, time, reason: "because".into() })
            }
            Step::Lost(farm) => (farm, lost()),
            Step::Opened(farm) => (farm, opened(1)),
            Step::Tell => return None,
        };
        Some(from(*farm, update))
    }

    proptest! {
        #[test]
        fn differences_make_what_a_full_frame_is(steps in steps(), limit in 3..10_u32) {
            let spec = LatestSpec { predicate: "* where value >= 0".into(), limit: Some(limit) };
            let mut latest = Latest::new(&spec.checked().unwrap()).unwrap();
            let mut reader = Reader::default();
            reader.take(latest.full_frame(0));
            for farm in 1..3 {
                latest.newest.hear(&MeshUpdate::Joined(service(farm, &[])), 0);
            }
            for (time, step) in (0..).zip(steps.iter().chain([&Step::Tell])) {
                match update(step, time) {
                    Some(update) => latest.newest.hear(&update, time),
                    None => {
                        let mut fresh = Reader::default();
                        fresh.take(latest.full_frame(time));
                        latest.changed_frame(time).into_iter().for_each(|frame| reader.take(frame));
                        prop_assert_eq!(&reader, &fresh);
                        prop_assert!(fresh.values.values().all(|(_, cell)| !matches!(cell, Cell::Number(v) if *v < 0.0)));
                    }
                }
            }
        }
    }

    #[test]
    fn farms_are_asked_for_rates_and_for_values_that_do_not_fit_too() {
        let spec = LatestSpec { predicate: "a/b where value > 5".into(), limit: None };
        let latest = Latest::new(&spec.checked().unwrap()).unwrap();
        assert_eq!(latest.newest.question().to_string(), "a/b/*/* last as=rate");
    }
}
