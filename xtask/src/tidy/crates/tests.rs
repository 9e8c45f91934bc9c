//! Each rule is shown to find something, and to leave alone what is right.

use super::*;

fn member(name: &str, uses: &[&str]) -> Member {
    let uses = uses.iter().map(|used| ((*used).to_owned(), 9)).collect();
    Member { name: name.into(), folder: "folder".into(), uses }
}

fn wrong_way(uses: &[(&str, &[&str])]) -> Vec<String> {
    let mut members: Vec<Member> = uses.iter().map(|(name, uses)| member(name, uses)).collect();
    for (name, _) in MAY_USE {
        if !members.iter().any(|member| member.name == *name) {
            members.push(member(name, &[]));
        }
    }
    direction(&members).iter().map(ToString::to_string).collect()
}

#[test]
fn crates_depend_in_one_direction() {
    assert_eq!(wrong_way(&[("hedgerow-proto", &["hedgerow-model", "prost"])]), [""; 0]);
    assert_eq!(
        wrong_way(&[("hedgerow-proto", &["hedgerow-client"])]),
        [
            "folder/Cargo.toml:9: `hedgerow-proto` uses `hedgerow-client`, expected at most: hedgerow-model [direction]"
        ]
    );
    assert_eq!(wrong_way(&[("hedgerow-model", &["hedgerow-proto"])]).len(), 1);
}

#[test]
fn lookup_and_farm_do_not_know_each_other() {
    let farm = ["hedgerow-farm-monitor", "hedgerow-cache", "hedgerow-collect"];
    assert_eq!(wrong_way(&[("hedgerow-lookup", &farm)]).len(), 3);
    for name in farm {
        assert_eq!(wrong_way(&[(name, &["hedgerow-lookup"])]).len(), 1, "{name}");
    }
}

#[test]
fn the_table_itself_has_no_way_back() {
    // A crate may only use crates whose row comes before its own.
    for (at, (name, allowed)) in MAY_USE.iter().enumerate() {
        for used in *allowed {
            assert!(MAY_USE[..at].iter().any(|(earlier, _)| earlier == used), "{name} uses {used}");
        }
    }
}

#[test]
fn a_crate_without_a_row_is_a_finding() {
    assert!(wrong_way(&[("hedgerow-new", &[])])[0].contains("`hedgerow-new` has no row in MAY_USE"));
}

#[test]
fn a_heavy_dependency_stays_with_its_owner() {
    let found =
        |name, used| owners(&[member(name, &[used])]).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(found("hedgerow-cache", "rusqlite"), [""; 0]);
    assert_eq!(
        found("hedgerow-client", "rusqlite"),
        ["folder/Cargo.toml:9: `hedgerow-client` uses `rusqlite`, \
          expected only in: hedgerow-cache, hedgerow-service, hedgerow-lookup, hedgerow-farm-monitor [owner]"]
    );
    assert_eq!(found("hedgerow-farm-monitor", "wasmtime-wasi").len(), 1);
    assert_eq!(found("hedgerow-lookup", "clap_complete").len(), 1);
    assert!(found("hedgerow-model", "tonic-prost")[0].contains("must stay free of"));
    assert_eq!(found("hedgerow-service", "tonic"), [""; 0]);
}

#[test]
fn what_is_banned_is_found_in_the_lock_file_only() {
    let source = |path: &str| Source { path: path.into(), text: "[[package]]\nname = \"ring\"\n".into() };
    let found = banned(&source("Cargo.lock"), &|_| true);
    assert!(found[0].to_string().starts_with("Cargo.lock:2: `ring` is linked, expected not at all"));
    assert_eq!(banned(&source("x.toml"), &|_| true), []);
    assert_eq!(banned(&source("Cargo.lock"), &|_| false), [], "a feature that nobody has switched on");
    let like = Source { path: "Cargo.lock".into(), text: "name = \"string\"\n \"ring\",\n".into() };
    assert_eq!(banned(&like, &|_| true), []);
}

#[test]
fn cargo_says_what_is_linked() {
    assert!(is_linked("serde_json"), "by xtask itself");
    assert!(is_linked("proptest"), "by tests only");
    assert!(is_linked("no-such-crate"), "cargo cannot say");
}

#[test]
fn metadata_of_cargo_is_read_without_what_only_tests_use() {
    let metadata = serde_json::json!({ "packages": [{
        "name": "hedgerow-x",
        "manifest_path": "/p/some/x/Cargo.toml",
        "dependencies": [
            { "name": "tokio", "kind": null },
            { "name": "cc", "kind": "build" },
            { "name": "proptest", "kind": "dev" },
        ],
    }]});
    let manifest = "[package]\n\n[dependencies]\ntokio-util = \"1\"\ntokio.workspace = true\n";
    let members = members_in(&metadata, Path::new("/p"), &|_| manifest.to_owned()).unwrap();
    assert_eq!(members[0].folder, "some/x");
    assert_eq!(members[0].uses, [("tokio".to_owned(), 5), ("cc".to_owned(), 1)]);
    assert!(members_in(&serde_json::json!({}), Path::new("/p"), &|_| String::new()).is_none());
}
