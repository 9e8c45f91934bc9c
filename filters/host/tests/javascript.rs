//! A filter in JavaScript, made of the template as its author makes it, beside one in Rust in the same engine: both are taken within
//! a farm's own limits, run, and go on from their states.
//!
//! The component is 1.7 MB and not committed: it is made with npm where npm can, and the test says aloud where it cannot. With
//! `HEDGEROW_TEST_NPM=1` it has to.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use hedgerow_filter_host::compile::Compiler;
use hedgerow_filter_host::guest::{
    Column, Effects, Emitted, Fault, Guest, GuestBatch, Input, Limits, SeriesInfo,
};
use hedgerow_filter_host::{Engine, EngineOptions, Program, Start};
use hedgerow_model::{Kind, Labels};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Bytes of the JavaScript engine with the template in it. Past it, its upload would be refused one day.
const LARGEST: usize = 2 << 20;

/// Does in `onBatch` what its parameter says, all of which ends it.
const ODD: &str = r#"
import { withLastWords } from "./hedgerow.js";
let what = "";
const odd = {
  boom: () => { throw new Error("boom"); },
  random: () => Math.random(),
  now: () => Date.now(),
  date: () => new Date(),
  dates: () => { if (new Date(86400000).getUTCDate() !== 2 || !(new Date(0) instanceof Date)) throw new Error("wrong"); },
};
export const filter = withLastWords({
  describe() {
    const schema = JSON.stringify({ type: "object", properties: { what: { type: "string" } } });
    return { name: "odd", version: "0.1.0", description: "Odd.", predicates: ["*/hosts/*/x"], reading: "rate", lookBackMs: 0, tickMs: 0,
      schema, capabilities: [] };
  },
  configure(parameters) {
    what = JSON.parse(parameters).what;
    if (!what) throw new TypeError("nothing to do");
  },
  onSeries() {},
  onBatch() { odd[what](); },
  onLife() {},
  onGap() {},
  onTick() {},
  save() { return new Uint8Array(); },
});
"#;

/// The template as a component, and one that is odd, where npm can make them.
fn components() -> Option<[Vec<u8>; 2]> {
    let filters = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("js-mean");
    let named = |from: &str| fs::read_to_string(filters.join(from)).unwrap().replace("NAME", "js-mean");
    let files = [
        ("package.json", named("templates/js/package.json.in")),
        ("filter.js", named("templates/js/filter.js.in")),
        ("hedgerow.js", named("templates/js/hedgerow.js.in")),
        ("odd.js", ODD.to_owned()),
        ("wit/filter.wit", fs::read_to_string(filters.join("wit/filter.wit")).unwrap()),
    ];
    let made = ["js-mean.wasm", "odd.wasm"].map(|name| folder.join(name));
    let is_there = |(path, content): &(&str, String)| {
        fs::read_to_string(folder.join(path)).is_ok_and(|found| found == *content)
    };
    if !made.iter().all(|made| made.is_file()) || !files.iter().all(is_there) {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("wit")).unwrap();
        for (path, content) in &files {
            fs::write(folder.join(path), content).unwrap();
        }
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--fetch-retries=0"]);
        let componentize = |js: &str, made: &Path| {
            let mut componentize = Command::new(folder.join("node_modules/.bin/componentize-qjs"));
            // As `hedgerow filter build` does.
            componentize.args(["--stub-wasi", "--sync", "--wit", "wit", "--js", js, "--world", "base"]);
            componentize.arg("--output").arg(made);
            componentize
        };
        let [mean, odd] = &made;
        for mut command in [npm, componentize("filter.js", mean), componentize("odd.js", odd)] {
            let done = command.current_dir(&folder).output();
            if !done.as_ref().is_ok_and(|output| output.status.success()) {
                let why =
                    done.map_or_else(|e| e.to_string(), |o| String::from_utf8_lossy(&o.stderr).into_owned());
                let why = format!("no filter in JavaScript was made: {:?}: {why}", command.get_program());
                assert!(std::env::var_os("HEDGEROW_TEST_NPM").is_none(), "{why}");
                eprintln!("SKIPPED: {why}");
                return None;
            }
        }
    }
    Some(made.map(|made| fs::read(made).unwrap()))
}

fn engine() -> Engine {
    let compiler =
        Compiler::Child { program: env!("CARGO_BIN_EXE_filter-test-compiler").into(), args: Vec::new() };
    // Core instances are four times as many; one of JavaScript has about that many itself.
    Engine::new(EngineOptions { max_instances: 16, ..EngineOptions::new(compiler) }).unwrap()
}

/// This test is not about time, and the machine may be slow; all else as at a farm.
fn patient() -> Limits {
    Limits { call_cpu: Duration::from_secs(60), ..Limits::default() }
}

fn start(program: &Program, parameters: &str, state: Option<&[u8]>) -> Box<dyn Guest> {
    let known_series = if state.is_some() { 2 } else { 0 };
    let start = Start { state, known_series, ..Start::new(parameters, patient()) };
    Box::new(program.start(start).unwrap().0)
}

fn series() -> Input {
    let series = |handle: u32, node: &str| SeriesInfo {
        handle,
        cluster: "hosts".into(),
        node: node.into(),
        parameter: "load1".into(),
        labels: Labels::new([("item", "é")]).unwrap(),
        kind: Kind::Gauge,
        unit: "1".into(),
        interval_ms: 10_000,
        description: String::new(),
    };
    Input::Series(vec![series(0, "a"), series(1, "b")])
}

