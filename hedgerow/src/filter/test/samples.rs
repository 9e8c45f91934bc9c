//! Recorded samples: lines of JSON as `hedgerow query --json` gives them.
//!
//! Samples do not say of which kind their series is. A line with `kind` does (`hedgerow ls --json` gives such), wherever it stands;
//! otherwise a text makes a text, a text beside a code a state, a mark a counter, and everything else is a gauge.
//!
//! A query gives series after series; a farm gives its filters what it accepted, in that order. So the lines of a file are put in
//! the order of the farm's numbers, or where they have none, of time: never are they taken as they stand.

use crate::outcome::CommandError;
use hedgerow_client::sample::Sample;
use hedgerow_model::{Epoch, Kind, Labels, Mark, Name, SeriesDef, SeriesKey, UnixMillis, Value};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Largest file of samples, in bytes; a larger one is refused.
const MAX_FILE_BYTES: u64 = 4 << 30;

/// Longest part of a line that is shown in an error.
const SHOWN: usize = 100;

/// A sample, a declaration (with `kind` and `source`), or an event, which is passed over.
#[derive(Debug, Deserialize)]
struct Line {
    event: Option<String>,
    farm: Option<String>,
    cluster: Option<String>,
    node: Option<String>,
    parameter: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    unit: String,
    time: Option<UnixMillis>,
    value: Option<serde_json::Value>,
    text: Option<String>,
    special: Option<String>,
    mark: Option<String>,
    epoch: Option<String>,
    number: Option<u64>,
    kind: Option<String>,
    source: Option<String>,
    interval_ms: Option<u64>,
    #[serde(default)]
    description: String,
}

/// What is known of a series.
#[derive(Debug)]
struct Known {
    unit: String,
    kind: Option<Kind>,
    guess: Kind,
    source: String,
    interval: Option<Duration>,
    description: String,
}

/// The samples of a file, in the order in which a farm would give them.
///
/// # Errors
/// Where it cannot be read, or a line is none of these: which, and what was expected.
pub fn read(path: &Path) -> Result<Vec<Sample>, CommandError> {
    let failed = |why: String| CommandError::Failed(format!("{}: {why}", path.display()));
    let mut text = String::new();
    let file = File::open(path).map_err(|error| failed(format!("cannot be opened: {error}")))?;
    let read = file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text);
    read.map_err(|error| failed(format!("cannot be read: {error}")))?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(failed("is larger than 4 GiB, which is the most".to_owned()));
    }
    parse(&text).map_err(failed)
}

/// Whose a sample is: farm and series.
type Of = (Arc<str>, SeriesKey);

/// A sample, while its series is not known in full.
struct Found {
    of: Of,
    time: UnixMillis,
    value: Value,
    mark: Option<Mark>,
    epoch: Epoch,
    number: Option<u64>,
}

/// The samples of a text: by their numbers, where all have one; else by time, those of one time as they stand.
///
/// # Errors
/// Which line is wrong, and what was expected.
pub fn parse(text: &str) -> Result<Vec<Sample>, String> {
    let mut found: Vec<Found> = Vec::new();
    let mut known: HashMap<Of, Known> = HashMap::new();
    for (at, text) in (1_u64..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
        let wrong = |why: String| {
            let shown: String = text.chars().take(SHOWN).collect();
            format!("line {at}: {why}: {shown}")
        };
        let line: Line = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if line.event.is_some() {
            continue;
        }
        let of = (Arc::from(line.farm.as_deref().unwrap_or("farm")), key(&line).map_err(wrong)?);
        let (value, guess) = value(&line).map_err(wrong)?;
        let mark = mark(&line).map_err(wrong)?;
        let declared = known.entry(of.clone()).or_insert_with(|| Known {
            unit: String::new(),
            kind: None,
            guess: Kind::Gauge,
            source: "samples".to_owned(),
            interval: None,
            description: String::new(),
        });
        declare(declared, &line, guess, mark).map_err(wrong)?;
        // `ls` gives a declaration, and the last value beside it.
        if line.source.is_some() {
            continue;
        }
        let (Some(time), Some(value)) = (line.time, value) else {
            return Err(wrong("a sample has `time`, in Unix milliseconds, and `value`".to_owned()));
        };
        let epoch = line.epoch.as_deref().map(str::parse).transpose().map_err(wrong)?;
        let epoch = epoch.unwrap_or(Epoch { start: 0, random: 0 });
        found.push(Found { of, time, value, mark, epoch, number: line.number });
    }
    if found.iter().all(|sample| sample.number.is_some()) {
        found.sort_by_key(|sample| (sample.epoch, sample.number));
    } else {
        found.sort_by_key(|sample| sample.time);
    }
    let declared = |(of, known): ((Arc<str>, SeriesKey), Known)| {
        let def = Arc::new(def(&of.1, known));
        (of, def)
    };
    let defs: HashMap<_, _> = known.into_iter().map(declared).collect();
    let sample = |Found { of, time, value, mark, epoch, number }: Found| {
        let series = Arc::clone(defs.get(&of)?);
        Some(Sample { farm: of.0, series, time, value, number, epoch, mark, late: false })
    };
    Ok(found.into_iter().filter_map(sample).collect())
}

