//! What is configured of SNMP: how each target is asked, with which secrets, and which profiles are in reach.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use hedgerow_collect::spec::{CollectorSpec, ModuleSpec, ProfileChoice, SnmpAccess, SnmpSpec};
use hedgerow_farm_monitor::config::watch::WatchedFiles;
use hedgerow_farm_monitor::config::{FarmConfig, load};
use hedgerow_snmp::{AuthProtocol, PrivacyProtocol, Security};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

fn write(place: &Path, name: &str, text: &str) {
    let path = place.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, text)| write(place.path(), name, text));
    place
}

fn loaded(files: &[(&str, &str)]) -> FarmConfig {
    load(folder(files).path(), "this-host").unwrap_or_else(|errors| panic!("{errors}"))
}

fn snmp(collector: &CollectorSpec) -> &SnmpSpec {
    let ModuleSpec::Snmp(spec) = &collector.module else { panic!("{collector:?}") };
    spec
}

fn community(access: &SnmpAccess) -> &str {
    match &*access.security {
        Security::V1 { community } | Security::V2c { community } => community.reveal(),
        Security::V3(user) => panic!("{user:?}"),
    }
}

#[test]
fn little_is_enough() {
    let config = loaded(&[("farm.toml", "[collector.net]\nmodule = \"snmp\"\ntargets = [\"sw-[1-2]\"]\n")]);
    let net = &config.collectors[0];
    assert_eq!((net.period, net.deadline), (Duration::from_secs(60), Duration::from_secs(48)));
    assert_eq!(net.targets[1].address, "sw-2");
    let spec = snmp(net);
    assert_eq!((spec.timeout, spec.attempts, spec.window), (Duration::from_secs(1), 3, 4));
    assert!(spec.targets.is_empty());
    assert_eq!((spec.access.port, community(&spec.access)), (161, "public"));
    assert!(matches!(*spec.access.security, Security::V2c { .. }));
    assert_eq!(spec.access.profiles, ProfileChoice::Detect);
    assert!(spec.library.get("interfaces").is_some());
}

#[test]
fn a_timeout_by_default_is_never_longer_than_the_deadline() {
    let text = "[collector.net]\nmodule = \"snmp\"\ntargets = [\"sw\"]\nperiod = \"1s\"\n";
    let config = loaded(&[("farm.toml", text)]);
    assert_eq!(snmp(&config.collectors[0]).timeout, Duration::from_millis(800));
}

#[test]
fn a_target_says_its_own_in_a_table_or_in_a_line() {
    let text = r#"
        [collector.net]
        module = "snmp"
        port = 1161
        credentials = "edge"
        profiles = ["system"]
        targets = ["sw1", { node = "core", address = "10.0.0.1", port = 161, credentials = "core", profiles = ["interfaces"] }]
        targets_from = "more.txt"
        [credentials.edge]
        version = "1"
        community = "edge-word"
        [credentials.core]
        version = "2c"
        community = { file = "core" }
    "#;
    let lines =
        "a[1-2] 10.1.0.[1-2]:99 credentials=core # the rack\nplain\nups port=7 profiles=system,interfaces\n";
    let config = loaded(&[("farm.toml", text), ("core", "core-word\r\n"), ("more.txt", lines)]);
    let spec = snmp(&config.collectors[0]);
    assert_eq!(spec.targets.keys().collect::<Vec<_>>(), ["a1", "a2", "core", "ups"]);
    let of = |node: &str| {
        let access = spec.access_of(node);
        let ProfileChoice::Named(profiles) = &access.profiles else { panic!("{access:?}") };
        (access.port, community(access).to_owned(), profiles.join(","))
    };
    let expected = |port: u16, word: &str, profiles: &str| (port, word.to_owned(), profiles.to_owned());
    assert_eq!(of("sw1"), expected(1161, "edge-word", "system"));
    assert_eq!(of("core"), expected(161, "core-word", "interfaces"));
    assert_eq!(of("a2"), expected(1161, "core-word", "system"));
    assert_eq!(of("ups"), expected(7, "edge-word", "system,interfaces"));
    let addresses: Vec<_> =
        config.collectors[0].targets.iter().map(|target| target.address.as_str()).collect();
    assert_eq!(addresses, ["sw1", "10.0.0.1", "10.1.0.1:99", "10.1.0.2:99", "plain", "ups"]);
}

