#![allow(clippy::unwrap_used, clippy::float_cmp, clippy::cast_precision_loss)]

use super::core::Chart;
use super::line::Line;
use super::*;
use crate::testing::{EPOCH, at, def, from, id, lost, opened, service};
use hedgerow_client::directory::Gone;
use hedgerow_client::sample::{BinSet, Samples};
use hedgerow_client::series_table::SeriesTable;
use hedgerow_client::{MeshUpdate, Update};
use hedgerow_model::bin::{Bin, Point, floor};
use hedgerow_model::counter::{Count, CounterSample, advance};
use hedgerow_model::predicate::Aggregate;
use hedgerow_model::{BatchBuilder, Columns, Kind, Mark, Numbered, Numbers, SeriesId, Value};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const NOW: i64 = 1_700_000_000_000;
const WIDTH: i64 = 5000;

fn spec() -> ChartSpec {
    let spec = ChartSpec { predicate: "*".into(), from: -100_000, to: None, pixels: 20, max_series: Some(5) };
    spec.checked().unwrap()
}

/// One sample of one of the series, with its number in the order of the list.
#[derive(Debug, Clone)]
struct Sample {
    series: u32,
    time: i64,
    value: Value,
    mark: Option<Mark>,
}

const KINDS: [Kind; 3] = [Kind::Gauge, Kind::Counter, Kind::State];

fn table(given: bool) -> SeriesTable {
    // In history a farm declares a counter as the gauge that its rate is.
    let kind = |kind: Kind| if given && kind == Kind::Counter { Kind::Gauge } else { kind };
    KINDS
        .iter()
        .map(|kind_of| {
            Arc::new(hedgerow_model::SeriesDef { kind: kind(*kind_of), ..(*def("n", *kind_of)).clone() })
        })
        .collect()
}

type Bins = BTreeMap<(u32, i64), Bin>;

/// What a farm makes of samples, in the order of their numbers.
fn folded<'a>(samples: impl Iterator<Item = &'a Sample>) -> Bins {
    let (mut bins, mut before) = (Bins::new(), [None; 3]);
    for sample in samples {
        let at = sample.series as usize - 1;
        let count = |value: &Value| Some(CounterSample { time: sample.time, count: Count::of(value)? });
        let increase = |value: &Value| advance(&mut before[at], count(value)?, sample.mark);
        let Some(point) = Point::of(KINDS[at], sample.value.clone(), increase) else { continue };
        let key = (sample.series, floor(sample.time, WIDTH));
        match bins.get_mut(&key) {
            Some(bin) => bin.add(sample.time, point),
            None => drop(bins.insert(key, Bin::of(sample.time, point))),
        }
    }
    bins
}

fn as_history(bins: &Bins) -> Vec<Update> {
    let set = |((series, start), bin): (&(u32, i64), &Bin)| {
        let mut asked = vec![Aggregate::Last, Aggregate::Count];
        if bin.is_numeric() {
            asked.extend([Aggregate::Mean, Aggregate::Min, Aggregate::Max]);
        }
        let column = |aggregate: Aggregate| {
            let mut column = Columns::default();
            column.push(bin.aggregate(aggregate));
            (aggregate, column)
        };
        Update::Bins(BinSet {
            farm: "farm1".into(),
            start: *start,
            width: Duration::from_millis(WIDTH as u64),
            series: vec![SeriesId(*series)],
            columns: asked.into_iter().map(column).collect(),
            late: 0,
            table: table(true),
        })
    };
    bins.iter().map(set).collect()
}

fn as_samples(samples: &[(u64, &Sample)]) -> Update {
    let mut builder = BatchBuilder::new();
    for (_, sample) in samples {
        builder.push(SeriesId(sample.series), sample.time, sample.value.clone(), sample.mark);
    }
    let numbers = Numbers::Each(samples.iter().map(|(number, _)| *number).collect());
    let numbered = Numbered { epoch: EPOCH, numbers, batch: builder.build() };
    Update::Samples(Samples { farm: "farm1".into(), numbered, series: table(false), late: false })
}

/// Least, greatest, mean and last as text; the text; how many.
type Shown = ([Option<String>; 4], Option<Option<String>>, u64);

/// A reader that does as the contract says.
#[derive(Debug, Default, Clone, PartialEq)]
struct Reader {
    series: BTreeMap<u32, SeriesHead>,
    points: BTreeMap<(u32, i64), Shown>,
    gaps: Vec<GapLine>,
    coverage: Option<Coverage>,
    rest: (bool, u64),
}

