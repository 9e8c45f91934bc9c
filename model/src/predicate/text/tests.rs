#![allow(clippy::unwrap_used)]
use super::*;
use crate::path::tests::paths;
use crate::predicate::{Comparison, LabelPattern};
use proptest::prelude::*;
use std::time::Duration;

fn predicates() -> impl Strategy<Value = Predicate> {
    let ago = || (1..10_000_000_u64).prop_map(|millis| When::Ago(Duration::from_millis(millis)));
    let at = || (0..253_402_300_800_000_i64).prop_map(When::At);
    let number = prop_oneof![any::<f64>(), (-100..100_i32).prop_map(f64::from)];
    let constraint = prop_oneof![
        (0..6_usize, number)
            .prop_map(|(sign, number)| Constraint::Compare(Comparison::SIGNS[sign].1, number)),
        prop::collection::vec(prop_oneof![any::<String>(), "[a-c*,\" \\\\{}]{0,3}"], 1..4)
            .prop_map(Constraint::In),
    ];
    let every = (1..100_000_000_u64, prop::sample::subsequence(Aggregate::ALL.to_vec(), 1..5).prop_shuffle())
        .prop_map(|(width, aggregates)| Every { width: Duration::from_millis(width), aggregates });
    (
        prop::collection::vec(paths().prop_map(|path| PathPattern::exact(&path)), 1..4),
        prop::option::of(constraint),
        prop::option::of(prop_oneof![ago(), at()]),
        prop::option::of(prop_oneof![ago(), at()]),
        any::<bool>(),
        prop::option::of(every),
        prop::sample::select(Reading::ALL.to_vec()),
    )
        .prop_map(|(patterns, constraint, since, until, last, every, reading)| {
            let window = Window { since, until, last, every };
            Predicate { patterns, constraint, window, reading }
        })
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back_if_and_only_if_it_is_sound(predicate in predicates()) {
        let read = Predicate::parse(&predicate.to_string());
        prop_assert_eq!(read.is_ok(), predicate.check().is_ok(), "{}: {:?}", predicate, read);
        if let Ok(read) = read {
            prop_assert_eq!(read, predicate);
        }
    }

    #[test]
    fn the_order_of_patterns_and_values_makes_no_other_question(predicate in predicates()) {
        let mut same = predicate.clone();
        same.patterns.reverse();
        same.patterns.push(same.patterns[0].clone());
        if let Some(Constraint::In(values)) = &mut same.constraint {
            values.rotate_left(1);
        }
        prop_assert_eq!(same.canonical(), predicate.canonical());
    }

    #[test]
    fn any_text_is_read_or_refused_within_it(
        words in prop::collection::vec(prop_oneof![
            "[ab*?{},\\\\\\[\\]= /é\"]{0,8}", "(where value|since=|until=|every=|as=|last|[<>=!]+|in)",
            "(5m|1e3|2026-11-2[0-9]|14:00|:mean,max|inf|\\{a\\})",
        ], 0..8),
        glue in "( |)",
    ) {
        let text = words.join(&glue);
        match Predicate::parse(&text) {
            Ok(read) => prop_assert_eq!(Predicate::parse(&read.to_string()), Ok(read)),
            Err(error) => prop_assert!(error.at <= text.len() && text.is_char_boundary(error.at)),
        }
    }
}

#[test]
fn words_of_a_command_line_make_one_predicate() {
    let one = Predicate::parse("a/b c where value > 1 since=2026-11-20T14:00Z").unwrap();
    for words in [
        &["a/b", "c", "where", "value", ">", "1", "since=2026-11-20 14:00"][..],
        &["a/b c", "where value>1", "since=2026-11-20", "14:00"],
    ] {
        assert_eq!(Predicate::parse_words(words, &moment::utc).as_ref(), Ok(&one), "{words:?}");
    }
}

#[test]
fn local_times_are_placed_by_the_caller() {
    let an_hour_east = |local: &moment::LocalTime| (local.hour != 2).then(|| local.as_utc() - 3_600_000);
    let at = |text| Predicate::parse_with(text, &an_hour_east).map(|predicate| predicate.window.since);
    assert_eq!(at("* since=1970-01-01T01:00"), Ok(Some(When::At(0))));
    assert_eq!(at("* since=1970-01-01T01:00Z"), Ok(Some(When::At(3_600_000))), "a zone that is given stands");
    assert_eq!(at("* since=now"), at("* since=0s"));
    let error = at("* since=1970-01-01T02:30").unwrap_err();
    assert_eq!(
        (error.at, error.what.as_str()),
        (8, "`1970-01-01T02:30` does not exist in the local time zone")
    );
}

#[test]
fn what_the_wire_can_say_but_no_text_is_refused() {
    let sound = || Predicate::live(vec![PathPattern::any()]);
    let with = |change: &dyn Fn(&mut Predicate)| {
        let mut predicate = sound();
        change(&mut predicate);
        predicate.check()
    };
    let labels = |pairs: &[&str]| {
        let pairs = pairs.iter().map(|key| ((*key).to_owned(), crate::Glob::any())).collect();
        with(&|p| p.patterns[0].labels = LabelPattern::All(Clone::clone(&pairs)))
    };
    assert_eq!(with(&|_| {}), Ok(()));
    assert_eq!(with(&|p| p.patterns.clear()), Err(PredicateFault::Patterns(0)));
    assert_eq!(with(&|p| p.constraint = Some(Constraint::In(vec![]))), Err(PredicateFault::Values(0)));
    assert_eq!(labels(&["a", "b"]), Ok(()));
    for bad in [&[][..], &["b", "a"], &["a", "a"], &["a b"], &[""]] {
        assert!(matches!(labels(bad), Err(PredicateFault::Labels(_))), "{bad:?}");
    }
    let nan = Constraint::Compare(Comparison::Equal, f64::NAN);
    assert_eq!(with(&|p| p.constraint = Some(nan.clone())), Err(PredicateFault::NotANumber));
    assert_eq!(with(&|p| p.window.since = Some(When::At(i64::MIN))), Err(PredicateFault::Time));
    assert_eq!(
        with(&|p| p.window.until = Some(When::Ago(Duration::from_nanos(1)))),
        Err(PredicateFault::Time)
    );
    let every = |width, aggregates: &[Aggregate]| {
        with(&|p| p.window.every = Some(Every { width, aggregates: aggregates.to_vec() }))
    };
    assert_eq!(every(Duration::from_secs(1), &[]), Err(PredicateFault::NoAggregates));
    assert!(matches!(every(Duration::ZERO, &[Aggregate::Last]), Err(PredicateFault::Width(_))));
    assert!(matches!(every(Duration::from_micros(1500), &[Aggregate::Last]), Err(PredicateFault::Width(_))));
}
