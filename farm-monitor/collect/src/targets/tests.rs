#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

fn error(content: &str) -> String {
    parse_file(Path::new("hosts.txt"), content).unwrap_err().to_string()
}

#[test]
fn host_lists_expand_in_order() {
    assert_eq!(expand("plain.example.org").unwrap(), ["plain.example.org"]);
    assert_eq!(expand("n[08-11]").unwrap(), ["n08", "n09", "n10", "n11"]);
    assert_eq!(expand("n[8-11]").unwrap(), ["n8", "n9", "n10", "n11"]);
    assert_eq!(expand("n[1-3,7]").unwrap(), ["n1", "n2", "n3", "n7"]);
    assert_eq!(expand("r[1-2]n[01-02].x").unwrap(), ["r1n01.x", "r1n02.x", "r2n01.x", "r2n02.x"]);
    assert_eq!(expand("[::1]:161").unwrap(), ["[::1]:161"]);
    let nodes = expand("node[001-600]").unwrap();
    assert_eq!((nodes.len(), nodes[0].as_str(), nodes[599].as_str()), (600, "node001", "node600"));
}

#[test]
fn host_lists_that_are_wrong_say_why() {
    for (list, says) in [
        ("n[1-", "host list `n[1-`: `[` without `]`: expected `node[001-600]`"),
        ("n1]", "host list `n1]`: `]` without `[`: expected `node[001-600]`"),
        ("n[]", "host list `n[]`: `` in `[]`: expected a number, as in `[001-600]` or `[1-3,7]`"),
        ("n[a-c]", "host list `n[a-c]`: `a` in `[a-c]`: expected a number, as in `[001-600]` or `[1-3,7]`"),
        ("n[9-1]", "host list `n[9-1]`: `9-1` runs backwards: expected the smaller number first"),
        ("", "host list ``: expected a name"),
        ("n[0-99][0-9999]", "more than 100000 targets"),
        (
            "n[0-18446744073709551615]",
            "host list `n[0-18446744073709551615]`: `[0-18446744073709551615]` has more than 100000 numbers",
        ),
        (
            "n[1-60000,1-60000]",
            "host list `n[1-60000,1-60000]`: `[1-60000,1-60000]` has more than 100000 numbers",
        ),
    ] {
        assert_eq!(expand(list).unwrap_err().to_string(), says);
    }
}

#[test]
fn a_text_file_has_names_and_addresses() {
    let text = "# rack 1\nsw-a1 10.0.0.1  # core\n\nn[01-02] 10.1.0.[1-2]\nplain\n";
    let targets = parse_file(Path::new("hosts"), text).unwrap();
    let pairs: Vec<_> = targets.iter().map(|t| (t.target.node.as_str(), t.target.address.as_str())).collect();
    assert_eq!(pairs, [("sw-a1", "10.0.0.1"), ("n01", "10.1.0.1"), ("n02", "10.1.0.2"), ("plain", "plain")]);
    assert!(parse_file(Path::new("empty"), "# none\n").unwrap().is_empty());
}

#[test]
fn a_line_can_say_more_of_its_targets() {
    let text = "\nsw[1-2] 10.0.0.[1-2] credentials=core port=1161\nups profiles=a,b=c\n";
    let listed = parse_file(Path::new("hosts"), text).unwrap();
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(listed[1].target.address, "10.0.0.2");
    assert_eq!(listed[1].options, [pair("credentials", "core"), pair("port", "1161")]);
    assert_eq!((listed[2].line, listed[2].target.address.as_str()), (3, "ups"));
    assert_eq!(listed[2].options, [pair("profiles", "a,b=c")]);
    assert_eq!(error("a b =c"), "line 1: `=c` is too much: expected `name` or `name address`");
}

#[test]
fn a_text_file_that_is_wrong_names_the_line() {
    assert_eq!(error("a\nb c d"), "line 2: `d` is too much: expected `name` or `name address`");
    assert_eq!(error("a\n\na"), "line 3: target `a` was given already, on line 1");
    assert_eq!(error("n[1-3] a[1-2]"), "line 1: 3 names but 2 addresses: expected as many");
    assert!(error("n[1-").starts_with("line 1: host list `n[1-`: "));
    assert!(error(&"x".repeat(256)).contains("has 256 bytes"));
    assert_eq!(error("a[1-60000]\nb[1-60000]"), "more than 100000 targets");
}

#[test]
fn a_file_sd_file_gives_labels() {
    let text = r#"[{"targets": ["a:9100", "b:9100"], "labels": {"rack": "r1", "__meta_x": "y"}}, {"targets": ["c"]}]"#;
    let targets = parse_file(Path::new("sd.json"), text).unwrap();
    assert_eq!(targets.len(), 3);
    assert_eq!(targets[0].target.node, "a:9100");
    assert_eq!(targets[0].target.labels, BTreeMap::from([("rack".to_owned(), "r1".to_owned())]));
    assert!(targets[2].target.labels.is_empty());
}

#[test]
fn a_file_sd_file_that_is_wrong_says_why() {
    let error = |text| parse_file(Path::new("sd.json"), text).unwrap_err().to_string();
    assert!(error("{}").starts_with("not a file_sd file: invalid type: map, expected a sequence at line 1"));
    assert!(error(r#"[{"target": []}]"#).contains("unknown field `target`"));
    assert_eq!(
        error(r#"[{"targets": ["a"]}, {"targets": ["a"]}]"#),
        "not a file_sd file: group 2: target `a` was given already"
    );
    assert!(error(r#"[{"targets": ["a"], "labels": {"a-b": "c"}}]"#).contains("label key `a-b`"));
    let yaml = parse_file(Path::new("sd.yml"), "").unwrap_err().to_string();
    assert!(yaml.starts_with("`.yml` files of targets are not read"), "{yaml}");
}

#[test]
fn lists_of_a_configuration_are_joined() {
    let targets = from_lists(&["a[1-2]", "b"]).unwrap();
    assert_eq!(targets.iter().map(|t| t.node.as_str()).collect::<Vec<_>>(), ["a1", "a2", "b"]);
    assert_eq!(
        from_lists(&["a", "a"]).unwrap_err().to_string(),
        "host list `a`: target `a` was given already"
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[a-c0-9\\[\\],:# \n-]{0,40}") {
        let _ = expand(&text);
        if let Ok(targets) = parse_file(Path::new("t"), &text) {
            prop_assert!(targets.len() <= MAX_TARGETS);
        }
    }

    #[test]
    fn ranges_have_every_number_once(first in 0_u32..500, count in 1_u32..500, width in 1_usize..5) {
        let last = first + count - 1;
        let names = expand(&format!("n[{first:0width$}-{last}]")).unwrap();
        let numbers: Vec<u32> = names.iter().map(|name| name[1..].parse().unwrap()).collect();
        prop_assert_eq!(numbers, (first..=last).collect::<Vec<_>>());
    }
}