impl Reader {
    fn take(&mut self, frame: &ChartFrame) {
        let frame: ChartFrame = serde_json::from_str(&serde_json::to_string(frame).unwrap()).unwrap();
        if frame.full {
            *self = Self::default();
        }
        self.series.extend(frame.series.into_iter().map(|head| (head.s, head)));
        for points in &frame.points {
            for (at, t) in points.t.iter().enumerate() {
                let number = |column: &Column| column.0.get(at).map(|number| format!("{number:.6e}"));
                let columns = [&points.min, &points.max, &points.mean, &points.last].map(number);
                let text = points.text.get(at).cloned();
                self.points.insert((points.s, *t), (columns, text, points.count[at]));
            }
        }
        self.points.retain(|(_, t), _| *t >= frame.from);
        self.gaps.extend(frame.gaps);
        if let Some(mut coverage) = frame.coverage {
            coverage.as_of = None;
            self.coverage = Some(coverage);
        }
        self.rest = (frame.loading, frame.more);
    }
}

fn expected(bins: &Bins, chart: &Chart, series: &BTreeMap<u32, SeriesHead>) -> BTreeMap<(u32, i64), Shown> {
    let index = |series_id: u32| {
        let kind = KINDS[series_id as usize - 1].as_str();
        series.values().find(|head| head.parameter == kind).map(|head| head.s)
    };
    let from = chart.plan().from(NOW);
    let mut reader = Reader::default();
    for ((id, start), bin) in bins.iter().filter(|((_, start), _)| *start >= from) {
        let kind = KINDS[*id as usize - 1];
        let mut line = Line::default();
        line.add(*start, bin);
        let Some(s) = index(*id) else { panic!("series {id} is not known, and has {bin:?}") };
        reader.take(&ChartFrame { from, points: vec![line.all(s, kind).unwrap()], ..ChartFrame::default() });
    }
    reader.points
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let one = (1..4_u32, 1..4000_i64, 0..40_i64, prop::option::weighted(0.1, 0..4_usize), 0..20_000_i64);
    prop::collection::vec(one, 1..80).prop_map(|all| {
        let (mut clock, mut counter) = (NOW - 110_000, 0_i64);
        let mut samples = Vec::new();
        for (series, step, by, mark, late) in all {
            clock += step;
            let sample = match KINDS[series as usize - 1] {
                Kind::Counter => {
                    let mark = mark.and_then(|mark| Mark::from_number(mark as u8 + 1));
                    counter = if mark.is_some() { by } else { counter + by };
                    Sample { series, time: clock, value: Value::I64(counter), mark }
                }
                // Others may come late: a counter's late sample has no increase, whoever folds it.
                Kind::Gauge => {
                    let time = if mark.is_some() { clock - late } else { clock };
                    Sample { series, time, value: Value::F64(by as f64 / 4.0), mark: None }
                }
                _ => Sample { series, time: clock, value: Value::State(by, Some("x".into())), mark: None },
            };
            samples.push(sample);
        }
        samples
    })
}

