#![allow(clippy::unwrap_used)]
use super::table::Format;
use super::{Word, begun, windowed};
use crate::api::CoverageLine;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, Int64Type, TimestampMillisecondType};
use hedgerow_client::sample::Sample;
use hedgerow_model::{Epoch, Kind, Labels, Name, Predicate, SeriesDef, SeriesKey, Value};
use std::sync::Arc;

const TIME: i64 = 1_795_176_000_000;

fn sample(kind: Kind, node: &str, value: Value) -> Sample {
    let key = SeriesKey {
        cluster: Name::new("hosts").unwrap(),
        node: Name::new(node).unwrap(),
        parameter: Name::new("x").unwrap(),
        labels: Labels::item("/var").unwrap(),
    };
    let series = SeriesDef {
        key,
        kind,
        unit: "By".into(),
        source: "test".into(),
        interval: None,
        lifetime: None,
        description: String::new(),
    };
    Sample {
        farm: "oak".into(),
        series: Arc::new(series),
        time: TIME,
        value,
        number: Some(7),
        epoch: Epoch { start: 1, random: 2 },
        mark: None,
        late: false,
    }
}

fn written(word: Word, samples: &[Sample]) -> Vec<u8> {
    let predicate = Predicate::parse("* last").unwrap();
    let mut format: Box<dyn Format> = begun(word, &predicate, false).unwrap();
    samples.iter().for_each(|sample| format.sample(sample).unwrap());
    format.end(&CoverageLine { asked: 1, answered: 1, complete: true, ..CoverageLine::default() }).unwrap()
}

fn samples() -> Vec<Sample> {
    vec![
        sample(Kind::Gauge, "n1", Value::F64(0.5)),
        sample(Kind::Gauge, "n,\"2\"", Value::F64(f64::NAN)),
        sample(Kind::Counter, "n3", Value::counter(u64::MAX)),
        sample(Kind::State, "n4", Value::State(2, Some("down".into()))),
        sample(Kind::Text, "n5", Value::Text("two\nlines".into())),
    ]
}

#[test]
fn json_is_whole_with_none_and_with_many() {
    for count in [0, 1, 5] {
        let samples = &samples()[..count];
        let whole: serde_json::Value = serde_json::from_slice(&written(Word::Json, samples)).unwrap();
        assert_eq!(whole["samples"].as_array().unwrap().len(), count);
        assert_eq!(whole["coverage"]["complete"], true);
        let lines = String::from_utf8(written(Word::Ndjson, samples)).unwrap();
        let lines: Vec<serde_json::Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), count + 1);
        assert_eq!(lines.last().unwrap()["event"], "coverage");
    }
}

#[test]
fn csv_quotes_what_needs_it_and_loses_nothing() {
    let csv = String::from_utf8(written(Word::Csv, &samples())).unwrap();
    let expected = "farm,cluster,node,parameter,labels,unit,time,value,text\r\n\
        oak,hosts,n1,x,item=/var,By,2026-11-20T12:00:00Z,0.5,\r\n\
        oak,hosts,\"n,\"\"2\"\"\",x,item=/var,By,2026-11-20T12:00:00Z,NaN,\r\n\
        oak,hosts,n3,x,item=/var,By,2026-11-20T12:00:00Z,18446744073709551615,\r\n\
        oak,hosts,n4,x,item=/var,By,2026-11-20T12:00:00Z,2,down\r\n\
        oak,hosts,n5,x,item=/var,By,2026-11-20T12:00:00Z,,\"two\nlines\"\r\n";
    assert_eq!(csv, expected);
}

#[test]
fn arrow_reads_back_over_several_batches() {
    let many: Vec<Sample> = samples().into_iter().cycle().take(20_000).collect();
    let bytes = written(Word::Arrow, &many);
    let reader = arrow_ipc::reader::StreamReader::try_new(std::io::Cursor::new(bytes), None).unwrap();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    assert!(batches.len() > 1);
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), many.len());
    let first = &batches[0];
    let column = |name: &str| first.column_by_name(name).unwrap();
    assert_eq!(column("time").as_primitive::<TimestampMillisecondType>().value(0), TIME);
    let values = column("value").as_primitive::<Float64Type>();
    assert!((values.value(0) - 0.5).abs() < f64::EPSILON && values.value(1).is_nan());
    assert_eq!(column("integer").as_primitive::<Int64Type>().value(2).cast_unsigned(), u64::MAX);
    assert_eq!(column("text").as_string::<i32>().value(3), "down");
}

#[test]
fn without_a_window_it_is_the_newest_and_half_a_window_is_refused() {
    let read = |text: &str| windowed(Predicate::parse(text).unwrap());
    assert!(read("*").unwrap().window.last);
    assert!(!read("* since=1h").unwrap().window.last);
    assert!(read("* until=1h").is_err_and(|error| error.message().contains("since=")));
}
