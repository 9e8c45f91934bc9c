//! Promise: wrong is worse than missing. Whatever an agent answers, no value that is shown is false; its neighbours do not
//! notice; each way of going wrong is counted under its own name; and what cannot be had is told in the right words.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs, dead_code)]

#[path = "support/expected.rs"]
mod expected;
#[path = "support/simulated.rs"]
mod simulated;
#[path = "support/told.rs"]
mod told;

use hedgerow_e2e::{Access, Sandbox, SnmpCollector, Snmpd, USERS, User};
use hedgerow_sim::{AgentConfig, DeviceConfig, Fault, Misbehaviour, Place, Sim};
use serde_json::Value;
use simulated::{ACCESS, Farm, assert_true, wait_whole};
use std::time::Duration;

const PROFILES: [&str; 2] = ["system", "interfaces"];
/// An agent of which a walk never ends is given up behind so many rows.
const MAX_ROWS: u32 = 50;
const PERIOD_MS: i64 = 6000;
/// A question is given up 3.5 s after it was asked first: where processors are scarce, the healthy are late, too.
const PATIENCE: [&str; 2] = ["timeout = \"500ms\"", "attempts = 3"];
/// What comes then is too late.
const TOO_LATE: Duration = Duration::from_secs(5);
const HEALTHY: usize = 10;
/// So many runs of each healthy agent are looked at.
const RUNS: usize = 5;

/// Each misbehaviour, and the name of the counter that tells of it.
fn misbehaviours() -> Vec<(Misbehaviour, Option<&'static str>)> {
    use Misbehaviour::{
        Circular, Double, EndOfMibView, Endless, Huge, Late, MoreVarbinds, NoSuchInstance, NoSuchObject,
        NoVarbinds, Noise, NotAReply, NotIncreasing, OtherAddress, OtherNames, OtherPort, OutOfOrder,
        OverLong, Silent, Status, Truncated, WrongCommunity, WrongRequestId, WrongTypes, WrongVersion,
    };
    vec![
        (Silent, Some("timed_out")),
        (Late(TOO_LATE), Some("late")),
        (Double, Some("double")),
        (OtherPort, Some("wrong_address")),
        (OtherAddress, Some("wrong_address")),
        (OutOfOrder, None),
        (WrongRequestId, Some("wrong_request_id")),
        (WrongCommunity, Some("wrong_security")),
        (WrongVersion, Some("wrong_security")),
        (NotAReply, Some("not_a_reply")),
        (NotIncreasing, Some("not_increasing")),
        (Endless, Some("endless")),
        (Circular, Some("not_increasing")),
        (Truncated, Some("malformed")),
        (Noise, Some("malformed")),
        (OverLong, Some("malformed")),
        (Huge, Some("huge")),
        (NoVarbinds, Some("wrong_shape")),
        (MoreVarbinds, Some("wrong_shape")),
        (OtherNames, Some("wrong_shape")),
        (WrongTypes, Some("wrong_type")),
        (Status(1), None),
        (Status(2), None),
        (Status(5), None),
        (NoSuchObject, None),
        (NoSuchInstance, None),
        (EndOfMibView, None),
    ]
}

fn agent(faults: Vec<Fault>) -> AgentConfig {
    let device = DeviceConfig { rows: 6, ..DeviceConfig::default() };
    AgentConfig { faults, device, ..AgentConfig::default() }
}

/// Well-formed answers to the right question from the right place: whoever believes the agent believes them, so that the
/// right answer behind them comes too late.
fn is_believed(what: Misbehaviour) -> bool {
    use Misbehaviour::{
        Circular, EndOfMibView, Endless, NoSuchInstance, NoSuchObject, NoVarbinds, NotIncreasing, OtherNames,
        Status, WrongTypes,
    };
    matches!(
        what,
        OtherNames
            | WrongTypes
            // To GETBULK: an agent may have no room for a single row.
            | NoVarbinds
            | NotIncreasing
            | Endless
            | Circular
            | Status(_)
            | NoSuchObject
            | NoSuchInstance
            | EndOfMibView
    )
}

/// What `last_error` says of it.
fn told(what: Misbehaviour) -> Option<&'static str> {
    Some(match what {
        Misbehaviour::Silent => "timed out: no answer from",
        Misbehaviour::OtherPort | Misbehaviour::OtherAddress => "replies came from another address",
        Misbehaviour::WrongRequestId => "replies had an id that no request has",
        Misbehaviour::Truncated | Misbehaviour::Noise => "replies were malformed",
        Misbehaviour::Huge => "replies were too long",
        Misbehaviour::NotIncreasing | Misbehaviour::Circular => "the agent's table is not in order",
        Misbehaviour::Endless => "has no end",
        Misbehaviour::Status(1) => "tooBig",
        Misbehaviour::Status(5) => "genErr",
        Misbehaviour::Status(_) | Misbehaviour::NoSuchObject => "no such object",
        Misbehaviour::NoSuchInstance => "no such instance",
        Misbehaviour::EndOfMibView => "end of MIB view",
        _ => return None,
    })
}

/// What nobody can tell from the truth: values behind names that fit the question and are not theirs, and rows made up behind
/// the last one.
fn is_a_lie(what: Misbehaviour, sample: &Value) -> bool {
    let item = sample["labels"]["item"].as_str();
    match what {
        Misbehaviour::OtherNames => item.is_some(),
        Misbehaviour::Endless => item.is_some_and(|item| item.starts_with("Gi0/6")),
        _ => false,
    }
}

