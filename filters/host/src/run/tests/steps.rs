//! What a guest is given for what comes, and what comes of what it emits.

use super::guests::*;
use crate::guest::{
    AlarmCall, Column, Effects, Emitted, Fault, GapReason, GuestBatch, Input, Reading, SeriesInfo,
};
use crate::run::{Item, MAX_TIMES, Plan, Run, Saved};
use hedgerow_model::batch::{MAX_BATCH_SAMPLES, MAX_GENERATION};
use hedgerow_model::{
    Batch, ColumnType, Kind, Life, LifeMark, Mark, Numbered, Numbers, Position, SeriesId, Status, Times,
    Value,
};

fn accepted(numbered: &Numbered, last: Position) -> Item<'_> {
    Item::Accepted { through: last, batch: Some(numbered), heartbeat: None }
}

fn give(run: &mut Run, last: u64, time: i64, samples: &[(u32, Value, Option<Mark>)]) -> crate::run::Step {
    let numbered = numbered(at(last), time, samples);
    run.give(accepted(&numbered, at(last)), &defs).unwrap()
}

fn heartbeat(run: &mut Run, number: u64, time: i64) -> crate::run::Step {
    run.give(Item::Accepted { through: at(number), batch: None, heartbeat: Some(time) }, &defs).unwrap()
}

fn gauge(id: u32, value: f64) -> (u32, Value, Option<Mark>) {
    (id, Value::F64(value), None)
}

#[test]
fn handles_are_dense_in_the_order_of_first_samples_and_told_once() {
    let (mut run, inputs) = recorder(plan(Reading::Rate, 0));
    give(&mut run, 2, 10, &[gauge(9, 1.0), gauge(12, 2.0)]);
    give(&mut run, 4, 20, &[gauge(7, 3.0), gauge(12, 4.0)]);
    give(&mut run, 6, 30, &[gauge(7, 5.0), gauge(12, 6.0)]);
    run.redeclared(SeriesId(12));
    run.redeclared(SeriesId(99));
    give(&mut run, 7, 40, &[gauge(7, 7.0)]);
    give(&mut run, 9, 50, &[gauge(7, 8.0), gauge(12, 9.0)]);
    let told = |input: &Input| match input {
        Input::Series(infos) => infos
            .iter()
            .map(|info| format!("{} {}", info.handle, info.parameter))
            .collect::<Vec<_>>()
            .join(", "),
        Input::Batch(batch) => format!("{:?} at {:?}", batch.numbers.series, batch.numbers.times),
        other => format!("{other:?}"),
    };
    assert_eq!(
        inputs.lock().unwrap().iter().map(told).collect::<Vec<_>>(),
        [
            "0 p9, 1 p12",
            "[0, 1] at [10]",
            "2 p7",
            "[2, 1] at [20]",
            "[2, 1] at [30]",
            "[2] at [40]",
            "1 p12",
            "[2, 1] at [50]",
        ]
    );
    assert_eq!((run.series(2), run.series(3)), (Some(SeriesId(7)), None));
}

#[test]
fn columns_are_apart_and_counters_are_read() {
    let samples = |n: u64| {
        [
            (1, Value::F64(0.5), None),
            (2, Value::I64(-3), None),
            (3, Value::counter(10 * n), None),
            (4, Value::F64(1.5), None),
            (5, Value::State(1, Some("up".into())), None),
            (6, Value::Text("hello".into()), None),
        ]
    };
    let given = |reading: Reading| {
        let (mut run, inputs) = recorder(plan(reading, 0));
        give(&mut run, 6, 1000, &samples(1));
        give(&mut run, 12, 3000, &samples(2));
        (batches(&inputs), inputs.lock().unwrap()[0].clone())
    };
    let (rates, series) = given(Reading::Rate);
    let Input::Series(series) = series else { unreachable!() };
    let units: Vec<&str> = series.iter().map(|info: &SeriesInfo| &*info.unit).collect();
    assert_eq!(units, ["", "", "By/s", "By/s", "", ""]);
    assert_eq!(rates[0].numbers, Column { series: vec![0], times: vec![1000], values: vec![0.5] });
    assert_eq!(rates[0].integers, Column { series: vec![1, 4], times: vec![1000], values: vec![-3, 1] });
    assert_eq!(rates[0].texts, Column { series: vec![5], times: vec![1000], values: vec!["hello".into()] });
    assert_eq!(rates[0].state_texts, [(4, "up".to_owned())]);
    assert_eq!(
        rates[1].numbers,
        Column { series: vec![0, 2, 3], times: vec![3000], values: vec![0.5, 5.0, 0.0] }
    );
    assert_eq!(rates[1].state_texts, [], "unchanged");
    let (deltas, series) = given(Reading::Delta);
    assert_eq!(deltas[1].numbers.values, [0.5, 10.0, 0.0]);
    let Input::Series(series) = series else { unreachable!() };
    assert_eq!(series[2].unit, "By");
    let (raw, _) = given(Reading::Raw);
    assert_eq!(raw[1].numbers, Column { series: vec![0, 3], times: vec![3000], values: vec![0.5, 1.5] });
    assert_eq!(raw[1].integers.values, [-3, 20, 1]);
}

