//! A farm of a few lines, cut anywhere, against the promise: each sample once, and nothing missing unnoticed.
#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use hedgerow_model::{Epoch, Value};
use proptest::prelude::*;

const EPOCHS: [u64; 2] = [60, 40];

fn epoch(start: u64) -> common::Epoch {
    common::Epoch { start, random: start * 11 }
}

fn series(id: u32, parameter: &str, kind: common::Kind) -> Told {
    Told::Series(common::Series {
        id,
        cluster: "c".into(),
        node: "n".into(),
        parameter: parameter.into(),
        kind: kind.into(),
        ..common::Series::default()
    })
}

/// Samples of these numbers; the value is the number, the series `number % 3`.
fn batch(start: u64, numbers: &[u64], shift: u32) -> Told {
    let mut expected = numbers[0];
    let skip = numbers.iter().map(|number| {
        let skip = number.wrapping_sub(expected).cast_signed();
        expected = number + 1;
        skip
    });
    Told::Batch(common::Batch {
        epoch_start: start,
        first: numbers[0],
        skip: skip.collect(),
        series: numbers.iter().map(|number| id_of(*number, shift)).collect(),
        time: 1,
        values: Some(common::Columns {
            i64: numbers.iter().map(|number| number.cast_signed()).collect(),
            ..common::Columns::default()
        }),
        ..common::Batch::default()
    })
}

/// The farm calls its series differently on each stream.
fn id_of(number: u64, shift: u32) -> u32 {
    1 + (u32::try_from(number % 3).unwrap() + shift) % 3
}

fn progress(start: u64, after: u64, through: u64, epoch_ended: bool, token: u64) -> Told {
    let token = token.to_le_bytes().to_vec().into();
    Told::Progress(Progress { epoch: Some(epoch(start)), after, through, epoch_ended, token })
}

fn tracker(predicate: &str) -> Tracker {
    let predicate = Predicate::parse(predicate).unwrap();
    let mut tracker = Tracker::new("f".into(), Some(Id([1; 16])), &predicate, true, Arc::default());
    tracker.reopened();
    tracker
}

fn opened(start: u64, watermark: u64, resumed: bool) -> Told {
    let farm_id = Bytes::from_static(&[1; 16]);
    Told::Opened(Opened { farm_id, epoch: Some(epoch(start)), watermark, resumed, ..Opened::default() })
}

fn feed(tracker: &mut Tracker, item: Told) -> Vec<Update> {
    let mut out = VecDeque::new();
    tracker.item(Some(item), "here", &mut out).unwrap();
    out.into()
}

/// What was given, as (epoch, number, late).
fn numbers(updates: &[Update]) -> Vec<(u64, u64, bool)> {
    let samples = updates.iter().filter_map(|update| match update {
        Update::Samples(samples) => Some(samples),
        _ => None,
    });
    samples
        .flat_map(|samples| samples.iter())
        .map(|sample| {
            let number = sample.number.unwrap();
            assert_eq!(sample.value, Value::I64(number.cast_signed()), "numbers and values stay together");
            assert_eq!(sample.series.key.parameter.as_str(), format!("p{}", number % 3));
            (sample.epoch.start, number, sample.late)
        })
        .collect()
}

#[test]
fn what_comes_twice_after_a_reconnect_is_given_once() {
    let mut tracker = tracker("f since=2026-01-01");
    let name_all = |tracker: &mut Tracker, shift| {
        for at in 0..3 {
            feed(tracker, series(id_of(at, shift), &format!("p{at}"), common::Kind::Gauge));
        }
    };
    feed(&mut tracker, opened(1, 3, false));
    name_all(&mut tracker, 0);
    assert_eq!(numbers(&feed(&mut tracker, batch(1, &[1, 2, 3, 4, 5], 0))).len(), 5);
    tracker.reopened();
    feed(&mut tracker, opened(1, 5, false));
    name_all(&mut tracker, 1);
    let again = numbers(&feed(&mut tracker, batch(1, &[1, 2, 3, 4, 5, 6, 8], 1)));
    assert_eq!(again, [(1, 6, false), (1, 8, false)]);
    assert_eq!(tracker.counters().read().duplicates, 5);
    assert_eq!(tracker.book.table.len(), 3, "other ids, the same series");
}

