//! Promise: in a browser the page shows a real mesh as it is: each page, light and dark, on a desk and a phone; what dies while it is
//! looked at; charts that are what the farms have; filters and alarms from the first click to the last.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use hedgerow_e2e::{PATIENCE, Process, Sandbox, SimFarms, binary, root, wait_until};
use std::process::Command;

/// Some ninety seconds on an idle machine.
const LONG: std::time::Duration = PATIENCE.saturating_mul(13);

/// Whether `PATH` has it.
fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// A script of the page's, in the sandbox; `None` where there is no node.
fn script(sandbox: &Sandbox, name: &str) -> Option<Command> {
    if !is_there("node") {
        // `cargo xtask test` says the same of the page itself: without it there is nothing to look at.
        println!("skipped: node is not installed");
        return None;
    }
    assert!(
        is_there("chromium"),
        "chromium is not there: `cargo xtask setup --for test` installs it, or says how"
    );
    let page = root().join("web/ui");
    for made in ["node_modules/playwright-core", "dist/app/index.html"] {
        assert!(page.join(made).exists(), "web/ui/{made} is not there: `cargo xtask web` makes it");
    }
    let temporary = sandbox.path("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let mut node = sandbox.program("node".as_ref());
    // Node need not be where Debian has it.
    node.env("PATH", std::env::var_os("PATH").unwrap()).env("TMPDIR", temporary).env("NO_COLOR", "1");
    node.arg(page.join("e2e/real").join(name));
    Some(node)
}

#[test]
fn the_page_in_a_browser_shows_a_real_mesh_as_it_is() {
    let sandbox = Sandbox::new();
    let Some(mut node) = script(&sandbox, "run.mjs") else { return };
    node.env("HEDGEROW_BIN", binary()).env("E2E_FOLDER", sandbox.path("page"));
    node.env("E2E_PORT", sandbox.base_port().to_string());
    node.env("E2E_ARTEFACTS", binary().parent().unwrap().with_file_name("page"));
    let run = Process::start(node, &sandbox.path("logs"), "page").finished(LONG);
    assert_eq!(run.code(), 0, "{}", run.told());
}

#[test]
#[ignore = "measures, and promises nothing on a busy machine"]
fn the_page_of_two_hundred_farms_is_painted() {
    const FARMS: usize = 200;
    let sandbox = Sandbox::new();
    let Some(mut node) = script(&sandbox, "paint.bench.mjs") else { return };
    let _up = sandbox.up();
    let farms = SimFarms::new(&sandbox, sandbox.lookups());
    farms.start_all((0..FARMS).map(|number| format!("farm-{number:03}")));
    wait_until("all farms to be registered", LONG, || farms.all_registered());
    node.env("HEDGEROW_URL", sandbox.url(0)).arg((FARMS + 1).to_string());
    let run = Process::start(node, &sandbox.path("logs"), "paint").finished(LONG);
    println!("{}", run.ok().stdout);
}