#[test]
fn no_misbehaviour_becomes_a_value_or_touches_a_neighbour() {
    let all = misbehaviours();
    let name = |kind: &str, number: usize| format!("{kind}-{number}");
    let (mut agents, mut names) = (Vec::new(), Vec::new());
    for (number, (what, _)) in all.iter().enumerate() {
        let often = if *what == Misbehaviour::OutOfOrder {
            Fault::sometimes(*what, 0.5)
        } else {
            Fault::always(*what)
        };
        agents.push(agent(vec![often]));
        names.push(name("always", number));
        agents.push(agent(vec![Fault::before_right(*what)]));
        names.push(name("before", number));
    }
    for number in 0..HEALTHY {
        agents.push(agent(Vec::new()));
        names.push(name("healthy", number));
    }
    let sim = Sim::start(agents, Place::Ports(0), 7).unwrap();
    let period = format!("period = \"{PERIOD_MS}ms\"");
    let rows = format!("max_rows = {MAX_ROWS}");
    let lines = [&period[..], PATIENCE[0], PATIENCE[1], &rows];
    let nodes: Vec<&str> = names.iter().map(String::as_str).collect();
    let farm = Farm::start(sim, &nodes, &PROFILES, &lines);

    let first_healthy = 2 * all.len();
    for number in 0..HEALTHY {
        farm.runs(&name("healthy", number), RUNS);
    }
    for (number, node) in nodes.iter().enumerate().skip(first_healthy) {
        wait_whole(&farm, node, &farm.truth(number, &PROFILES));
        let samples = farm.samples(node);
        assert_true(node, &samples, &farm.truth(number, &PROFILES));
        assert_no_tick_missing(node, &samples);
    }
    for (number, (what, _)) in all.iter().enumerate() {
        for (agent, node, then_right) in
            [(2 * number, name("always", number), false), (2 * number + 1, name("before", number), true)]
        {
            let truth = farm.truth(agent, &PROFILES);
            let whole = matches!(what, Misbehaviour::Double | Misbehaviour::OutOfOrder)
                || then_right && !is_believed(*what);
            if whole {
                wait_whole(&farm, &node, &truth);
            }
            let mut samples = farm.samples(&node);
            samples.retain(|sample| !is_a_lie(*what, sample));
            assert_true(&format!("{node}, {what:?}"), &samples, &truth);
            let misbehaved = farm.sim.with(agent, |agent| agent.counts().misbehaved).unwrap();
            assert!(misbehaved > 0, "{node}: {what:?} never happened");
            let error = farm.last_error(&node);
            println!("{node}, {what:?}: {} samples; {error:?}", samples.len());
            if let (Some(words), false) = (told(*what), then_right) {
                let says = error.as_ref().is_some_and(|error| error.contains(words));
                assert!(says, "{node}, {what:?}: `{words}` in {error:?}");
            }
        }
    }
    for (what, counter) in all {
        let Some(counter) = counter else { continue };
        println!("{what:?}: {counter} {}", farm.counted(counter, 1));
    }
}

/// `up` is there for each tick, and says that the agent answered.
fn assert_no_tick_missing(node: &str, samples: &[Value]) {
    let ups = samples.iter().filter(|sample| sample["parameter"] == "up");
    let (mut times, mut down) = (Vec::new(), 0);
    for up in ups {
        times.push(up["time"].as_i64().unwrap());
        down += u32::from(up["value"].as_f64() != Some(1.0));
    }
    times.sort_unstable();
    // The first stands off the grid. One that is missed leaves two periods between its neighbours, less what one of them
    // began late.
    let pairs = times.windows(2).skip(1);
    let missed: Vec<_> = pairs.filter(|pair| pair[1] - pair[0] >= PERIOD_MS * 7 / 4).collect();
    assert!(
        missed.is_empty() && down == 0,
        "{node}: {missed:?} are no neighbours, {down} runs failed: {times:?}"
    );
}

const STRANGER: User = User { name: "stranger", auth: None, privacy: None };
const FORGETFUL: User =
    User { name: "sha-aes", auth: Some(("SHA", "not-the-one-1")), privacy: Some(("AES", "not-the-one-1")) };

#[test]
fn what_cannot_be_had_is_told_in_the_right_words() {
    let sandbox = Sandbox::new();
    let agent = Snmpd::start(&sandbox, "words", "");
    let silent = AgentConfig { community: "another".to_owned(), ..AgentConfig::default() };
    let sim = Sim::start(vec![silent], Place::Ports(0), 1).unwrap();
    let nowhere = sim.addresses()[0].to_string();
    assert!(USERS.iter().any(|user| user.name == FORGETFUL.name));
    let cases = [
        ("stranger", Access::V3(STRANGER), agent.address(), "refused credentials", "not known"),
        ("forgetful", Access::V3(FORGETFUL), agent.address(), "refused credentials", "digest"),
        ("silent", ACCESS, &nowhere, "timed out", "no answer"),
    ];
    for (name, access, address, kind, word) in cases {
        let collector = SnmpCollector::new(name, &access, &[(name, address)]).profiles(&["system"]);
        let text = access.credentials(&sandbox) + collector.with("timeout = \"200ms\"\nattempts = 2").toml();
        let file = sandbox.path(&format!("{name}.toml"));
        std::fs::write(&file, text).unwrap();
        let run = sandbox.run(&["collect", "--config", file.to_str().unwrap(), "--json"]);
        println!("{}", run.stderr.trim_end());
        assert_eq!(run.code(), 1, "{}", run.told());
        for word in [kind, word] {
            assert!(run.stderr.to_lowercase().contains(word), "`{word}` in: {}", run.told());
        }
    }
}
