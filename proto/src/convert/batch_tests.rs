//! Any batch comes back from the wire as it went.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]
use super::*;
use hedgerow_model::Value;
use proptest::prelude::*;

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u64>().prop_map(|bits| Value::F64(f64::from_bits(bits))),
        any::<i64>().prop_map(Value::I64),
        (any::<i64>(), ".{0,6}").prop_map(|(code, text)| Value::State(code, Some(text.into()))),
        ".{0,6}".prop_map(|text: String| Value::Text(text.into())),
    ]
}

fn numbered() -> impl Strategy<Value = Numbered> {
    let sample = (1..5_u32, any::<i64>(), value(), proptest::option::of(1..=4_u8), -3..9_i64);
    (proptest::collection::vec(sample, 1..40), 200..1_000_000_u64, any::<bool>(), any::<bool>()).prop_map(
        |(samples, first, one_time, derived)| {
            let mut numbers = Vec::new();
            let mut next = first;
            let mut values = Columns::default();
            let mut marks = Vec::new();
            for (at, (_, _, value, mark, skip)) in samples.iter().enumerate() {
                next = next.checked_add_signed(*skip).unwrap();
                numbers.push(next);
                next += 1;
                values.push(value.clone());
                if let Some(mark) = mark.and_then(Mark::from_number) {
                    marks.push((at as u32, mark));
                }
            }
            let times = samples.iter().map(|s| s.1).collect::<Vec<_>>();
            Numbered {
                epoch: Epoch { start: 7, random: if derived { 0 } else { 9 } },
                numbers: if derived { Numbers::Derived } else { Numbers::Each(numbers) },
                batch: Batch {
                    series: samples.iter().map(|s| SeriesId(s.0)).collect(),
                    times: if one_time { Times::One(times[0]) } else { Times::Each(times) },
                    values,
                    marks,
                    generation: 2,
                },
            }
        },
    )
}

proptest! {
    #[test]
    fn a_batch_comes_back(before in numbered()) {
        let after = from_wire(to_wire(&before), |start| Some(Epoch { start, random: 9 })).unwrap();
        let count = before.batch.len();
        prop_assert_eq!(after.epoch, before.epoch);
        prop_assert_eq!(&after.batch.series, &before.batch.series);
        prop_assert_eq!(&after.batch.marks, &before.batch.marks);
        for at in 0..count {
            prop_assert_eq!(after.numbers.at(at), before.numbers.at(at));
            prop_assert_eq!(after.batch.times.at(at), before.batch.times.at(at));
            match (after.batch.values.get(at), before.batch.values.get(at)) {
                (Value::F64(a), Value::F64(b)) => prop_assert_eq!(a.to_bits(), b.to_bits()),
                (a, b) => prop_assert_eq!(a, b),
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(wire) = <common::Batch as prost::Message>::decode(&bytes[..]) {
            let _ = from_wire(wire, |start| Some(Epoch { start, random: 0 }));
        }
    }
}

#[test]
fn columns_that_disagree_are_refused() {
    let wire = common::Batch {
        epoch_start: 1,
        first: 1,
        series: vec![1, 2, 3],
        values: Some(common::Columns { f64: vec![1.0, 2.0], ..Default::default() }),
        ..Default::default()
    };
    let error = from_wire(wire, |start| Some(Epoch { start, random: 0 })).unwrap_err();
    assert_eq!(error.to_string(), "series: 3 entries: expected 2");
}