#[test]
fn marks_are_given_with_raw_counters_and_stop_rates() {
    let batch = |run: &mut Run, last, value, mark| {
        give(run, last, i64::try_from(last).unwrap() * 1000, &[(3, Value::counter(value), mark)]);
    };
    let (mut run, inputs) = recorder(plan(Reading::Raw, 0));
    batch(&mut run, 1, 100, None);
    batch(&mut run, 2, 5, Some(Mark::Reset));
    let raw = batches(&inputs);
    assert_eq!((&raw[0].marks[..], &raw[1].marks[..]), (&[][..], &[(0, Mark::Reset)][..]));
    let (mut run, inputs) = recorder(plan(Reading::Rate, 0));
    batch(&mut run, 1, 100, None);
    batch(&mut run, 2, 5, Some(Mark::Reset));
    batch(&mut run, 3, 7, None);
    // Nothing is known of what a gap hides: not even whether the counter was reset.
    run.give(Item::Gap { through: at(10), reason: GapReason::Lost, count: None }, &defs).unwrap();
    batch(&mut run, 11, 9, None);
    batch(&mut run, 12, 12, None);
    let rates: Vec<GuestBatch> = batches(&inputs);
    let values: Vec<f64> = rates.iter().flat_map(|batch| batch.numbers.values.clone()).collect();
    assert_eq!(values, [2.0, 3.0]);
    assert_eq!(run.cost().samples_in, 2, "a sample without a reading is not given");
}

#[test]
fn the_text_of_a_state_comes_where_it_changed() {
    let (mut run, inputs) = recorder(plan(Reading::Rate, 0));
    let state = |code, text: Option<&str>| (5, Value::State(code, text.map(Into::into)), None);
    for (last, sample) in (1..).zip([
        state(1, Some("up")),
        state(1, None),
        state(1, Some("up")),
        state(2, Some("down")),
        (5, Value::I64(2), None),
    ]) {
        give(&mut run, last, 1000, &[sample]);
    }
    let texts: Vec<usize> = batches(&inputs).iter().map(|batch| batch.state_texts.len()).collect();
    assert_eq!(texts, [1, 0, 0, 1, 0]);
}

#[test]
fn what_was_numbered_up_to_the_deployment_is_look_back() {
    let (mut run, inputs) = recorder(plan(Reading::Rate, 0));
    run.look_back_through = Some(at(2));
    for last in 1..4 {
        give(&mut run, last, 0, &[gauge(1, 0.0)]);
    }
    let flags: Vec<bool> = batches(&inputs).iter().map(|batch| batch.look_back).collect();
    assert_eq!(flags, [true, true, false]);
}

#[test]
fn ticks_come_behind_the_batch_with_the_heartbeat() {
    let (mut run, inputs) = recorder(plan(Reading::Rate, 10_000));
    heartbeat(&mut run, 1, 9_000);
    let numbered = numbered(at(2), 1, &[gauge(1, 0.0)]);
    let both = Item::Accepted { through: at(3), batch: Some(&numbered), heartbeat: Some(31_000) };
    run.give(both, &defs).unwrap();
    let inputs = inputs.lock().unwrap();
    assert!(matches!(&inputs[..], [Input::Series(_), Input::Batch(_), Input::Tick(30_000)]), "{inputs:?}");
}

