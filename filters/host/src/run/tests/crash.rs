//! The law: whatever happens in between, a filter's output is that of a run which was never interrupted.

use super::guests::*;
use crate::guest::{GapReason, Reading};
use crate::run::{GapTold, Item, Plan, Progress, Run, Saved};
use hedgerow_model::{Epoch, Life, LifeMark, Mark, Numbered, Position, SeriesId, Value};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// What is stored, in its order.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "most are batches")]
enum Stored {
    Batch(Position, Option<Numbered>, Option<i64>),
    Life(Epoch, LifeMark),
    /// A crash of the farm, as its gap record tells it.
    Crash(Position),
}

impl Stored {
    fn item(&self) -> Item<'_> {
        match self {
            Self::Batch(through, batch, heartbeat) => {
                Item::Accepted { through: *through, batch: batch.as_ref(), heartbeat: *heartbeat }
            }
            Self::Life(epoch, mark) => Item::Life(*epoch, mark),
            Self::Crash(through) => Item::Gap { through: *through, reason: GapReason::Lost, count: None },
        }
    }

    fn position(&self) -> Position {
        match self {
            Self::Batch(position, ..) | Self::Crash(position) => *position,
            Self::Life(epoch, mark) => Position { epoch: *epoch, number: mark.after },
        }
    }
}

/// What is made into a `Stored` once the place is known.
#[derive(Debug, Clone)]
enum Made {
    Batch { samples: Vec<(u32, u8, u8)>, foreign: u64, generation: u8, heartbeat: Option<u16> },
    Life(u32, u8),
    Crash,
}

fn made() -> impl Strategy<Value = Made> {
    let batch = (
        vec((1..9_u32, any::<u8>(), any::<u8>()), 0..6),
        0..4_u64,
        prop_oneof![6 => Just(0), 1 => 1..8_u8],
        proptest::option::weighted(0.4, any::<u16>()),
    )
        .prop_map(|(samples, foreign, generation, heartbeat)| Made::Batch {
            samples,
            foreign,
            generation,
            heartbeat,
        });
    prop_oneof![12 => batch, 3 => (1..9_u32, 1..4_u8).prop_map(|(id, life)| Made::Life(id, life)), 1 => Just(Made::Crash)]
}

fn value(id: u32, seed: u8, step: u64) -> Value {
    match id {
        3 => Value::counter(step * 10 + u64::from(seed % 16)),
        4 => Value::F64(f64::from(seed) + 30.0 * step as f64),
        5 if seed.is_multiple_of(2) => Value::I64(i64::from(seed % 3)),
        5 => Value::State(i64::from(seed % 3), Some(["up", "down", "odd"][usize::from(seed % 3)].into())),
        6 => Value::Text(format!("t{seed}").into()),
        _ if seed.is_multiple_of(3) => Value::I64(i64::from(seed)),
        _ => Value::F64(f64::from(seed) / 8.0),
    }
}

fn stored(made: &[Made]) -> Vec<Stored> {
    let (mut last, mut clock) = (at(0), 3_590_000_i64);
    let mut stored = Vec::new();
    for (step, made) in (1..).zip(made) {
        stored.push(match made {
            Made::Batch { samples, foreign, generation, heartbeat } => {
                let mut samples = samples.clone();
                samples.sort_unstable_by_key(|(id, ..)| *id);
                samples.dedup_by_key(|(id, ..)| *id);
                last.number += samples.len() as u64 + foreign + 1;
                let time = clock + i64::try_from(step).unwrap() - i64::from(step % 7 == 0) * 3;
                let samples: Vec<_> = samples
                    .into_iter()
                    .map(|(id, seed, mark)| (id, value(id, seed, step), Mark::from_number(mark % 32)))
                    .collect();
                let numbered = (!samples.is_empty()).then(|| {
                    let mut numbered = numbered(last, time, &samples);
                    numbered.batch.generation = *generation;
                    numbered
                });
                let beat = heartbeat.map(|by| {
                    clock += i64::from(by) / 8 - 1000;
                    clock
                });
                Stored::Batch(last, numbered, beat)
            }
            Made::Life(id, life) => {
                let life = Life::from_number(*life).unwrap();
                let mark = LifeMark {
                    series: SeriesId(*id),
                    life,
                    time: clock,
                    after: last.number,
                    reason: "r".into(),
                };
                Stored::Life(last.epoch, mark)
            }
            Made::Crash => {
                last = Position { epoch: Epoch { start: last.epoch.start + 1, random: 9 }, number: 0 };
                Stored::Crash(last)
            }
        });
    }
    stored
}

/// Where the filter was so far behind that so many stored things were passed by: by index.
type Lags = std::collections::BTreeMap<usize, usize>;

