//! Indexes: what they are read as, and what is refused.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn part(form: IndexForm) -> IndexPart {
    IndexPart { name: "part".to_owned(), form, words: BTreeMap::new() }
}

fn texts(parts: &[IndexForm], index: &[u32]) -> Result<Vec<String>, String> {
    let parts: Vec<_> = parts.iter().copied().map(part).collect();
    let read = decode(&parts, index).map_err(|error| error.to_string())?;
    Ok(read.into_iter().map(|value| value.text).collect())
}

#[test]
fn each_form_is_read() {
    use IndexForm::*;
    let cases: [(&[IndexForm], &[u32], &[&str]); 14] = [
        (&[Integer], &[4_294_967_295], &["4294967295"]),
        (&[Integer, Integer], &[1, 2], &["1", "2"]),
        (&[Text, Integer], &[3, 97, 98, 99, 7], &["abc", "7"]),
        (&[Text], &[0], &[""]),
        (&[TextToEnd], &[195, 169], &["é"]),
        (&[Bytes(2), Rest], &[1, 255, 9, 8], &["01 ff", "9.8"]),
        (&[Mac], &[0, 26, 43, 60, 77, 94], &["00:1a:2b:3c:4d:5e"]),
        (&[Ipv4, Integer], &[10, 0, 0, 1, 53], &["10.0.0.1", "53"]),
        (&[InetAddress], &[1, 4, 192, 0, 2, 1], &["192.0.2.1"]),
        (&[InetAddress], &[2, 16, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], &["2001:db8::1"]),
        (&[InetAddress], &[3, 8, 169, 254, 0, 1, 0, 0, 0, 2], &["169.254.0.1%2"]),
        (&[InetAddress], &[16, 2, 97, 98], &["ab"]),
        (&[InetAddress], &[0, 0], &[""]),
        (&[Oid, Integer], &[2, 1, 3, 5], &["1.3", "5"]),
    ];
    for (parts, index, expected) in cases {
        assert_eq!(
            texts(parts, index).as_deref(),
            Ok(expected.map_to_owned().as_slice()),
            "{parts:?} {index:?}"
        );
    }
}

trait MapToOwned {
    fn map_to_owned(&self) -> Vec<String>;
}

impl MapToOwned for &[&str] {
    fn map_to_owned(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}

#[test]
fn what_does_not_fit_is_refused_and_named() {
    use IndexForm::*;
    let cases: [(&[IndexForm], &[u32], &str); 13] = [
        (&[Integer], &[], "has 0 numbers"),
        (&[], &[], "has 0 numbers"),
        (&[Integer], &[1, 2], "has 1 numbers more than its parts"),
        (&[Integer, Integer], &[1], "ends within `part`"),
        (&[Text], &[4, 97], "ends within `part`"),
        (&[Text], &[u32::MAX, 97], "ends within `part`"),
        (&[Text], &[1, 256], "`part` holds 256, which is no byte"),
        (&[Integer, TextToEnd], &[1], "ends within `part`"),
        (&[Integer, Rest], &[1], "ends within `part`"),
        (&[Mac], &[1, 2, 3, 4, 5], "ends within `part`"),
        (&[Ipv4], &[10, 0, 0, 300], "`part` holds 300, which is no byte"),
        (&[InetAddress], &[1, 3, 10, 0, 0], "`part` has 3 bytes, which the address type 1 has not"),
        (&[InetAddress], &[9, 1, 1], "`part` has the address type 9, which is none"),
    ];
    for (parts, index, expected) in cases {
        assert_eq!(texts(parts, index), Err(expected.to_owned()), "{parts:?} {index:?}");
    }
    assert_eq!(decode(&[], &vec![1; 129]), Err(IndexError::Length(129)));
}

#[test]
fn an_integer_with_a_word_is_shown_by_it_and_stays_a_number() {
    let words = BTreeMap::from([(1, "ipv4".to_owned())]);
    let part = IndexPart { words, ..part(IndexForm::Integer) };
    let read = |number| decode(std::slice::from_ref(&part), &[number]).unwrap();
    assert_eq!(read(1), [PartValue { text: "ipv4".to_owned(), number: Some(1) }]);
    assert_eq!(read(2), [PartValue { text: "2".to_owned(), number: Some(2) }]);
}

#[test]
fn a_key_is_numbers_with_dots_or_an_address_with_colons() {
    assert_eq!(key("3"), Some(vec![3]));
    assert_eq!(key("3.0.4294967295"), Some(vec![3, 0, u32::MAX]));
    assert_eq!(key("00:1A:ff"), Some(vec![0, 26, 255]));
    for wrong in ["", ".", "3.", "3..4", "-3", "+3", "a", "4294967296", "3.x", "00:100", "é", " 3"] {
        assert_eq!(key(wrong), None, "{wrong:?}");
    }
    assert_eq!(key(&"1.".repeat(200)), None);
}

/// A part and an index that is one.
fn encoded() -> impl Strategy<Value = (IndexForm, Vec<u32>, String)> {
    let bytes = |many| proptest::collection::vec(any::<u8>(), many);
    let wide = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).collect::<Vec<_>>();
    prop_oneof![
        any::<u32>().prop_map(|number| (IndexForm::Integer, vec![number], number.to_string())),
        "[ -~]{0,20}".prop_map(move |text| {
            let numbers = wide(text.as_bytes());
            let index = [vec![u32::try_from(numbers.len()).unwrap()], numbers].concat();
            (IndexForm::Text, index, text.trim().to_owned())
        }),
        bytes(6).prop_map(move |six| (IndexForm::Mac, wide(&six), mac(&six))),
        bytes(4).prop_map(move |four| {
            let text = four.iter().map(u8::to_string).collect::<Vec<_>>().join(".");
            (IndexForm::Ipv4, wide(&four), text)
        }),
        bytes(16).prop_map(move |many| {
            let text = Ipv6Addr::from(<[u8; 16]>::try_from(many.as_slice()).unwrap()).to_string();
            (IndexForm::InetAddress, [vec![2, 16], wide(&many)].concat(), text)
        }),
        proptest::collection::vec(any::<u32>(), 0..8).prop_map(|numbers| {
            let index = [vec![u32::try_from(numbers.len()).unwrap()], numbers.clone()].concat();
            (IndexForm::Oid, index, dotted(&numbers))
        }),
    ]
}

proptest! {
    #[test]
    fn what_was_encoded_part_by_part_is_read_part_by_part(parts in proptest::collection::vec(encoded(), 1..5)) {
        let index: Vec<u32> = parts.iter().flat_map(|(_, index, _)| index.clone()).collect();
        let forms: Vec<_> = parts.iter().map(|(form, ..)| *form).collect();
        let expected: Vec<_> = parts.iter().map(|(.., text)| text.clone()).collect();
        prop_assert_eq!(texts(&forms, &index), Ok(expected));
        // One number more or less never is a row of the same table.
        prop_assert!(texts(&forms, &[index.clone(), vec![1]].concat()).is_err());
        prop_assert!(texts(&forms, &index[..index.len() - 1]).is_err());
        prop_assert_eq!(key(&dotted(&index)), Some(index));
    }

    #[test]
    fn no_index_panics(index in proptest::collection::vec(prop_oneof![0_u32..20, any::<u32>()], 0..40)) {
        use IndexForm::*;
        for form in [Integer, Text, TextToEnd, Bytes(3), Mac, Ipv4, InetAddress, Oid, Rest] {
            if let Ok(texts) = texts(&[form], &index) {
                prop_assert!(texts.iter().all(|text| !text.chars().any(char::is_control)));
            }
        }
    }
}