proptest! {
    #[test]
    fn history_and_live_values_join_to_what_one_fold_of_all_samples_gives(
        all in samples(),
        admitted in 0..80_u64,
        asked in 0..40_u64,
        told_at in prop::collection::vec(0..100_usize, 0..6),
        behind in 0..12_u64,
    ) {
        let mut chart = Chart::new(&spec(), NOW).unwrap();
        prop_assert_eq!(chart.plan().width, WIDTH);
        let seam = chart.seam();
        let numbered: Vec<(u64, &Sample)> = (1..).zip(&all).collect();
        // The live stream was admitted at one number, history asked for a little later.
        let history_through = admitted + asked;
        let history = folded(
            numbered.iter().filter(|(n, s)| *n <= history_through && s.time < seam).map(|(_, s)| *s),
        );
        let live: Vec<(u64, &Sample)> =
            numbered.iter().filter(|(n, s)| *n > admitted || s.time >= seam - 600_000).copied().collect();
        chart.asked(0);
        let (mut reader, mut late_reader) = (Reader::default(), Reader::default());
        reader.take(&chart.full_frame(NOW));
        chart.hear(0, &MeshUpdate::Joined(service(1, &[])), NOW);
        chart.hear(0, &MeshUpdate::Lookup { url: "u".into(), error: None }, NOW);
        chart.hear(0, &from(1, opened(admitted)), NOW);
        prop_assert_eq!(chart.take_wanted().len(), 1);
        // Then live values come, and history in between.
        let mut updates: Vec<(bool, Update)> = live.chunks(3).map(|chunk| (true, as_samples(chunk))).collect();
        let mut place = (behind as usize).min(updates.len());
        let mut told = vec![opened(history_through)];
        told.extend(as_history(&history));
        told.push(Update::End { samples: 0, detail: String::new() });
        for update in told {
            updates.insert(place, (false, update));
            place = (place + 2).min(updates.len());
        }
        for (step, (is_live, update)) in updates.iter().enumerate() {
            if *is_live {
                chart.hear(0, &from(1, update.clone()), NOW);
            } else {
                chart.hear_history((0, id(1)), update, NOW);
            }
            if told_at.contains(&step) {
                // Of two readers one begins in the middle, with a full frame made before the next difference.
                late_reader.take(&chart.full_frame(NOW));
                if let Some(frame) = chart.changed_frame(NOW) {
                    reader.take(&frame);
                    late_reader.take(&frame);
                }
            }
        }
        late_reader.take(&chart.full_frame(NOW));
        if let Some(frame) = chart.changed_frame(NOW) {
            reader.take(&frame);
            late_reader.take(&frame);
        }
        let mut fresh = Reader::default();
        fresh.take(&chart.full_frame(NOW));
        prop_assert_eq!(&reader, &fresh, "differences make what a full frame is");
        prop_assert_eq!(&late_reader.points, &fresh.points);
        let mut oracle = expected(&folded(all.iter()), &chart, &fresh.series);
        let mut shown = fresh.points.clone();
        for points in [&mut oracle, &mut shown] {
            for ((s, _), (columns, ..)) in points.iter_mut().filter(|((_, t), _)| *t < seam) {
                // Of a bin that is partly history nobody tells when its last sample was, nor how long a counter's increases took.
                columns[3] = None;
                if fresh.series[s].kind == "counter" {
                    columns[2] = None;
                }
            }
        }
        prop_assert_eq!(&shown, &oracle);
        prop_assert!(!fresh.rest.0, "nothing is loading any more");
    }
}

fn gauge(n: u64, time: i64, value: f64) -> (u64, Sample) {
    (n, Sample { series: 1, time, value: Value::F64(value), mark: None })
}

fn live(chart: &mut Chart, samples: &[(u64, Sample)], now: i64) {
    let samples: Vec<(u64, &Sample)> = samples.iter().map(|(n, sample)| (*n, sample)).collect();
    chart.hear(0, &from(1, as_samples(&samples)), now);
}

fn begun() -> (Chart, Reader) {
    let mut chart = Chart::new(&spec(), NOW).unwrap();
    chart.asked(0);
    chart.hear(0, &MeshUpdate::Lookup { url: "u".into(), error: None }, NOW);
    chart.hear(0, &MeshUpdate::Joined(service(1, &[])), NOW);
    chart.hear(0, &from(1, opened(0)), NOW);
    chart.hear_history((0, id(1)), &opened(0), NOW);
    chart.hear_history((0, id(1)), &Update::End { samples: 0, detail: String::new() }, NOW);
    let mut reader = Reader::default();
    reader.take(&chart.full_frame(NOW));
    chart.changed_frame(NOW);
    (chart, reader)
}

#[test]
fn the_window_slides_and_old_points_leave() {
    let (mut chart, mut reader) = begun();
    live(&mut chart, &[gauge(1, NOW, 1.0), gauge(2, NOW + 7000, 2.0)], NOW + 7000);
    reader.take(&chart.changed_frame(NOW + 7000).unwrap());
    assert_eq!(reader.points.len(), 2);
    let later = NOW + 106_000;
    live(&mut chart, &[gauge(3, later, 3.0)], later);
    reader.take(&chart.changed_frame(later).unwrap());
    assert_eq!(reader.points.len(), 2, "{:?}", reader.points);
    let mut fresh = Reader::default();
    fresh.take(&chart.full_frame(later));
    assert_eq!(fresh.points, reader.points);
    assert!(chart.changed_frame(later).is_none(), "nothing new is no frame");
}

#[test]
fn a_farm_that_does_not_answer_is_named_and_its_series_are_stale() {
    let (mut chart, mut reader) = begun();
    live(&mut chart, &[gauge(1, NOW, 1.0)], NOW);
    reader.take(&chart.changed_frame(NOW).unwrap());
    assert_eq!(reader.series[&0].life, "live");
    chart.hear(0, &from(1, lost()), NOW);
    reader.take(&chart.changed_frame(NOW).unwrap());
    let coverage = reader.coverage.clone().unwrap();
    assert_eq!((coverage.asked, coverage.answered, coverage.complete), (1, 0, false));
    assert!(coverage.missing[0].why.contains("does not answer"), "{coverage:?}");
    assert_eq!(reader.series[&0].life, "stale");
    chart.hear(0, &MeshUpdate::Left(service(1, &[]), Gone::Expired), NOW);
    reader.take(&chart.changed_frame(NOW).unwrap());
    assert!(reader.coverage.clone().unwrap().missing[0].why.contains("lease ran out"));
    // It resumes where it was: nothing is asked again, and its series are live.
    chart.hear(0, &MeshUpdate::Joined(service(1, &[])), NOW);
    chart.hear(0, &from(1, opened(5)), NOW);
    assert!(chart.take_wanted().len() <= 1);
    reader.take(&chart.changed_frame(NOW).unwrap());
    assert_eq!(reader.series[&0].life, "live");
    assert!(reader.coverage.unwrap().complete);
}

