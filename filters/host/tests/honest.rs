//! An honest filter, through all of its life.
#![allow(clippy::unwrap_used)]

#[path = "support/guests.rs"]
mod guests;

use hedgerow_filter_host::compile::Compiler;
use hedgerow_filter_host::guest::{Column, Emitted, Fault, Guest, GuestBatch, Input, Limits, SeriesInfo};
use hedgerow_filter_host::{Engine, EngineOptions, Program, Start};
use hedgerow_model::{Kind, Labels};

fn engine() -> Engine {
    Engine::new(EngineOptions { max_instances: 8, ..EngineOptions::new(Compiler::InProcess) }).unwrap()
}

fn patient() -> Limits {
    Limits::default()
}

fn series(handle: u32, node: &str) -> SeriesInfo {
    SeriesInfo {
        handle,
        cluster: "hosts".into(),
        node: node.into(),
        parameter: "load".into(),
        labels: Labels::new([("item", "/var"), ("vo", "alice")]).unwrap(),
        kind: Kind::Gauge,
        unit: "1".into(),
        interval_ms: 10_000,
        description: "how busy it is".into(),
    }
}

fn batch(series: &[u32], values: &[f64]) -> Input {
    Input::Batch(GuestBatch {
        numbers: Column { series: series.to_vec(), times: vec![5_000], values: values.to_vec() },
        ..GuestBatch::default()
    })
}

fn echo(engine: &Engine) -> Program {
    engine.load(&guests::guest("echo")).unwrap()
}

#[test]
fn says_what_it_is() {
    let description = echo(&engine()).describe("{}", &patient()).unwrap();
    assert_eq!((description.name.as_str(), description.version.as_str()), ("echo", "1.2.3"));
    assert_eq!(description.predicates, ["*/*/*/*"]);
    assert_eq!((description.tick_ms, description.look_back_ms), (1000, 0));
    assert!(description.capabilities.is_empty());
}

#[test]
fn gives_back_what_it_is_given_and_keeps_count() {
    let engine = engine();
    let program = echo(&engine);
    let (mut guest, effects) = program.start(Start::new("{}", patient())).unwrap();
    assert_eq!(effects.declared.len(), 1);
    assert_eq!(effects.declared[0].parameter.as_str(), "seen");
    let effects = guest.call(&Input::Series(vec![series(0, "a"), series(1, "b")])).unwrap();
    assert_eq!(effects.declared.len(), 2);
    assert_eq!(effects.declared[1].node.as_str(), "b");
    assert_eq!(effects.declared[1].labels.get("vo"), Some("alice"));
    assert_eq!(effects.declared[1].unit, "1");
    let effects = guest.call(&batch(&[1, 0], &[0.5, f64::NAN])).unwrap();
    let [Emitted::Numbers(column)] = effects.emitted.as_slice() else { panic!("{effects:?}") };
    assert_eq!((column.series.as_slice(), column.times.as_slice()), (&[2, 1][..], &[5_000][..]));
    assert_eq!(column.values[0].to_bits(), 0.5_f64.to_bits());
    assert!(column.values[1].is_nan());
    let effects = guest.call(&Input::Tick(60_000)).unwrap();
    let expected = Column { series: vec![0], times: vec![60_000], values: vec![2_i64] };
    assert_eq!(effects.emitted, [Emitted::Integers(expected)]);
    assert!(guest.memory_bytes() >= 65_536);

    let state = guest.save().unwrap();
    assert_eq!(state, 2_u64.to_le_bytes());
    let start = Start { state: Some(&state), known_series: 2, ..Start::new("{}", patient()) };
    let (mut again, _) = program.start(start).unwrap();
    let effects = again.call(&Input::Tick(61_000)).unwrap();
    let expected = Column { series: vec![0], times: vec![61_000], values: vec![2_i64] };
    assert_eq!(effects.emitted, [Emitted::Integers(expected)]);
}

#[test]
fn a_batch_larger_than_its_memory_makes_it_grow_and_comes_whole() {
    let engine = engine();
    let (mut guest, _) = echo(&engine).start(Start::new("{}", patient())).unwrap();
    guest
        .call(&Input::Series((0..1000).map(|handle| series(handle, &format!("n{handle}"))).collect()))
        .unwrap();
    let handles: Vec<u32> = (0..20_000).map(|at| at % 1000).collect();
    let values: Vec<f64> = (0..20_000).map(f64::from).collect();
    let effects = guest.call(&batch(&handles, &values)).unwrap();
    let [Emitted::Numbers(column)] = effects.emitted.as_slice() else { panic!() };
    assert_eq!(column.values, values);
    assert!(guest.memory_bytes() > 65_536);
}

