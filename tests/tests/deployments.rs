//! Promise: a filter is deployed once, whoever is away then: farms that come later take it, lookups that were dead are given it,
//! and it is there after a restart of everything. A higher serial replaces it, its owner takes it back, nobody else takes its
//! name; and the farm's configuration has the last word.
#![allow(clippy::unwrap_used, missing_docs)]

use hedgerow_client::{Caller, UserToken};
use hedgerow_e2e::{Finished, PATIENCE, Process, Sandbox, json_lines, wait_for, wait_until};
use hedgerow_proto::filter::{DeploymentState, DeploymentStatus, ListDeploymentsRequest};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A shipped filter, with a section of this text at its end.
fn component(sandbox: &Sandbox, text: &str) -> String {
    let section = format!("\u{1}x{text}");
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../filters/prebuilt/threshold.wasm");
    let mut bytes = fs::read(shipped).unwrap();
    bytes.extend([0, u8::try_from(section.len()).unwrap()]);
    bytes.extend(section.as_bytes());
    let path = sandbox.path("scripts").join("watcher.wasm");
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

fn deploy(sandbox: &Sandbox, file: &str, name: &str, more: &[&str]) -> Finished {
    let mut words = vec!["filter", "deploy", file, "--as", name, "--set", "above=0.9"];
    words.extend(more);
    sandbox.client(&words)
}

/// What a name stands for now, one for each owner.
fn status(sandbox: &Sandbox, name: &str) -> Vec<Value> {
    let asked = sandbox.client(&["filter", "status", name, "--json"]);
    json_lines(&asked.stdout)
}

/// Waits until the only owner's deployment is in this state at the only farm, and gives it.
fn comes_to(sandbox: &Sandbox, name: &str, state: &str) -> Value {
    wait_for(&format!("{name} is {state}"), PATIENCE, || {
        let mut told = status(sandbox, name);
        let one = told.pop().filter(|_| told.is_empty())?;
        (one["farms"][0]["state"] == state).then_some(one)
    })
}

/// What the farm itself says, whoever else is there.
fn at_the_farm(sandbox: &Sandbox) -> Vec<DeploymentStatus> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut filters = Caller::default().connect(&sandbox.url(3)).unwrap().filters();
        let asked = filters.list_deployments(ListDeploymentsRequest::default()).await;
        asked.map(|answer| answer.into_inner().deployments).unwrap_or_default()
    })
}

/// From now on another person deploys; gives back who did so far.
fn another_author(sandbox: &Sandbox, kept_as: &str) {
    let (author, kept) = (sandbox.path("state/hedgerow/author"), sandbox.path(kept_as));
    fs::rename(author, kept).unwrap();
}

fn the_author_again(sandbox: &Sandbox, kept_as: &str) {
    let author = sandbox.path("state/hedgerow/author");
    let _ = fs::remove_dir_all(&author);
    fs::rename(sandbox.path(kept_as), author).unwrap();
}

fn both_lookups(sandbox: &Sandbox) -> [Process; 2] {
    [sandbox.lookup("lookup-1", 1), sandbox.lookup("lookup-2", 2)]
}

