//! What the updates of one farm do to the lines of a chart.

use super::super::GapLine;
use super::super::line::Line;
use super::super::plan::FUTURE;
use super::{Asked, Chart};
use hedgerow_client::Update;
use hedgerow_client::sample::{BinSet, Samples};
use hedgerow_model::bin::{Bin, Point, floor};
use hedgerow_model::predicate::{Aggregate, holds};
use hedgerow_model::registration::Id;
use hedgerow_model::{Columns, Gap, GapReason, GapScope, Kind, Position, UnixMillis, Value};

/// Most gaps that are told; further ones are not, as the chart has more holes by then than lines.
const MAX_GAPS: usize = 1000;
/// Most samples of one farm that wait until it is known where its history ends. Further ones are dropped, and said as a gap.
const MAX_HELD: usize = 100_000;

impl Chart {
    /// Takes what one farm told, in its live stream or in its history.
    pub(super) fn farm(&mut self, asked: Asked, update: &Update, live: bool, now: UnixMillis) {
        let (part, farm) = asked;
        // Ids of live streams and of histories do not mean the same.
        let upstream = part * 2 + usize::from(!live);
        match update {
            // In history a counter is declared as its rate, which is a gauge.
            Update::Series { id, def } => drop(self.book.enter(upstream, farm, *id, def, live)),
            Update::Samples(samples) if live => self.samples(asked, samples, now),
            Update::Bins(bins) => self.bins(asked, upstream, bins, now),
            Update::Life { id, def, life, reason, .. } => {
                if let Some(s) = self.book.enter(upstream, farm, *id, def, live) {
                    self.book.life(s, *life, reason);
                }
            }
            Update::Gap { gap, .. } => self.gap(upstream, farm, gap, live, now),
            Update::Lagged { count, fetching: false, .. } => self.lost(farm, "lagged", *count, now),
            Update::BackFilled { error: Some(_), .. } => self.lost(farm, "lagged", None, now),
            Update::Broken { .. } => self.lost(farm, "broken", None, now),
            _ => {}
        }
    }

    fn samples(&mut self, asked: Asked, samples: &Samples, now: UnixMillis) {
        let batch = &samples.numbered.batch;
        let mut marks = batch.marks.iter().peekable();
        for (at, (id, value)) in batch.series.iter().zip(batch.values.iter()).enumerate() {
            let mark = marks.next_if(|(position, _)| *position as usize == at).map(|(_, mark)| *mark);
            let Some(s) = self.book.place(asked.0 * 2, asked.1, *id, &samples.series, true) else { continue };
            let time = batch.times.at(at);
            let kind = self.kind(s);
            let Some(point) = self.line(asked.0, s).point(kind, time, value, mark) else { continue };
            let wanted = self.plan.predicate.constraint.as_ref();
            if !wanted.is_none_or(|wanted| holds(wanted, kind, &point.value()))
                || time > now.saturating_add(FUTURE)
            {
                continue;
            }
            let number = samples.numbered.numbers.at(at);
            let position = number.map(|number| Position { epoch: samples.numbered.epoch, number });
            if time >= self.seam || self.is_behind_history(asked, s, time, position, &point) {
                self.fold(asked.0, s, time, point);
            }
        }
    }

    /// Whether a sample from before the seam is not in history; one of which that is not known yet is held.
    fn is_behind_history(
        &mut self,
        asked: Asked,
        s: usize,
        time: UnixMillis,
        position: Option<Position>,
        point: &Point,
    ) -> bool {
        let history = self.histories.entry(asked).or_default();
        let Some(position) = position else { return false };
        match (history.watermark, history.live) {
            (Some(watermark), _) => position > watermark,
            // Accepted before the stream began, and so before history was asked for.
            (None, Some(live)) if position <= live => false,
            (None, _) if history.held.len() < MAX_HELD => {
                history.held.push((s, time, position, point.clone()));
                false
            }
            (None, _) => {
                self.lost(asked.1, "too many samples at once", None, time);
                false
            }
        }
    }

    /// Adds a sample to its bin.
    pub(super) fn fold(&mut self, part: usize, s: usize, time: UnixMillis, point: Point) {
        if self.plan.to.is_some_and(|to| time >= to) {
            return;
        }
        let start = floor(time, self.plan.width);
        self.line(part, s).add(start, &Bin::of(time, point));
    }

    fn line(&mut self, part: usize, s: usize) -> &mut Line {
        if self.lines.len() <= s {
            self.lines.resize_with(s + 1, Line::default);
        }
        let line = &mut self.lines[s];
        line.part = part;
        line
    }

