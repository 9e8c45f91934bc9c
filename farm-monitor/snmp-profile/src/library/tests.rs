//! The shipped profiles, as a whole.

use super::*;
use hedgerow_model::Kind;
use std::collections::BTreeMap;

#[test]
fn every_shipped_profile_is_read_and_has_its_files_name() {
    for (file, text) in SHIPPED {
        match crate::read(file, text) {
            Ok(profile) => {
                assert_eq!(format!("{}.toml", profile.name), *file);
                assert!(!profile.description.is_empty(), "{file}");
            }
            Err(errors) => panic!("{errors}"),
        }
    }
    assert_eq!(Library::shipped().iter().count(), SHIPPED.len());
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/profiles")).unwrap();
    assert_eq!(folder.count(), SHIPPED.len(), "a profile in the folder is not shipped");
}

/// All objects, with the profile and the table they are in.
fn objects(library: &Library) -> Vec<(String, String, crate::profile::Object)> {
    let mut all = Vec::new();
    for profile in library.iter() {
        all.extend(
            profile.scalars.iter().map(|object| (profile.name.clone(), String::new(), object.clone())),
        );
        for table in &profile.tables {
            let columns = table.columns.iter();
            all.extend(columns.map(|object| (profile.name.clone(), table.name.clone(), object.clone())));
        }
    }
    all
}

#[test]
fn no_two_shipped_profiles_write_the_same_parameter() {
    let library = Library::shipped();
    let mut first: BTreeMap<String, String> = BTreeMap::new();
    for (profile, table, object) in objects(&library) {
        let name = object.parameter.to_string();
        let place = format!("{profile}/{table}");
        let other = first.entry(name.clone()).or_insert_with(|| place.clone());
        // Within a table, conditions keep them apart: the reader of profiles checks that.
        assert_eq!(*other, place, "{name}");
    }
}

#[test]
fn shipped_parameters_keep_the_house_style() {
    for (profile, table, object) in objects(&Library::shipped()) {
        let place = format!("{profile}/{table}/{}", object.name);
        let snake = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        assert!(object.parameter.bytes().all(snake), "{place}: {}", object.parameter);
        assert!(!object.description.is_empty(), "{place} has no description");
        let units = ["", "1", "s", "By", "By/s", "Cel", "V", "A", "W", "VA", "Hz", "{rpm}", "m3/min", "dBm"];
        assert!(units.contains(&object.unit.as_str()), "{place}: {} is no base unit", object.unit);
        let ratio = object.parameter.ends_with("_used");
        assert!(!ratio || object.unit == "1", "{place}: what ends in _used is a ratio");
        if object.kind == Kind::Counter {
            assert!(
                object.scale.is_plain(),
                "{place}: a counter that is scaled cannot be told to have wrapped"
            );
        }
        if object.kind == Kind::State {
            assert!(!object.words.is_empty(), "{place}: a state without words");
        }
    }
}
