//! JSON: one or more objects. Each key is a parameter and its value a number, text or truth value; a key `samples` with
//! an array gives measurements in full: `{"parameter","value","unit","kind","item","labels","node","time","text","description"}`.
//!
//! Integers are exact. Of an object with a syntax error, nothing is taken; of those before it, all.

use super::{Measurement, Parsed, boolean, name, quote, to_base};
use hedgerow_model::labels::ITEM;
use hedgerow_model::value::cut_text;
use hedgerow_model::{Kind, Labels, Value};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value as Json;
use std::fmt;

/// Longest description that is kept, in bytes.
const MAX_DESCRIPTION: usize = 1024;

/// Reads a script's output.
pub fn parse(output: &[u8]) -> Parsed {
    let mut parsed = Parsed::default();
    let mut documents = serde_json::Deserializer::from_slice(output).into_iter::<Pairs>();
    let mut any = false;
    loop {
        match documents.next() {
            Some(Ok(Pairs(pairs))) => {
                any = true;
                if !pairs.into_iter().all(|(key, value)| take_pair(&mut parsed, &key, &value)) {
                    return parsed;
                }
            }
            Some(Err(error)) => {
                let place = format!("line {} column {}", error.line(), error.column());
                let mut what = error.to_string();
                // It repeats the place at its end.
                if let Some(at) = what.rfind(" at line ") {
                    what.truncate(at);
                }
                parsed.problem(place, what);
                return parsed;
            }
            None => break,
        }
    }
    if !any {
        parsed.problem("line 1", "nothing was printed: expected a JSON object");
    }
    parsed
}

/// An object's pairs in their order, a key given twice included.
struct Pairs(Vec<(String, Json)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Pairs;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object, {\"name\": value, …}")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

fn take_pair(parsed: &mut Parsed, key: &str, value: &Json) -> bool {
    if let ("samples", Json::Array(samples)) = (key, value) {
        for (at, sample) in samples.iter().enumerate() {
            let place = || format!("samples[{at}]");
            match parse_sample(sample) {
                Ok(None) => {}
                Ok(Some(measurement)) => {
                    if !parsed.add(place, measurement) {
                        return false;
                    }
                }
                Err(what) => parsed.problem(place(), what),
            }
        }
        return true;
    }
    let place = || format!("key {}", quote(key));
    let read = name(key).and_then(|parameter| Ok((parameter, plain_value(value)?)));
    match read {
        Ok((_, None)) => true,
        Ok((parameter, Some(value))) => parsed.add(place, Measurement::plain(parameter, value)),
        Err(what) => {
            parsed.problem(place(), what);
            true
        }
    }
}

/// `None`: null, the script does not know.
fn plain_value(value: &Json) -> Result<Option<Value>, String> {
    Ok(Some(match value {
        Json::Null => return Ok(None),
        Json::Bool(value) => boolean(*value),
        Json::String(text) => Value::Text(cut_text(text).0.into()),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(value), _) => Value::I64(value),
            (None, _) if number.is_u64() => {
                return Err(format!(
                    "`{number}`: expected at most {}, which a gauge can hold, or a sample with \"kind\": \"counter\"",
                    i64::MAX
                ));
            }
            (None, Some(value)) if value.is_finite() => Value::F64(value),
            _ => return Err(format!("`{number}`: expected a finite number")),
        },
        Json::Array(_) | Json::Object(_) => {
            return Err("expected a number, a text, true, false or null".to_owned());
        }
    }))
}

