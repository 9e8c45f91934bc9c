#![allow(clippy::unwrap_used)]
use super::*;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

fn position() -> impl Strategy<Value = Position> {
    (any::<u64>(), any::<u64>(), any::<u64>())
        .prop_map(|(start, random, number)| Position { epoch: Epoch { start, random }, number })
}

fn gap() -> impl Strategy<Value = GapTold> {
    let reason = prop_oneof![Just(GapReason::Retention), Just(GapReason::Lag), Just(GapReason::Lost)];
    (position(), position(), reason, any::<Option<u64>>())
        .prop_map(|(after, through, reason, count)| GapTold { after, through, reason, count })
}

fn count() -> impl Strategy<Value = Count> {
    prop_oneof![any::<u64>().prop_map(Count::Integer), (-1e9..1e9).prop_map(Count::Float)]
}

prop_compose! {
    fn saved()(
        (at, lives, look_back_through) in (position(), any::<u32>(), proptest::option::of(position())),
        (state, version) in (any::<Option<Vec<u8>>>(), "[0-9.]{0,8}"),
        ids in vec((any::<u32>(), 1..=4_u8), 1..20),
        counters in btree_map(0..1000_u32, (any::<i64>(), count()), 0..8),
        texts in btree_map(0..1000_u32, "\\PC{0,9}", 0..8),
        generations in btree_map(0..1000_u32, 1..9_u8, 0..8),
        (tick_ms, next_tick) in (any::<u64>(), any::<Option<i64>>()),
        (hour, emitted_in_hour) in (any::<i64>(), any::<u64>()),
        gaps in vec(gap(), 0..4),
    ) -> Saved {
        let known = |handle: &u32| (*handle as usize) < ids.len();
        Saved {
            at: Place { position: at, lives },
            state, version, look_back_through,
            counters: counters.into_iter().filter(|(handle, _)| known(handle))
                .map(|(handle, (time, count))| (handle, CounterSample { time, count })).collect(),
            texts: texts.into_iter().filter(|(handle, _)| known(handle))
                .map(|(handle, text)| (handle, text.into())).collect(),
            generations: generations.into_iter().filter(|(handle, _)| known(handle)).collect(),
            handles: ids.iter().map(|(id, kind)| Handled {
                id: SeriesId(*id), kind: Kind::from_number(*kind).unwrap() }).collect(),
            tick_ms, next_tick, hour, emitted_in_hour, gaps,
        }
    }
}

fn progress() -> impl Strategy<Value = Progress> {
    (position(), any::<u32>(), vec(gap(), 0..4), any::<[u64; 7]>()).prop_map(|(position, lives, gaps, c)| {
        let cost = Cost {
            cpu_ns: c[0],
            calls: c[1],
            samples_in: c[2],
            samples_out: c[3],
            samples_refused: c[4],
            missed: c[5],
            logs_dropped: c[6],
        };
        Progress { consumed: Place { position, lives }, gaps, cost }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(saved in saved(), progress in progress()) {
        prop_assert_eq!(Saved::from_bytes(&saved.to_bytes()), Ok(saved));
        prop_assert_eq!(Progress::from_bytes(&progress.to_bytes()), Ok(progress));
    }

    #[test]
    fn what_is_cut_short_or_too_long_is_an_error(saved in saved(), progress in progress(), more in any::<u8>()) {
        let mut bytes = saved.to_bytes();
        for length in 0..bytes.len() {
            prop_assert!(Saved::from_bytes(&bytes[..length]).is_err(), "{} of {}", length, bytes.len());
        }
        bytes.push(more);
        prop_assert!(Saved::from_bytes(&bytes).is_err());
        let mut bytes = progress.to_bytes();
        for length in 0..bytes.len() {
            prop_assert!(Progress::from_bytes(&bytes[..length]).is_err());
        }
        bytes.push(more);
        prop_assert!(Progress::from_bytes(&bytes).is_err());
    }

    /// Nothing is read that would be written otherwise: so nothing is half understood.
    #[test]
    fn what_is_changed_is_refused_or_means_what_it_says(
        saved in saved(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = saved.to_bytes();
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        if let Ok(read) = Saved::from_bytes(&bytes) {
            prop_assert_eq!(read.to_bytes(), bytes);
        }
    }

    #[test]
    fn noise_is_refused_without_harm(noise in vec(any::<u8>(), 0..200)) {
        let _ = (Saved::from_bytes(&noise), Progress::from_bytes(&noise));
    }
}

#[test]
fn another_version_is_refused_by_name() {
    let epoch = Epoch { start: 1, random: 2 };
    let mut bytes = Saved::fresh(Position { epoch, number: 3 }, None).to_bytes();
    bytes[0] = 2;
    assert_eq!(
        Saved::from_bytes(&bytes).unwrap_err().to_string(),
        "damaged checkpoint: of another version of this program"
    );
}

#[test]
fn a_count_that_lies_asks_for_no_memory() {
    let epoch = Epoch { start: 1, random: 2 };
    let mut bytes =
        Progress { consumed: Position { epoch, number: 3 }.into(), gaps: Vec::new(), cost: Cost::default() }
            .to_bytes();
    // Where the number of gaps stands: behind version, epoch, number and lives.
    bytes.splice(12..13, [0xff, 0xff, 0xff, 0xff, 0x7f]);
    assert_eq!(Progress::from_bytes(&bytes), Err(Damaged("it ends too early")));
}
