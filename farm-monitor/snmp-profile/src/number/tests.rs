//! Values of series from what agents say.

use super::*;
use crate::row::NoRow;
use bytes::Bytes;
use hedgerow_snmp::Value as Raw;
use std::collections::BTreeMap;

/// Sources with numbers.
struct Numbers(BTreeMap<&'static str, i128>);

impl Row for Numbers {
    fn text(&self, source: &crate::profile::Source) -> Option<String> {
        self.number(source).map(|number| number.to_string())
    }

    fn number(&self, source: &crate::profile::Source) -> Option<Number> {
        self.0.get(source.0.as_str()).copied().map(Number::Whole)
    }
}

/// The one column of a table with these keys.
fn object(keys: &str) -> Object {
    let text = format!(
        "[table.t]\nindex = \"i\"\n[table.t.lookup]\na = \"1.3.1\"\nb = \"1.3.2\"\n\
         [table.t.column.x]\noid = \"1.3.3\"\nparameter = \"x\"\n{keys}\n"
    );
    let profile = crate::read("test.toml", &text).unwrap_or_else(|errors| panic!("{errors}"));
    profile.tables[0].columns[0].clone()
}

fn row(a: i128, b: i128) -> Numbers {
    Numbers(BTreeMap::from([("a", a), ("b", b)]))
}

fn opaque(bytes: &[u8]) -> Raw {
    Raw::Opaque(Bytes::copy_from_slice(bytes))
}

fn octets(text: &str) -> Raw {
    Raw::OctetString(Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn counters_are_kept_bit_for_bit() {
    let counter = object("kind = \"counter\"");
    for raw in [0, 1, u64::from(u32::MAX), (1 << 53) + 1, i64::MAX.cast_unsigned() + 1, u64::MAX] {
        assert_eq!(counter.value(&Raw::Counter64(raw), &NoRow), Ok(Some(Value::counter(raw))));
    }
    assert_eq!(counter.value(&Raw::Counter32(u32::MAX), &NoRow), Ok(Some(Value::counter(u32::MAX.into()))));
    let negative = counter.value(&Raw::Integer(-1), &NoRow);
    assert_eq!(negative.unwrap_err().to_string(), "is -1, which a counter cannot be");
}

#[test]
fn a_number_is_no_text() {
    let name = object("kind = \"text\"");
    assert_eq!(name.value(&octets("7"), &NoRow), Ok(Some(Value::Text("7".into()))));
    for raw in [Raw::Counter32(7), Raw::Integer(7), Raw::TimeTicks(7), opaque(&[0x9f, 0x78, 4, 0, 0, 0, 0])] {
        assert!(matches!(name.value(&raw, &NoRow), Err(NoValue::NoText(_))), "{raw:?}");
    }
}

#[test]
fn gauges_are_exact_where_nothing_but_integers_is_multiplied() {
    let plain = object("");
    let times = object("scale = { factor = 1024, times = \"a\" }");
    let of = |object: &Object, raw: Raw| object.value(&raw, &row(4096, 0)).unwrap().unwrap();
    assert_eq!(of(&plain, Raw::Integer(-5)), Value::I64(-5));
    assert_eq!(of(&plain, Raw::Gauge32(u32::MAX)), Value::I64(u32::MAX.into()));
    assert_eq!(of(&times, Raw::Integer(i32::MAX)), Value::I64(i64::from(i32::MAX) * 1024 * 4096));
    assert_eq!(of(&plain, octets("12")), Value::I64(12));
    assert_eq!(of(&plain, octets(" -0.25 ")), Value::F64(-0.25));
    assert_eq!(of(&plain, Raw::Counter64(u64::MAX)), Value::F64(18_446_744_073_709_551_615.0));
}

#[test]
fn fractions_are_the_nearest_to_the_decimal_number() {
    for (factor, raw, expected) in [
        ("0.1", 241, 24.1),
        ("0.1", 2303, 230.3),
        ("0.01", 57, 0.57),
        ("0.01", -7, -0.07),
        ("0.001", 1999, 1.999),
    ] {
        let object = object(&format!("scale = {factor}"));
        assert_eq!(
            object.value(&Raw::Integer(raw), &NoRow),
            Ok(Some(Value::F64(expected))),
            "{raw} × {factor}"
        );
    }
}

#[test]
fn powers_of_ten_come_from_the_row() {
    // As entPhySensorScale and entPhySensorPrecision: 21500 milli with one decimal place.
    let object =
        object("scale = { powers = [{ of = \"a\", origin = 9, step = 3 }, { of = \"b\", step = -1 }] }");
    let value = |raw, a, b| object.value(&Raw::Integer(raw), &row(a, b));
    assert_eq!(value(215, 9, 1), Ok(Some(Value::F64(21.5))));
    assert_eq!(value(215_000, 8, 1), Ok(Some(Value::F64(21.5))));
    assert_eq!(value(3, 10, 0), Ok(Some(Value::F64(3000.0))));
    assert_eq!(value(3, 1000, 0), Err(NoValue::NotFinite));
    assert_eq!(value(3, i128::MAX, i128::MIN), Err(NoValue::NotFinite));
}

#[test]
fn a_share_of_nothing_is_no_value_and_a_missing_scale_is_an_error() {
    let object = object("unit = \"1\"\nscale = { over = \"a\" }\nmissing = [-3]");
    let value = |raw, a| object.value(&Raw::Integer(raw), &row(a, 0));
    assert_eq!(value(1, 4), Ok(Some(Value::F64(0.25))));
    assert_eq!(value(1, 0), Ok(None));
    assert_eq!(value(1, -2), Ok(None));
    assert_eq!(value(-3, 4), Ok(None), "a number that says that there is none");
    let error = object.value(&Raw::Integer(1), &NoRow).unwrap_err();
    assert_eq!(error.to_string(), "`a`, by which it is scaled, is missing");
}

#[test]
fn opaque_numbers_of_net_snmp_are_read() {
    let object = object("");
    let value = |bytes: &[u8]| object.value(&opaque(bytes), &NoRow);
    let float = [&[0x9f, 0x78, 4][..], &0.5_f32.to_be_bytes()].concat();
    let double = [&[0x9f, 0x79, 8][..], &(-2.25_f64).to_be_bytes()].concat();
    let infinite = [&[0x9f, 0x78, 4][..], &f32::INFINITY.to_be_bytes()].concat();
    assert_eq!(value(&float), Ok(Some(Value::F64(0.5))));
    assert_eq!(value(&double), Ok(Some(Value::F64(-2.25))));
    assert_eq!(value(&[0x9f, 0x76, 2, 1, 0]), Ok(Some(Value::I64(256))));
    assert_eq!(value(&[0x9f, 0x7a, 1, 0xff]), Ok(Some(Value::I64(-1))));
    assert_eq!(value(&infinite), Err(NoValue::NotFinite));
    assert_eq!(value(&[0x9f, 0x78, 4, 0]), Err(NoValue::NoNumber("opaque")));
}

#[test]
fn what_is_no_number_is_never_a_zero() {
    for text in ["", "abc", "1e5", "inf", "NaN", "0x10", "+1", "1.2.3", "12 C", "--1", "-"] {
        let value = object("").value(&octets(text), &NoRow);
        assert_eq!(value.unwrap_err().to_string(), "is octet_string, and no number", "{text:?}");
    }
    for raw in [Raw::Null, Raw::NoSuchObject, Raw::NoSuchInstance, Raw::EndOfMibView] {
        assert_eq!(object("").value(&raw, &NoRow), Ok(None), "{raw:?}");
    }
}

#[test]
fn states_have_their_words_and_texts_their_forms() {
    let state = object("kind = \"state\"\nwords = { 1 = \"up\", -1 = \"gone\" }");
    let value = |raw| state.value(&raw, &NoRow);
    assert_eq!(value(Raw::Integer(1)), Ok(Some(Value::State(1, Some("up".into())))));
    assert_eq!(value(Raw::Integer(-1)), Ok(Some(Value::State(-1, Some("gone".into())))));
    assert_eq!(value(Raw::Integer(7)), Ok(Some(Value::State(7, None))));
    assert_eq!(value(octets("1.5")).unwrap_err().to_string(), "is 1.5, which a state cannot be");
    let text = object("kind = \"text\"\ntext = \"hex\"");
    assert_eq!(text.value(&octets("ab"), &NoRow), Ok(Some(Value::Text("61 62".into()))));
}

#[test]
fn speed_is_known_where_the_row_says_one() {
    let counter = object("kind = \"counter\"\nfastest = { of = \"a\", factor = 125000 }");
    assert_eq!(counter.most_in_a_second(&row(1000, 0)), Some(125_000_000.0));
    assert_eq!(counter.most_in_a_second(&row(0, 0)), None);
    assert_eq!(counter.most_in_a_second(&NoRow), None);
    let either = object(
        "kind = \"counter\"\nfastest = { of = \"a\", factor = 125000, or = { of = \"b\", factor = 0.125 } }",
    );
    assert_eq!(either.most_in_a_second(&row(1000, 80)), Some(125_000_000.0));
    assert_eq!(either.most_in_a_second(&row(0, 80)), Some(10.0));
    assert_eq!(either.most_in_a_second(&row(0, 0)), None);
}