fn key(line: &Line) -> Result<SeriesKey, String> {
    let name = |what: &str, text: &Option<String>| {
        let text = text.as_deref().ok_or_else(|| format!("there is no `{what}`"))?;
        Name::new(text).map_err(|error| format!("`{what}` {error}"))
    };
    Ok(SeriesKey {
        cluster: name("cluster", &line.cluster)?,
        node: name("node", &line.node)?,
        parameter: name("parameter", &line.parameter)?,
        labels: Labels::new(&line.labels).map_err(|error| error.to_string())?,
    })
}

fn mark(line: &Line) -> Result<Option<Mark>, String> {
    let Some(word) = &line.mark else { return Ok(None) };
    let known = (0..=u8::MAX).filter_map(Mark::from_number).find(|mark| mark.as_str() == word);
    known
        .map(Some)
        .ok_or_else(|| format!("`mark` is {word}: expected wrap32, wrap64, reset or discontinuity"))
}

/// The value, and of which kind its series may be.
fn value(line: &Line) -> Result<(Option<Value>, Kind), String> {
    use serde_json::Value as Json;
    let number = match (&line.value, line.special.as_deref()) {
        (None | Some(Json::Null), Some("NaN")) => Value::F64(f64::NAN),
        (None | Some(Json::Null), Some("+Inf")) => Value::F64(f64::INFINITY),
        (None | Some(Json::Null), Some("-Inf")) => Value::F64(f64::NEG_INFINITY),
        (None | Some(Json::Null), _) => return Ok((None, Kind::Gauge)),
        (Some(Json::String(text)), _) => return Ok((Some(Value::Text(text.as_str().into())), Kind::Text)),
        (Some(Json::Number(number)), _) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(code), ..) if line.text.is_some() => {
                return Ok((Some(Value::State(code, line.text.as_deref().map(Arc::from))), Kind::State));
            }
            (Some(value), ..) => Value::I64(value),
            (None, Some(count), _) => return Ok((Some(Value::counter(count)), Kind::Counter)),
            (None, None, value) => Value::F64(value.unwrap_or(f64::NAN)),
        },
        _ => return Err("`value` is neither a number nor a text".to_owned()),
    };
    Ok((Some(number), Kind::Gauge))
}

fn declare(known: &mut Known, line: &Line, guess: Kind, mark: Option<Mark>) -> Result<(), String> {
    if let Some(word) = &line.kind {
        let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == word);
        known.kind =
            Some(kind.ok_or_else(|| format!("`kind` is {word}: expected gauge, counter, state or text"))?);
    }
    if mark.is_some() {
        known.guess = Kind::Counter;
    } else if guess != Kind::Gauge {
        known.guess = guess;
    }
    if let Some(source) = &line.source {
        known.source.clone_from(source);
    }
    if !line.unit.is_empty() {
        known.unit.clone_from(&line.unit);
    }
    if !line.description.is_empty() {
        known.description.clone_from(&line.description);
    }
    known.interval = line.interval_ms.map(Duration::from_millis).or(known.interval);
    Ok(())
}

