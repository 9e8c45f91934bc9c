//! The committed code is what the `.proto` files say, and the contract only grows.
#![allow(clippy::unwrap_used, clippy::panic)]

use hedgerow_codegen::{BASELINE, breaking, generate, proto_folder};
use prost::Message as _;
use std::fs;

#[test]
fn generated_code_is_what_the_contract_says() {
    for (name, made) in generate().unwrap() {
        let committed = fs::read(proto_folder().join("src/gen").join(&name)).unwrap_or_default();
        assert!(committed == made, "proto/src/gen/{name} differs: run `cargo xtask proto` and commit");
    }
}

#[test]
fn the_contract_only_grows() {
    let baseline = fs::read(proto_folder().join(BASELINE)).unwrap();
    let broken = breaking::changes(&baseline, &generate().unwrap()["descriptors.binpb"]).unwrap();
    assert!(broken.is_empty(), "breaking changes:\n{}", broken.join("\n"));
}

/// Each kind of breaking change, made to the real contract, is found.
#[test]
fn breaking_changes_are_found() {
    let now = generate().unwrap()["descriptors.binpb"].clone();
    type Set = prost_types::FileDescriptorSet;
    let broken_by = |change: &dyn Fn(&mut Set)| {
        let mut set = Set::decode(&now[..]).unwrap();
        change(&mut set);
        breaking::changes(&now, &set.encode_to_vec()).unwrap()
    };
    fn farm(set: &mut Set) -> &mut prost_types::FileDescriptorProto {
        set.file.iter_mut().find(|f| f.name().ends_with("farm.proto")).unwrap()
    }
    fn message<'a>(set: &'a mut Set, name: &str) -> &'a mut prost_types::DescriptorProto {
        farm(set).message_type.iter_mut().find(|m| m.name() == name).unwrap()
    }
    assert_eq!(broken_by(&|_| {}), Vec::<String>::new());
    let removed = broken_by(&|set| message(set, "Lagged").field.retain(|f| f.name() != "count"));
    assert!(removed.iter().any(|line| line.contains("Lagged.count") && line.contains("gone")), "{removed:?}");
    let renumbered = broken_by(&|set| message(set, "Lagged").field.last_mut().unwrap().number = Some(9));
    assert!(!renumbered.is_empty());
    let retyped = broken_by(&|set| {
        message(set, "Lagged")
            .field
            .last_mut()
            .unwrap()
            .set_type(prost_types::field_descriptor_proto::Type::Int64)
    });
    assert!(!retyped.is_empty());
    let renamed = broken_by(&|set| message(set, "Lagged").field.last_mut().unwrap().name = Some("n".into()));
    assert!(!renamed.is_empty());
    let method = broken_by(&|set| {
        farm(set).service[0].method.retain(|m| m.name() != "Query");
    });
    assert!(method.iter().any(|line| line.contains("Farm.Query")), "{method:?}");
    let added = broken_by(&|set| {
        let mut field = message(set, "Lagged").field.last().unwrap().clone();
        field.name = Some("new".into());
        field.json_name = Some("new".into());
        field.number = Some(99);
        message(set, "Lagged").field.push(field);
    });
    assert_eq!(added, Vec::<String>::new(), "adding is free");
}
