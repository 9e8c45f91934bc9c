//! Promise: what is collected from a real agent is what net-snmp's own commands say of it, in every version of the protocol,
//! for everything that a shipped profile asks for and the agent has.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

#[path = "support/expected.rs"]
mod expected;

use expected::{Key, Shown, expected, key, lies_between};
use hedgerow_e2e::{Access, Said, Sandbox, SnmpCollector, Snmpd, Walk, numbers, walk};
use hedgerow_model::Kind;
use hedgerow_snmp_profile::Library;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Gauges that move are read again until they stood still for once; so often at most.
const ROUNDS: usize = 12;
/// What makes the agent fill more of its tables.
const MORE: &str = "proc snmpd\nextend greeting /bin/echo hello";

type Account = BTreeMap<Key, (Kind, Shown)>;

/// What the agent says by its own account, in the words of all profiles.
fn account(sandbox: &Sandbox, agent: &Snmpd, access: &Access, library: &Library) -> Account {
    let mut said = Walk::new();
    for root in ["1.3.6.1.2.1", "1.3.6.1.4.1.2021", "1.3.6.1.4.1.8072.1.3"] {
        said.extend(walk(sandbox, access, agent.address(), root));
    }
    let mut account = Account::new();
    for profile in library.iter() {
        for (key, shown) in expected(profile, &said) {
            assert!(account.insert(key.clone(), shown).is_none(), "two profiles make {key:?}");
        }
    }
    account
}

/// All samples. The agent has not got all of what is asked for by name, so that it is done in part.
fn collect(sandbox: &Sandbox, file: &Path) -> Vec<Value> {
    let run = sandbox.run(&["collect", "--config", file.to_str().unwrap(), "--json"]);
    assert!(matches!(run.code(), 0 | 3), "{}", run.told());
    hedgerow_e2e::json_lines(&run.stdout)
}

#[test]
fn every_object_of_every_shipped_profile_is_what_net_snmp_says_in_every_version() {
    let sandbox = Sandbox::new();
    let agent = Snmpd::start(&sandbox, "values", MORE);
    let library = Library::shipped();
    let names: Vec<&str> = library.iter().map(|profile| profile.name.as_str()).collect();
    let mut config = String::new();
    for access in Access::all() {
        let collector = SnmpCollector::new(access.name(), &access, &[("agent", agent.address())]);
        config += &access.credentials(&sandbox);
        config += collector.profiles(&names).toml();
    }
    let file = sandbox.path("values.toml");
    fs::write(&file, config).unwrap();

    let views = [Access::V1("public"), Access::V2c("public")];
    let mut agreed: BTreeMap<&str, BTreeSet<Key>> = BTreeMap::new();
    let mut open = String::new();
    for round in 1..=ROUNDS {
        let look = || views.map(|view| account(&sandbox, &agent, &view, &library));
        let before = look();
        let collected = collect(&sandbox, &file);
        let after = look();
        open.clear();
        for access in Access::all() {
            let view = usize::from(!matches!(access, Access::V1(_)));
            let samples = collected.iter().filter(|sample| sample["cluster"] == access.name());
            let agreed = agreed.entry(access.name()).or_default();
            compare(&access, samples, &before[view], &after[view], agreed, &mut open);
        }
        if open.is_empty() {
            println!("all agreed in round {round}");
            break;
        }
    }
    for (access, agreed) in &agreed {
        println!("{access}: {} series agree", agreed.len());
        assert!(agreed.len() > 200, "{access}: few objects: {}", agreed.len());
    }
    assert!(open.is_empty(), "{open}");
    let served: Vec<&str> = {
        let said = walk(&sandbox, &views[1], agent.address(), "1.3.6.1");
        let serves = library.iter().filter(|profile| !expected(profile, &said).is_empty());
        serves.map(|profile| profile.name.as_str()).collect()
    };
    println!("profiles of which the agent has something: {served:?}");
    assert!(served.len() >= 6, "{served:?}");
}

