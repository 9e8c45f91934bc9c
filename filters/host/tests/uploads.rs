//! What is no filter, or costs too much to compile, is refused in words that say why; all of it in the child that compiles.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/guests.rs"]
mod guests;

use hedgerow_filter_host::admission::Refusal;
use hedgerow_filter_host::compile::{CompileError, CompileLimits, Compiler};
use hedgerow_filter_host::guest::Limits;
use hedgerow_filter_host::{Engine, EngineOptions, LoadError};
use proptest::prelude::*;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

fn child() -> Compiler {
    Compiler::Child {
        program: env!("CARGO_BIN_EXE_filter-test-compiler").into(),
        args: vec!["__compiler".into()],
    }
}

fn engine(compile: CompileLimits, artefacts: Option<&Path>) -> Engine {
    let artefacts = artefacts.map(Path::to_owned);
    Engine::new(EngineOptions { max_instances: 4, compile, artefacts, ..EngineOptions::new(child()) })
        .unwrap()
}

fn try_load(bytes: &[u8]) -> Result<(), LoadError> {
    engine(CompileLimits::default(), None).load(bytes).map(drop)
}

#[track_caller]
fn assert_refused(bytes: &[u8], words: &[&str]) {
    let error = try_load(bytes).unwrap_err();
    assert!(matches!(error, LoadError::Refused(_)), "{error:?}");
    for word in words {
        assert!(error.to_string().contains(word), "expected `{word}` in: {error}");
    }
}

#[test]
fn an_honest_module_is_wrapped_and_compiled_in_the_child() {
    let engine = engine(CompileLimits::default(), None);
    let program = engine.load(&guests::guest("echo")).unwrap();
    assert_eq!(program.describe("{}", &Limits::default()).unwrap().name, "echo");
}

#[test]
fn wasi_is_refused_by_name() {
    assert_refused(&guests::guest("wasi-import"), &["wasi_snapshot_preview1", "no WASI", "expected only"]);
}

#[test]
fn of_many_imports_it_is_said_once_with_all_their_names() {
    let import = |name: &str| format!("(import \"{name}\" \"f\" (func))");
    let names = ["wasi:cli/exit@0.2.0", "wasi:io/poll@0.2.0", "wasi:io/streams@0.2.0", "env", "other"];
    let imports: String = names.iter().map(|name| import(name)).collect();
    let module =
        guests::embed(&wat::parse_str(format!("(module {imports})")).unwrap(), &guests::contract(), "full");
    let LoadError::Refused(refusals) = try_load(&module).unwrap_err() else { panic!() };
    let said: Vec<_> = refusals.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    let wasi = "it imports `wasi:cli/exit@0.2.0`, `wasi:io/poll@0.2.0`, `wasi:io/streams@0.2.0`: a filter has no WASI";
    assert!(said[0].starts_with(wasi), "{said:?}");
    assert!(said[1].starts_with("it imports `env`, `other`, no part"), "{said:?}");
}

#[test]
fn other_imports_are_refused_by_name() {
    assert_refused(&guests::guest("other-import"), &["imports `env`", "expected only"]);
}

#[test]
fn another_version_of_the_contract_is_refused_with_both() {
    let newer = |text: &str| text.replace("@1.0.0", "@2.0.0");
    let text = newer(&guests::text("echo"));
    let module = guests::embed(&wat::parse_str(text).unwrap(), &newer(&guests::contract()), "full");
    assert_refused(&module, &["hedgerow:filter/host", "of version 2.0.0", "expected 1.0.0"]);
}

#[test]
fn a_module_without_metadata_is_refused() {
    assert_refused(&wat::parse_str(guests::text("echo")).unwrap(), &["without WIT metadata"]);
    assert_refused(&wat::parse_str("(module)").unwrap(), &["without WIT metadata"]);
}

#[test]
fn functions_of_other_types_are_refused() {
    let module = wat::parse_str(guests::text("echo")).unwrap();
    let contract = guests::contract()
        .replace("log: func(level: level, message: string)", "log: func(level: u32, message: string)");
    assert_refused(&guests::embed(&module, &contract, "full"), &["does not fit the contract"]);
}

