//! Nagios plugins: the exit status becomes the state `status` with the first line as its text; performance data
//! (`'label'=value[unit];[warn];[crit];[min];[max]`, after `|` on the first line and in the long text) become series.

use super::{Measurement, Parsed, counter, name, quote, to_base};
use hedgerow_model::unit::is_unit;
use hedgerow_model::value::cut_text;
use hedgerow_model::{Kind, Name, Value};

/// The parameter of the exit status.
pub const STATUS: &str = "status";
/// Exit statuses a plugin may have: ok, warning, critical, unknown.
pub const STATES: std::ops::RangeInclusive<i32> = 0..=3;

/// Reads a plugin's output; `status` is its exit status, one of [`STATES`].
pub fn parse(output: &[u8], status: i32) -> Parsed {
    let text = String::from_utf8_lossy(output);
    let mut parsed = Parsed::default();
    let mut in_data = false;
    for (number, line) in (1_usize..).zip(text.lines()) {
        let (said, data) = match line.split_once('|') {
            _ if in_data => ("", line),
            Some((said, data)) => (said, data),
            None => (line, ""),
        };
        if number == 1 {
            parsed.measurements.push(state(status, said));
        } else if line.contains('|') {
            // In the long text, all that follows the first `|` is performance data, to the end.
            in_data = true;
        }
        if !performance_data(&mut parsed, number, data) {
            break;
        }
    }
    if parsed.measurements.is_empty() {
        parsed.measurements.push(state(status, ""));
    }
    parsed
}

fn state(status: i32, text: &str) -> Measurement {
    let (text, _) = cut_text(text.trim());
    let parameter = Name::new(STATUS).expect("invariant: `status` is a name");
    let description = "0 ok, 1 warning, 2 critical, 3 unknown".to_owned();
    let value = Value::State(i64::from(status), Some(text.into()));
    Measurement { description, ..Measurement::plain(parameter, value) }
}

fn performance_data(parsed: &mut Parsed, line: usize, mut data: &str) -> bool {
    let place = || format!("line {line}");
    loop {
        data = data.trim_start();
        if data.is_empty() {
            return true;
        }
        let Some((label, rest)) = split_label(data) else {
            parsed
                .problem(place(), format!("{}: expected 'label'=value in the performance data", quote(data)));
            return true;
        };
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (figures, rest) = rest.split_at(end);
        match measurement(&label, figures) {
            Ok(None) => {}
            Ok(Some(measurement)) => {
                if !parsed.add(place, measurement) {
                    return false;
                }
            }
            Err(what) => parsed.problem(place(), format!("{}: {what}", quote(&format!("{label}={figures}")))),
        }
        data = rest;
    }
}

/// The label before the `=`, without its quotes (`''` inside them is a quote), and what follows the `=`.
fn split_label(data: &str) -> Option<(String, &str)> {
    let Some(quoted) = data.strip_prefix('\'') else {
        let (label, rest) = data.split_once('=')?;
        return (!label.is_empty() && !label.contains(char::is_whitespace)).then(|| (label.to_owned(), rest));
    };
    let mut label = String::new();
    let mut rest = quoted;
    loop {
        let (part, after) = rest.split_once('\'')?;
        label.push_str(part);
        match after.strip_prefix('\'') {
            Some(more) => {
                label.push('\'');
                rest = more;
            }
            None => return Some((label, after.strip_prefix('=')?)),
        }
    }
}

/// `None`: the plugin says that the value is unknown.
fn measurement(label: &str, figures: &str) -> Result<Option<Measurement>, String> {
    let parameter = name(label)?;
    let mut figures = figures.split(';');
    let value = figures.next().unwrap_or_default();
    if value == "U" {
        return Ok(None);
    }
    let (number, unit) = value.split_at(number_end(value));
    let (value, unit, kind) = if unit == "c" {
        let value = counter(number).ok_or("expected a counter, a number from 0 on")?;
        (value, String::new(), Kind::Counter)
    } else {
        let number: f64 = number
            .parse()
            .ok()
            .filter(|n: &f64| n.is_finite())
            .ok_or("expected a number, or U for unknown")?;
        let annotated = format!("{{{unit}}}");
        // A unit that UCUM does not know is kept as an annotation: `{rpm}`.
        let (value, base) = match to_base(Value::F64(number), unit, false)? {
            (value, base) if base == unit && !unit.is_empty() && unit != "s" && is_unit(&annotated) => {
                (value, annotated)
            }
            known => known,
        };
        (value, base, Kind::Gauge)
    };
    let limits: Vec<String> = ["warning", "critical", "min", "max"]
        .into_iter()
        .zip(figures)
        .filter(|(_, limit)| !limit.is_empty())
        .map(|(word, limit)| format!("{word} {limit}"))
        .collect();
    let limits = limits.join(", ");
    let (description, _) = cut_text(&limits);
    Ok(Some(Measurement {
        unit,
        kind,
        description: description.to_owned(),
        ..Measurement::plain(parameter, value)
    }))
}

