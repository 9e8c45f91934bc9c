//! Promise: what is collected from a real agent is what net-snmp's own commands say of it, in every version of the protocol,
//! for everything that a shipped profile asks for and the agent has.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

#[path = "support/expected.rs"]
mod expected;

use expected::{Key, Shown, expected, key, lies_between};
use hedgerow_e2e::{Access, Sandbox, SnmpCollector, Snmpd, Walk, walk};
use hedgerow_model::Kind;
use hedgerow_snmp_profile::Library;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// Gauges that move are read again until they stood still for once; so often at most.
const ROUNDS: usize = 12;
type Account = BTreeMap<Key, (Kind, Shown)>;

/// What the agent says by its own account, in the words of all profiles.
fn account(sandbox: &Sandbox, agent: &Snmpd, access: &Access, library: &Library) -> Account {
    let mut said = Walk::new();
    for root in ["1.3.6.1.2.1", "1.3.6.1.4.1.2021"] {
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

#[test]
fn every_object_of_every_shipped_profile_is_what_net_snmp_says_in_every_version() {
    let sandbox = Sandbox::new();
    let agent = Snmpd::start(&sandbox, "values", "");
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
        let collected = sandbox.run(&["collect", "--config", file.to_str().unwrap(), "--json"]).json();
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
        if lies_between(sample, before, after) {
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