/// Feeds what is stored from `from`; from `live` on with the lags. After each thing consumed `each` is asked whether to go on.
fn feed(
    run: &mut Run,
    stored: &[Stored],
    lags: &Lags,
    from: usize,
    live: usize,
    mut each: impl FnMut(&mut Run, usize, Shown) -> bool,
) {
    let mut next = from;
    while next < stored.len() {
        let item = &stored[next];
        let lag = lags.get(&next).filter(|_| next >= live && !matches!(item, Stored::Life(..)));
        let (given, ends) = match lag {
            Some(length) => {
                let mut ends = (next + length).min(stored.len());
                // What stands behind the end of a gap is not in it.
                while matches!(stored[ends - 1], Stored::Life(..)) {
                    ends -= 1;
                }
                let through = stored[ends - 1].position();
                (Item::Gap { through, reason: GapReason::Lag, count: Some(3) }, ends)
            }
            None => (item.item(), next + 1),
        };
        let step = run.give(given, &defs).unwrap();
        next = ends;
        let bytes = shown(run, &step);
        if !each(run, next, bytes) {
            return;
        }
    }
}

fn begun(plan: &Plan, saved: &Saved, progress: Option<Progress>) -> Run {
    let (guest, configured) = Echo::configured(saved.state.as_deref());
    Run::resume(guest, configured, plan.clone(), saved, progress).unwrap()
}

/// Where to begin to feed: at the first thing that may lie behind the place; and a little earlier.
fn from(stored: &[Stored], saved: &Saved, earlier: usize) -> usize {
    let first = stored.iter().position(|item| item.position() >= saved.at.position).unwrap_or(stored.len());
    first.saturating_sub(earlier)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_run_that_was_killed_gives_what_an_unkilled_one_gives(
        made in vec(made(), 1..60),
        lags in vec((any::<Index>(), 1..6_usize), 0..3),
        crashes in vec((any::<Index>(), 0..4_usize), 0..4),
        (save_every, commit_every) in (1..12_usize, 1..5_usize),
        reading in prop_oneof![Just(Reading::Rate), Just(Reading::Raw), Just(Reading::Delta)],
        (tick_ms, emit_per_hour) in (prop_oneof![Just(0), Just(1000), Just(7000)], prop_oneof![Just(u64::MAX), 1..20_u64]),
        look_back in any::<Index>(),
    ) {
        let stored = stored(&made);
        let lags: Lags = lags.into_iter().map(|(at, length)| (at.index(stored.len()), length)).collect();
        let plan = Plan { emit_per_hour, ..plan(reading, tick_ms) };
        let watermark = stored[look_back.index(stored.len())].position();
        let fresh = Saved::fresh(at(0), Some(watermark));

        let mut expected = Vec::new();
        let mut unkilled = begun(&plan, &fresh, None);
        feed(&mut unkilled, &stored, &lags, 0, 0, |_, _, bytes| { expected.push(bytes); true });

        // What is on the disk: the state, the progress, how much of the input is consumed, and the output committed so far.
        let mut disk = (fresh.to_bytes(), None::<Vec<u8>>, 0_usize, Vec::<Shown>::new());
        let mut crashes: Vec<(usize, usize)> =
            crashes.into_iter().map(|(at, earlier)| (at.index(stored.len()) + 1, earlier)).collect();
        crashes.sort_unstable();
        crashes.push((usize::MAX, 0));
        for (crash, earlier) in crashes {
            let saved = Saved::from_bytes(&disk.0).unwrap();
            let progress = disk.1.as_deref().map(|bytes| Progress::from_bytes(bytes).unwrap());
            let live = disk.2;
            let mut output = disk.3.clone();
            let mut run = begun(&plan, &saved, progress);
            feed(&mut run, &stored, &lags, from(&stored, &saved, earlier), live, |run, next, bytes| {
                if next > live {
                    output.push(bytes);
                } else {
                    assert_eq!(bytes, shown(run, &crate::run::Step::default()), "thrown away");
                }
                let next = next.max(live);
                // States are taken in the middle of a replay, too.
                if next.is_multiple_of(save_every) {
                    disk = (run.save().unwrap().to_bytes(), Some(run.progress().to_bytes()), next, output.clone());
                } else if next.is_multiple_of(commit_every) {
                    disk = (disk.0.clone(), Some(run.progress().to_bytes()), next, output.clone());
                }
                next < crash
            });
            if crash == usize::MAX {
                prop_assert_eq!(&output, &expected);
                let counted = |run: &Run| crate::run::Cost { cpu_ns: 0, ..run.cost() };
                prop_assert_eq!(counted(&run), counted(&unkilled));
                prop_assert_eq!(run.save().unwrap(), unkilled.save().unwrap());
            }
        }

        // The same code over what is stored, with the gaps that were told: the same bytes, every time.
        let gaps: Vec<GapTold> = unkilled.save().unwrap().gaps;
        for _ in 0..2 {
            let (guest, configured) = Echo::configured(None);
            let mut test = Run::backtest(guest, configured, plan.clone(), at(0), Some(watermark), &gaps).unwrap();
            let mut given = Vec::new();
            feed(&mut test, &stored, &Lags::new(), 0, 0, |_, _, bytes| { given.push(bytes); true });
            // A gap is told with what comes behind it; at the end that is nothing.
            let end = Item::Accepted { through: stored[stored.len() - 1].position(), batch: None, heartbeat: None };
            let step = test.give(end, &defs).unwrap();
            given.push(shown(&test, &step));
            let all = |steps: &[Shown]| [0, 1, 2, 3].map(|of| steps.iter().map(|step| &*step[of]).collect::<String>());
            prop_assert_eq!(all(&given), all(&expected));
        }
    }
}
