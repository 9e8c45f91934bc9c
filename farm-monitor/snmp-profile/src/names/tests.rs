//! Names of OIDs.

use super::*;
use bytes::Bytes;

fn oid(text: &str) -> Oid {
    Oid::parse(text).unwrap()
}

#[test]
fn every_line_of_the_built_in_list_is_read() {
    let names = Names::standard();
    let lines = STANDARD.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(names.by_oid.len(), lines);
    for line in STANDARD.lines().filter(|line| !line.starts_with('#')) {
        let (number, rest) = line.split_once(' ').unwrap();
        let name = rest.split(' ').next().unwrap();
        assert_eq!(names.show(&oid(number)), name);
        assert!(names.find(name).is_some());
        assert!(
            rest.split(' ')
                .skip(1)
                .all(|word| word.split_once('=').is_some_and(|(code, _)| code.parse::<i64>().is_ok())),
            "{line}"
        );
    }
}

#[test]
fn names_go_both_ways() {
    let names = Names::standard();
    for (text, number) in [
        ("ifHCInOctets.3", "1.3.6.1.2.1.31.1.1.1.6.3"),
        ("sysUpTime.0", "1.3.6.1.2.1.1.3.0"),
        ("hrStorageDescr", "1.3.6.1.2.1.25.2.3.1.3"),
        ("diskIONReadX.1", "1.3.6.1.4.1.2021.13.15.1.1.12.1"),
        ("enterprises.9.9.13", "1.3.6.1.4.1.9.9.13"),
        ("coldStart", "1.3.6.1.6.3.1.1.5.1"),
    ] {
        assert_eq!(names.show(&oid(number)), text);
        assert_eq!(names.find(text), Some(oid(number)));
        assert_eq!(names.find(number), Some(oid(number)));
    }
    assert_eq!(names.find(".1.3.6"), Some(oid("1.3.6")));
    assert_eq!(names.find("IF-MIB::ifDescr.1"), Some(oid("1.3.6.1.2.1.2.2.1.2.1")));
    assert_eq!(names.show(&oid("2.5.4")), "2.5.4");
    assert_eq!(names.show(&Oid::empty()), "");
    for wrong in ["", ".", "ifDesc", "ifDescr.", "ifDescr.x", "ifDescr.-1", "1..3", "1.3.6.1.4294967296"] {
        assert_eq!(names.find(wrong), None, "{wrong}");
    }
    assert_eq!(names.meant("ifDesc.3"), Some("ifDescr"));
}

#[test]
fn values_are_shown_with_their_words() {
    let names = Names::standard();
    let status = oid("1.3.6.1.2.1.2.2.1.8.3");
    assert_eq!(names.show_value(&status, &Value::Integer(1)), "up(1)");
    assert_eq!(names.show_value(&status, &Value::Integer(99)), "99");
    assert_eq!(
        names.show_value(&oid("1.3.6.1.2.1.1.2.0"), &Value::ObjectIdentifier(oid("1.3.6.1.4.1.8072.3.2.10"))),
        "linux"
    );
    assert_eq!(names.show_value(&status, &Value::OctetString(Bytes::from_static(b"a\x1bb"))), "ab");
    assert_eq!(names.show_value(&status, &Value::NoSuchInstance), "no_such_instance");
}

#[test]
fn profiles_add_names_and_words_and_change_none() {
    let text = "[names]\nacmeThing = \"1.3.6.1.4.1.99999.1\"\nnotDescr = \"1.3.6.1.2.1.2.2.1.2\"\n\
        [scalar.acmeState]\noid = \"1.3.6.1.4.1.99999.2\"\nparameter = \"x\"\nkind = \"state\"\nwords = { 1 = \"fine\" }\n\
        [trap.acmeTrap]\noid = \"1.3.6.1.4.1.99999.0.1\"\n";
    let names = Names::of(&Library::default().with(&[("acme.toml", text)]).unwrap());
    assert_eq!(names.show(&oid("1.3.6.1.4.1.99999.1.0")), "acmeThing.0");
    assert_eq!(names.show(&oid("1.3.6.1.4.1.99999.0.1")), "acmeTrap");
    assert_eq!(names.show(&oid("1.3.6.1.2.1.2.2.1.2.1")), "ifDescr.1");
    assert_eq!(names.show_value(&oid("1.3.6.1.4.1.99999.2.0"), &Value::Integer(1)), "fine(1)");
    assert_eq!(names.show(&oid("1.3.6.1.4.1.99999.7")), "enterprises.99999.7");
}

#[test]
fn every_object_of_a_shipped_profile_has_its_name_in_the_mib() {
    let standard = Names::standard();
    // The older groups of IP are not in the list, which has the MIBs of today.
    let mut odd = Vec::new();
    for profile in Library::shipped().iter().filter(|profile| profile.name != "ip-v4") {
        let objects = profile.scalars.iter().chain(profile.tables.iter().flat_map(|table| &table.columns));
        let objects = objects.map(|object| (&object.name, &object.oid, &object.words));
        for (name, oid, words) in objects {
            let known: BTreeMap<i64, String> =
                standard.by_oid.get(oid).map(|entry| entry.words.clone()).unwrap_or_default();
            let same = known
                .iter()
                .all(|(code, word)| words.get(code).is_none_or(|ours| ours.eq_ignore_ascii_case(word)));
            if standard.by_name.get(name) != Some(oid) || !same {
                odd.push(format!("{}: {name} {oid} {words:?} {known:?}", profile.name));
            }
        }
        for trap in &profile.traps {
            let known = standard.find(&trap.name).unwrap();
            // v1 has a 0 before the last number.
            let last = known.arcs().last().copied().unwrap();
            assert!(
                known == trap.oid || known.parent().unwrap().child(0).child(last) == trap.oid,
                "{}",
                trap.name
            );
        }
    }
    assert!(odd.is_empty(), "{odd:#?}");
}
