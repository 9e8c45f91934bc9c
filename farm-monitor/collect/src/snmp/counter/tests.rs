//! Stories of counters, and a true counter whose readings are judged.

use super::{Counter, Reading, WRAP32, restarted};
use hedgerow_model::Mark;
use proptest::prelude::*;

const MINUTE: i64 = 60_000;
/// 100 Mbit/s in octets.
const FAST_ETHERNET: f64 = 12_500_000.0;

fn reading(minutes: i64, value: u64) -> Reading {
    Reading {
        value,
        wide: false,
        at_ms: minutes * MINUTE,
        up_time: Some(1_000_000 + u32::try_from(minutes * MINUTE / 10).unwrap()),
        jumped: None,
        fastest: None,
        moved: false,
    }
}

fn wide(minutes: i64, value: u64) -> Reading {
    Reading { wide: true, ..reading(minutes, value) }
}

fn judge(readings: &[Reading]) -> Vec<Option<Mark>> {
    let mut counter = Counter::default();
    readings.iter().map(|reading| counter.judge(reading)).collect()
}

#[test]
fn an_increase_needs_no_mark_and_the_first_reading_has_none() {
    assert_eq!(judge(&[reading(0, 5), reading(1, 5), reading(2, 900)]), [None, None, None]);
}

#[test]
fn a_counter_that_was_on_its_way_to_the_end_wraps() {
    let near = WRAP32 - 1000;
    let on_its_way = [reading(0, near - 2000), reading(1, near), reading(2, 1000)];
    assert_eq!(judge(&on_its_way), [None, None, Some(Mark::Wrap32)]);
}

#[test]
fn a_counter_that_somebody_set_back_has_not_wrapped() {
    let cleared = [reading(0, 3_000_000_000), reading(1, 3_000_100_000), reading(2, 20_000)];
    assert_eq!(judge(&cleared)[2], Some(Mark::Discontinuity));
    let with_speed = cleared.map(|reading| Reading { fastest: Some(FAST_ETHERNET * 10.0), ..reading });
    assert_eq!(judge(&with_speed)[2], Some(Mark::Discontinuity));
    let unknown_up_time = cleared.map(|reading| Reading { up_time: None, ..reading });
    assert_eq!(judge(&unknown_up_time)[2], Some(Mark::Reset));
}

#[test]
fn an_agent_that_tells_when_counters_jump_is_believed_about_a_surge() {
    let quiet_then_wrap = [reading(0, 4_000_000_000), reading(1, 4_000_000_100), reading(2, 300_000_000)];
    let told = quiet_then_wrap.map(|r| Reading { fastest: Some(FAST_ETHERNET), jumped: Some(7), ..r });
    assert_eq!(judge(&told)[2], Some(Mark::Wrap32));
    let untold = told.map(|reading| Reading { jumped: None, ..reading });
    assert_eq!(judge(&untold)[2], Some(Mark::Discontinuity));
}

#[test]
fn a_fast_link_with_a_narrow_counter_is_unknown_where_it_may_have_gone_round_twice() {
    let gigabit = |minutes, value| Reading { fastest: Some(FAST_ETHERNET * 10.0), ..reading(minutes, value) };
    assert_eq!(judge(&[gigabit(0, 5), gigabit(1, 900)])[1], Some(Mark::Discontinuity));
    let twice_a_minute =
        |half: i64, value| Reading { at_ms: half * MINUTE / 2, up_time: None, ..gigabit(0, value) };
    assert_eq!(judge(&[twice_a_minute(0, 5), twice_a_minute(1, 900)])[1], None, "once round takes longer");
    let slow = |minutes, value| Reading { fastest: Some(FAST_ETHERNET / 10.0), ..reading(minutes, value) };
    assert_eq!(judge(&[slow(0, 5), slow(1, 900)])[1], None);
}

#[test]
fn wide_counters_wrap_only_at_their_end() {
    assert_eq!(judge(&[wide(0, u64::MAX - 5), wide(1, 1000)])[1], Some(Mark::Wrap64));
    assert_eq!(judge(&[wide(0, u64::MAX / 2), wide(1, 1000)])[1], Some(Mark::Discontinuity));
    assert_eq!(judge(&[wide(0, WRAP32 - 5), wide(1, 1000)])[1], Some(Mark::Discontinuity));
}