/// Adds to `agreed` what agrees, and to `open` gauges that moved; what never may differ fails.
fn compare<'a>(
    access: &Access,
    samples: impl Iterator<Item = &'a Value>,
    before: &Account,
    after: &Account,
    agreed: &mut BTreeSet<Key>,
    open: &mut String,
) {
    let samples: BTreeMap<Key, &Value> = samples.map(|sample| (key(sample), sample)).collect();
    for (key, (kind, before)) in before {
        let Some((_, after)) = after.get(key) else { continue };
        let Some(sample) = samples.get(key) else { panic!("{access:?}: {key:?} was not collected") };
        if lies_between(sample, *kind, before, after) {
            agreed.insert(key.clone());
        } else if *kind == Kind::Gauge {
            if !agreed.contains(key) {
                *open += &format!("{access:?}: {sample}, not between {before:?} and {after:?}\n");
            }
        } else {
            panic!("{access:?}: {sample}, and net-snmp says {before:?} before and {after:?} after");
        }
    }
    let known = |key: &Key| before.contains_key(key) || after.contains_key(key) || key.0 == "up";
    let unknown: Vec<&Key> = samples.keys().filter(|key| !known(key)).collect();
    assert!(unknown.is_empty(), "{access:?}: the agent has not got {unknown:?}");
}