    fn bins(&mut self, asked: Asked, upstream: usize, bins: &BinSet, now: UnixMillis) {
        let width = i64::try_from(bins.width.as_millis()).unwrap_or(0);
        if width != self.plan.width || bins.start < self.plan.from(now) {
            return;
        }
        let column = |wanted| bins.columns.iter().find(|(aggregate, _)| *aggregate == wanted).map(|(_, c)| c);
        let columns = Aggregated {
            last: column(Aggregate::Last).map(|column| column.iter().collect()).unwrap_or_default(),
            count: numbers(column(Aggregate::Count)),
            numbers: [Aggregate::Mean, Aggregate::Min, Aggregate::Max].map(|wanted| numbers(column(wanted))),
        };
        for (at, id) in bins.series.iter().enumerate() {
            let Some(s) = self.book.place(upstream, asked.1, *id, &bins.table, false) else { continue };
            let Some(entry) = self.book.get(s) else { continue };
            let (kind, interval) = (entry.def.kind, entry.def.interval);
            let Some(bin) = columns.bin(at, bins.start, |count| match kind {
                Kind::Gauge => count,
                // What the increases took is not told: as long as is usual.
                Kind::Counter => interval.map_or(bins.width, |i| i.mul_f64(count)).as_secs_f64(),
                Kind::State | Kind::Text => 0.0,
            }) else {
                continue;
            };
            self.line(asked.0, s).add(bins.start, &bin);
        }
    }

    fn gap(&mut self, upstream: usize, farm: Id, gap: &Gap, live: bool, now: UnixMillis) {
        let key = format!("{:?} {} {:?}", gap.epoch, gap.from, gap.scope);
        if self.gaps.len() >= MAX_GAPS || !self.gaps_known.insert((farm, key)) {
            return;
        }
        let (mut s, mut cluster) = (None, None);
        match &gap.scope {
            GapScope::Farm => {}
            GapScope::Cluster(name) => cluster = Some(name.to_string()),
            GapScope::Series(id) => match self.book.known(upstream, farm, *id) {
                Some(place) => s = u32::try_from(place).ok(),
                None => return,
            },
        }
        let place = match gap.reason {
            // Told while it is looked at: it lies between what came before and now.
            _ if live => Some(self.since_heard(farm, now)),
            // Told behind all that is left of history.
            GapReason::Retention => {
                let from = self.plan.from(now);
                let left = self.oldest(farm, s).unwrap_or(self.seam.min(now));
                if left <= from.saturating_add(self.plan.width) {
                    return;
                }
                Some((from, left))
            }
            _ => None,
        };
        let (from, to) = place.unzip();
        let farm = self.farms.name(farm).map(ToString::to_string).unwrap_or_default();
        let reason = gap.reason.as_str().to_owned();
        self.gaps.push(GapLine { farm, s, cluster, from, to, reason, count: gap.count });
    }

    /// Samples of a farm were not given, and are not fetched.
    fn lost(&mut self, farm: Id, reason: &str, count: Option<u64>, now: UnixMillis) {
        let (from, to) = self.since_heard(farm, now);
        let farm = self.farms.name(farm).map(ToString::to_string).unwrap_or_default();
        let same = |gap: &GapLine| gap.farm == farm && gap.reason == reason && gap.from == Some(from);
        if self.gaps.len() < MAX_GAPS && !self.gaps.iter().any(same) {
            let (from, to, reason) = (Some(from), Some(to), reason.to_owned());
            self.gaps.push(GapLine { farm, s: None, cluster: None, from, to, reason, count });
        }
    }

    /// From the end of the newest bin of a farm to now.
    fn since_heard(&self, farm: Id, now: UnixMillis) -> (UnixMillis, UnixMillis) {
        let newest = self.of_farm(farm).filter_map(|(_, line)| line.newest()).max();
        let from = newest.map_or(self.plan.from(now), |newest| newest.saturating_add(self.plan.width));
        (from, now.max(from.saturating_add(1)))
    }

    /// The start of the oldest bin of a farm, or of one of its series.
    fn oldest(&self, farm: Id, s: Option<u32>) -> Option<UnixMillis> {
        let lines = self.of_farm(farm).filter(|(at, _)| s.is_none_or(|s| s as usize == *at));
        lines.filter_map(|(_, line)| line.oldest()).min()
    }

    fn of_farm(&self, farm: Id) -> impl Iterator<Item = (usize, &Line)> {
        self.book
            .iter()
            .filter_map(move |(s, entry)| Some((s, self.lines.get(s).filter(|_| entry.farm == farm)?)))
    }
}

/// The columns of a set of bins.
struct Aggregated {
    last: Vec<Value>,
    count: Vec<f64>,
    numbers: [Vec<f64>; 3],
}

impl Aggregated {
    /// The bin at a position; `weight` is asked for how many samples it has.
    fn bin(&self, at: usize, start: UnixMillis, weight: impl Fn(f64) -> f64) -> Option<Bin> {
        let count = self.count.get(at).copied().unwrap_or(1.0);
        let [mean, min, max] = self.numbers.each_ref().map(|column| column.get(at).copied());
        let (weight, known) = match (mean, min, max) {
            (Some(mean), Some(min), Some(max)) => (weight(count).max(f64::MIN_POSITIVE), [mean, min, max]),
            _ => (0.0, [f64::NAN; 3]),
        };
        let last = self.last.get(at)?.clone();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of samples")]
        Some(Bin::told(start, count as u64, weight, known, last))
    }
}

fn numbers(column: Option<&Columns>) -> Vec<f64> {
    let number = |value: Value| crate::column::number(&value).unwrap_or(f64::NAN);
    column.map(|column| column.iter().map(number).collect()).unwrap_or_default()
}