#[test]
fn a_break_in_the_chain_is_a_visible_gap() {
    let mut tracker = tracker("f");
    let broken = |updates: &[Update]| {
        updates.iter().find_map(|update| match update {
            Update::Broken { from, to } => {
                Some(((from.epoch.start, from.number), (to.epoch.start, to.number)))
            }
            _ => None,
        })
    };
    feed(&mut tracker, opened(1, 10, false));
    assert_eq!(broken(&feed(&mut tracker, progress(1, 10, 20, false, 1))), None);
    assert_eq!(broken(&feed(&mut tracker, progress(1, 20, 20, false, 1))), None);
    assert_eq!(broken(&feed(&mut tracker, progress(1, 22, 30, false, 2))), Some(((1, 20), (1, 22))));
    assert_eq!(
        broken(&feed(&mut tracker, progress(2, 0, 5, false, 3))),
        Some(((1, 30), (2, 0))),
        "not ended"
    );
    assert_eq!(broken(&feed(&mut tracker, progress(2, 5, 9, true, 3))), None);
    assert_eq!(broken(&feed(&mut tracker, progress(3, 0, 1, false, 3))), None);
    let crash = common::Gap {
        epoch: Some(epoch(3)),
        scope: Some(common::gap::Scope::Farm(true)),
        from: 2,
        reason: common::GapReason::Crash.into(),
        ..common::Gap::default()
    };
    assert!(matches!(feed(&mut tracker, Told::Gap(crash))[..], [Update::Gap { .. }]));
    assert_eq!(broken(&feed(&mut tracker, progress(4, 0, 1, false, 3))), None, "a crash ends its epoch");
    assert_eq!(broken(&feed(&mut tracker, progress(6, 7, 8, false, 3))), Some(((4, 1), (6, 7))));
    let backwards = Some(progress(6, 8, 7, false, 3));
    assert!(tracker.item(backwards, "here", &mut VecDeque::new()).is_err());
}

#[test]
fn live_samples_between_two_connections_without_a_token_are_fetched() {
    let mut tracker = tracker("f since=5m");
    feed(&mut tracker, opened(1, 10, false));
    tracker.reopened();
    let updates = feed(&mut tracker, opened(1, 14, false));
    let range = NumberRange { epoch: Epoch { start: 1, random: 11 }, after: 10, through: 14 };
    assert!(
        matches!(updates[..], [Update::Opened { .. }, Update::Lagged { range: r, fetching: true, .. }] if r == range),
        "{updates:?}"
    );
    assert_eq!(tracker.begin_fetch(), Some(range));
    tracker.reopened();
    let updates = feed(&mut tracker, opened(2, 3, false));
    assert!(matches!(updates[..], [_, Update::Broken { .. }]), "over a restart nobody can know: {updates:?}");
}

#[test]
fn a_token_that_is_refused_is_forgotten_and_the_break_is_told() {
    let mut tracker = tracker("f");
    feed(&mut tracker, opened(1, 10, false));
    feed(&mut tracker, progress(1, 10, 12, false, 7));
    assert!(tracker.forget_token() && tracker.token().is_none());
    tracker.reopened();
    let updates = feed(&mut tracker, opened(4, 2, false));
    assert!(matches!(updates[..], [_, Update::Broken { .. }]), "{updates:?}");
}

#[test]
fn too_many_ranges_are_told_and_counted_and_unwanted_ones_too() {
    let lag = |at: u64| {
        Told::Lagged(Lagged { epoch: Some(epoch(1)), after: 10 * at, through: 10 * at + 5, count: 5 })
    };
    let mut tracker = tracker("f");
    for at in 0..super::super::MAX_SKIPPED as u64 {
        assert!(matches!(feed(&mut tracker, lag(at))[..], [Update::Lagged { fetching: true, .. }]));
    }
    assert!(matches!(feed(&mut tracker, lag(999))[..], [Update::Lagged { fetching: false, .. }]));
    tracker.back_fill = false;
    assert!(matches!(feed(&mut tracker, lag(1000))[..], [Update::Lagged { fetching: false, .. }]));
    assert_eq!(tracker.counters().read().not_fetched, 2);
}