fn def(key: &SeriesKey, known: Known) -> SeriesDef {
    let Known { unit, kind, guess, source, interval, description } = known;
    SeriesDef {
        key: key.clone(),
        kind: kind.unwrap_or(guess),
        unit,
        source,
        interval,
        lifetime: None,
        description,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn line(rest: &str) -> String {
        format!(r#"{{"farm":"desk","cluster":"hosts","node":"n1","parameter":"x",{rest}}}"#)
    }

    #[test]
    fn what_query_prints_is_read_back() {
        let text = [
            line(r#""unit":"By","time":5,"value":18446744073709551615,"epoch":"1.0000000000000001","number":4"#),
            r#"{"event":"gap","farm":"desk","from":1}"#.to_owned(),
            String::new(),
            line(r#""labels":{"item":"lo"},"time":6,"value":1,"text":"up""#),
            line(r#""labels":{"item":"lo"},"time":7,"value":2"#),
            line(r#""labels":{"a":"b"},"time":8,"value":null,"special":"-Inf""#),
            line(r#""labels":{"a":"c"},"time":9,"value":"hello""#),
        ]
        .join("\n");
        let samples = parse(&text).unwrap();
        let shown: Vec<String> = samples
            .iter()
            .map(|s| format!("{} {} {} {:?}", s.series.key, s.series.kind, s.time, s.value))
            .collect();
        assert_eq!(
            shown,
            [
                "hosts/n1/x counter 5 I64(-1)",
                "hosts/n1/x[lo] state 6 State(1, Some(\"up\"))",
                "hosts/n1/x[lo] state 7 I64(2)",
                "hosts/n1/x[a=b] gauge 8 F64(-inf)",
                "hosts/n1/x[a=c] text 9 Text(\"hello\")",
            ]
        );
        assert_eq!((&*samples[0].farm, &*samples[0].series.unit), ("desk", "By"));
    }

    #[test]
    fn what_stands_series_after_series_comes_in_order_of_time_or_of_the_farms_numbers() {
        let of = |parameter: &str, time: i64, rest: &str| {
            format!(
                r#"{{"cluster":"c","node":"n","parameter":"{parameter}","time":{time},"value":{time}{rest}}}"#
            )
        };
        let order = |lines: &[String]| -> Vec<String> {
            let samples = parse(&lines.join("\n")).unwrap();
            samples.iter().map(|s| format!("{}{}", s.series.key.parameter.as_str(), s.time)).collect()
        };
        let by_series = [("a", 1), ("a", 2), ("b", 1), ("b", 2)];
        let lines = by_series.map(|(parameter, time)| of(parameter, time, ""));
        assert_eq!(order(&lines), ["a1", "b1", "a2", "b2"]);
        // b1 came late, and after the farm had started again.
        let numbers = ["1.00", "1.00", "2.00", "1.00"].into_iter().zip([8, 9, 1, 10]);
        let lines = by_series.into_iter().zip(numbers).map(|((parameter, time), (epoch, number))| {
            of(parameter, time, &format!(r#","epoch":"{epoch}","number":{number}"#))
        });
        assert_eq!(order(&lines.collect::<Vec<_>>()), ["a1", "a2", "b2", "b1"]);
    }

    #[test]
    fn kinds_come_from_declarations_wherever_they_stand() {
        let text = [
            line(r#""time":1,"value":10"#),
            line(r#""kind":"counter","source":"host","interval_ms":10000,"description":"Bytes","time":9,"value":70"#),
            line(r#""time":2,"value":20"#),
        ]
        .join("\n");
        let samples = parse(&text).unwrap();
        assert_eq!(samples.len(), 2, "a declaration is no sample");
        let series = &samples[0].series;
        assert_eq!((series.kind, series.interval), (Kind::Counter, Some(Duration::from_secs(10))));
        assert_eq!(series.description, "Bytes");
        let marked =
            [line(r#""time":1,"value":10"#), line(r#""time":2,"value":3,"mark":"reset""#)].join("\n");
        assert_eq!(parse(&marked).unwrap()[0].series.kind, Kind::Counter);
    }

    #[test]
    fn slips_are_named_with_their_line() {
        for (text, expected) in [
            ("{", "line 1: "),
            ("\n{}", "line 2: there is no `cluster`"),
            (&line(r#""value":1"#), "line 1: a sample has `time`"),
            (&line(r#""time":1"#), "line 1: a sample has `time`"),
            (&line(r#""time":1,"value":[]"#), "neither a number nor a text"),
            (&line(r#""time":1,"value":1,"mark":"odd""#), "`mark` is odd: expected wrap32"),
            (&line(r#""time":1,"value":1,"epoch":"first""#), "epoch `first`: expected START.RANDOM"),
            (&line(r#""time":1,"value":1,"kind":"meter""#), "`kind` is meter: expected gauge"),
            (&line(r#""time":1,"value":1,"labels":{"a-b":"c"}"#), "a-b"),
        ] {
            let said = parse(text).unwrap_err();
            assert!(said.contains(expected), "{said}");
        }
    }
}