#[test]
fn what_was_given_before_is_passed_over() {
    let (mut run, inputs) = recorder(plan(Reading::Rate, 0));
    let mark = |after, life| LifeMark { series: SeriesId(1), life, time: 5, after, reason: "silent".into() };
    let stale = mark(2, Life::Stale);
    give(&mut run, 2, 0, &[gauge(1, 0.0)]);
    give(&mut run, 2, 0, &[gauge(1, 0.0)]);
    give(&mut run, 1, 0, &[gauge(1, 0.0)]);
    let before = inputs.lock().unwrap().len();
    run.give(Item::Gap { through: at(2), reason: GapReason::Lost, count: Some(1) }, &defs).unwrap();
    run.give(Item::Life(EPOCH, &mark(1, Life::Stale)), &defs).unwrap();
    assert_eq!(inputs.lock().unwrap().len(), before);
    let other = LifeMark { series: SeriesId(77), ..stale.clone() };
    run.give(Item::Life(EPOCH, &other), &defs).unwrap();
    assert_eq!(inputs.lock().unwrap().len(), before, "of a series that the filter does not know");
    run.give(Item::Life(EPOCH, &stale), &defs).unwrap();
    run.give(Item::Life(EPOCH, &mark(2, Life::Live)), &defs).unwrap();
    assert_eq!(inputs.lock().unwrap().len(), before + 2);
    assert_eq!((run.place().lives, run.cost().missed), (2, 0));
}

#[test]
fn batches_have_the_generation_of_their_cause() {
    let mut run = run_of(plan(Reading::Rate, 10), |input| {
        let declared =
            if matches!(input, Input::Series(_)) { vec![output("x", Kind::Gauge)] } else { Vec::new() };
        let emitted = match input {
            Input::Series(_) => Vec::new(),
            _ => vec![Emitted::Numbers(column(0, 1, 1.0))],
        };
        Ok(Effects { declared, emitted, ..Effects::default() })
    });
    let give = |run: &mut Run, last, id, generation| {
        let mut numbered = numbered(at(last), 0, &[gauge(id, 0.0)]);
        numbered.batch.generation = generation;
        run.give(accepted(&numbered, at(last)), &defs).unwrap().batches[0].generation
    };
    let tick = |run: &mut Run, number: u64| {
        let step = heartbeat(run, number, i64::try_from(number).unwrap() * 10);
        step.batches.first().map(|batch| batch.generation)
    };
    assert_eq!(tick(&mut run, 1), None, "the first only sets the grid");
    assert_eq!((give(&mut run, 2, 1, 0), tick(&mut run, 3)), (1, Some(1)));
    assert_eq!((give(&mut run, 4, 2, 5), tick(&mut run, 5)), (6, Some(6)));
    assert_eq!(
        (give(&mut run, 6, 1, 0), tick(&mut run, 7)),
        (1, Some(6)),
        "a tick knows what it may have kept"
    );
    let ended = LifeMark { series: SeriesId(2), life: Life::Ended, time: 0, after: 7, reason: "".into() };
    run.give(Item::Life(EPOCH, &ended), &defs).unwrap();
    assert_eq!(tick(&mut run, 8), Some(1));
    assert_eq!((give(&mut run, 9, 2, 3), give(&mut run, 10, 2, 0), tick(&mut run, 11)), (4, 1, Some(1)));
}

