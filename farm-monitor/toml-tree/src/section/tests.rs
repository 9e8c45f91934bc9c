//! What a section reads, and what it says of the rest.

use super::*;
use crate::{Source, parse, text};
use std::time::Duration;

/// Reads `text` by `read`; all that is wrong with it.
fn complaints(text: &str, read: impl Fn(Section<'_>)) -> Vec<String> {
    let sources = [Source { path: "f.toml".into(), text: text.to_owned(), secrets: &[] }];
    let findings = Findings::new(&sources);
    let table = parse(0, &sources[0]).unwrap();
    read(Section::new(&table, Place::default(), KeyPath::default(), &findings));
    let told = findings.into_result().err().unwrap_or_default();
    told.iter().map(|told| format!("{}: {}; {}", told.key, told.problem, told.expected)).collect()
}

#[test]
fn everything_that_is_wrong_is_told_in_the_order_of_the_file() {
    let told = complaints("[b]\nlist = [1, \"x\", 2]\n[a]\nc = 0\nd = \"9h\"\ncc = 1\n", |mut root| {
        let mut a = root.inner("a");
        assert_eq!(a.duration("d", Duration::ZERO..=Duration::from_secs(3600)), Got::Bad);
        assert_eq!(a.count("c", 1..=9), Got::Bad);
        a.finish();
        let mut b = root.inner("b");
        assert_eq!(b.list("list", "a list", |node| text(node, "text")), Got::Bad);
        b.finish();
        root.finish();
    });
    assert_eq!(
        told,
        [
            "b.list[0]: is a number; text",
            "b.list[2]: is a number; text",
            "a.c: 0 is out of bounds; a whole number from 1 to 9",
            "a.d: `9h` is too long; at most 1h",
            "a.cc: unknown key; one of d, c",
        ]
    );
}

#[test]
fn what_people_name_comes_in_the_order_of_the_file() {
    let told = complaints("[t.z]\n[t.\"a b\"]\n[t]\nm = 1\n", |mut root| {
        let names: Vec<_> = root.named("t").into_iter().map(|(name, section)| (name, section.path)).collect();
        assert_eq!(names.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["z", "a b"]);
        assert_eq!(names[1].1.shown(), "t.\"a b\"");
        assert_eq!(root.findings.known(), ["t".to_owned(), "t.NAME".to_owned()].into());
    });
    assert_eq!(told, ["t.m: is a number; a table: [t.m]"]);
}

#[test]
fn one_stands_for_a_list_of_one() {
    let read = |node: &Node| text(node, "text");
    let told = complaints("a = \"x\"\nb = [\"x\", \"y\"]\nc = 1\nd = [1, 2]\n", |mut root| {
        assert_eq!(root.one_or_more("a", read).or(Vec::new()), ["x"]);
        assert_eq!(root.one_or_more("b", read).or(Vec::new()), ["x", "y"]);
        assert_eq!((root.one_or_more("c", read), root.one_or_more("d", read)), (Got::Bad, Got::Bad));
        assert_eq!(root.one_or_more("e", read), Got::Absent);
    });
    assert_eq!(told, ["c: is a number; text", "d[0]: is a number; text", "d[1]: is a number; text"]);
}

#[test]
fn a_size_without_its_unit_is_refused() {
    let told = complaints("a = 7\nb = \"1KiB\"\nc = \"2GiB\"\n", |mut root| {
        for key in ["a", "b", "c"] {
            let got = root.size(key, 2048..=1 << 30);
            assert_eq!(got, Got::Bad, "{key}");
        }
    });
    let size = "a size in quotes, as \"64KiB\", \"2GiB\" or \"10GB\"";
    assert_eq!(told[0], format!("a: is a number without a unit; {size}"));
    assert_eq!(told[1..], ["b: `1KiB` is too small; at least 2KiB", "c: `2GiB` is too large; at most 1GiB"]);
}