#[test]
fn it_reaches_the_farm_and_the_lookup_that_were_away_and_survives_a_restart_of_everything() {
    let sandbox = Sandbox::new();
    let mut first = sandbox.first_lookup();
    let mut second = sandbox.lookup("lookup-2", 2);
    second.kill();
    let file = component(&sandbox, "one");
    let deployed = deploy(&sandbox, &file, "disk-full", &["--on", "*/hosts/*/disk_used"]).ok();
    assert!(
        deployed.stdout.contains("serial 1, to all farms; 1 of 2 lookups have it"),
        "{}",
        deployed.told()
    );
    assert!(deployed.stderr.contains(&sandbox.url(2)), "{}", deployed.told());
    assert!(deployed.stderr.contains("no farm matches now"), "{}", deployed.told());
    assert!(UserToken::load(&sandbox.path("state/hedgerow/token")).unwrap().is_some());
    let key = sandbox.path("state/hedgerow/author/identity");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600, "for this user's eyes only");

    let mut farm = sandbox.farm_alone();
    let told = comes_to(&sandbox, "disk-full", "running");
    assert_eq!(told["parameters"]["above"], 0.9);
    assert_eq!(told["parameters"]["on"][0], "*/hosts/*/disk_used");
    let filters = sandbox.path("mesh/farm/filters");
    assert_eq!(fs::metadata(&filters).unwrap().permissions().mode() & 0o777, 0o700);
    let kept = filters.join("components").join(told["component"].as_str().unwrap());
    assert_eq!(fs::read(&kept).unwrap(), fs::read(&file).unwrap());

    // The farm, which reads at the first, carries it to the second.
    second = sandbox.lookup("lookup-2", 2);
    wait_until("the second lookup has it", PATIENCE, || {
        let listed = sandbox.run(&["filter", "list", "--json", "--lookup", &sandbox.url(2)]);
        listed.stdout.contains("disk-full")
    });
    first.kill();
    second.kill();
    farm.kill();

    // Nobody is there but the farm.
    let mut farm = sandbox.farm_alone();
    let runs = |status: &DeploymentStatus| status.state() == DeploymentState::Running;
    let alone = wait_for("the farm alone", PATIENCE, || at_the_farm(&sandbox).pop().filter(runs));
    assert_eq!((alone.name.as_str(), alone.serial), ("disk-full", 1));
    let _lookups = both_lookups(&sandbox);
    assert_eq!(comes_to(&sandbox, "disk-full", "running")["serial"], 1);

    // Replaced and taken back while the farm is away.
    farm.kill();
    let file = component(&sandbox, "another");
    let again = deploy(&sandbox, &file, "disk-full", &["--wait", "0s"]);
    assert!(again.stdout.contains("serial 2"), "{}", again.told());
    deploy(&sandbox, &file, "later", &["--wait", "0s"]);
    sandbox.client(&["filter", "remove", "later"]).ok();
    let _farm = sandbox.farm_alone();
    let told = wait_for("serial 2 at the farm", PATIENCE, || {
        at_the_farm(&sandbox)
            .into_iter()
            .find(|status| status.serial == 2 && status.state() == DeploymentState::Running)
    });
    assert_eq!(told.name, "disk-full");
    assert_eq!(at_the_farm(&sandbox).len(), 1, "what was taken back never came");
}

#[test]
fn a_higher_serial_replaces_its_owner_removes_and_nobody_else_takes_the_name() {
    let sandbox = Sandbox::new();
    let _up = sandbox.up();
    let file = component(&sandbox, "one");
    let first = deploy(&sandbox, &file, "mine", &["--json"]).json().remove(0);
    assert_eq!((&first["serial"], &first["farms"][0]["state"]), (&Value::from(1), &Value::from("running")));
    let file = component(&sandbox, "two");
    let second = deploy(&sandbox, &file, "mine", &["--json", "--fresh"]).json().remove(0);
    assert_eq!((&second["serial"], &second["farms"][0]["state"]), (&Value::from(2), &Value::from("running")));
    assert_ne!(first["component"], second["component"]);
    let owner = first["owner"].as_str().unwrap().to_owned();
    let logged = sandbox.client(&["filter", "logs", "mine", "--json"]).json();
    let said = |text: &str| logged.iter().any(|line| line["text"] == text && line["of_farm"] == true);
    assert!(said("serial 1 is running") && said("serial 2 is running"), "{logged:?}");

    another_author(&sandbox, "first-author");
    let theirs = deploy(&sandbox, &file, "mine", &[]);
    assert_eq!(theirs.code(), 3, "{}", theirs.told());
    assert!(
        theirs.stdout.contains("held by another owner") && theirs.stdout.contains(&owner),
        "{}",
        theirs.told()
    );
    assert_eq!(status(&sandbox, "mine").len(), 2, "both stand in the mesh");
    let held: Vec<_> = at_the_farm(&sandbox).iter().map(|status| (status.serial, status.state())).collect();
    assert!(
        held.contains(&(2, DeploymentState::Running)) && held.contains(&(1, DeploymentState::Refused)),
        "{held:?}"
    );
    sandbox.client(&["filter", "remove", "mine"]).ok();
    let not_theirs = sandbox.client(&["filter", "remove", "mine"]);
    assert_eq!(not_theirs.code(), 1, "{}", not_theirs.told());
    assert!(not_theirs.stderr.contains("only its owner can remove it"), "{}", not_theirs.told());

    the_author_again(&sandbox, "first-author");
    sandbox.client(&["filter", "remove", "mine"]).ok();
    wait_until("it is gone at the farm", PATIENCE, || at_the_farm(&sandbox).is_empty());
    let gone = sandbox.client(&["filter", "status", "mine"]);
    assert_eq!(gone.code(), 1, "{}", gone.told());
    assert!(gone.stderr.contains("no deployment is called mine"), "{}", gone.told());
    let components = sandbox.path("mesh/farm/filters/components");
    wait_until("its component is gone", PATIENCE, || fs::read_dir(&components).unwrap().count() == 0);
    another_author(&sandbox, "first-author");
    deploy(&sandbox, &file, "mine", &[]).ok();
}

