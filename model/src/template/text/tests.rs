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