#[test]
fn without_profiles_the_agent_is_asked_for_all_that_it_has() {
    let sandbox = Sandbox::new();
    let agent = Snmpd::start(&sandbox, "detect", MORE);
    let access = Access::V2c("public");
    let collector = SnmpCollector::new("net", &access, &[("agent", agent.address())]);
    let file = sandbox.path("detect.toml");
    fs::write(&file, access.credentials(&sandbox) + collector.toml()).unwrap();
    let run = sandbox.run(&["collect", "--config", file.to_str().unwrap(), "--json"]).ok();
    let collected: BTreeSet<Key> = hedgerow_e2e::json_lines(&run.stdout).iter().map(key).collect();
    let said = walk(&sandbox, &access, agent.address(), "1.3.6.1");
    let mut expected_of = BTreeSet::new();
    for profile in Library::shipped().iter() {
        let serves = profile.detect.serves.iter().any(|below| {
            let below = numbers(&below.to_string()).unwrap();
            said.keys().any(|name| name.starts_with(&below))
        });
        if serves {
            println!("{}", profile.name);
            expected_of.extend(expected(profile, &said).into_keys());
        }
    }
    let missing: Vec<&Key> = expected_of.difference(&collected).collect();
    assert!(missing.is_empty() && expected_of.len() > 200, "{missing:?}");
    let unknown: Vec<&Key> = collected.difference(&expected_of).filter(|key| key.0 != "up").collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// Worked out by hand from the MIBs' own words, not from the profiles.
#[test]
fn what_series_mean_is_what_the_mibs_say() {
    let sandbox = Sandbox::new();
    let agent = Snmpd::start(&sandbox, "meaning", MORE);
    let access = Access::V2c("public");
    let collector = SnmpCollector::new("net", &access, &[("agent", agent.address())]);
    let file = sandbox.path("meaning.toml");
    fs::write(&file, access.credentials(&sandbox) + collector.toml()).unwrap();
    let mut wrong = Vec::new();
    for _ in 0..ROUNDS {
        let before = by_hand(&walk(&sandbox, &access, agent.address(), "1.3.6.1"));
        let collected = collect(&sandbox, &file);
        let after = by_hand(&walk(&sandbox, &access, agent.address(), "1.3.6.1"));
        wrong = before
            .iter()
            .filter_map(|((parameter, item, unit), before)| {
                let after = after.get(&(*parameter, item.clone(), *unit))?;
                let mut samples = collected.iter().filter(|sample| {
                    let of_item = sample["labels"]["item"].as_str().unwrap_or_default() == item;
                    sample["parameter"] == *parameter
                        && of_item
                        && sample["unit"].as_str().unwrap_or_default() == *unit
                });
                let value = samples.next().and_then(|sample| sample["value"].as_f64());
                let range = before.min(*after) * (1.0 - 1e-9)..=before.max(*after) * (1.0 + 1e-9);
                let right = value.is_some_and(|value| range.contains(&value));
                (!right).then(|| format!("{parameter}[{item}] in `{unit}`: {value:?} is not in {range:?}"))
            })
            .collect();
        assert!(before.len() > 20, "{before:?}");
        if wrong.is_empty() {
            println!("{} values by hand", before.len());
            break;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Parameter, item, unit.
type ByHand = BTreeMap<(&'static str, String, &'static str), f64>;

fn by_hand(said: &Walk) -> ByHand {
    let at = |column: &str, index: u32| said.get(&[numbers(column).unwrap(), vec![index]].concat());
    let number = |column: &str, index: u32| at(column, index).and_then(Said::number);
    let text = |column: &str, index: u32| at(column, index).and_then(Said::text).unwrap_or_default();
    let rows = |column: &str| {
        let column = numbers(column).unwrap();
        let below = said.keys().filter(move |name| name.starts_with(&column));
        below.map(|name| *name.last().unwrap()).collect::<Vec<u32>>()
    };
    let mut by_hand = ByHand::new();
    let mut put = |parameter, item: String, unit, value: Option<f64>| {
        by_hand.extend(value.map(|value| ((parameter, item, unit), value)));
    };
    put("agent_uptime", String::new(), "s", number("1.3.6.1.2.1.1.3", 0).map(|ticks| ticks / 100.0));
    put("uptime", String::new(), "s", number("1.3.6.1.2.1.25.1.1", 0).map(|ticks| ticks / 100.0));
    put("memory_installed", String::new(), "By", number("1.3.6.1.2.1.25.2.2", 0).map(|kib| kib * 1024.0));
    put("memory_total", String::new(), "By", number("1.3.6.1.4.1.2021.4.5", 0).map(|kib| kib * 1024.0));
    put("load1", String::new(), "", number("1.3.6.1.4.1.2021.10.1.5", 1).map(|load| load / 100.0));
    for index in rows("1.3.6.1.2.1.31.1.1.1.1") {
        let name = text("1.3.6.1.2.1.31.1.1.1.1", index);
        put("in", name.clone(), "By", number("1.3.6.1.2.1.31.1.1.1.6", index));
        put("out", name.clone(), "By", number("1.3.6.1.2.1.31.1.1.1.10", index));
        put("in_errors", name.clone(), "", number("1.3.6.1.2.1.2.2.1.14", index));
        put("link", name.clone(), "", number("1.3.6.1.2.1.2.2.1.8", index));
        // 0 stands for a speed that the agent does not know.
        let mbit = number("1.3.6.1.2.1.31.1.1.1.15", index).filter(|mbit| *mbit > 0.0);
        put("speed", name, "By/s", mbit.map(|mbit| mbit * 1e6 / 8.0));
    }
    let fixed_disk = Said::Oid(numbers("1.3.6.1.2.1.25.2.1.4").unwrap());
    for index in rows("1.3.6.1.2.1.25.2.3.1.2") {
        if at("1.3.6.1.2.1.25.2.3.1.2", index) != Some(&fixed_disk) {
            continue;
        }
        let name = text("1.3.6.1.2.1.25.2.3.1.3", index);
        let column = |column: u32| number(&format!("1.3.6.1.2.1.25.2.3.1.{column}"), index).unwrap();
        let (unit, size, used) = (column(4), column(5), column(6));
        put("disk_size", name.clone(), "By", Some(unit * size));
        put("disk_occupied", name.clone(), "By", Some(unit * used));
        put("disk_used", name, "1", Some(used / size).filter(|share| share.is_finite()));
    }
    for index in rows("1.3.6.1.4.1.2021.13.15.1.1.2") {
        let name = text("1.3.6.1.4.1.2021.13.15.1.1.2", index);
        put("io_read", name, "By", number("1.3.6.1.4.1.2021.13.15.1.1.12", index));
    }
    for index in rows("1.3.6.1.4.1.2021.9.1.2") {
        let name = text("1.3.6.1.4.1.2021.9.1.2", index);
        put("disk_check_used", name, "1", number("1.3.6.1.4.1.2021.9.1.9", index).map(|share| share / 100.0));
    }
    by_hand
}