#[test]
fn the_farm_has_the_last_word() {
    let sandbox = Sandbox::new();
    let _up = sandbox.up();
    let file = component(&sandbox, "one");
    let taken = deploy(&sandbox, &file, "hosts", &[]);
    assert_eq!(taken.code(), 3, "{}", taken.told());
    assert!(taken.stdout.contains("collector `host`"), "{}", taken.told());
    assert!(taken.stderr.contains("1 of 1 farms have not taken it"), "{}", taken.told());
    let elsewhere = deploy(&sandbox, &file, "elsewhere", &["--to", "group=nowhere"]).ok();
    assert!(elsewhere.stderr.contains("no farm matches now"), "{}", elsewhere.told());
    let slip = deploy(&sandbox, &file, "slip", &["--to", "kind=farn"]).ok();
    assert!(slip.stderr.contains("no service has kind=farn; did you mean farm?"), "{}", slip.told());
    let reserved = deploy(&sandbox, &file, "hedgerow", &[]);
    assert!(reserved.code() == 2 && reserved.stderr.contains("--as hedgerow"), "{}", reserved.told());
    // Both lookups, though one was named, as in what takes it back.
    let one = [
        "filter",
        "deploy",
        "load",
        "--as",
        "b\u{202e}ack",
        "--on",
        "*/b\u{202e}ack/*",
        "--set",
        "histogram=1,2",
    ];
    let one = sandbox.run(&[&one[..], &["--lookup", &sandbox.url(1)]].concat()).ok();
    assert!(
        one.stdout.contains("2 of 2 lookups have it") && one.stdout.contains("b\\u{202e}ack"),
        "{}",
        one.told()
    );
    // What is told of a run holds the command line, too, which is as it was typed.
    let says_raw = |stdout: &str, stderr: &str| stdout.contains('\u{202e}') || stderr.contains('\u{202e}');
    assert!(one.stderr.contains("its own output") && !says_raw(&one.stdout, &one.stderr), "{}", one.told());
    let shown = sandbox.client(&["filter", "status", "b\u{202e}ack"]).ok();
    assert!(shown.stdout.contains(r#""histogram":[1,2]"#), "{}", shown.told());
    let removed = sandbox.client(&["filter", "remove", "b\u{202e}ack"]).ok();
    assert!(!says_raw(&shown.stdout, &shown.stderr), "{}", shown.told());
    assert!(!says_raw(&removed.stdout, &removed.stderr), "{}", removed.told());
    let action = deploy(&sandbox, &file, "acts", &["--grant", "action:restart"]);
    assert!(action.code() == 3 && action.stdout.contains("filters.grant"), "{}", action.told());
    deploy(&sandbox, &file, "mine", &["--grant", "alarms"]).ok();
    let nothing = sandbox.client(&["filter", "retry", "mine"]);
    assert!(nothing.code() == 1 && nothing.stderr.contains("nothing to try again"), "{}", nothing.told());

    let before = fs::read_to_string(sandbox.farm_toml()).unwrap();
    sandbox.configure_more("[filters]\nenabled = false");
    let off = comes_to(&sandbox, "mine", "refused");
    assert!(off["farms"][0]["reason"].as_str().unwrap().contains("filters.enabled"), "{off}");
    sandbox.configure(&format!("{before}\n[filters]\nowners = [\"{}\"]\n", "00".repeat(32)));
    let owners = wait_for("another reason", PATIENCE, || {
        let told = comes_to(&sandbox, "mine", "refused");
        told["farms"][0]["reason"]
            .as_str()
            .filter(|reason| reason.contains("filters.owners"))
            .map(str::to_owned)
    });
    assert!(owners.contains(off["owner"].as_str().unwrap()), "{owners}");
    sandbox.configure(&before);
    comes_to(&sandbox, "mine", "running");
    // In the time of the end nobody has to do anything.
    deploy(&sandbox, &file, "mine", &["--until", "2s"]);
    wait_until("it has ended", PATIENCE, || at_the_farm(&sandbox).iter().all(|status| status.name != "mine"));
}
