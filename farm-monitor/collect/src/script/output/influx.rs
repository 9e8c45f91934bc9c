//! InfluxDB line protocol: `measurement,tag=value field=1,other=2i 1465839830100400200`.
//!
//! The parameter is `measurement_field`, of a field named `value` just `measurement`. Tags become labels; what a label key
//! cannot hold becomes `_`. Times are nanoseconds. A text cannot run over several lines here.

use super::{Measurement, Parsed, boolean, name};
use hedgerow_model::value::cut_text;
use hedgerow_model::{Labels, Value};

const NANOS_PER_MILLI: i64 = 1_000_000;

/// Reads a script's output.
pub fn parse(output: &[u8]) -> Parsed {
    Parsed::lines(output, parse_line)
}

fn parse_line(line: &str) -> Result<Vec<Measurement>, String> {
    let mut scan = Scan(line);
    let measurement = scan.text(&[',', ' ']);
    if measurement.is_empty() {
        return Err("expected the measurement's name first".to_owned());
    }
    let mut tags = Vec::new();
    while scan.skip(',') {
        let key = scan.text(&['=', ',', ' ']);
        if !scan.skip('=') {
            return Err(format!("expected `=` after the tag `{key}`"));
        }
        tags.push((label_key(&key), scan.text(&[',', ' '])));
    }
    let labels = Labels::new(tags).map_err(|error| error.to_string())?;
    if !scan.skip(' ') {
        return Err("expected a space and fields after the measurement".to_owned());
    }
    scan.skip_spaces();
    let mut fields = Vec::new();
    loop {
        let field = scan.text(&['=', ',', ' ']);
        if field.is_empty() || !scan.skip('=') {
            return Err("expected `field=value`".to_owned());
        }
        let value = scan.value().map_err(|what| format!("field `{field}`: {what}"))?;
        let parameter =
            if field == "value" { name(&measurement) } else { name(&format!("{measurement}_{field}")) }?;
        fields.push(Measurement { labels: labels.clone(), ..Measurement::plain(parameter, value) });
        if !scan.skip(',') {
            break;
        }
    }
    scan.skip_spaces();
    if !scan.0.is_empty() {
        let nanos: i64 =
            scan.0.parse().map_err(|_| format!("`{}`: expected a time in nanoseconds", scan.0))?;
        fields.iter_mut().for_each(|field| field.time = Some(nanos.div_euclid(NANOS_PER_MILLI)));
    }
    Ok(fields)
}

fn label_key(tag: &str) -> String {
    tag.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '.' { c } else { '_' }).collect()
}

/// Takes from the front of a line.
struct Scan<'a>(&'a str);

