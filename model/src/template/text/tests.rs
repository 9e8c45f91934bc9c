#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

fn terms() -> impl Strategy<Value = Term> {
    let glob = || prop_oneof!["[ab*?.,\" \\\\=!{}/]{0,6}", "\\PC{0,8}", Just("1..5".to_owned())];
    let values = || prop::collection::vec(glob(), 1..4);
    let bound = || prop::option::of((-9..9_i8).prop_map(|n| n.to_string()));
    let operation = prop_oneof![
        values().prop_map(Operation::Is),
        values().prop_map(Operation::IsNot),
        (bound(), bound()).prop_map(|(low, high)| Operation::Range(low, high)),
        Just(Operation::Present),
        Just(Operation::Absent),
    ];
    ("([A-Za-z0-9_.]{1,5}|name|has)", operation).prop_map(|(key, operation)| Term { key, operation })
}

/// The same with the globs in their normal form, as they are read.
fn normal(template: &Template) -> Template {
    let mut template = template.clone();
    for term in &mut template.terms {
        if let Operation::Is(values) | Operation::IsNot(values) = &mut term.operation {
            for value in values.iter_mut().filter(|value| !value.is_empty()) {
                *value = Glob::new(value).unwrap().as_str().to_owned();
            }
        }
    }
    template
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(terms in prop::collection::vec(terms(), 0..4)) {
        let template = Template { terms };
        if template.compile().is_ok() {
            prop_assert_eq!(Template::parse(&template.to_string()), Ok(normal(&template)), "{}", template);
        }
    }

    #[test]
    fn any_text_is_read_or_refused_within_it(text in "([ab*.,\"\\\\{} é1!]|=|has:|\\.\\.){0,12}") {
        match Template::parse(&text) {
            Ok(read) => prop_assert_eq!(Template::parse(&read.to_string()), Ok(read)),
            Err(error) => prop_assert!(error.at <= text.len() && text.is_char_boundary(error.at)),
        }
    }
}

fn refused(text: &str) -> String {
    let error = Template::parse(text).unwrap_err();
    format!("{}, expected {}", error.what, error.expected)
}

#[test]
fn what_was_meant_as_a_range_is_told_how_ranges_are_written() {
    for (text, range) in
        [("cores>64", "cores=64.."), ("cores>=64", "cores=64.."), ("kind=farm lat<-1.5", "lat=..-1.5")]
    {
        assert!(refused(text).contains(range), "{}", refused(text));
    }
    assert!(Template::parse("a>b").is_ok(), "a name");
    for text in ["cores=5..1", "cores=a..b"] {
        assert_eq!(
            refused(text),
            "range of `cores`, expected two numbers or one, the lower first, as in 64.. or 1..5"
        );
    }
}

#[test]
fn an_id_that_is_none_is_noticed() {
    let no_id = |text: &str| Template::parse(text).unwrap().no_id().map(str::to_owned);
    let id = "d45894dc69a5f6187a0750477d2ca611";
    assert_eq!(no_id("id=abc").as_deref(), Some("abc"));
    assert_eq!(no_id(&format!("id!={id},{}", id.to_uppercase())), Some(id.to_uppercase()));
    assert_eq!(no_id(&format!("id={id},d4* kind=abc has:id")), None);
}