/// Two filters of which each reads what the other makes, and emits for whatever comes, ticks too.
#[test]
fn a_ring_of_filters_ends() {
    let echo = || {
        run_of(plan(Reading::Rate, 1000), |input| {
            let declared =
                if matches!(input, Input::Series(_)) { vec![output("x", Kind::Gauge)] } else { vec![] };
            let emitted = vec![Emitted::Numbers(column(0, 1, 1.0))];
            Ok(Effects { declared, emitted, ..Effects::default() })
        })
    };
    let mut runs = [echo(), echo()];
    let mut hub = std::collections::VecDeque::from([(0_usize, numbered(at(1), 0, &[gauge(100, 1.0)]).batch)]);
    let (mut number, mut accepted_batches, mut refused) = (0, 0, 0);
    while let Some((to, mut batch)) = hub.pop_front() {
        if batch.generation > MAX_GENERATION {
            refused += 1;
            continue;
        }
        accepted_batches += 1;
        assert!(accepted_batches < 10_000, "it goes on for ever");
        number += 1;
        batch.series = vec![SeriesId(100 + u32::try_from(to).unwrap())];
        let numbered = Numbered { epoch: EPOCH, numbers: Numbers::From(number), batch };
        let time = Some(i64::try_from(number).unwrap() * 100);
        let item = Item::Accepted { through: at(number), batch: Some(&numbered), heartbeat: time };
        let step = runs[to].give(item, &defs).unwrap();
        hub.extend(step.batches.into_iter().map(|batch| (1 - to, batch)));
    }
    assert!(refused > 0 && accepted_batches >= usize::from(MAX_GENERATION));
}

#[test]
fn all_that_one_call_emits_is_one_batch_in_its_order() {
    let mut run = run_of(plan(Reading::Rate, 0), |input| {
        let Input::Batch(_) = input else {
            let declared = [("g", Kind::Gauge), ("c", Kind::Counter), ("s", Kind::State), ("t", Kind::Text)];
            let declared = declared.map(|(name, kind)| output(name, kind)).into();
            return Ok(Effects { declared, ..Effects::default() });
        };
        let numbers = Column { series: vec![0, 1], times: vec![5], values: vec![0.5, 1.5] };
        let emitted = vec![
            Emitted::Numbers(numbers),
            Emitted::States(column(2, 5, 3), vec!["bad".into()]),
            Emitted::Texts(column(3, 5, "x".into())),
            Emitted::Integers(column(0, 6, 7)),
            Emitted::Numbers(Column::default()),
        ];
        Ok(Effects { emitted, ..Effects::default() })
    });
    let step = give(&mut run, 1, 0, &[gauge(1, 0.0)]);
    let [batch] = &step.batches[..] else { unreachable!("{step:?}") };
    assert_eq!(batch.times, Times::Each(vec![5, 5, 5, 5, 6]));
    let values: Vec<Value> = batch.values.iter().collect();
    assert_eq!(
        values,
        [
            Value::F64(0.5),
            Value::F64(1.5),
            Value::State(3, Some("bad".into())),
            Value::Text("x".into()),
            Value::I64(7)
        ]
    );
    let names: Vec<String> =
        batch.series.iter().map(|id| run.outputs()[id.0 as usize - 1].key.to_string()).collect();
    assert_eq!(names, ["echo/all/g", "echo/all/c", "echo/all/s", "echo/all/t", "echo/all/g"]);
    assert_eq!(run.outputs()[0].source, "filter:echo");
}

#[test]
fn what_does_not_fit_into_one_batch_comes_in_several() {
    let many = MAX_BATCH_SAMPLES + 10;
    let mut run = run_of(Plan { output_series: u32::MAX, ..plan(Reading::Rate, 0) }, move |input| {
        let Input::Batch(_) = input else {
            let declared = vec![output("g", Kind::Gauge); many];
            return Ok(Effects { declared, ..Effects::default() });
        };
        let series = || (0..).take(many).collect::<Vec<u32>>();
        let big = Column { series: series(), times: vec![1; many], values: vec![1.0; many] };
        let one_time = Column { series: series(), times: vec![3], values: vec![1; many] };
        Ok(Effects {
            emitted: vec![Emitted::Numbers(big), Emitted::Integers(one_time)],
            ..Effects::default()
        })
    });
    let step = give(&mut run, 1, 0, &[gauge(1, 0.0)]);
    let lengths: Vec<usize> = step.batches.iter().map(Batch::len).collect();
    assert!(lengths.iter().all(|length| *length <= MAX_BATCH_SAMPLES), "{lengths:?}");
    assert_eq!(lengths.iter().sum::<usize>(), 2 * many);
    let floats = step.batches.iter().flat_map(|batch| batch.values.slots());
    assert_eq!(floats.filter(|(column, _)| *column == ColumnType::F64).count(), many);
    assert_eq!(run.cost().samples_out, 2 * many as u64);
}