#[test]
fn parameters_are_held_against_its_schema() {
    let program = echo(&engine());
    let refusal = |parameters| match program.describe(parameters, &patient()) {
        Err(Fault::Refused(words)) => words,
        other => panic!("{other:?}"),
    };
    assert_eq!(refusal(r#"{"on":"x"}"#), "parameter `on`: is \"x\": expected array");
    assert_eq!(refusal(r#"{"on":["x",1]}"#), "parameter `on[1]`: is 1: expected string");
    assert!(refusal("[]").contains("no JSON object"));
    assert!(refusal("{").contains("no JSON"));
    program.describe(r#"{"on":["*"]}"#, &patient()).unwrap();
}

#[test]
fn one_component_is_loaded_once_and_an_instance_outlives_the_handle_to_its_engine() {
    let engine = engine();
    let program = echo(&engine);
    assert_eq!(program.digest(), echo(&engine).digest());
    let (mut guest, _) = program.start(Start::new("{}", patient())).unwrap();
    drop((engine, program));
    guest.call(&Input::Tick(1000)).unwrap();
}

#[test]
fn more_instances_than_the_engine_has_are_refused_and_room_comes_back() {
    let engine =
        Engine::new(EngineOptions { max_instances: 2, ..EngineOptions::new(Compiler::InProcess) }).unwrap();
    if !engine.is_pooled() {
        return;
    }
    let program = echo(&engine);
    let start = || program.start(Start::new("{}", patient()));
    let first = start().unwrap();
    let _second = start().unwrap();
    assert!(matches!(start(), Err(Fault::Host(_))));
    drop(first);
    start().unwrap();
}

/// For tests elsewhere, which need no WAT.
#[test]
fn the_modules_for_other_tests_are_those_of_their_texts() {
    for name in ["echo", "loop-in-batch"] {
        let path = guests::fixtures().join(format!("{name}.wasm"));
        let expected = guests::guest(name);
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&path, &expected).unwrap();
        }
        assert!(
            std::fs::read(&path).is_ok_and(|found| found == expected),
            "{name}.wasm is not made of {name}.wat: run with UPDATE_EXPECTED=1"
        );
    }
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// 16 MiB for 1,000, beside what guests touch: here five pages each, the first of their memory, their state, their list of
/// outputs, what they are given, and their table.
#[test]
fn a_thousand_instances_take_little() {
    let engine = Engine::new(EngineOptions::new(Compiler::InProcess)).unwrap();
    if !engine.is_pooled() {
        return;
    }
    let program = echo(&engine);
    let mut guests: Vec<_> = (0..10).map(|_| program.start(Start::new("{}", patient())).unwrap().0).collect();
    let before = resident_bytes();
    guests.extend((0..1000).map(|_| program.start(Start::new("{}", patient())).unwrap().0));
    let took = resident_bytes().saturating_sub(before);
    println!("{} bytes an instance", took / 1000);
    let touched = 5 * 4096 * 1000;
    assert!(took < touched + (16 << 20), "{took} bytes");
    drop(guests);
}

/// Not a test: prints what calls cost. `cargo nextest run … --run-ignored all --no-capture`
#[test]
#[ignore = "prints figures"]
fn figures() {
    let engine = Engine::new(EngineOptions::new(Compiler::InProcess)).unwrap();
    let program = echo(&engine);
    let time = |what: &str, rounds: u32, mut run: Box<dyn FnMut() + '_>| {
        run();
        #[expect(clippy::disallowed_methods, reason = "measures")]
        let began = std::time::Instant::now();
        (0..rounds).for_each(|_| run());
        println!("{what}: {:?}", began.elapsed() / rounds);
    };
    time("start", 2000, Box::new(|| drop(program.start(Start::new("{}", patient())).unwrap())));
    time("describe", 2000, Box::new(|| drop(program.describe("{}", &patient()).unwrap())));
    let (mut guest, _) = program.start(Start::new("{}", patient())).unwrap();
    guest
        .call(&Input::Series((0..1000).map(|handle| series(handle, &format!("n{handle}"))).collect()))
        .unwrap();
    for size in [1_u32, 200, 1000] {
        let handles: Vec<u32> = (0..size).collect();
        let values: Vec<f64> = handles.iter().copied().map(f64::from).collect();
        let input = batch(&handles, &values);
        time(&format!("batch of {size}"), 20_000, Box::new(|| drop(guest.call(&input).unwrap())));
    }
    time("tick", 20_000, Box::new(|| drop(guest.call(&Input::Tick(1000)).unwrap())));
    time("save", 20_000, Box::new(|| drop(guest.save().unwrap())));
}
