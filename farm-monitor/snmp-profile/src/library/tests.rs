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

/// The examples of the reference, each a profile.
#[test]
fn every_example_of_the_reference_is_read() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/snmp-profiles.md");
    let text = std::fs::read_to_string(page).unwrap();
    let examples: Vec<_> =
        text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 4);
    for example in examples {
        if let Err(errors) = crate::read("example.toml", example) {
            panic!("{errors}");
        }
    }
}

/// Every key that is read is in the reference.
#[test]
fn the_reference_has_every_key() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/snmp-profiles.md");
    let text = std::fs::read_to_string(page).unwrap();
    let unknown = "x = 1\n[detect]\nx = 1\n[scalar.a]\nx = 1\nscale = { x = 1 }\nfastest = { x = 1 }\n[table.b]\nx = 1\n\
        [table.b.column.c]\nx = 1\n[trap.d]\nx = 1\nstate = { x = 1 }\n";
    let errors = crate::read("x.toml", unknown).unwrap_err();
    let listed: Vec<_> =
        errors.complaints.iter().filter_map(|error| error.expected.strip_prefix("one of ")).collect();
    assert_eq!(listed.len(), 9, "{listed:?}");
    for key in listed.iter().flat_map(|keys| keys.split(", ")) {
        let named = [format!("`{key}`"), format!("[{key}"), format!("state.{key}`"), format!("{key} = ")];
        assert!(named.iter().any(|named| text.contains(named)), "{key} is not in the reference");
    }
}

/// The reference of what the shipped profiles make.
fn tables() -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for (file, _) in SHIPPED {
        let name = file.trim_end_matches(".toml");
        let library = Library::shipped();
        let profile = library.get(name).unwrap();
        write!(text, "\n### `{name}`\n\n{}.", profile.description).unwrap();
        if profile.detect == crate::profile::Detect::default() {
            text.push_str(" Only where it is named.");
        }
        text.push_str("\n\n| name | item | kind | unit | meaning | object |\n|---|---|---|---|---|---|\n");
        let items = |table: &crate::profile::Table| {
            let templates = table.item.iter().map(|template| format!("`{template}`"));
            templates.collect::<Vec<_>>().join(", else ")
        };
        let scalars = profile.scalars.iter().map(|object| (String::new(), object));
        let columns = profile
            .tables
            .iter()
            .flat_map(|table| table.columns.iter().map(move |object| (items(table), object)));
        for (item, object) in scalars.chain(columns) {
            let code = |text: &str| if text.is_empty() { String::new() } else { format!("`{text}`") };
            let words = object
                .words
                .iter()
                .map(|(code, word)| format!("{code} `{word}`"))
                .collect::<Vec<_>>()
                .join(", ");
            let meaning = if words.is_empty() {
                object.description.clone()
            } else {
                format!("{}: {words}", object.description)
            };
            let meaning = meaning.replace('|', "\\|");
            let of = &object.name;
            writeln!(
                text,
                "| `{}` | {item} | {} | {} | {meaning} | `{of}` |",
                object.parameter,
                object.kind,
                code(&object.unit)
            )
            .unwrap();
        }
        let mut traps: Vec<_> = profile.traps.iter().map(|trap| format!("`{}`", trap.name)).collect();
        traps.dedup();
        if !traps.is_empty() {
            writeln!(text, "\nNotifications: {}.", traps.join(", ")).unwrap();
        }
    }
    text
}

#[test]
fn the_reference_page_says_what_the_profiles_make() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/parameters-snmp.md");
    let (begin, end) = ("<!-- profiles: begin -->\n", "\n<!-- profiles: end -->");
    let text = std::fs::read_to_string(page).unwrap();
    let (head, rest) = text.split_once(begin).unwrap();
    let (_, tail) = rest.split_once(end).unwrap();
    let expected = format!("{head}{begin}{}{end}{tail}", tables());
    if std::env::var_os("HEDGEROW_WRITE_REFERENCE").is_some() {
        std::fs::write(page, &expected).unwrap();
    } else {
        assert!(
            text == expected,
            "parameters-snmp.md differs: run this test with HEDGEROW_WRITE_REFERENCE=1"
        );
    }
}