#[test]
fn more_distinct_times_than_the_hub_takes_at_once_are_a_fault() {
    let emits = |series: Vec<u32>, times: Vec<i64>| {
        let mut run = run_of(plan(Reading::Rate, 0), move |input| {
            let Input::Batch(_) = input else {
                return Ok(Effects { declared: vec![output("g", Kind::Gauge); 2], ..Effects::default() });
            };
            let column =
                Column { series: series.clone(), times: times.clone(), values: vec![1.0; series.len()] };
            Ok(Effects { emitted: vec![Emitted::Numbers(column)], ..Effects::default() })
        });
        let numbered = numbered(at(1), 0, &[gauge(1, 0.0)]);
        run.give(accepted(&numbered, at(1)), &defs).map(|step| step.times).map_err(|fault| fault.to_string())
    };
    let most = i64::try_from(MAX_TIMES).unwrap();
    let both = |times: i64| (0..2 * times).map(|at| u32::try_from(at % 2).unwrap()).collect::<Vec<_>>();
    let each = |times: i64| (0..2 * times).map(|at| at / 2).collect::<Vec<_>>();
    assert_eq!(emits(both(most), each(most)), Ok(MAX_TIMES), "two series at each");
    let why = emits(both(most + 1), each(most + 1)).unwrap_err();
    assert_eq!(why, "in `on-batch` it took more distinct times to emit at than it may: the bound is 1000");
    // One series many times at one time is as much for the hub.
    assert_eq!(emits(vec![0; MAX_TIMES], vec![5]), Ok(MAX_TIMES));
    assert!(emits(vec![0; MAX_TIMES + 1], vec![5]).is_err());
    assert_eq!(emits(vec![0, 1, 0, 1], vec![7, 7, 6, 7]), Ok(3), "one at 6, two at 7");
}

#[test]
fn what_was_not_declared_so_is_a_fault() {
    let faulty = |emitted: Emitted| {
        let mut run = run_of(plan(Reading::Rate, 0), move |_| {
            Ok(Effects {
                declared: vec![output("g", Kind::Gauge), output("s", Kind::State), output("t", Kind::Text)],
                emitted: vec![emitted.clone()],
                ..Effects::default()
            })
        });
        let numbered = numbered(at(1), 0, &[gauge(1, 0.0)]);
        let fault = run.give(accepted(&numbered, at(1)), &defs).unwrap_err();
        assert!(matches!(run.give(accepted(&numbered, at(2)), &defs), Err(Fault::Host(_))), "it has ended");
        assert!(run.save().is_err());
        fault.to_string()
    };
    let one =
        |series, times: &[i64], values: &[f64]| Column { series, times: times.into(), values: values.into() };
    for (emitted, expected) in [
        (Emitted::Numbers(column(3, 0, 1.0)), "the output handle 3, which `declare` did not give"),
        (Emitted::Numbers(column(u32::MAX, 0, 1.0)), "the output handle 4294967295"),
        (Emitted::Numbers(column(1, 0, 1.0)), "numbers for echo/all/s, which is declared as state"),
        (Emitted::Integers(column(2, 0, 1)), "integers for echo/all/t, which is declared as text"),
        (Emitted::Texts(column(0, 0, String::new())), "texts for echo/all/g, which is declared as gauge"),
        (Emitted::States(column(1, 0, 1), Vec::new()), "1 codes have 0 texts"),
        (Emitted::Numbers(one(vec![0, 0], &[1], &[1.0])), "2 series, 1 times and 1 values"),
        (Emitted::Numbers(one(vec![0, 0, 0], &[1, 2], &[1.0; 3])), "3 series, 2 times and 3 values"),
        (Emitted::Numbers(one(vec![0], &[], &[1.0])), "1 series, 0 times and 1 values"),
    ] {
        let fault = faulty(emitted);
        assert!(fault.contains(expected), "{fault}");
        assert!(fault.starts_with("in `on-series` it broke the contract: "), "{fault}");
    }
}

