//! Promise: what the tutorial says to type works, and prints what the tutorial says.
//!
//! Blocks with the info string `sh test` are run in order, all of a page in one shell, with `hedgerow` on the PATH and folders
//! of their own. Blocks `sh test wasm` are left out, aloud, where no compiler for WASM is. A block `text output` behind one says what it prints; `...` stands for anything. The pages speak of the base
//! port 17400; each run has free ports in its place.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use hedgerow_e2e::{Process, Sandbox, blocks, matches};
use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What a page may take; one that builds builds the standard library, too.
const PAGE_PATIENCE: Duration = Duration::from_secs(500);
/// The base of the ports that the pages speak of.
const PAGES_BASE: u16 = 17_400;
/// How many of them.
const PAGES_PORTS: u16 = 10;

/// Runs a page; what it did otherwise than it says.
fn run_page(name: &str, page: &str) -> Result<usize, String> {
    let sandbox = Sandbox::new();
    let mut blocks = blocks(page);
    let compiler = blocks.iter().any(|block| block.wasm).then(compiler).unwrap_or_default();
    if compiler.is_empty() {
        let all = blocks.len();
        blocks.retain(|block| !block.wasm);
        if blocks.len() < all {
            println!("SKIPPED: {} blocks of {name}: there is no compiler for WASM", all - blocks.len());
        }
    }
    let logs = sandbox.path("logs").display().to_string();
    let moved = |text: &str, from: u16, to: u16| {
        (0..PAGES_PORTS).fold(text.to_owned(), |text, above| {
            text.replace(&(from + above).to_string(), &(to + above).to_string())
        })
    };
    let mut script = "trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n".to_owned();
    for (number, block) in blocks.iter().enumerate() {
        let commands = moved(&block.commands, PAGES_BASE, sandbox.base_port());
        writeln!(script, "{{\n{commands}\n}} >{logs}/block{number} 2>&1; echo $? >{logs}/status{number}")
            .unwrap();
    }
    let file = sandbox.path("page.sh");
    fs::write(&file, script).unwrap();
    let mut bash = sandbox.program(Path::new("/bin/bash"));
    bash.arg(&file).current_dir(sandbox.path("home")).envs(compiler);
    let mut shell = Process::start(bash, &sandbox.path("logs"), "shell");
    shell.ended(PAGE_PATIENCE);
    for (number, block) in blocks.iter().enumerate() {
        let log = |kind: &str| fs::read_to_string(format!("{logs}/{kind}{number}")).unwrap_or_default();
        let printed = moved(&log("block"), sandbox.base_port(), PAGES_BASE);
        let status = log("status").trim().to_owned();
        if status != "0" || !matches(&block.expected, &printed) {
            let expected = &block.expected;
            return Err(format!(
                "{name}:{}: status {status}, printed:\n{printed}\nexpected: {expected:?}",
                block.line
            ));
        }
    }
    Ok(blocks.len())
}

/// The environment in which `hedgerow filter build` finds a compiler; empty: there is none. Its toolchains are those of who runs the
/// test, as a sandbox has none.
fn compiler() -> Vec<(&'static str, OsString)> {
    let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let path = env::var_os("PATH").unwrap_or_default();
    let folder =
        |name: &str, otherwise: &str| env::var_os(name).unwrap_or_else(|| home.join(otherwise).into());
    let rustup = folder("RUSTUP_HOME", ".rustup");
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "sysroot"]).current_dir("/").env_remove("RUSTUP_TOOLCHAIN");
    let sysroot = rustc.output().map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned());
    let target = sysroot.map(|sysroot| Path::new(&sysroot).join("lib/rustlib/wasm32-unknown-unknown"));
    let debian = ["/usr/bin/rustc", "/usr/bin/cargo", "/usr/lib/rustlib/src/rust/library/std"];
    if !target.is_ok_and(|target| target.is_dir()) && !debian.iter().all(|path| Path::new(path).exists()) {
        return Vec::new();
    }
    let mut tools = hedgerow_e2e::binary().parent().unwrap().as_os_str().to_owned();
    tools.push(":");
    tools.push(path);
    // What was built is kept from one run to the next.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("first-filter");
    vec![
        ("PATH", tools),
        ("RUSTUP_HOME", rustup),
        ("CARGO_HOME", folder("CARGO_HOME", ".cargo")),
        ("CARGO_TARGET_DIR", target.into()),
    ]
}

#[test]
fn the_tutorial_works_as_it_is_written() {
    assert!(run_pages("tutorial", false) > 0, "no block `sh test` in the tutorial");
}

#[test]
fn the_tutorial_of_what_is_built_works_as_it_is_written() {
    assert!(run_pages("tutorial", true) > 0, "no page with a block `sh test wasm` in the tutorial");
}

#[test]
fn the_how_to_pages_work_as_they_are_written() {
    assert!(run_pages("how-to", false) > 0, "no block `sh test` in the how-to pages");
}

/// Runs all pages of a folder that build something, or all that do not; how many blocks there were.
fn run_pages(folder: &str, builds: bool) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(folder);
    let mut ran = 0;
    for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let page = fs::read_to_string(&path).unwrap();
            if blocks(&page).iter().any(|block| block.wasm) != builds {
                continue;
            }
            ran += run_page(&path.display().to_string(), &page).unwrap_or_else(|error| panic!("{error}"));
        }
    }
    println!("{ran} blocks ran");
    ran
}

const FIXTURE: &str = r#"
# A page
```sh
exit 1
```
```sh test
hedgerow up --data "$HOME/mesh" --base-port 17400 >up.log &
until grep -q 'Ctrl-C stops' up.log; do sleep 0.1; done
place=$(pwd)
cat up.log
```
```text output
hedgerow ... is up: farm ...
...
  farm      http://127.0.0.1:17403  watches this host
...
```
```sh test
until hedgerow ls --lookup http://127.0.0.1:17401 '*/hosts' | grep -q load1; do sleep 0.1; done 2>/dev/null
hedgerow ls --lookup http://127.0.0.1:17401 '*/hosts/*/load1'
test "$place" = "$HOME"
```
```text output
PATH...
.../hosts/.../load1 ... live ...
```
"#;

#[test]
fn a_page_is_run_in_one_shell_and_compared() {
    assert_eq!(run_page("fixture", FIXTURE), Ok(2));
    let wrong = FIXTURE.replace("watches this host", "watches that host");
    assert!(run_page("fixture", &wrong).unwrap_err().contains("fixture:6: status 0"));
    let failing = FIXTURE.replace("test \"$place\"", "test not \"$place\"");
    assert!(run_page("fixture", &failing).unwrap_err().contains("status"));
}