#[test]
fn a_stream_that_begins_anew_counts_nothing_twice() {
    let (mut chart, mut reader) = begun();
    chart.take_wanted();
    live(&mut chart, &[gauge(1, NOW, 1.0)], NOW);
    reader.take(&chart.changed_frame(NOW).unwrap());
    let why = hedgerow_client::ClientError::NoLookup(vec![]);
    chart.hear(0, &from(1, Update::Failed(why)), NOW);
    chart.hear(0, &MeshUpdate::Joined(service(1, &[])), NOW);
    chart.hear(0, &from(1, opened(1)), NOW);
    assert_eq!(chart.take_wanted().len(), 1, "its history is asked for again");
    live(&mut chart, &[gauge(1, NOW, 1.0), gauge(2, NOW + 1, 3.0)], NOW);
    chart.hear_history((0, id(1)), &opened(1), NOW);
    reader.take(&chart.changed_frame(NOW).unwrap());
    let counts: Vec<u64> = reader.points.values().map(|(_, _, count)| *count).collect();
    assert_eq!(counts, [2]);
}

#[test]
fn a_history_that_fails_is_named_and_asked_again() {
    let mut chart = Chart::new(&spec(), NOW).unwrap();
    chart.asked(3);
    chart.hear(0, &MeshUpdate::Joined(service(1, &[])), NOW);
    chart.hear(0, &from(1, opened(0)), NOW);
    assert_eq!(chart.take_wanted().len(), 1);
    chart.history_failed((0, id(1)), "time-out".into());
    let frame = chart.full_frame(NOW);
    assert_eq!(frame.coverage.unwrap().missing[0].why, "its history: time-out");
    assert_eq!(frame.more, 3);
    chart.retry((0, id(1)));
    assert_eq!(chart.take_wanted().len(), 1);
    assert!(chart.full_frame(NOW).loading);
    // The second attempt gives again what the first one gave.
    let bins = folded([gauge(1, NOW - 50_000, 1.0).1].iter());
    for _ in 0..2 {
        chart.hear_history((0, id(1)), &opened(9), NOW);
        as_history(&bins).iter().for_each(|update| chart.hear_history((0, id(1)), update, NOW));
    }
    assert_eq!(chart.full_frame(NOW).points[0].count, [1]);
}

#[test]
fn series_beyond_the_limit_are_counted() {
    let spec = ChartSpec { max_series: Some(2), ..spec() };
    let mut chart = Chart::new(&spec, NOW).unwrap();
    chart.hear(0, &MeshUpdate::Joined(service(1, &[])), NOW);
    chart.hear(0, &from(1, opened(0)), NOW);
    let value = |series| Sample { series, time: NOW, value: Value::State(1, None), mark: None };
    let all: Vec<Sample> = (1..4).map(value).collect();
    for _ in 0..2 {
        let numbered: Vec<(u64, &Sample)> = (1..).zip(&all).collect();
        chart.hear(0, &from(1, as_samples(&numbered)), NOW);
    }
    let frame = chart.full_frame(NOW);
    assert_eq!((frame.series.len(), frame.more), (2, 1));
}

#[test]
fn what_is_lost_on_the_way_is_a_gap() {
    let (mut chart, mut reader) = begun();
    live(&mut chart, &[gauge(1, NOW, 1.0)], NOW);
    chart.hear(0, &from(1, Update::Broken { from: at(1), to: at(9) }), NOW + 9000);
    reader.take(&chart.changed_frame(NOW + 9000).unwrap());
    assert_eq!(reader.gaps.len(), 1);
    assert_eq!((reader.gaps[0].reason.as_str(), reader.gaps[0].to), ("broken", Some(NOW + 9000)));
    assert_eq!(reader.gaps[0].from, Some(floor(NOW, WIDTH) + WIDTH));
    assert!(chart.changed_frame(NOW + 9000).is_none(), "told once");
}