#[test]
fn a_user_of_version_3_is_read_whole_and_never_printed() {
    let text = r#"
        [credentials.core]
        version = "3"
        user = "hedgerow"
        auth = "sha"
        auth_password = { file = "a" }
        privacy = "AES"
        privacy_password = { file = "p" }
        context = "vlan-7"
        [credentials.no-auth]
        version = "3"
        user = "guest"
        [credentials.old]
        version = "1"
        community = "hidden-word"
    "#;
    let config = loaded(&[("farm.toml", text), ("a", "correct horse\n"), ("p", "battery staple")]);
    let Security::V3(user) = &*config.credentials["core"] else { panic!("not of version 3") };
    let (auth, password) = user.auth.as_ref().unwrap();
    assert_eq!((*auth, password.reveal()), (AuthProtocol::Sha1, "correct horse"));
    let (privacy, password) = user.privacy.as_ref().unwrap();
    assert_eq!((*privacy, password.reveal()), (PrivacyProtocol::Aes128, "battery staple"));
    assert_eq!((user.name.as_str(), user.context.as_str()), ("hedgerow", "vlan-7"));
    let Security::V3(guest) = &*config.credentials["no-auth"] else { panic!("not of version 3") };
    assert!(guest.auth.is_none() && guest.privacy.is_none());
    let printed = format!("{config:?} {:?} {:?}", config.credentials, config.collectors);
    for secret in ["horse", "staple", "hidden-word"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

const PDU: &str = "description = \"A power strip\"\n";

#[test]
fn a_site_has_profiles_of_its_own_and_may_replace_one_that_is_shipped() {
    let text = "[collector.net]\nmodule = \"snmp\"\nprofiles = [\"pdu\", \"system\"]\ntargets = [\"a\"]\n";
    let config = loaded(&[
        ("farm.toml", text),
        ("profiles/pdu.toml", PDU),
        ("profiles/system.toml", "description = \"Ours\"\n"),
        ("profiles/.system.toml.swp", "not read"),
    ]);
    assert_eq!(config.own_profiles.iter().collect::<Vec<_>>(), ["pdu", "system"]);
    let spec = snmp(&config.collectors[0]);
    assert_eq!(spec.library.get("pdu").unwrap().description, "A power strip");
    assert_eq!(spec.library.get("system").unwrap().description, "Ours");
}

/// Looks until the files have stood still: once to see them move, once more to read.
fn settled(files: &mut WatchedFiles) -> FarmConfig {
    assert!(files.check().is_none(), "a change is not read before it stood still");
    files.check().expect("a change").unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn a_change_of_a_profile_is_one_of_the_collectors_that_can_use_it() {
    let text = r#"
        [collector.detects]
        module = "snmp"
        targets = ["a"]
        [collector.named]
        module = "snmp"
        profiles = ["pdu"]
        targets = ["b"]
        [collector.other]
        module = "snmp"
        profiles = ["system"]
        targets = ["c"]
        [collector.one-target]
        module = "snmp"
        profiles = ["system"]
        targets = [{ node = "d", profiles = ["pdu"] }]
    "#;
    let place = folder(&[("farm.toml", text), ("profiles/pdu.toml", PDU)]);
    let (before, mut files) = WatchedFiles::open(place.path(), "h").unwrap();
    let changed = |before: &FarmConfig, after: &FarmConfig| {
        let pairs = before.collectors.iter().zip(&after.collectors);
        pairs.filter(|(old, new)| old != new).map(|(old, _)| old.name.clone()).collect::<Vec<_>>()
    };
    write(place.path(), "profiles/pdu.toml", "description = \"Two power strips\"\n");
    let after = settled(&mut files);
    assert_eq!(changed(&before, &after), ["named", "one-target"], "nothing detects it");
    let detected = format!("{PDU}[detect]\nsys_object_id = [\"1.3.6.1.4.1.318\"]\n");
    write(place.path(), "profiles/pdu.toml", &detected);
    let last = settled(&mut files);
    assert_eq!(changed(&after, &last), ["detects", "named", "one-target"]);
    // A new file in the folder is seen, too.
    write(place.path(), "profiles/lamp.toml", "description = \"A lamp\"\n");
    assert_eq!(settled(&mut files).own_profiles.len(), 2);
}

#[test]
fn a_new_password_is_seen() {
    let text = "[credentials.a]\nversion = \"3\"\nuser = \"u\"\nauth = \"SHA-512\"\nauth_password = { file = \"word\" }\n\
        [collector.net]\nmodule = \"snmp\"\ncredentials = \"a\"\ntargets = [\"sw\"]\n";
    let place = folder(&[("farm.toml", text), ("word", "correct horse")]);
    let (_, mut files) = WatchedFiles::open(place.path(), "h").unwrap();
    write(place.path(), "word", "battery staple");
    let after = settled(&mut files);
    let Security::V3(user) = &*snmp(&after.collectors[0]).access.security else { panic!("not of version 3") };
    assert_eq!(user.auth.as_ref().unwrap().1.reveal(), "battery staple");
}