#[test]
fn alarms_about_what_was_not_given_and_too_many_series_are_faults() {
    let raise = |handle| {
        let key = "k".to_owned();
        let (severity, series) = (Status::Critical, vec![handle]);
        AlarmCall::Raise { key, severity, text: String::new(), series, value: None, runbook: String::new() }
    };
    let alarm = |handle| {
        let mut run = run_of(plan(Reading::Rate, 0), move |_| {
            Ok(Effects { alarms: vec![raise(handle)], ..Effects::default() })
        });
        let numbered = numbered(at(1), 0, &[gauge(1, 0.0)]);
        run.give(accepted(&numbered, at(1)), &defs)
    };
    assert_eq!(alarm(0).unwrap().alarms.len(), 2);
    assert!(alarm(1).unwrap_err().to_string().contains("the series handle 1, which it was not given"));
    let few = Plan { output_series: 1, ..plan(Reading::Rate, 0) };
    let mut run =
        run_of(few, |_| Ok(Effects { declared: vec![output("a", Kind::Gauge)], ..Effects::default() }));
    let numbered = numbered(at(1), 0, &[gauge(1, 0.0)]);
    let fault = run.give(accepted(&numbered, at(1)), &defs).unwrap_err();
    assert!(matches!(fault, Fault::Overrun { call: "on-batch", what: "output series", .. }), "{fault}");
}

#[test]
fn what_is_emitted_past_the_bound_of_an_hour_is_left_out() {
    let bounded = Plan { emit_per_hour: 2, ..plan(Reading::Rate, 0) };
    let mut run = run_of(bounded, |input| match input {
        Input::Series(_) => Ok(Effects { declared: vec![output("a", Kind::Gauge)], ..Effects::default() }),
        _ => Ok(Effects { emitted: vec![Emitted::Numbers(column(0, 1, 1.0))], ..Effects::default() }),
    });
    let emits = |run: &mut Run, last| give(run, last, 0, &[gauge(1, 0.0)]).batches.len();
    heartbeat(&mut run, 1, 0);
    assert_eq!([2, 3, 4].map(|last| emits(&mut run, last)), [1, 1, 0]);
    heartbeat(&mut run, 5, 3_599_999);
    assert_eq!(emits(&mut run, 6), 0);
    heartbeat(&mut run, 7, 3_600_000);
    assert_eq!(emits(&mut run, 8), 1);
    let cost = run.cost();
    assert_eq!((cost.samples_in, cost.samples_out, cost.samples_refused), (5, 3, 2));
}

#[test]
fn to_emit_before_the_first_input_is_a_fault() {
    let configured = Effects {
        declared: vec![output("a", Kind::Gauge)],
        emitted: vec![Emitted::Numbers(column(0, 1, 1.0))],
        ..Effects::default()
    };
    let (guest, _) = Echo::configured(None);
    let run = Run::resume(guest, configured, plan(Reading::Rate, 0), &Saved::fresh(at(0), None), None);
    assert!(matches!(run.err(), Some(Fault::Breach { call: "configure", .. })));
}

#[test]
fn a_series_that_nobody_knows_is_left_out() {
    let (mut run, inputs) = recorder(plan(Reading::Raw, 0));
    let batch = numbered(at(2), 0, &[gauge(1, 1.0), (2, Value::F64(2.0), Some(Mark::Reset))]);
    run.give(accepted(&batch, at(2)), &|id| defs(id).filter(|_| id.0 == 1)).unwrap();
    assert_eq!(batches(&inputs)[0].numbers, column(0, 0, 1.0));
    assert_eq!(batches(&inputs)[0].marks, []);
}

#[test]
fn the_same_length_and_first_series_do_not_make_the_same_batch() {
    let (mut run, inputs) = recorder(plan(Reading::Rate, 0));
    for (last, second) in [(2, 8), (4, 9), (6, 8), (8, 3), (10, 3)] {
        let time = i64::try_from(last).unwrap();
        give(&mut run, last, time, &[gauge(7, 1.0), (second, Value::F64(2.0), None)]);
    }
    let given: Vec<Vec<u32>> = batches(&inputs).into_iter().map(|batch| batch.numbers.series).collect();
    assert_eq!(given, [vec![0, 1], vec![0, 2], vec![0, 1], vec![0], vec![0, 3]]);
}