#[test]
fn a_state_comes_with_its_text_even_where_the_farm_left_it_out() {
    let mut tracker = tracker("f");
    feed(&mut tracker, opened(1, 0, false));
    feed(&mut tracker, series(1, "state", common::Kind::State));
    feed(&mut tracker, series(2, "level", common::Kind::Gauge));
    let states = |first: u64, text: Option<&str>| {
        Told::Batch(common::Batch {
            epoch_start: 1,
            first,
            series: vec![1, 2],
            values: Some(common::Columns {
                i64: vec![3, 4],
                state_text_at: text.iter().map(|_| 0).collect(),
                state_text: text.iter().map(ToString::to_string).collect(),
                ..common::Columns::default()
            }),
            ..common::Batch::default()
        })
    };
    let mut values = Vec::new();
    for updates in [feed(&mut tracker, states(1, Some("down"))), feed(&mut tracker, states(3, None))] {
        let [Update::Samples(samples)] = &updates[..] else { panic!("{updates:?}") };
        values.extend(samples.iter().map(|sample| sample.value));
    }
    let down = Value::State(3, Some("down".into()));
    assert_eq!(values, [down.clone(), Value::I64(4), down, Value::I64(4)]);
}

#[test]
fn bins_come_once() {
    let mut tracker = tracker("f every=1m:mean since=2026-01-01");
    feed(&mut tracker, opened(1, 0, false));
    let bins = |start: i64, series: &[u32]| {
        let values = series.iter().map(|id| f64::from(*id)).collect();
        let values = Some(common::Columns { f64: values, ..common::Columns::default() });
        let column = hedgerow_proto::farm::bins::Column { aggregate: 2, values };
        Told::Bins(Bins { start, width_ms: 60_000, series: series.to_vec(), columns: vec![column], late: 0 })
    };
    let names = |tracker: &mut Tracker| {
        for id in 1..=2 {
            feed(tracker, series(id, &format!("p{id}"), common::Kind::Gauge));
        }
    };
    names(&mut tracker);
    feed(&mut tracker, bins(0, &[1, 2]));
    feed(&mut tracker, bins(60_000, &[1]));
    tracker.reopened();
    feed(&mut tracker, opened(1, 0, false));
    names(&mut tracker);
    assert!(feed(&mut tracker, bins(0, &[1, 2])).is_empty());
    let updates = feed(&mut tracker, bins(60_000, &[1, 2]));
    let [Update::Bins(set)] = &updates[..] else { panic!("{updates:?}") };
    assert_eq!(set.series.len(), 1);
    assert_eq!(set.columns[0].1.iter().collect::<Vec<_>>(), [Value::F64(2.0)]);
}

#[test]
fn another_farm_and_items_that_make_no_sense_are_refused() {
    let mut tracker = tracker("f");
    let mut other = Opened { farm_id: Bytes::from_static(&[2; 16]), ..Opened::default() };
    other.epoch = Some(epoch(1));
    let mut refused = |item| tracker.item(Some(item), "here", &mut VecDeque::new()).unwrap_err().to_string();
    assert!(refused(Told::Opened(other)).contains("is now farm 0202"));
    assert!(refused(batch(1, &[1], 0)).contains("not named by this stream"));
    assert!(refused(series(0, "x", common::Kind::Gauge)).contains("ids begin with 1"));
}

#[derive(Debug, Clone)]
enum Step {
    Send(u64),
    Lag(u64),
    Progress,
    Cut,
    Fetch(u64),
    FetchFails,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..12_u64).prop_map(Step::Send),
        2 => (1..12_u64).prop_map(Step::Lag),
        3 => Just(Step::Progress),
        2 => Just(Step::Cut),
        3 => (1..8_u64).prop_map(Step::Fetch),
        1 => Just(Step::FetchFails),
    ]
}

/// A farm with two epochs of numbers, and the client's side of its calls.
struct Play {
    tracker: Tracker,
    shift: u32,
    /// The next place: numbers over both epochs, from 0.
    at: u64,
    progressed: u64,
    fetch: Option<(NumberRange, u64)>,
    updates: Vec<Update>,
}

/// Epoch and number of a place; place 60 is the first of epoch 2.
fn place(at: u64) -> (u64, u64) {
    if at < EPOCHS[0] { (1, at + 1) } else { (2, at - EPOCHS[0] + 1) }
}

impl Play {
    fn new() -> Self {
        let mut play = Self {
            tracker: tracker("f since=2026-01-01"),
            shift: 0,
            at: 0,
            progressed: 0,
            fetch: None,
            updates: Vec::new(),
        };
        play.open();
        play
    }

