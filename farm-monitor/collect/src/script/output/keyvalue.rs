//! `name value [unit] [gauge|counter]` or `name=value …`, a line each; `name[item]` and `name[key=value,…]` give labels.
//!
//! After a `=` a text needs no quotes; after a space it does, so that a stray line of output is a problem and not a series.

use super::{Measurement, Parsed, boolean, counter, name, number, to_base};
use hedgerow_model::labels::ITEM;
use hedgerow_model::value::cut_text;
use hedgerow_model::{Kind, Labels, Value};

/// Reads a script's output.
pub fn parse(output: &[u8]) -> Parsed {
    Parsed::lines(output, |line| Ok(vec![parse_line(line)?]))
}

fn parse_line(line: &str) -> Result<Measurement, String> {
    let end = line.find(|c: char| c == '=' || c == '[' || c.is_whitespace());
    let (parameter, rest) = line.split_at(end.ok_or("expected `name value` or `name=value`")?);
    let parameter = name(parameter)?;
    let (labels, rest) = match rest.strip_prefix('[') {
        Some(inside) => parse_labels(inside)?,
        None => (Labels::none(), rest),
    };
    let (rest, bare_text) = match rest.trim_start().strip_prefix('=') {
        Some(rest) => (rest.trim_start(), true),
        None if rest.starts_with(char::is_whitespace) => (rest.trim_start(), false),
        None => return Err("expected a space or `=` after `]`".to_owned()),
    };
    let mut measurement = parse_value(parameter, rest, bare_text)?;
    measurement.labels = labels;
    Ok(measurement)
}

fn parse_value(parameter: super::Name, text: &str, bare_text: bool) -> Result<Measurement, String> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (value, rest) = until_unescaped(quoted, '"').ok_or("expected a closing `\"`")?;
        if !rest.trim().is_empty() {
            return Err("expected nothing after the closing `\"`".to_owned());
        }
        return Ok(Measurement::plain(parameter, Value::Text(cut_text(&value).0.into())));
    }
    let mut words = text.split_whitespace();
    let first = words.next().ok_or("expected a value")?;
    let (mut unit, mut kind) = ("", Kind::Gauge);
    let mut surplus = false;
    for (place, word) in words.enumerate() {
        match word {
            "counter" => kind = Kind::Counter,
            "gauge" => kind = Kind::Gauge,
            word if place == 0 => unit = word,
            _ => surplus = true,
        }
    }
    let value = match first {
        "true" | "false" if text == first => {
            return Ok(Measurement::plain(parameter, boolean(first == "true")));
        }
        first if kind == Kind::Counter => counter(first),
        first => number(first),
    };
    match value {
        Some(_) if surplus => {
            Err("expected at most a unit and `gauge` or `counter` after the value".to_owned())
        }
        Some(value) => {
            let (value, unit) = to_base(value, unit, kind == Kind::Counter)?;
            Ok(Measurement { unit, kind, ..Measurement::plain(parameter, value) })
        }
        None if kind == Kind::Counter => Err(format!("`{first}`: expected a counter, a number from 0 on")),
        None if first.parse::<f64>().is_ok() => Err(format!("`{first}`: expected a finite number")),
        None if bare_text => Ok(Measurement::plain(parameter, Value::Text(cut_text(text).0.into()))),
        None => Err("expected a number, `true`, `false` or a text in quotes after the name".to_owned()),
    }
}

/// What stands between brackets, a `\` before a literal `\ , = ]`; and what follows them.
fn parse_labels(inside: &str) -> Result<(Labels, &str), String> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let (mut key, mut part) = (None, String::new());
    let mut chars = inside.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => part.extend(chars.next().map(|(_, c)| c)),
            '=' if key.is_none() => key = Some(std::mem::take(&mut part)),
            ',' | ']' => {
                pairs.push((key.take().unwrap_or_else(|| ITEM.to_owned()), std::mem::take(&mut part)));
                if c == ']' {
                    let labels = Labels::new(pairs).map_err(|error| error.to_string())?;
                    return Ok((labels, inside.get(at + 1..).unwrap_or_default()));
                }
            }
            c => part.push(c),
        }
    }
    Err("expected a closing `]`".to_owned())
}

/// The text before the first `end` that has no `\` before it, with `\n`, `\t` and `\c` replaced; and what follows.
fn until_unescaped(text: &str, end: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == end => return Some((value, text.get(at + c.len_utf8()..)?)),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                't' => '\t',
                c => c,
            }),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Measurement {
        let parsed = parse(line.as_bytes());
        assert_eq!(parsed.problems, [], "{line}");
        parsed.measurements.into_iter().next().unwrap()
    }

    #[test]
    fn lines_of_all_shapes_are_read() {
        let table = [
            ("depth 5", "depth", Value::I64(5), "", Kind::Gauge),
            ("depth=5.5", "depth", Value::F64(5.5), "", Kind::Gauge),
            ("depth = -5", "depth", Value::I64(-5), "", Kind::Gauge),
            ("lag 250 ms", "lag", Value::F64(0.25), "s", Kind::Gauge),
            ("sent 18446744073709551615 B counter", "sent", Value::counter(u64::MAX), "By", Kind::Counter),
            ("sent 3 counter", "sent", Value::counter(3), "", Kind::Counter),
            ("busy 1.25 s counter", "busy", Value::F64(1.25), "s", Kind::Counter),
            ("up true", "up", boolean(true), "", Kind::State),
            ("version=1.2.3 beta", "version", Value::Text("1.2.3 beta".into()), "", Kind::Text),
            (r#"note "a \"b\"""#, "note", Value::Text("a \"b\"".into()), "", Kind::Text),
            ("free[/var] 10 GiB", "free", Value::I64(10 << 30), "By", Kind::Gauge),
        ];
        for (line, parameter, value, unit, kind) in table {
            let read = one(line);
            assert_eq!(
                (read.parameter.as_str(), &read.value, &*read.unit, read.kind),
                (parameter, &value, unit, kind),
                "{line}"
            );
        }
    }

    #[test]
    fn brackets_give_labels() {
        assert_eq!(one("x[Gi0/1] 1").labels, Labels::item("Gi0/1").unwrap());
        assert_eq!(one(r"x[a\]b\,c] 1").labels, Labels::item("a]b,c").unwrap());
        let labels = Labels::new([("queue", "short"), ("vo", "alice")]).unwrap();
        assert_eq!(one("x[queue=short,vo=alice]=1").labels, labels);
    }

    #[test]
    fn bad_lines_are_named_and_good_ones_kept() {
        let parsed = parse(b"# comment\na 1\n\nconnecting to server\nb nan\nc[x 2\nd 1 k g\ne 2\n\xff 1\n");
        let names: Vec<_> = parsed.measurements.iter().map(|m| m.parameter.as_str()).collect();
        assert_eq!(names, ["a", "e"]);
        let problems: Vec<_> = parsed.problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            problems,
            [
                "line 4: `connecting to server`: expected a number, `true`, `false` or a text in quotes after the name",
                "line 5: `b nan`: `nan`: expected a finite number",
                "line 6: `c[x 2`: expected a closing `]`",
                "line 7: `d 1 k g`: expected at most a unit and `gauge` or `counter` after the value",
                "line 9: `\u{fffd} 1`: expected UTF-8",
            ]
        );
    }
}