fn parse_sample(sample: &Json) -> Result<Option<Measurement>, String> {
    let fields = sample.as_object().ok_or("expected an object")?;
    let mut parameter = None;
    let (mut value, mut unit, mut kind, mut text) = (None, "", None, None);
    let (mut node, mut time, mut description) = (None, None, "");
    let mut labels = Vec::new();
    for (key, field) in fields {
        let as_text = || field.as_str().ok_or(format!("`{key}`: expected a text"));
        match key.as_str() {
            "parameter" => parameter = Some(name(as_text()?)?),
            "value" => value = Some(field),
            "unit" => unit = as_text()?,
            "kind" => kind = Some(kind_of(as_text()?)?),
            "text" => text = Some(as_text()?),
            "node" => node = Some(name(as_text()?).map_err(|error| format!("`node`: {error}"))?),
            "time" => {
                let millis = field.as_i64().ok_or("`time`: expected Unix milliseconds, a whole number")?;
                time = Some(millis);
            }
            "description" => description = as_text()?,
            "item" => labels.push((ITEM, as_text()?)),
            "labels" => {
                let pairs = field.as_object().ok_or("`labels`: expected an object")?;
                for (label, value) in pairs {
                    labels.push((label, value.as_str().ok_or(format!("label `{label}`: expected a text"))?));
                }
            }
            other => {
                return Err(format!(
                    "unknown key {}: expected parameter, value, unit, kind, item, labels, node, time, text, description",
                    quote(other)
                ));
            }
        }
    }
    let parameter = parameter.ok_or("expected a `parameter`")?;
    let value = value.ok_or("expected a `value`")?;
    let labels = Labels::new(labels).map_err(|error| error.to_string())?;
    let Some(value) = typed_value(value, kind, text)? else { return Ok(None) };
    let (value, unit) = to_base(value, unit, kind == Some(Kind::Counter))?;
    let plain = Measurement::plain(parameter, value);
    let description = description.get(..description.floor_char_boundary(MAX_DESCRIPTION)).unwrap_or_default();
    let kind = kind.unwrap_or(plain.kind);
    Ok(Some(Measurement { labels, node, unit, kind, time, description: description.to_owned(), ..plain }))
}

fn kind_of(word: &str) -> Result<Kind, String> {
    Kind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == word)
        .ok_or_else(|| format!("kind {}: expected gauge, counter, state or text", quote(word)))
}

