//! The shipped filters as they are committed: each is taken, says what it is, runs, and goes on from its state as if never stopped.
#![allow(clippy::unwrap_used)]

use hedgerow_filter_host::compile::Compiler;
use hedgerow_filter_host::guest::{
    Capability, Column, Effects, Emitted, Guest, GuestBatch, Input, LifeChange, Limits, SeriesInfo,
};
use hedgerow_filter_host::{Engine, EngineOptions, Program, Start};
use hedgerow_model::{Kind, Labels, Life};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Larger ones are no longer quickly sent to every farm.
const LARGEST: usize = 53_000;

fn prebuilt() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../prebuilt");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    files.sort();
    files
}

/// This test is not about time, and the machine may be slow.
fn patient() -> Limits {
    Limits { call_cpu: Duration::from_secs(20), ..Limits::default() }
}

fn parameters(name: &str) -> &'static str {
    match name {
        "threshold" | "threshold-alarm" => r#"{"above":0.5}"#,
        "threshold-action" => r#"{"above":0.5,"action":"restart"}"#,
        "absent-action" => r#"{"action":"restart"}"#,
        "load" => r#"{"histogram":[0.25,0.5]}"#,
        "expr" => {
            r#"{"expr":"max(disk_used) > 0.5 and total(disk_used) > 0","name":"disk_used_high","window":"5m"}"#
        }
        "anomaly" => r#"{"learn":1}"#,
        "anomaly-alarm" => r#"{"learn":1,"width":0.5,"hold":"0s"}"#,
        "forecast" => r#"{"step":"20s","horizon":"2m","season":"80s"}"#,
        "forecast-alarm" => r#"{"step":"20s","limit":0.8}"#,
        _ => "{}",
    }
}

/// Between two batches, in milliseconds.
fn period(name: &str) -> i64 {
    // It takes some days.
    if name.starts_with("anomaly") { 8 * 3_600_000 } else { 10_000 }
}

/// Two nodes whose values jump about; one falls silent.
fn inputs(period: i64) -> Vec<Input> {
    let series = |handle: u32, node: &str| SeriesInfo {
        handle,
        cluster: "hosts".into(),
        node: node.into(),
        parameter: "disk_used".into(),
        labels: Labels::new([("item", "/var")]).unwrap(),
        kind: Kind::Gauge,
        unit: "1".into(),
        interval_ms: 10_000,
        description: String::new(),
    };
    let mut inputs = vec![Input::Series(vec![series(0, "a"), series(1, "b")])];
    for round in 0..60_i64 {
        let time = round * period;
        let values = vec![if round % 2 == 0 { 0.25 } else { 0.75 }, 0.9];
        let numbers = Column { series: vec![0, 1], times: vec![time], values };
        inputs.push(Input::Batch(GuestBatch { numbers, ..GuestBatch::default() }));
        if round % 30 == 29 {
            inputs.push(Input::Tick(time + period));
        }
    }
    let change = LifeChange { series: 0, life: Life::Stale, time: 64 * period, reason: "no samples".into() };
    inputs.push(Input::Life(vec![change]));
    inputs.extend([Input::Tick(90 * period), Input::Tick(120 * period)]);
    inputs
}

/// What each call did: emitted, asked of the alarms, and asked for. Output handles as paths: they are given anew after a restart.
fn run(program: &Program, name: &str, restart_every: usize) -> Vec<String> {
    let parameters = parameters(name);
    let granted = program.imports().to_vec();
    let start = |state: Option<Vec<u8>>| {
        let known_series = if state.is_none() { 0 } else { 2 };
        let state = state.as_deref();
        let start = Start { state, known_series, granted: &granted, ..Start::new(parameters, patient()) };
        program.start(start).unwrap().0
    };
    let mut guest = start(None);
    let mut outputs = Vec::new();
    let mut seen = Vec::new();
    for (at, input) in inputs(period(name)).iter().enumerate() {
        let effects = guest.call(input).unwrap();
        outputs.extend(
            effects.declared.iter().map(|def| format!("{}/{}{:?}", def.node, def.parameter, def.labels)),
        );
        seen.push(shown(&effects, &outputs));
        if at % restart_every == restart_every - 1 {
            let state = guest.save().unwrap();
            guest = start(Some(state));
            outputs.clear();
        }
    }
    seen
}

fn shown(effects: &Effects, outputs: &[String]) -> String {
    let name = |handle: &u32| outputs[*handle as usize].clone();
    let mut text = String::new();
    for emitted in &effects.emitted {
        let (series, rest) = match emitted {
            Emitted::Numbers(column) => (&column.series, format!("{:?} {:?}", column.times, column.values)),
            Emitted::Integers(column) => (&column.series, format!("{:?} {:?}", column.times, column.values)),
            Emitted::States(column, texts) => {
                (&column.series, format!("{:?} {:?} {texts:?}", column.times, column.values))
            }
            Emitted::Texts(column) => (&column.series, format!("{:?} {:?}", column.times, column.values)),
        };
        text += &format!("{:?} {rest}\n", series.iter().map(name).collect::<Vec<_>>());
    }
    text + &format!("{:?} {:?} {:?}", effects.alarms, effects.actions, effects.logs)
}

#[test]
fn each_is_taken_describes_itself_runs_and_survives_restarts() {
    let engine =
        Engine::new(EngineOptions { max_instances: 8, ..EngineOptions::new(Compiler::InProcess) }).unwrap();
    let files = prebuilt();
    assert!(!files.is_empty());
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let bytes = fs::read(&file).unwrap();
        assert!(bytes.len() <= LARGEST, "{name} has {} bytes", bytes.len());
        let program = engine.load(&bytes).unwrap();
        let description = program.describe(parameters(name), &patient()).unwrap();
        assert_eq!(description.name, name);
        assert!(!description.schema.is_empty());
        let wanted: &[Capability] = match name.rsplit_once('-') {
            Some((_, "alarm")) => &[Capability::Alarms],
            Some((_, "action")) => &[Capability::Actions],
            _ => &[],
        };
        assert_eq!((description.capabilities.as_slice(), program.imports()), (wanted, wanted), "{name}");

        let seen = run(&program, name, usize::MAX);
        assert!(
            seen.iter().any(|call| call.contains("disk_used") || call.contains("absent")),
            "{name}: {seen:?}"
        );
        assert_eq!(
            seen.iter().any(|call| call.contains("Raise")),
            name.ends_with("-alarm"),
            "{name}: {seen:?}"
        );
        assert_eq!(
            seen.iter().any(|call| call.contains("restart")),
            name.ends_with("-action"),
            "{name}: {seen:?}"
        );
        for every in [1, 7] {
            assert_eq!(run(&program, name, every), seen, "{name}, stopped after every {every} calls");
        }
    }
}

#[test]
fn parameters_that_do_not_fit_are_refused_in_words() {
    let engine =
        Engine::new(EngineOptions { max_instances: 2, ..EngineOptions::new(Compiler::InProcess) }).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../prebuilt");
    let program = engine.load(&fs::read(folder.join("threshold.wasm")).unwrap()).unwrap();
    let why = |parameters: &str| program.describe(parameters, &patient()).unwrap_err().to_string();
    assert!(why("{}").contains("one of the parameters `above` and `below` has to be given"), "{}", why("{}"));
    let unknown = why(r#"{"above":0.9,"abvoe":0.9}"#);
    assert!(unknown.contains("`abvoe`"), "{unknown}");
}
