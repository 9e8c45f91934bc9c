#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

/// All names: any text without control characters, rich in specials, up to 255 bytes.
fn names() -> impl Strategy<Value = String> {
    let cut = |text: String| text[..text.floor_char_boundary(255)].to_owned();
    let name = prop_oneof![
        "[\\\\*?{},\\[\\]= /a\"]{1,12}",
        "\\PC{1,20}",
        "[א-ת ا-ي/]{1,16}",
        "[\\\\*?{},\\[\\]= /]{200,255}",
        "\\PC{255}",
        Just("where".to_owned()),
        Just("last".to_owned()),
    ];
    name.prop_map(cut).prop_filter("a name", |text| Name::new(text).is_ok())
}

prop_compose! {
    pub(crate) fn paths()(
        parts in [names(), names(), names(), names()],
        labels in prop::collection::btree_map(prop_oneof!["[A-Za-z0-9_.]{1,64}", Just("item".to_owned())], names(), 0..4),
    ) -> SeriesPath {
        let [farm, cluster, node, parameter] = parts.map(|part| Name::new(&part).unwrap());
        SeriesPath { farm, key: SeriesKey { cluster, node, parameter, labels: Labels::new(labels).unwrap() } }
    }
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(path in paths()) {
        prop_assert_eq!(SeriesPath::parse(&path.to_string()), Ok(path.clone()));
        prop_assert_eq!(path.key.to_string().parse(), Ok(path.key));
    }

    #[test]
    fn different_paths_print_differently(one in paths(), other in paths()) {
        prop_assert_eq!(one == other, one.to_string() == other.to_string());
    }

    #[test]
    fn any_text_is_read_or_refused_within_it(text in "[ab*?{},\\\\\\[\\]= /\u{1}é]{0,30}") {
        match SeriesPath::parse(&text) {
            Ok(path) => prop_assert_eq!(SeriesPath::parse(&path.to_string()), Ok(path)),
            Err(error) => prop_assert!(error.at <= text.len() && text.is_char_boundary(error.at)),
        }
    }
}

#[test]
fn an_error_says_where_what_and_what_was_expected() {
    let error = SeriesPath::parse("site/hosts/n*/load1").unwrap_err();
    assert_eq!(
        error.to_string(),
        "at byte 12: `*` in a path, which names one series; expected `\\*` where it is meant literally"
    );
}