/// Where the number ends and the unit begins: an `e` belongs to the number only before digits.
fn number_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |from: usize, more: &[u8]| {
        bytes
            .iter()
            .skip(from)
            .position(|b| !b.is_ascii_digit() && !more.contains(b))
            .map_or(bytes.len(), |n| from + n)
    };
    let sign = usize::from(matches!(bytes.first(), Some(b'-' | b'+')));
    let end = digits(sign, b".");
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'-' | b'+')));
        let from = end + 1 + sign;
        let exponent = digits(from, b"");
        if exponent > from {
            return exponent;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(parsed: &Parsed) -> Vec<(&str, &Value, &str, Kind)> {
        parsed
            .measurements
            .iter()
            .skip(1)
            .map(|m| (m.parameter.as_str(), &m.value, &*m.unit, m.kind))
            .collect()
    }

    #[test]
    fn the_exit_status_is_a_state_with_the_first_line_as_text() {
        let parsed = parse(b"DISK WARNING - 5% left | /=95%\nlong text\n", 1);
        let state = &parsed.measurements[0];
        assert_eq!(state.parameter.as_str(), "status");
        assert_eq!(state.value, Value::State(1, Some("DISK WARNING - 5% left".into())));
        assert_eq!(state.kind, Kind::State);
        assert_eq!(
            parse(b"", 3).measurements[0].value,
            Value::State(3, Some("".into())),
            "silence is a status, too"
        );
    }

    #[test]
    fn performance_data_of_all_shapes_are_read() {
        let parsed = parse(
            b"OK | time=0.25s;1;2;0;10 'disk ''a'' =x'=12%;@10:20;~:90 in=7c rta=1.5ms;; free=3KB load=-1e-3 e=5E fan=1200rpm gone=U;1\n",
            0,
        );
        assert_eq!(parsed.problems, []);
        assert_eq!(
            figures(&parsed),
            [
                ("time", &Value::F64(0.25), "s", Kind::Gauge),
                ("disk 'a' =x", &Value::F64(0.12), "1", Kind::Gauge),
                ("in", &Value::counter(7), "", Kind::Counter),
                ("rta", &Value::F64(0.0015), "s", Kind::Gauge),
                ("free", &Value::F64(3072.0), "By", Kind::Gauge),
                ("load", &Value::F64(-0.001), "", Kind::Gauge),
                ("e", &Value::F64(5.0), "{E}", Kind::Gauge),
                ("fan", &Value::F64(1200.0), "{rpm}", Kind::Gauge),
            ]
        );
        assert_eq!(parsed.measurements[1].description, "warning 1, critical 2, min 0, max 10");
        assert_eq!(parsed.measurements[2].description, "warning @10:20, critical ~:90");
    }

    #[test]
    fn performance_data_go_on_in_the_long_text() {
        let parsed = parse(b"OK | a=1\nlong text\nmore | b=2\nc=3 d=4\n", 0);
        let names: Vec<_> = figures(&parsed).into_iter().map(|(name, ..)| name).collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
    }

    #[test]
    fn bad_figures_are_named_and_good_ones_kept() {
        let parsed = parse(b"OK | a=x b=2 n=-5c =7 c=3", 0);
        assert_eq!(figures(&parsed).into_iter().map(|(name, ..)| name).collect::<Vec<_>>(), ["b"]);
        let problems: Vec<_> = parsed.problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            problems,
            [
                "line 1: `a=x`: expected a number, or U for unknown",
                "line 1: `n=-5c`: expected a counter, a number from 0 on",
                "line 1: `=7 c=3`: expected 'label'=value in the performance data",
            ]
        );
    }
}
