//! Guests that attack: each is stopped, for what it did, and nothing else happens.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/guests.rs"]
mod guests;

use hedgerow_filter_host::admission::Refusal;
use hedgerow_filter_host::compile::Compiler;
use hedgerow_filter_host::guest::{
    Capability, Column, Effects, Fault, Guest, GuestBatch, HistorySource, Input, Limits, LogLevel, SeriesInfo,
};
use hedgerow_filter_host::{Engine, EngineOptions, Instance, LoadError, Program, Start};
use hedgerow_model::{Kind, Labels};
use std::time::Duration;

fn limits() -> Limits {
    Limits { call_cpu: Duration::from_millis(60), state_bytes: 64 << 10, ..Limits::default() }
}

fn program(module: &[u8]) -> Program {
    let engine = Engine::new(EngineOptions { max_instances: 4, ..EngineOptions::new(Compiler::InProcess) });
    engine.unwrap().load(module).unwrap()
}

fn load(name: &str) -> Program {
    program(&guests::guest(name))
}

fn try_start(program: &Program) -> Result<(Instance, Effects), Fault> {
    program.start(Start { granted: &Capability::ALL, ..Start::new("{}", limits()) })
}

fn start(name: &str) -> Instance {
    try_start(&load(name)).unwrap().0
}

fn describe(name: &str) -> Fault {
    load(name).describe("{}", &limits()).unwrap_err()
}

fn batch() -> Input {
    let numbers = Column { series: vec![0], times: vec![1000], values: vec![1.0] };
    Input::Batch(GuestBatch { numbers, ..GuestBatch::default() })
}

/// What it is stopped for in this call. It is not called again, and holds nothing any more.
fn fault(name: &str, input: &Input) -> Fault {
    let mut guest = start(name);
    let fault = guest.call(input).unwrap_err();
    assert!(matches!(guest.call(input), Err(Fault::Host(_))));
    assert_eq!(guest.memory_bytes(), 0);
    fault
}

fn in_batch(name: &str) -> Fault {
    fault(name, &batch())
}

fn in_tick(name: &str) -> Fault {
    fault(name, &Input::Tick(1000))
}

#[track_caller]
fn assert_overrun(fault: &Fault, in_call: &str, of: &str) {
    let Fault::Overrun { call, what, .. } = fault else { panic!("{fault:?}") };
    assert_eq!((*call, *what), (in_call, of), "{fault}");
}

#[track_caller]
fn assert_breach(fault: &Fault, in_call: &str, words: &[&str]) {
    let Fault::Breach { call, what } = fault else { panic!("{fault:?}") };
    assert_eq!(*call, in_call, "{fault}");
    for word in words {
        assert!(what.contains(word), "expected `{word}` in: {what}");
    }
}

#[track_caller]
fn assert_trap(fault: &Fault, in_call: &str, words: &[&str]) {
    let Fault::Trap { call, what } = fault else { panic!("{fault:?}") };
    assert_eq!(*call, in_call, "{fault}");
    for word in words {
        assert!(what.contains(word), "expected `{word}` in: {what}");
    }
}

#[test]
fn loop_in_start() {
    assert_overrun(&describe("loop-in-start"), "start", "processor time");
}

#[test]
fn loop_in_describe() {
    assert_overrun(&describe("loop-in-describe"), "describe", "processor time");
}

#[test]
fn loop_in_configure() {
    assert_overrun(&try_start(&load("loop-in-configure")).unwrap_err(), "configure", "processor time");
}

#[test]
fn loop_in_batch() {
    assert_overrun(&in_batch("loop-in-batch"), "on-batch", "processor time");
}

#[test]
fn loop_in_realloc() {
    let mut guest = start("loop-in-realloc");
    guest.call(&Input::Tick(1000)).unwrap();
    assert_overrun(&guest.call(&batch()).unwrap_err(), "on-batch", "processor time");
}

#[test]
fn loop_in_save() {
    assert_overrun(&start("loop-in-save").save().unwrap_err(), "save", "processor time");
}

#[test]
fn memory_bomb() {
    let fault = in_batch("memory-bomb");
    assert_overrun(&fault, "on-batch", "memory");
    assert!(fault.to_string().ends_with("the bound is 64 MiB, as filters.memory says"), "{fault}");
}

