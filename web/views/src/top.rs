//! The series with the greatest, or least, last values, over all farms.

use crate::column::{is_false, is_zero};
use crate::content::{Content, json};
use crate::coverage::Coverage;
use crate::newest::{Newest, OfNewest, mixed};
use crate::series::SeriesHead;
use crate::spec::{Refused, predicate, within};
use hedgerow_model::UnixMillis;
use serde::{Deserialize, Serialize};

/// Most rows of a top list.
pub const MAX_ROWS: u32 = 1000;
/// Most series that are looked at for it, or for a spread; a matching series beyond is counted in `more`.
pub const MAX_SERIES: usize = 200_000;

/// What a top list shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopSpec {
    /// Patterns, and perhaps `where …`.
    pub predicate: String,
    /// How many rows.
    pub n: u32,
    /// The least values first.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ascending: bool,
}

impl TopSpec {
    pub(crate) fn checked(self) -> Result<Self, Refused> {
        within("n", Some(self.n), 0, 1..=MAX_ROWS)?;
        Ok(Self { predicate: predicate(&self.predicate)?.canonical(), ..self })
    }
}

/// What a top list's reader is told: always all of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TopFrame {
    /// True.
    pub full: bool,
    /// When it was made, Unix ms.
    pub now: UnixMillis,
    /// The rows in their order; live series of farms that answer only.
    pub rows: Vec<TopRow>,
    /// How many live series with numbers match.
    pub matched: u64,
    /// The unit of all of them.
    pub unit: String,
    /// Why there are no rows: values of different units have no order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whom it covers.
    pub coverage: Coverage,
    /// Farms that match are still to answer for the first time.
    #[serde(default, skip_serializing_if = "is_false")]
    pub loading: bool,
    /// Matching series for which there is no room.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopRow {
    /// The series.
    #[serde(flatten)]
    pub head: SeriesHead,
    /// When, Unix ms.
    pub t: UnixMillis,
    /// The last value; null: not finite.
    #[serde(with = "one")]
    pub v: f64,
}

/// A number that JSON may not have.
mod one {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
    pub fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        number.is_finite().then_some(*number).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
    }
}

/// The core of a top list.
#[derive(Debug)]
pub(crate) struct Top {
    newest: Newest,
    rows: usize,
    ascending: bool,
    told: Option<TopFrame>,
}

impl Top {
    pub fn new(spec: &TopSpec) -> Result<Self, Refused> {
        let newest = Newest::new(&spec.predicate, MAX_SERIES)?;
        Ok(Self { newest, rows: spec.n as usize, ascending: spec.ascending, told: None })
    }

    pub(crate) fn frame(&self, now: UnixMillis) -> TopFrame {
        let Newest { book, farms, .. } = &self.newest;
        let mut all: Vec<(usize, UnixMillis, f64)> =
            self.newest.numbers().filter(|(_, _, number)| !number.is_nan()).collect();
        let units = self.newest.units(all.iter().map(|(s, ..)| *s));
        let mut frame = TopFrame {
            full: true,
            now,
            matched: all.len() as u64,
            error: mixed(&units),
            coverage: farms.coverage(now),
            loading: !farms.are_settled(),
            more: book.beyond(),
            ..TopFrame::default()
        };
        if frame.error.is_some() {
            return frame;
        }
        frame.unit = units.into_iter().next().unwrap_or_default();
        // Of equal ones the first known first, so that rows do not change their places for nothing.
        let order = |a: &(usize, UnixMillis, f64), b: &(usize, UnixMillis, f64)| {
            let by_value = if self.ascending { a.2.total_cmp(&b.2) } else { b.2.total_cmp(&a.2) };
            by_value.then(a.0.cmp(&b.0))
        };
        if all.len() > self.rows {
            all.select_nth_unstable_by(self.rows, order);
            all.truncate(self.rows);
        }
        all.sort_unstable_by(order);
        let row =
            |(s, t, v): &(usize, UnixMillis, f64)| Some(TopRow { head: book.head(*s, farms)?, t: *t, v: *v });
        frame.rows = all.iter().filter_map(row).collect();
        frame
    }
}

impl OfNewest for Top {
    fn newest(&mut self) -> &mut Newest {
        &mut self.newest
    }
}

impl Content for Top {
    fn full(&mut self, now: UnixMillis) -> String {
        json(&self.frame(now))
    }

    fn difference(&mut self, now: UnixMillis) -> Option<String> {
        let heads = self.newest.book.take_dirty();
        let told = self.told.as_ref();
        let farms = &self.newest.farms;
        let covers_the_same = told.is_some_and(|told| {
            farms.coverage(now).says_the_same(&told.coverage) && told.loading != farms.are_settled()
        });
        if self.newest.take_dirty().is_empty() && heads.is_empty() && covers_the_same {
            return None;
        }
        let frame = self.frame(now);
        let text = json(&frame);
        self.told = Some(frame);
        Some(text)
    }

    fn weight(&self) -> usize {
        self.newest.weight()
    }
}