impl Scan<'_> {
    fn skip(&mut self, c: char) -> bool {
        match self.0.strip_prefix(c) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn skip_spaces(&mut self) {
        self.0 = self.0.trim_start_matches(' ');
    }

    /// Everything before the first of `ends`; a `\` before a comma, space or `=` makes it literal, elsewhere it stands for itself.
    fn text(&mut self, ends: &[char]) -> String {
        let mut text = String::new();
        let mut chars = self.0.char_indices().peekable();
        let mut end = self.0.len();
        while let Some((at, c)) = chars.next() {
            if ends.contains(&c) {
                end = at;
                break;
            }
            match chars.peek() {
                Some((_, next @ (',' | ' ' | '='))) if c == '\\' => {
                    text.push(*next);
                    chars.next();
                }
                _ => text.push(c),
            }
        }
        self.0 = self.0.get(end..).unwrap_or_default();
        text
    }

    fn value(&mut self) -> Result<Value, String> {
        if self.skip('"') {
            return self.quoted();
        }
        let end = self.0.find([',', ' ']).unwrap_or(self.0.len());
        let (text, rest) = self.0.split_at(end);
        self.0 = rest;
        let wrong = || format!("`{text}`: expected a number, 1i, 1u, true, false or a text in quotes");
        match text {
            "t" | "T" | "true" | "True" | "TRUE" => return Ok(boolean(true)),
            "f" | "F" | "false" | "False" | "FALSE" => return Ok(boolean(false)),
            _ => {}
        }
        if let Some(digits) = text.strip_suffix('i') {
            return digits.parse().map(Value::I64).map_err(|_| wrong());
        }
        if let Some(digits) = text.strip_suffix('u') {
            let value: u64 = digits.parse().map_err(|_| wrong())?;
            return i64::try_from(value)
                .map(Value::I64)
                .map_err(|_| format!("`{text}`: expected at most {}, which a gauge can hold", i64::MAX));
        }
        // Without a suffix it is a float, whatever it looks like.
        match super::number(text) {
            #[expect(clippy::cast_precision_loss, reason = "the protocol says that this is a float")]
            Some(Value::I64(value)) => Ok(Value::F64(value as f64)),
            Some(value) => Ok(value),
            None => Err(wrong()),
        }
    }

    fn quoted(&mut self) -> Result<Value, String> {
        let mut text = String::new();
        let mut chars = self.0.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            match (c, chars.peek()) {
                ('"', _) => {
                    self.0 = self.0.get(at + 1..).unwrap_or_default();
                    return Ok(Value::Text(cut_text(&text).0.into()));
                }
                ('\\', Some((_, next @ ('"' | '\\')))) => {
                    text.push(*next);
                    chars.next();
                }
                _ => text.push(c),
            }
        }
        Err("expected a closing `\"` on the same line".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hedgerow_model::Kind;

    #[test]
    fn fields_become_parameters_and_tags_labels() {
        let parsed = parse(
            b"cpu,host=n1,cpu-id=0 value=0.5,user=7i,ok=t,note=\"a, \\\"b\\\"\",big=3u,x=2 1465839830100999999\n",
        );
        assert_eq!(parsed.problems, []);
        let labels = Labels::new([("host", "n1"), ("cpu_id", "0")]).unwrap();
        let expected = [
            ("cpu", Value::F64(0.5), Kind::Gauge),
            ("cpu_user", Value::I64(7), Kind::Gauge),
            ("cpu_ok", boolean(true), Kind::State),
            ("cpu_note", Value::Text("a, \"b\"".into()), Kind::Text),
            ("cpu_big", Value::I64(3), Kind::Gauge),
            ("cpu_x", Value::F64(2.0), Kind::Gauge),
        ];
        assert_eq!(parsed.measurements.len(), expected.len());
        for (read, (parameter, value, kind)) in parsed.measurements.iter().zip(expected) {
            assert_eq!((read.parameter.as_str(), &read.value, read.kind), (parameter, &value, kind));
            assert_eq!((&read.labels, read.time), (&labels, Some(1_465_839_830_100)));
        }
    }

    #[test]
    fn escapes_are_understood() {
        let parsed = parse(br"my\ meas\,ure,k\ ey=va\ lue,e\=q=a\=b fi\ eld=1");
        assert_eq!(parsed.problems, []);
        let read = &parsed.measurements[0];
        assert_eq!(read.parameter.as_str(), "my meas,ure_fi eld");
        assert_eq!(read.labels, Labels::new([("k_ey", "va lue"), ("e_q", "a=b")]).unwrap());
        assert_eq!(read.time, None);
    }

    #[test]
    fn times_before_the_epoch_are_rounded_down() {
        assert_eq!(parse(b"a value=1 -1").measurements[0].time, Some(-1));
    }

    #[test]
    fn bad_lines_say_what_was_expected() {
        let cases = [
            ("cpu", "expected a space and fields after the measurement"),
            ("cpu,host value=1", "expected `=` after the tag `host`"),
            ("cpu,host= value=1", "value of label `host` is empty: a name has 1 to 255 bytes"),
            ("cpu value", "expected `field=value`"),
            (
                "cpu value=1x",
                "field `value`: `1x`: expected a number, 1i, 1u, true, false or a text in quotes",
            ),
            (
                "cpu value=nan",
                "field `value`: `nan`: expected a number, 1i, 1u, true, false or a text in quotes",
            ),
            ("cpu value=\"a", "field `value`: expected a closing `\"` on the same line"),
            ("cpu value=1 soon", "`soon`: expected a time in nanoseconds"),
        ];
        for (line, what) in cases {
            let parsed = parse(format!("good value=1\n{line}\n").as_bytes());
            assert_eq!(parsed.measurements.len(), 1, "{line}");
            assert_eq!(parsed.problems[0].place, "line 2");
            assert!(parsed.problems[0].what.ends_with(what), "{}", parsed.problems[0]);
        }
    }
}
