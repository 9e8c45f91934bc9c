//! What a file says, as a profile.

use super::*;
use crate::profile::{IndexForm, Piece, Source, TextForm, TrapCode};
use hedgerow_model::Kind;

#[test]
fn what_is_not_written_has_its_default() {
    let text = "[table.t]\n[table.t.column.ifInErrors]\noid = \"1.3.6.1\"\nparameter = \"errors\"\n";
    let profile = read("/etc/hedgerow/profiles/acme-ups.toml", text).unwrap();
    assert_eq!(profile.name, "acme-ups");
    assert_eq!(profile.detect, Detect::default());
    let table = &profile.tables[0];
    assert_eq!(table.item, [whole_index()]);
    assert!(table.index.is_empty() && table.labels.is_empty() && table.discontinuity.is_none());
    let column = &table.columns[0];
    assert_eq!((column.name.as_str(), &*column.parameter), ("ifInErrors", "errors"));
    assert_eq!((column.kind, column.unit.as_str(), column.text), (Kind::Gauge, "", TextForm::Text));
    assert!(column.scale.is_plain() && column.only.is_empty() && column.fastest.is_none());
}

#[test]
fn objects_stand_in_the_order_of_the_file() {
    let scalar = |name: &str| format!("[scalar.{name}]\noid = \"1.3.6\"\nparameter = \"{name}\"\n");
    let profile = read("x.toml", &["z", "a", "m"].map(scalar).concat()).unwrap();
    let names: Vec<_> = profile.scalars.iter().map(|object| object.name.as_str()).collect();
    assert_eq!(names, ["z", "a", "m"]);
}

#[test]
fn what_is_written_is_read() {
    let text = "[table.t]\nindex = [\"a\", \"b: mac\", { name = \"c\", words = { 1 = \"one\" } }]\nitem = \"{x}/{{{b}\"\n\
        only = { a = 1, \"{a}.{b}\" = [\"2\", \"3\"] }\n\
        [table.t.lookup]\nx = { oid = \"1.3.1\", key = \"a\", text = \"mac\" }\n\
        [table.t.column.y]\noid = \"1.3.2\"\nparameter = \"y\"\nscale = { factor = 2, over = \"x\" }\n\
        [trap.d]\noid = [\"1.3.3\", \"1.3.4\"]\nstate = { parameter = \"s\", item = \"1.3.5\", code = 2 }\n";
    let profile = read("x.toml", text).unwrap();
    let table = &profile.tables[0];
    let forms: Vec<_> = table.index.iter().map(|part| part.form).collect();
    assert_eq!(forms, [IndexForm::Integer, IndexForm::Mac, IndexForm::Integer]);
    assert_eq!(table.index[2].words[&1], "one");
    let of = |name: &str| Piece::Of(Source(name.to_owned()));
    assert_eq!(table.item[0].0, [of("x"), Piece::Text("/{".to_owned()), of("b")]);
    assert_eq!(table.only[0].1, ["1"]);
    assert_eq!(table.only[1].0.0, [of("a"), Piece::Text(".".to_owned()), of("b")]);
    assert_eq!(table.lookups["x"].key.as_ref().unwrap().0, [of("a")]);
    assert_eq!(table.columns[0].scale.factor, 2.0);
    assert_eq!(profile.traps.len(), 2);
    assert_eq!(profile.traps[1].oid.to_string(), "1.3.4");
    assert_eq!(profile.traps[1].state.as_ref().unwrap().code, TrapCode::Fixed(2));
}

#[test]
fn a_file_that_is_too_long_is_refused_before_it_is_read() {
    let errors = read("x.toml", &"#".repeat(MAX_FILE_BYTES + 1)).unwrap_err();
    assert_eq!(errors.to_string(), "x.toml: has 1048577 bytes\n     = expected at most 1048576 bytes");
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "[a-z\\[\\]{}\"=.\\n 0-9]{0,200}") {
        let _ = read("x.toml", &text);
    }
}