#[test]
fn a_restart_is_a_reset_even_where_the_value_went_up() {
    let again = Reading { up_time: Some(3000), ..reading(10, 9000) };
    assert_eq!(judge(&[reading(0, 10), again])[1], Some(Mark::Reset));
    // Up for a second, then for half an hour, but an hour has passed: it began again in between.
    let first = Reading { up_time: Some(100), ..reading(0, 10) };
    let later = Reading { up_time: Some(180_000), ..reading(60, 9000) };
    assert_eq!(judge(&[first, later])[1], Some(Mark::Reset));
    let missing = Reading { up_time: None, ..reading(1, 20) };
    assert_eq!(judge(&[reading(0, 10), missing, again]), [None, None, Some(Mark::Reset)]);
}

#[test]
fn sys_up_time_that_passes_its_end_is_no_restart() {
    let before = Reading { up_time: Some(u32::MAX - 2000), ..reading(0, 10) };
    let after = Reading { up_time: Some(3999), ..reading(1, 20) };
    assert_eq!(judge(&[before, after]), [None, None]);
    let restart = Reading { up_time: Some(100), ..reading(1, 20) };
    let long = Reading { up_time: Some(u32::MAX - 100_000), ..reading(0, 10) };
    assert_eq!(judge(&[long, restart])[1], Some(Mark::Reset));
}

#[test]
fn restarts_are_told_from_clocks_that_are_a_little_off() {
    assert!(!restarted(1000, 7000, MINUTE));
    assert!(!restarted(1000, 1000, MINUTE / 60), "it updates sysUpTime each second only");
    assert!(!restarted(500_000, 505_900, MINUTE));
    assert!(!restarted(500_000, 506_100, MINUTE));
    assert!(restarted(500_000, 499_999, MINUTE));
    assert!(restarted(300, 10, 5000));
    assert!(
        restarted(300_000, 359_000, 60 * MINUTE),
        "up for 50 minutes, and an hour later for not quite an hour"
    );
    assert!(!restarted(u32::MAX, 5999, MINUTE));
    assert!(!restarted(7, 7, (1 << 32) * 10), "497 days without a reading");
}

#[test]
fn what_the_agent_says_of_jumps_is_marked() {
    let told = |minutes, value, jumped| Reading { jumped, ..reading(minutes, value) };
    let jumps = [
        told(0, 5, Some(7)),
        told(1, 9, Some(7)),
        told(2, 20, Some(1_010_000)),
        told(3, 30, Some(1_010_000)),
    ];
    assert_eq!(judge(&jumps), [None, None, Some(Mark::Discontinuity), None]);
    let unheard = [told(0, 5, Some(7)), told(1, 9, None), told(2, 20, Some(7)), told(3, 30, Some(8))];
    assert_eq!(judge(&unheard), [None, None, None, Some(Mark::Discontinuity)]);
    let heard_late = [told(0, 5, None), told(1, 9, Some(1_003_000)), told(2, 9, Some(1_003_000))];
    assert_eq!(judge(&heard_late), [None, Some(Mark::Discontinuity), None]);
}

#[test]
fn another_row_or_width_is_a_discontinuity() {
    let moved = Reading { moved: true, ..reading(1, 90) };
    assert_eq!(judge(&[reading(0, 5), moved, reading(2, 95)]), [None, Some(Mark::Discontinuity), None]);
    assert_eq!(judge(&[reading(0, 5), wide(1, 90)])[1], Some(Mark::Discontinuity));
}

#[test]
fn an_increase_that_no_link_can_carry_is_unknown_until_the_speed_is_doubted() {
    let tunnel = |minutes, value| Reading { fastest: Some(1125.0), ..wide(minutes, value) };
    let many: Vec<_> = (0..8).map(|at| tunnel(at, at.unsigned_abs() * 60_000_000)).collect();
    let unknown = Some(Mark::Discontinuity);
    assert_eq!(judge(&many), [None, unknown, unknown, unknown, None, None, None, None]);
    let jump = [tunnel(0, 0), tunnel(1, 1 << 40), tunnel(2, (1 << 40) + 100)];
    assert_eq!(judge(&jump), [None, unknown, None]);
}

