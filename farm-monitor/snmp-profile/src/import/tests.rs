//! snmp.yml of both layouts.

use super::*;
use crate::profile::{IndexForm, TextForm};
use hedgerow_model::Kind;

/// As the generator of 0.20 and before writes it.
const OLDER: &str = include_str!("../../tests/import/older.yml");
/// As it is written since 0.23.
const NEWER: &str = include_str!("../../tests/import/newer.yml");

fn module(text: &str, name: &str) -> Imported {
    snmp_yml(text, Some(name)).unwrap_or_else(|error| panic!("{error}")).remove(0)
}

#[test]
fn both_layouts_give_a_profile_for_each_module() {
    for (text, modules) in [(OLDER, &["acme_ups", "if_mib"][..]), (NEWER, &["if_mib", "wlan"])] {
        let imported = snmp_yml(text, None).unwrap();
        assert_eq!(imported.iter().map(|one| one.module.as_str()).collect::<Vec<_>>(), modules);
        for one in imported {
            let read = crate::read("x.toml", &one.profile_toml).unwrap_or_else(|errors| panic!("{errors}"));
            assert_eq!(read, one.profile);
            assert!(one.notes.iter().all(|note| one.profile_toml.contains(&format!("# - {note}\n"))));
        }
    }
}

#[test]
fn tables_have_their_rows_names() {
    let profile = module(NEWER, "if_mib").profile;
    let scalar = &profile.scalars[0];
    assert_eq!((scalar.name.as_str(), scalar.oid.to_string().as_str()), ("sysUpTime", "1.3.6.1.2.1.1.3"));
    assert_eq!(scalar.description, "Hundredths of a second since the agent started.");
    let names: Vec<_> = profile.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, ["ifTable", "ifXTable"]);
    let table = &profile.tables[0];
    assert_eq!(table.item.iter().map(ToString::to_string).collect::<Vec<_>>(), ["{ifName}", "{ifDescr}"]);
    assert_eq!(table.row_description[0].to_string(), "{ifAlias}");
    assert!(
        table.lookups.contains_key("ifName") && !table.lookups.contains_key("ifDescr"),
        "measured, so a source"
    );
    let columns: Vec<_> = table.columns.iter().map(|column| (column.name.as_str(), column.kind)).collect();
    let expected = [("ifDescr", Kind::Text), ("ifOperStatus", Kind::State), ("ifInErrors", Kind::Counter)];
    assert_eq!(columns, expected);
    assert_eq!(table.columns[1].words[&7], "lowerLayerDown");
}

#[test]
fn indexes_and_chains_of_look_ups_are_carried_over() {
    let profile = module(NEWER, "wlan").profile;
    let forms: Vec<_> = profile.tables[0].index.iter().map(|part| part.form).collect();
    assert_eq!(forms, [IndexForm::Mac, IndexForm::Integer]);
    let table = &profile.tables[1];
    assert_eq!(table.lookups["policyConfig"].key, None);
    assert_eq!(table.lookups["className"].key.as_ref().unwrap().to_string(), "{policyConfig}");
    assert_eq!(table.item[0].to_string(), "{className}");
    let addresses = &profile.tables[2];
    assert_eq!(addresses.index[0].form, IndexForm::InetAddress);
    assert_eq!(addresses.item[0].to_string(), "{address}");
    assert_eq!(addresses.columns[0].text, TextForm::Mac);
    let texts = &profile.tables[3];
    assert_eq!(
        texts.index.iter().map(|part| part.form).collect::<Vec<_>>(),
        [IndexForm::Text, IndexForm::TextToEnd]
    );
    assert_eq!(texts.item[0].to_string(), "{group}/{user}");
}

#[test]
fn what_is_not_carried_over_is_told_and_secrets_are_not() {
    let one = module(OLDER, "acme_ups");
    let notes = one.notes.join("\n");
    assert_eq!(notes, include_str!("../../tests/import/older.notes").trim_end());
    assert!(!one.profile_toml.contains("geheim"));
    let newer = module(NEWER, "if_mib");
    assert!(newer.notes[0].contains("`auths` (public_v2, core)"), "{:?}", newer.notes);
    assert!(!newer.profile_toml.contains("geheim"));
    let names: Vec<_> = one.profile.scalars.iter().map(|object| object.name.as_str()).collect();
    assert_eq!(names, ["upsTemp", "upsEnergy", "upsText", "upsBits"]);
    assert_eq!(one.profile.scalars[0].scale.factor, 0.1);
}

#[test]
fn what_is_no_such_file_is_refused() {
    let said = |text: &str, only| snmp_yml(text, only).unwrap_err().to_string();
    assert!(said("a: [", None).starts_with("line "));
    assert!(said("", None).starts_with("has no modules"));
    assert!(said("receivers: {a: b}", None).starts_with("has no modules"));
    assert_eq!(said(OLDER, Some("if-mib")), "has no module `if-mib`; it has acme_ups, if_mib");
}

#[test]
fn names_of_modules_become_names_of_profiles() {
    let mut taken = BTreeSet::new();
    let names = ["IF MIB", "if mib", "_x", "Größe"].map(|name| profile_name(name, &mut taken));
    assert_eq!(names, ["if-mib", "if-mib-2", "m_x", "gr--e"]);
}