#[test]
fn another_world_is_refused() {
    let wit = "package a:b; world c { export run: func(); }";
    let module = wat::parse_str(r#"(module (func (export "run")))"#).unwrap();
    assert_refused(
        &guests::embed(&module, wit, "c"),
        &["does not export `hedgerow:filter/filter@1.0.0`", "`run`"],
    );
}

#[test]
fn threads_and_wide_memories_are_refused() {
    assert_refused(&guests::guest("shared-memory"), &["shared"]);
    assert_refused(&guests::guest("memory-of-64-bits"), &["64"]);
}

#[test]
fn nothing_and_text_are_refused() {
    assert_refused(b"", &["begins with nothing"]);
    assert_refused(b"#!/bin/sh\nrm -rf /\n", &["begins with 23 21 2f 62"]);
}

#[test]
fn too_many_bytes_are_refused_before_they_are_read() {
    let small = CompileLimits { component_bytes: 1000, ..CompileLimits::default() };
    let error = engine(small, None).load(&guests::guest("echo")).unwrap_err();
    assert!(
        matches!(&error, LoadError::Refused(why) if matches!(why[..], [Refusal::TooLarge { bound: 1000, .. }]))
    );
}

#[test]
fn truncated_uploads_are_refused() {
    let whole = guests::guest("echo");
    let engine = engine(CompileLimits::default(), None);
    for part in 1..8 {
        let error = engine.load(&whole[..whole.len() * part / 8]).unwrap_err();
        assert!(matches!(error, LoadError::Refused(_)), "{error:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Random bytes, and bytes changed in what was good: refused, or a filter; never anything else.
    #[test]
    fn random_bytes_are_refused(at in 8_usize..3000, bytes in proptest::collection::vec(any::<u8>(), 1..64)) {
        let mut upload = guests::guest("echo");
        let at = at.min(upload.len() - bytes.len());
        upload[at..at + bytes.len()].copy_from_slice(&bytes);
        let mut random = b"\0asm\x0d\0\x01\0".to_vec();
        random.extend_from_slice(&bytes);
        for upload in [upload, random] {
            match try_load(&upload) {
                Ok(()) | Err(LoadError::Refused(_)) => {}
                Err(other) => prop_assert!(false, "{other:?}"),
            }
        }
    }
}

/// Little of everything: what an attack on the compiler must not get past.
fn tight() -> CompileLimits {
    CompileLimits { cpu: Duration::from_secs(1), memory_bytes: 192 << 20, ..CompileLimits::default() }
}

/// Refused, or compiled within the bounds.
#[track_caller]
fn assert_bounded(parts: &str) {
    match engine(tight(), None).load(&guests::with_parts(parts)) {
        Ok(_) | Err(LoadError::Refused(_) | LoadError::Compile(CompileError::TooMuch { .. })) => {}
        Err(other) => panic!("{other:?}"),
    }
}

/// One function in which ten thousand values live across three thousand branches: registers are given out for a long time.
#[test]
fn compile_bomb_of_a_huge_function() {
    let mut body = format!(";;; bomb\n(func (local {})\n(loop\n", "i32 ".repeat(10_000));
    for n in 0..3000 {
        let (to, from) = (n * 3 % 10_000, n * 7 % 10_000);
        writeln!(
            body,
            "(if (local.get {from}) (then (local.set {to} (i32.add (local.get {from}) (local.get 1)))))"
        )
        .unwrap();
    }
    for n in 0..10_000 {
        writeln!(body, "(i32.store (i32.const {n}) (local.get {n}))").unwrap();
    }
    body.push_str("(br_if 0 (local.get 2))))\n");
    let error = engine(tight(), None).load(&guests::with_parts(&body)).unwrap_err();
    let LoadError::Compile(CompileError::TooMuch { what, .. }) = &error else { panic!("{error:?}") };
    assert!(["processor time", "memory"].contains(what), "{error}");
}

#[test]
fn a_compiler_that_needs_more_memory_than_it_may_is_stopped() {
    // An honest one of this size needs about half a megabyte.
    let small = CompileLimits { memory_bytes: 64 << 10, ..CompileLimits::default() };
    let error = engine(small, None).load(&guests::guest("echo")).unwrap_err();
    assert!(matches!(error, LoadError::Compile(CompileError::TooMuch { what: "memory", .. })), "{error:?}");
}

#[test]
fn compile_bomb_of_many_functions() {
    let mut body = String::from(";;; bomb\n");
    for n in 0..3000 {
        writeln!(body, "(func (param i32) (result i32) (i32.add (local.get 0) (i32.const {n})))").unwrap();
    }
    assert_bounded(&body);
}

#[test]
fn compile_bomb_of_deep_nesting() {
    let depth = 5000;
    let body = format!(";;; bomb\n(func {}{})\n", "block ".repeat(depth), "end ".repeat(depth));
    assert_bounded(&body);
}

#[test]
fn compile_bomb_of_many_types() {
    let mut body = String::from(";;; bomb\n");
    for n in 0..3000_u32 {
        let params: String = (0..16).map(|bit| if n >> bit & 1 == 0 { " i32" } else { " f64" }).collect();
        writeln!(body, "(type (func (param{params})))").unwrap();
    }
    assert_bounded(&body);
}

#[test]
fn compile_bomb_of_a_branch_table() {
    let body =
        format!(";;; bomb\n(func (param i32) (block (br_table {}(local.get 0))))\n", "0 ".repeat(200_000));
    assert_bounded(&body);
}

#[test]
fn compile_bomb_of_many_locals() {
    let locals = "i64 ".repeat(49_000);
    let mut body = format!(";;; bomb\n(func (local {locals}) (loop");
    for n in (0..49_000).step_by(7) {
        write!(body, " (local.set {n} (local.get {}))", n / 2).unwrap();
    }
    body.push_str(" (br 0)))\n");
    assert_bounded(&body);
}

#[test]
fn a_compiler_that_hangs_is_killed_and_reaped() {
    let compiler =
        Compiler::Child { program: "/bin/sh".into(), args: vec!["-c".into(), "exec /bin/sleep 600".into()] };
    let compile = CompileLimits { wall: Duration::from_millis(200), ..CompileLimits::default() };
    let engine =
        Engine::new(EngineOptions { max_instances: 4, compile, ..EngineOptions::new(compiler) }).unwrap();
    let error = engine.load(&guests::guest("echo")).unwrap_err();
    assert!(matches!(error, LoadError::Compile(CompileError::TooMuch { what: "time", .. })), "{error:?}");
    let children =
        fs::read_to_string(format!("/proc/self/task/{}/children", std::process::id())).unwrap_or_default();
    assert_eq!(children.trim(), "");
}

#[test]
fn a_compiler_that_never_ends_talking_is_killed() {
    let compiler = Compiler::Child { program: "/bin/cat".into(), args: vec!["/dev/zero".into()] };
    let compile = CompileLimits { artefact_bytes: 1 << 20, ..CompileLimits::default() };
    let engine =
        Engine::new(EngineOptions { max_instances: 4, compile, ..EngineOptions::new(compiler) }).unwrap();
    let error = engine.load(&guests::guest("echo")).unwrap_err();
    assert!(
        matches!(error, LoadError::Compile(CompileError::TooMuch { what: "native code", .. })),
        "{error:?}"
    );
}

#[test]
fn a_compiler_that_is_not_there_is_said_by_name() {
    let compiler = Compiler::Child { program: "/no/such/compiler".into(), args: Vec::new() };
    let engine = Engine::new(EngineOptions { max_instances: 4, ..EngineOptions::new(compiler) }).unwrap();
    let error = engine.load(&guests::guest("echo")).unwrap_err();
    assert!(error.to_string().contains("/no/such/compiler"), "{error}");
}

/// An engine that compiles nothing: all it has are artefacts.
fn without_compiler(artefacts: &Path) -> Engine {
    let compiler = Compiler::Child { program: "/no/such/compiler".into(), args: Vec::new() };
    let artefacts = Some(artefacts.to_owned());
    Engine::new(EngineOptions { max_instances: 4, artefacts, ..EngineOptions::new(compiler) }).unwrap()
}

fn only_file(folder: &Path) -> std::path::PathBuf {
    let mut files = fs::read_dir(folder).unwrap();
    let file = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none());
    file
}

#[test]
fn what_was_compiled_is_kept_and_what_is_damaged_is_compiled_anew() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("artefacts");
    let echo = guests::guest("echo");
    engine(CompileLimits::default(), Some(&folder)).load(&echo).unwrap();
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    without_compiler(&folder).load(&echo).unwrap();

    let file = only_file(&folder);
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let engine = engine(CompileLimits::default(), Some(&folder));
    engine.load(&echo).unwrap();
    assert_eq!(engine.damaged_artefacts(), 1);
    without_compiler(&folder).load(&echo).unwrap();
}

#[test]
fn a_folder_that_others_can_write_to_is_emptied_before_it_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let echo = guests::guest("echo");
    engine(CompileLimits::default(), Some(folder.path())).load(&echo).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(without_compiler(folder.path()).load(&echo).is_err());
    assert_eq!(fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn the_longest_unused_artefacts_go_when_there_are_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let options = EngineOptions {
        max_instances: 4,
        artefacts: Some(folder.path().to_owned()),
        artefact_bytes: 100_000,
        ..EngineOptions::new(child())
    };
    let engine = Engine::new(options).unwrap();
    for n in 0..4 {
        engine.load(&guests::with_parts(&format!(";;; one\n(func (result i32) (i32.const {n}))\n"))).unwrap();
    }
    let bytes: u64 =
        fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!((1..=100_000).contains(&bytes), "{bytes}");
}