/// What happens between two readings.
#[derive(Debug, Clone)]
struct Step {
    millis: i64,
    /// Share of the fastest speed that is used.
    load: f64,
    restart: bool,
    /// sysUpTime is not in the reply.
    hidden: bool,
    missed: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let millis = prop_oneof![4 => 5_000i64..90_000, 2 => 200_000i64..400_000, 1 => 3_600_000i64..200_000_000];
    let step = (millis, 0.0..1.0f64, 0..20u8, 0..10u8, 0..6u8).prop_map(
        |(millis, load, restart, hidden, missed)| Step {
            millis,
            load,
            restart: restart == 0,
            hidden: hidden == 0,
            missed: missed == 0,
        },
    );
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// An increase that is called known is the true one.
    #[test]
    fn known_increases_are_true(
        steps in steps(),
        wide in any::<bool>(),
        tells in any::<bool>(),
        speed in prop_oneof![Just(1e3), Just(1.25e6), Just(1.25e7), Just(1.25e8), Just(1.25e10)],
        start in any::<u64>(),
        up in any::<u32>(),
    ) {
        let round = if wide { 1u128 << 64 } else { 1u128 << 32 };
        let (mut counter, mut at_ms) = (Counter::default(), 0i64);
        let (mut total, mut up) = (u128::from(start) % round, u64::from(up));
        let mut before: Option<(u128, u64)> = None;
        let mut restarts = false;
        // The last sysUpTime that was read, and when.
        let mut told: Option<(u64, i64)> = None;
        for step in steps {
            at_ms += step.millis;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "traffic of a test")]
            let grown = (step.load * speed * step.millis as f64 / 1000.0) as u128;
            if step.restart {
                up = step.millis.unsigned_abs() / 20;
                total = grown / 2;
                restarts = true;
            } else {
                up += step.millis.unsigned_abs() / 10;
                total += grown;
            }
            if step.missed {
                continue;
            }
            let value = u64::try_from(total % round).unwrap();
            let hidden = step.hidden && !restarts;
            let mark = counter.judge(&Reading {
                value,
                wide,
                at_ms,
                up_time: (!hidden).then_some(u32::try_from(up % (1 << 32)).unwrap()),
                jumped: tells.then_some(0),
                fastest: Some(speed),
                moved: false,
            });
            if let Some((true_before, value_before)) = before {
                let by = match mark {
                    None => Some(u128::from(value) - u128::from(value_before)),
                    Some(Mark::Wrap32) => Some(u128::from(value) + (1 << 32) - u128::from(value_before)),
                    Some(Mark::Wrap64) => Some(u128::from(value) + (1 << 64) - u128::from(value_before)),
                    Some(Mark::Reset | Mark::Discontinuity) => None,
                };
                // It may be where it would be without a restart: then nobody can tell.
                let alike = told.is_some_and(|(told, then)| {
                    let ticks = (at_ms - then).unsigned_abs() / 10;
                    let apart = ((told + ticks) % WRAP32).abs_diff(up % WRAP32);
                    apart.min(WRAP32 - apart) <= 500 + ticks / 200
                });
                if restarts {
                    prop_assert!(mark == Some(Mark::Reset) || told.is_none() || alike);
                } else if let Some(by) = by {
                    prop_assert_eq!(by, total - true_before);
                } else {
                    prop_assert!(hidden || mark != Some(Mark::Reset), "nobody restarted");
                }
            }
            if !hidden {
                told = Some((up, at_ms));
            }
            before = Some((total, value));
            restarts = false;
        }
    }

    /// No reading, whatever it says, makes it fail, and nothing known leads down.
    #[test]
    fn nothing_known_leads_down(
        readings in prop::collection::vec(
            (any::<u64>(), any::<bool>(), any::<i64>(), any::<Option<u32>>(), any::<Option<u32>>(), any::<Option<f64>>()),
            0..40,
        ),
    ) {
        let mut counter = Counter::default();
        let mut before: Option<u64> = None;
        for (value, wide, at_ms, up_time, jumped, fastest) in readings {
            let value = if value % 3 == 0 { value } else { value % WRAP32 };
            let mark = counter.judge(&Reading { value, wide, at_ms, up_time, jumped, fastest, moved: false });
            if let (None, Some(before)) = (mark, before) {
                prop_assert!(value >= before);
            }
            before = Some(value);
        }
    }
}