    fn feed(&mut self, item: Told) {
        let updates = feed(&mut self.tracker, item);
        self.updates.extend(updates);
    }

    fn open(&mut self) {
        let token = self.tracker.token().cloned();
        self.at = token.as_ref().map_or(0, |token| u64::from_le_bytes(token[..].try_into().unwrap()));
        self.progressed = self.at;
        self.feed(opened(2, 5, token.is_some()));
        for at in 0..3 {
            self.feed(series(id_of(at, self.shift), &format!("p{at}"), common::Kind::Gauge));
        }
        if self.at < EPOCHS[0] {
            // Names the old epoch, as the farm does before its first batch.
            let (start, number) = place(self.at);
            self.feed(progress(start, number - 1, number - 1, false, self.at));
        }
    }

    /// The next numbers of one epoch, at most `count`.
    fn next(&mut self, count: u64) -> Option<(u64, Vec<u64>)> {
        if self.at == EPOCHS[0] && self.progressed < self.at {
            self.progress();
        }
        let end = if self.at < EPOCHS[0] { EPOCHS[0] } else { EPOCHS[0] + EPOCHS[1] };
        let (start, first) = place(self.at);
        let count = count.min(end - self.at);
        self.at += count;
        (count > 0).then(|| (start, (first..first + count).collect()))
    }

    fn progress(&mut self) {
        let (start, after) = place(self.progressed);
        let through = if start == 1 { self.at.min(EPOCHS[0]) } else { self.at - EPOCHS[0] };
        let ended = start == 1 && through == EPOCHS[0];
        self.feed(progress(start, after - 1, through, ended, self.at));
        self.progressed = self.at;
    }

    fn fetch(&mut self, count: u64) -> bool {
        if self.fetch.is_none() {
            self.fetch = self.tracker.begin_fetch().map(|range| (range, range.after + 1));
            for at in 0..3 {
                let item = series(id_of(at, 2), &format!("p{at}"), common::Kind::Gauge);
                self.late(item);
            }
        }
        let Some((range, next)) = self.fetch else { return false };
        let end = (next + count).min(range.through + 1);
        if next < end {
            self.late(batch(range.epoch.start, &(next..end).collect::<Vec<_>>(), 2));
        }
        self.fetch = Some((range, end));
        if end > range.through {
            self.fetch = None;
            let mut out = VecDeque::new();
            self.tracker.fetched(None, &mut out);
            self.updates.extend(out);
        }
        true
    }

    fn late(&mut self, item: Told) {
        let mut out = VecDeque::new();
        self.tracker.late_item(Some(item), "here", &mut out).unwrap();
        self.updates.extend(out);
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Send(count) => {
                if let Some((start, numbers)) = self.next(*count) {
                    self.feed(batch(start, &numbers, self.shift));
                }
            }
            Step::Lag(count) => {
                if let Some((start, numbers)) = self.next(*count) {
                    let (after, through) = (numbers[0] - 1, numbers[numbers.len() - 1]);
                    let count = numbers.len() as u64;
                    self.feed(Told::Lagged(Lagged { epoch: Some(epoch(start)), after, through, count }));
                }
            }
            Step::Progress => self.progress(),
            Step::Cut => {
                self.fetch = None;
                self.shift += 1;
                self.tracker.reopened();
                self.open();
            }
            Step::Fetch(count) => drop(self.fetch(*count)),
            Step::FetchFails => self.fetch = None,
        }
    }
}

proptest! {
    #[test]
    fn each_sample_is_given_once_whatever_is_cut(steps in proptest::collection::vec(step(), 1..60)) {
        let mut play = Play::new();
        for step in &steps {
            play.step(step);
        }
        while play.at < EPOCHS[0] + EPOCHS[1] {
            play.step(&Step::Send(50));
        }
        play.progress();
        while play.fetch(50) {}
        let broken = play.updates.iter().any(|update| matches!(update, Update::Broken { .. }));
        prop_assert!(!broken);
        let mut given: Vec<_> = numbers(&play.updates).iter().map(|(start, n, _)| (*start, *n)).collect();
        given.sort_unstable();
        let all: Vec<_> = (0..EPOCHS[0] + EPOCHS[1]).map(place).collect();
        prop_assert_eq!(given, all);
    }
}
