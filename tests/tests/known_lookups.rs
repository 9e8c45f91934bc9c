//! Promise: who knows one lookup comes to know all, those that join later, too; and leaves one that is gone for good.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use hedgerow_e2e::{PATIENCE, Process, Sandbox, json_lines, wait_until};
use rustix::process::Signal;

/// The lookups that the farm knows, by its own account, each with whether it is registered there.
fn known(sandbox: &Sandbox) -> Vec<(String, bool)> {
    let asked = sandbox.run(&["farm", "status", "--json", "--lookup", &sandbox.url(1)]);
    let Some(status) = json_lines(&asked.stdout).pop() else { return Vec::new() };
    let lookups = status["lookups"].as_array().unwrap().iter();
    let mut known: Vec<(String, bool)> = lookups
        .map(|lookup| (lookup["url"].as_str().unwrap().to_owned(), lookup["registered"] == true))
        .collect();
    known.sort();
    known
}

#[test]
fn a_farm_that_was_told_of_one_lookup_joins_others_and_leaves_those_that_are_gone_for_good() {
    let sandbox = Sandbox::new();
    let _first = sandbox.first_lookup();
    let (data, address) = (sandbox.path("site"), format!("127.0.0.1:{}", sandbox.base_port() + 3));
    let words = ["farm", "--data", data.to_str().unwrap(), "--listen", &address, "--lookup", &sandbox.url(1)];
    let mut farm: Process = sandbox.start("farm", &words);
    farm.prints("Ctrl-C stops", PATIENCE);
    let one = [(sandbox.url(1), true)];
    let both = [(sandbox.url(1), true), (sandbox.url(2), true)];
    wait_until("the one that it was told of", PATIENCE, || known(&sandbox) == one);

    let mut second = sandbox.lookup("lookup-2", 2);
    wait_until("one that joins later", 2 * PATIENCE, || known(&sandbox) == both);
    let there = sandbox.run(&["find", "kind=farm", "--json", "--lookup", &sandbox.url(2)]).json();
    assert_eq!(there.len(), 1, "{there:?}");

    // In good order.
    assert!(second.stop(Signal::TERM).0.success(), "{}", second.stderr());
    wait_until("it is left", 2 * PATIENCE, || known(&sandbox) == one);
    // Dead, when its own lease has run out.
    let mut second = sandbox.lookup("lookup-2", 2);
    wait_until("it is back", 2 * PATIENCE, || known(&sandbox) == both);
    second.kill();
    wait_until("it is left, too", 3 * PATIENCE, || known(&sandbox) == one);
}