#[test]
fn memory_of_4_gib_from_the_start() {
    assert_overrun(&describe("memory-of-4-gib"), "start", "memory");
}

#[test]
fn table_bomb() {
    assert_overrun(&in_batch("table-bomb"), "on-batch", "memory");
}

#[test]
fn table_of_millions_from_the_start() {
    let engine =
        Engine::new(EngineOptions { max_instances: 4, ..EngineOptions::new(Compiler::InProcess) }).unwrap();
    match engine.load(&guests::guest("table-of-millions")) {
        // A pool has no room for it, in no instance.
        Err(LoadError::Refused(refusals)) => assert!(matches!(refusals.as_slice(), [Refusal::Shape(_)])),
        Ok(program) => assert_overrun(&program.describe("{}", &limits()).unwrap_err(), "start", "memory"),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn deep_recursion() {
    assert_trap(&in_batch("deep-recursion"), "on-batch", &["stack"]);
}

#[test]
fn string_that_it_does_not_have() {
    assert_breach(&describe("string-past-memory"), "describe", &["out of bounds"]);
}

#[test]
fn huge_string_returned() {
    assert_overrun(&describe("huge-string"), "describe", "bytes given at once");
}

#[test]
fn huge_list_returned() {
    assert_overrun(&describe("huge-list"), "describe", "bytes given at once");
}

#[test]
fn texts_that_are_all_the_same_bytes() {
    assert_overrun(&in_batch("texts-all-the-same"), "on-batch", "bytes given at once");
}

#[test]
fn emission_flood() {
    let found = in_batch("emission-flood");
    assert!(matches!(found, Fault::Overrun { what: "calls of `emit`" | "processor time", .. }), "{found:?}");
}

#[test]
fn more_samples_at_once_than_allowed() {
    let limits = Limits { emit_samples: 9_999, ..limits() };
    let (mut guest, _) = load("emission-at-once").start(Start::new("{}", limits)).unwrap();
    let fault = guest.call(&batch()).unwrap_err();
    assert_overrun(&fault, "on-batch", "emitted samples");
    assert!(fault.to_string().contains("the bound is 9999 a call, as filters.emit_call says"), "{fault}");
    let limits = Limits { emit_samples: 10_000, ..limits };
    let (mut guest, _) = load("emission-at-once").start(Start::new("{}", limits)).unwrap();
    guest.call(&batch()).unwrap();
}

#[test]
fn log_flood() {
    assert_overrun(&in_batch("log-flood"), "on-batch", "processor time");
    let effects = start("log-flood").call(&Input::Tick(1000)).unwrap();
    assert_eq!((effects.logs.len(), effects.logs_dropped), (100, 900));
}

#[test]
fn long_log_line() {
    let effects = start("long-log-line").call(&batch()).unwrap();
    let [(LogLevel::Error, line)] = effects.logs.as_slice() else { panic!() };
    assert_eq!(line.len(), 2048);
}

#[test]
fn forged_output_handle() {
    assert_breach(&in_batch("forged-output-handle"), "on-batch", &["emit-integers", "7000"]);
}

#[test]
fn columns_of_two_lengths() {
    assert_breach(&in_batch("columns-of-two-lengths"), "on-batch", &["1 series", "2 values"]);
}

#[test]
fn emits_of_another_kind_than_declared() {
    assert_breach(&in_batch("emits-of-another-kind"), "on-batch", &["emit-states", "gauge"]);
}

#[test]
fn forged_input_handle() {
    assert_breach(&in_tick("forged-input-handle"), "on-tick", &["raise", "4711"]);
}

#[test]
fn forged_history_handle() {
    assert_breach(&in_tick("forged-history-handle"), "on-tick", &["read", "4711"]);
}

struct Endless;

impl HistorySource for Endless {
    fn read(&mut self, series: &[u32], since: i64, until: i64) -> Result<GuestBatch, String> {
        assert_eq!((series, since, until), (&[4711][..], 0, 1000));
        let numbers = Column { series: vec![4711; 65_537], times: vec![0], values: vec![0.0; 65_537] };
        Ok(GuestBatch { numbers, ..GuestBatch::default() })
    }
}

#[test]
fn history_that_it_may_read_is_given_to_it_up_to_a_bound() {
    let start = Start {
        granted: &Capability::ALL,
        known_series: 5000,
        history: Some(Box::new(Endless)),
        ..Start::new("{}", limits())
    };
    let (mut guest, _) = load("forged-history-handle").start(start).unwrap();
    guest.call(&Input::Tick(1000)).unwrap();
    // Far more than fits into its memory without growing was refused to it.
    assert_eq!(guest.memory_bytes(), start_bytes());
}

fn start_bytes() -> u64 {
    start("forged-history-handle").memory_bytes()
}

#[test]
fn alarm_flood() {
    // Time enough to come to that bound at all.
    let patient = Limits { call_cpu: Duration::from_secs(60), ..limits() };
    let start = Start { granted: &Capability::ALL, ..Start::new("{}", patient) };
    let (mut guest, _) = load("alarm-flood").start(start).unwrap();
    let series = SeriesInfo {
        handle: 0,
        cluster: "c".into(),
        node: "n".into(),
        parameter: "p".into(),
        labels: Labels::none(),
        kind: Kind::Gauge,
        unit: String::new(),
        interval_ms: 0,
        description: String::new(),
    };
    guest.call(&Input::Series(vec![series])).unwrap();
    assert_overrun(&guest.call(&batch()).unwrap_err(), "on-batch", "calls of `alarms`");
}

#[test]
fn alarm_key_of_60_kb() {
    assert_breach(&in_tick("alarm-key-of-60-kb"), "on-tick", &["60000 bytes", "expected 1 to 255"]);
}

#[test]
fn severity_that_there_is_not() {
    assert_breach(&in_tick("no-such-severity"), "on-tick", &["discriminant"]);
}

#[test]
fn import_that_describe_does_not_tell_of() {
    assert_breach(&describe("silent-import"), "describe", &["imports alarms without asking"]);
}

#[test]
fn import_that_is_not_granted() {
    let program = load("silent-import");
    assert_eq!(program.imports(), [Capability::Alarms]);
    let start = Start { granted: &[Capability::Actions, Capability::History], ..Start::new("{}", limits()) };
    let Fault::Refused(words) = program.start(start).unwrap_err() else { panic!() };
    assert!(words.contains("alarms, which is not granted"), "{words}");
}

#[test]
fn capability_that_it_does_not_import() {
    assert_breach(&describe("empty-wish"), "describe", &["actions", "does not import it"]);
}

#[test]
fn name_with_slash_is_a_name() {
    let effects = start("name-with-slash").call(&Input::Tick(1000)).unwrap();
    assert_eq!(effects.declared[0].node.as_str(), "a/b");
}

#[test]
fn name_with_control_character() {
    assert_trap(&in_tick("name-with-control-character"), "on-tick", &["last words", "U+000A"]);
}

#[test]
fn name_of_1_mb() {
    assert_trap(&in_tick("name-of-1-mb"), "on-tick", &["last words", "1000000 bytes"]);
}

#[test]
fn declaration_flood() {
    assert_overrun(&in_batch("declaration-flood"), "on-batch", "processor time");
}

#[test]
fn declares_while_it_is_only_asked_what_it_is() {
    assert_breach(&describe("emits-in-describe"), "describe", &["`declare`"]);
}

#[test]
fn emits_while_it_is_only_asked_for_its_state() {
    assert_breach(&start("emits-in-save").save().unwrap_err(), "save", &["`emit-integers`"]);
}

#[test]
fn unreachable_in_configure() {
    assert_trap(&try_start(&load("unreachable-in-configure")).unwrap_err(), "configure", &["unreachable"]);
}

#[test]
fn unreachable_in_save_with_last_words() {
    let found = start("unreachable-in-save").save().unwrap_err();
    assert_trap(&found, "save", &["unreachable", "its last words: Gives back what it is given."]);
}

#[test]
fn division_by_zero() {
    assert_trap(&in_tick("division-by-zero"), "on-tick", &["divide by zero"]);
}

#[test]
fn long_words_of_refusal_are_cut() {
    let Fault::Refused(words) = try_start(&load("refuses")).unwrap_err() else { panic!() };
    assert_eq!((words.len(), words.ends_with("x…")), (400 + '…'.len_utf8(), true));
    // A line feed between two letters, and a byte that a terminal would obey.
    let (text, fill) =
        (guests::text("refuses"), "(memory.fill (i32.const 8192) (i32.const 120) (i32.const 8192))");
    assert!(text.contains(fill));
    let lines = "(i64.store (i32.const 8192) (i64.const 0x6420630a620a0a61)) (i32.store8 (i32.const 8198) (i32.const 27))";
    let text = text
        .replace(fill, lines)
        .replace("(i32.const 1048) (i32.const 8192)", "(i32.const 1048) (i32.const 8)");
    let Fault::Refused(words) = try_start(&program(&guests::with_parts(&text))).unwrap_err() else {
        panic!()
    };
    assert_eq!(words, "a b c\u{fffd}d");
}

#[test]
fn answer_at_an_odd_address() {
    assert_breach(&describe("misaligned-answer"), "describe", &["aligned"]);
}

#[test]
fn answer_past_its_memory() {
    assert_breach(&describe("answer-past-memory"), "describe", &["out of bounds"]);
}

#[test]
fn state_past_its_memory() {
    assert_breach(&start("state-past-memory").save().unwrap_err(), "save", &["out of bounds"]);
}

#[test]
fn state_that_is_too_large() {
    let found = start("state-too-large").save().unwrap_err();
    assert_overrun(&found, "save", "state");
    assert!(found.to_string().contains("64 KiB, as filters.state says"), "{found}");
    let bound = Limits { state_bytes: 1 << 20, ..limits() };
    let (mut guest, _) = load("state-too-large").start(Start::new("{}", bound)).unwrap();
    assert_eq!(guest.save().unwrap().len(), 1 << 20);
}

#[test]
fn invalid_utf_8() {
    assert_breach(&describe("invalid-utf-8"), "describe", &["utf-8"]);
}

#[test]
fn reading_that_there_is_not() {
    assert_breach(&describe("no-such-reading"), "describe", &["discriminant"]);
}

#[test]
fn describes_nonsense_and_is_told_all_of_it() {
    let expected =
        ["its name is `Echo`", "its version is `1.2  `", "predicate 1", "tick-ms is 10", "`pattern`"];
    assert_breach(&describe("describes-nonsense"), "describe", &expected);
}

#[test]
fn re_entrance() {
    let found = describe("re-entrance");
    assert!(matches!(&found, Fault::Trap { what, .. } if what.contains("leave")), "{found:?}");
}

#[test]
fn room_past_its_memory() {
    assert_breach(&describe("room-past-memory"), "describe", &["beyond end of memory"]);
}

#[test]
fn many_instances_that_are_stopped_leave_nothing_behind() {
    let program = load("loop-in-batch");
    let quick = Limits { call_cpu: Duration::from_millis(1), ..limits() };
    for _ in 0..20 {
        let (mut guest, _) = program.start(Start::new("{}", quick)).unwrap();
        guest.call(&batch()).unwrap_err();
    }
}

/// A neighbour that never ends costs others processor time, and nothing else.
#[test]
fn a_neighbour_that_loops_fails_no_one_else() {
    let engine =
        Engine::new(EngineOptions { max_instances: 4, ..EngineOptions::new(Compiler::InProcess) }).unwrap();
    let bad = engine.load(&guests::guest("loop-in-batch")).unwrap();
    let good = engine.load(&guests::guest("echo")).unwrap();
    let looping = std::thread::spawn(move || {
        for _ in 0..5 {
            let (mut guest, _) = try_start(&bad).unwrap();
            assert_overrun(&guest.call(&batch()).unwrap_err(), "on-batch", "processor time");
        }
    });
    let (mut guest, _) = try_start(&good).unwrap();
    let mut calls = 0;
    while !looping.is_finished() {
        guest.call(&Input::Tick(1000)).unwrap();
        calls += 1;
    }
    looping.join().unwrap();
    assert!(calls > 0);
}
