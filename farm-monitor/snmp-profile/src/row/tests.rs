//! Templates and conditions.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

struct Of(BTreeMap<&'static str, &'static str>);

impl Row for Of {
    fn text(&self, source: &Source) -> Option<String> {
        self.0.get(source.0.as_str()).map(|text| (*text).to_owned())
    }

    fn number(&self, source: &Source) -> Option<Number> {
        Some(Number::Whole(self.text(source)?.parse().ok()?))
    }
}

fn row() -> Of {
    Of(BTreeMap::from([("ifName", "Gi0/1"), ("ifAlias", ""), ("ifType", "6")]))
}

fn template(text: &str) -> Template {
    crate::read::template_of(text).unwrap()
}

#[test]
fn a_template_gives_nothing_where_a_source_is_missing_or_empty() {
    let row = row();
    for (text, expected) in [
        ("{ifName}", Some("Gi0/1")),
        ("port {ifName} ({ifType})", Some("port Gi0/1 (6)")),
        ("{{{ifType}}}", Some("{6}")),
        ("{ifAlias}", None),
        ("{ifName} {ifAlias}", None),
        ("{ifDescr}", None),
    ] {
        assert_eq!(template(text).text(&row).as_deref(), expected, "{text}");
    }
    let templates = ["{ifAlias}", "{ifDescr}", "{ifName}"].map(template);
    assert_eq!(first(&templates, &row).as_deref(), Some("Gi0/1"));
    assert_eq!(first(&templates[..2], &row), None);
}

#[test]
fn all_conditions_must_hold_and_a_missing_source_holds_none() {
    let row = row();
    let only = |source: &str, values: &[&str]| {
        (template(source), values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>())
    };
    assert!(applies(&[], &row));
    assert!(applies(&[only("{ifType}", &["5", "6"])], &row));
    assert!(!applies(&[only("{ifType}", &["5"])], &row));
    assert!(!applies(&[only("{ifType}", &["6"]), only("{ifDescr}", &["x"])], &row));
    assert!(!applies(&[only("{ifAlias}", &[""])], &row));
}

proptest! {
    #[test]
    fn a_template_that_is_printed_and_read_is_the_same(
        parts in proptest::collection::vec((any::<bool>(), "[a-zA-Z0-9 {}é]{1,8}"), 1..6)
    ) {
        let mut pieces: Vec<Piece> = Vec::new();
        for (source, text) in parts {
            let name: String = text.chars().filter(|c| !"{}".contains(*c)).collect();
            match pieces.last_mut() {
                _ if source && !name.is_empty() => pieces.push(Piece::Of(Source(name))),
                Some(Piece::Text(before)) => before.push_str(&text),
                _ => pieces.push(Piece::Text(text)),
            }
        }
        let template = Template(pieces);
        prop_assert_eq!(crate::read::template_of(&template.to_string()), Ok(template));
    }

    #[test]
    fn no_text_is_a_template_that_panics(text in "[{}a]{0,12}") {
        let _ = crate::read::template_of(&text);
    }
}