fn batch(time: i64, values: [f64; 2]) -> Input {
    let numbers = Column { series: vec![0, 1], times: vec![time], values: values.to_vec() };
    Input::Batch(GuestBatch { numbers, ..GuestBatch::default() })
}

fn numbers(effects: &Effects) -> &Column<f64> {
    match effects.emitted.as_slice() {
        [Emitted::Numbers(column)] => column,
        other => panic!("{other:?}"),
    }
}

/// One test, as two would make the component at once.
#[test]
fn one_in_javascript_runs_beside_one_in_rust_goes_on_from_its_state_and_is_stopped_by_what_it_throws() {
    let Some([bytes, odd]) = components() else { return };
    assert!(bytes.len() <= LARGEST, "{} bytes", bytes.len());
    let engine = engine();
    let in_js = engine.load(&bytes).unwrap();
    side_by_side(&engine, &in_js);
    throws(&in_js);
    has_last_words(&engine.load(&odd).unwrap());
}

/// Whatever ends it, its author is told what it was, and where.
fn has_last_words(odd: &Program) {
    let words = |fault: Fault| match fault {
        Fault::Trap { what, .. } => what.split_once("its last words: ").unwrap().1.to_owned(),
        other => panic!("{other}"),
    };
    for (what, said, place) in [
        ("boom", "Error: boom at ", "odd.js:5"),
        ("random", "Error: a filter has no randomness", "odd.js:6"),
        ("now", "Error: a filter has no clock", "odd.js:7"),
        ("date", "Error: a filter has no clock", "odd.js:8"),
    ] {
        let mut guest = start(odd, &format!(r#"{{"what":"{what}"}}"#), None);
        let words = words(guest.call(&batch(0, [1.0, 2.0])).unwrap_err());
        assert!(words.starts_with(said) && words.contains(place) && !words.contains('\n'), "{words}");
    }
    let mut guest = start(odd, r#"{"what":"dates"}"#, None);
    guest.call(&batch(0, [1.0, 2.0])).unwrap();
    match odd.start(Start::new("{}", patient())) {
        Err(Fault::Refused(words)) => assert!(words.starts_with("TypeError: nothing to do at "), "{words}"),
        other => panic!("{:?}", other.err()),
    }
}

fn side_by_side(engine: &Engine, in_js: &Program) {
    let rust = Path::new(env!("CARGO_MANIFEST_DIR")).join("../prebuilt/threshold.wasm");
    let in_rust = engine.load(&fs::read(rust).unwrap()).unwrap();
    let said = in_js.describe(r#"{"samples":2}"#, &patient()).unwrap();
    assert_eq!((said.name.as_str(), said.version.as_str()), ("js-mean", "0.1.0"));
    assert!(in_js.imports().is_empty());

    let parameters = [r#"{"samples":2}"#, r#"{"above":0.5}"#];
    let mut js = start(in_js, parameters[0], None);
    let mut rs = start(&in_rust, parameters[1], None);
    for guest in [&mut js, &mut rs] {
        guest.call(&series()).unwrap();
    }
    let mut before = [f64::NAN; 2];
    for round in 0..20_i64 {
        let values = [round as f64, if round % 2 == 0 { 0.25 } else { 0.75 }];
        let input = batch(round * 10_000, values);
        let effects = js.call(&input).unwrap();
        let means = numbers(&effects);
        let mean = |at: usize| if round == 0 { values[at] } else { f64::midpoint(before[at], values[at]) };
        assert_eq!(
            (means.times.as_slice(), means.values.as_slice()),
            (&[round * 10_000][..], &[mean(0), mean(1)][..])
        );
        let said = rs.call(&input).unwrap();
        let [Emitted::States(codes, _)] = said.emitted.as_slice() else { panic!("{said:?}") };
        assert_eq!(codes.values, values.map(|value| i64::from(value > 0.5)));
        before = values;
        if round == 10 {
            // Names beyond ASCII are kept, and outputs are declared anew.
            let state = js.save().unwrap();
            js = start(in_js, parameters[0], Some(&state));
        } else if round == 11 {
            assert_eq!((effects.declared.len(), effects.declared[0].parameter.as_str()), (2, "load1_mean"));
            assert_eq!(effects.declared[0].labels, Labels::new([("item", "é")]).unwrap());
        }
    }
    let (bytes, bound) = (js.memory_bytes(), patient().memory_bytes);
    assert!(bytes < bound / 4, "{bytes} bytes of {bound} after 20 batches");
}

fn throws(program: &Program) {
    let refused = program.describe(r#"{"samples":0}"#, &patient()).unwrap_err();
    assert_eq!(refused, Fault::Refused("the parameter `samples`: expected a whole number from 1".into()));
    // Of a series that it was not told of: the template does not expect that.
    let mut guest = start(program, "{}", None);
    let fault = guest.call(&batch(0, [1.0, 2.0])).unwrap_err();
    assert!(matches!(fault, Fault::Trap { call: "on-batch", .. }), "{fault}");
    assert!(fault.to_string().contains("its last words: TypeError: "), "{fault}");
}