/// The value as its kind keeps it.
fn typed_value(value: &Json, kind: Option<Kind>, text: Option<&str>) -> Result<Option<Value>, String> {
    let wrong = |expected: &str| format!("`value`: expected {expected}");
    if value.is_null() {
        return Ok(None);
    }
    if text.is_some() && kind != Some(Kind::State) {
        return Err("`text`: only a state has one, beside its code".to_owned());
    }
    Ok(Some(match kind {
        None => return plain_value(value).map_err(|what| format!("`value`: {what}")),
        Some(Kind::Counter) => match value.as_u64() {
            Some(count) => Value::counter(count),
            None => match value.as_f64() {
                Some(value) if value >= 0.0 && value.is_finite() => Value::F64(value),
                _ => return Err(wrong("a number from 0 on for a counter")),
            },
        },
        Some(Kind::Gauge) => match plain_value(value)? {
            Some(value @ (Value::I64(_) | Value::F64(_))) => value,
            _ => return Err(wrong("a number for a gauge")),
        },
        Some(Kind::State) => match value {
            Json::Bool(value) => boolean(*value),
            value => {
                let code = value.as_i64().ok_or_else(|| wrong("a whole number for a state: its code"))?;
                Value::State(code, text.map(|text| cut_text(text).0.into()))
            }
        },
        Some(Kind::Text) => Value::Text(cut_text(value.as_str().ok_or_else(|| wrong("a text"))?).0.into()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_objects_give_plain_measurements() {
        let parsed =
            parse(br#"{"a": 1, "b": 1.5, "c": "x", "d": true, "e": null, "f": -9223372036854775808}"#);
        assert_eq!(parsed.problems, []);
        let values: Vec<_> =
            parsed.measurements.iter().map(|m| (m.parameter.as_str(), m.value.clone())).collect();
        assert_eq!(
            values,
            [
                ("a", Value::I64(1)),
                ("b", Value::F64(1.5)),
                ("c", Value::Text("x".into())),
                ("d", boolean(true)),
                ("f", Value::I64(i64::MIN)),
            ]
        );
    }

    #[test]
    fn samples_are_read_in_full() {
        let parsed = parse(
            br#"{"samples": [
                {"parameter": "in", "value": 18446744073709551615, "kind": "counter", "unit": "By", "item": "eth0",
                 "labels": {"vo": "alice"}, "node": "n2", "time": 1700000000123, "description": "octets"},
                {"parameter": "state", "kind": "state", "value": 2, "text": "down"},
                {"parameter": "lag", "value": 250, "unit": "ms"}]}"#,
        );
        assert_eq!(parsed.problems, []);
        let [counter, state, lag] = &*parsed.measurements else { panic!("{parsed:?}") };
        assert_eq!(
            (&counter.value, counter.kind, &*counter.unit),
            (&Value::counter(u64::MAX), Kind::Counter, "By")
        );
        assert_eq!(counter.labels, Labels::new([("item", "eth0"), ("vo", "alice")]).unwrap());
        assert_eq!(counter.node.as_deref(), Some("n2"));
        assert_eq!((counter.time, &*counter.description), (Some(1_700_000_000_123), "octets"));
        assert_eq!(state.value, Value::State(2, Some("down".into())));
        assert_eq!((&lag.value, &*lag.unit), (&Value::F64(0.25), "s"));
    }

    #[test]
    fn bad_samples_are_named_and_good_ones_kept() {
        let cases = [
            (r#"{"value": 1}"#, "expected a `parameter`"),
            (r#"{"parameter": "x"}"#, "expected a `value`"),
            (r#"{"parameter": "", "value": 1}"#, "the name is empty: a name has 1 to 255 bytes"),
            (
                r#"{"parameter": "x", "value": [1]}"#,
                "`value`: expected a number, a text, true, false or null",
            ),
            (
                r#"{"parameter": "x", "value": "y", "kind": "gauge"}"#,
                "`value`: expected a number for a gauge",
            ),
            (
                r#"{"parameter": "x", "value": -1, "kind": "counter"}"#,
                "`value`: expected a number from 0 on for a counter",
            ),
            (
                r#"{"parameter": "x", "value": 1, "time": 1.5}"#,
                "`time`: expected Unix milliseconds, a whole number",
            ),
            (
                r#"{"parameter": "x", "value": 1, "Unit": "s"}"#,
                "unknown key `Unit`: expected parameter, value, unit, kind, item, labels, node, time, text, description",
            ),
            (
                r#"{"parameter": "x", "value": 1, "labels": {"a-b": "c"}}"#,
                "label key `a-b`: a key is 1 to 64 of A-Z a-z 0-9 _ .",
            ),
            ("7", "expected an object"),
        ];
        for (sample, what) in cases {
            let parsed =
                parse(format!(r#"{{"samples": [{{"parameter": "ok", "value": 1}}, {sample}]}}"#).as_bytes());
            assert_eq!(parsed.measurements.len(), 1, "{sample}");
            assert_eq!(
                parsed.problems,
                [super::super::Problem { place: "samples[1]".into(), what: what.into() }]
            );
        }
    }

    #[test]
    fn objects_before_a_syntax_error_are_kept() {
        let parsed = parse(b"{\"a\": 1}\n{\"b\": 2}\n{\"c\": NaN}\n");
        assert_eq!(parsed.measurements.len(), 2);
        assert_eq!(parsed.problems[0].to_string(), "line 3 column 7: expected value");
        assert_eq!(
            parse(b" ").problems[0].to_string(),
            "line 1: nothing was printed: expected a JSON object"
        );
        assert!(parse(b"[1]").problems[0].to_string().contains("expected an object"));
        let big = parse(br#"{"a": 18446744073709551615}"#);
        assert!(big.problems[0].to_string().contains("counter"), "{}", big.problems[0]);
    }
}
