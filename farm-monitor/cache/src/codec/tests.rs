#![allow(clippy::unwrap_used)]

use super::*;
use hedgerow_model::Value;
use proptest::prelude::*;

fn same(a: &Values, b: &Values) -> bool {
    let bits = |v: &Values| v.columns.f64s().iter().map(|f| f.to_bits()).collect::<Vec<_>>();
    bits(a) == bits(b)
        && a.columns.runs() == b.columns.runs()
        && a.columns.i64s() == b.columns.i64s()
        && a.columns.texts() == b.columns.texts()
        && a.columns.state_texts() == b.columns.state_texts()
        && a.marks == b.marks
}

fn values_of(values: Vec<Value>) -> Values {
    let mut columns = Columns::default();
    values.into_iter().for_each(|v| columns.push(v));
    Values { columns, marks: Vec::new() }
}

fn any_f64() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        (-100_000_i64..100_000).prop_map(|m| m as f64 / 100.0),
        Just(-0.0),
        Just(f64::from_bits(0x7ff0_0000_0000_0001)),
        Just(f64::from_bits(1)),
        Just(f64::NEG_INFINITY),
        Just(0.1),
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any_f64().prop_map(Value::F64),
        any::<i64>().prop_map(Value::I64),
        (-3_i64..3).prop_map(Value::I64),
        "[a-c]{0,3}".prop_map(|t| Value::Text(t.as_str().into())),
        ((0_i64..3), "[a-c]{0,2}").prop_map(|(c, t)| Value::State(c, Some(t.as_str().into()))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn floats_come_back_bit_for_bit(list in prop::collection::vec(any_f64(), 0..300)) {
        let values = Values { columns: Columns::of_f64(list), marks: Vec::new() };
        let encoded = encode(&values);
        let back = decode(encoded.codec, &encoded.blob, values.columns.len()).unwrap();
        prop_assert!(values.columns.is_empty() || same(&values, &back));
    }

    #[test]
    fn integers_come_back(list in prop_oneof![
        prop::collection::vec(any::<i64>(), 0..200),
        prop::collection::vec(0_i64..1000, 0..200).prop_map(|steps| {
            steps.iter().scan(i64::MAX - 500, |sum, step| { *sum = sum.wrapping_add(*step); Some(*sum) }).collect()
        }),
    ]) {
        let mut out = Vec::new();
        integers::encode(&list, &mut out);
        let mut source = Source::new(&out);
        prop_assert_eq!(integers::decode(&mut source, list.len()).unwrap(), list);
        prop_assert!(source.is_empty());
    }

    #[test]
    fn mixed_types_and_marks_come_back(
        list in prop::collection::vec(any_value(), 1..80),
        at in prop::collection::btree_set(0_u32..80, 0..5),
    ) {
        let mut values = values_of(list);
        let length = values.columns.len() as u32;
        values.marks = at.into_iter().filter(|at| *at < length).map(|at| (at, Mark::Reset)).collect();
        let encoded = encode(&values);
        prop_assert!(same(&values, &decode(encoded.codec, &encoded.blob, length as usize).unwrap()));
    }

    #[test]
    fn damaged_bytes_are_an_error_or_other_values_but_never_a_panic(
        codec in any::<u8>(), blob in prop::collection::vec(any::<u8>(), 0..200), count in 0_usize..300,
    ) {
        let _ = decode(codec, &blob, count);
    }
}

#[test]
fn typical_series_take_few_bytes() {
    let bytes = |values: &Values| encode(values).blob.len() as f64 / values.columns.len() as f64;
    let counter: Vec<i64> = (0..240_i64).map(|i| i * 100_000 + (i * 7919) % 977).collect();
    let temperature: Vec<f64> = (0..240).map(|i| f64::from(210 + (i * 7) % 13) / 10.0).collect();
    let constant = vec![16_384.5; 240];
    let counter = bytes(&Values { columns: Columns::of_i64(counter), marks: vec![] });
    let temperature = bytes(&Values { columns: Columns::of_f64(temperature), marks: vec![] });
    let constant = bytes(&Values { columns: Columns::of_f64(constant), marks: vec![] });
    assert!(counter < 1.6 && temperature < 0.8 && constant < 0.1, "{counter} {temperature} {constant}");
}
