//! What is asked, and how: words behind `?`, or a form. Both together count, as at Prometheus.

use super::told::Refused;
use hedgerow_model::UnixMillis;
use hedgerow_model::moment::{self, Moment};
use hedgerow_promql::{LOOKBACK_MS, Matcher, Query, Times};
use std::time::Duration;

/// Most points of one series in an answer, as at Prometheus; a question for more is refused.
pub const MAX_POINTS: usize = 11_000;
/// Most selectors in `match[]`; a question with more is refused.
pub const MAX_SELECTORS: usize = 16;
/// Most words of one question; one with more is refused.
const MAX_WORDS: usize = 256;
/// How long a question may take, and the most that its `timeout` may say.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// The time furthest from 1970 that may be asked for, in milliseconds: some 30,000 years.
const MAX_TIME: f64 = 1e15;

/// The words of a question, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asked(Vec<(String, String)>);

impl Asked {
    /// Of what stands behind `?`, and of a form.
    ///
    /// # Errors
    /// Where there are too many, or one is no text.
    pub fn read(query: Option<&str>, form: &[u8]) -> Result<Self, Refused> {
        let parts = [query.unwrap_or_default().as_bytes(), form];
        let parts = parts.into_iter().flat_map(|part| part.split(|byte| *byte == b'&'));
        let mut words = Vec::new();
        for part in parts.filter(|part| !part.is_empty()) {
            let at = part.iter().position(|byte| *byte == b'=').unwrap_or(part.len());
            let value = part.get(at + 1..).unwrap_or_default();
            let (Some(key), Some(value)) = (decoded(&part[..at]), decoded(value)) else {
                return Err(Refused::wrong("a parameter that isn't UTF-8 in percent-encoding"));
            };
            words.push((key, value));
            if words.len() > MAX_WORDS {
                return Err(Refused::wrong(format!("more than {MAX_WORDS} parameters")));
            }
        }
        Ok(Self(words))
    }

    /// The first of this name; an empty one is none.
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The time that this parameter says.
    ///
    /// # Errors
    /// Where it is none.
    pub fn time(&self, key: &str) -> Result<Option<UnixMillis>, Refused> {
        let Some(text) = self.get(key) else { return Ok(None) };
        let wrong = || Refused::parameter(key, format!("cannot parse {text:?} to a valid timestamp"));
        let time = match text.parse::<f64>() {
            Ok(seconds) => (seconds.abs() < MAX_TIME / 1000.0).then(|| (seconds * 1000.0).round() as i64),
            Err(_) => match moment::parse(text) {
                Some(Moment::At(time)) => Some(time),
                _ => None,
            },
        };
        time.map(Some).ok_or_else(wrong)
    }

    fn needed_time(&self, key: &str) -> Result<UnixMillis, Refused> {
        let missing = || Refused::parameter(key, "cannot parse \"\" to a valid timestamp");
        self.time(key)?.ok_or_else(missing)
    }

    /// The duration that this parameter says, in milliseconds.
    fn duration(&self, key: &str) -> Result<Option<i64>, Refused> {
        let Some(text) = self.get(key) else { return Ok(None) };
        let seconds = text.parse::<f64>().ok().filter(|seconds| seconds.abs() < MAX_TIME / 1000.0);
        let read =
            seconds.map(|seconds| (seconds * 1000.0) as i64).or_else(|| hedgerow_promql::duration(text));
        let wrong = || Refused::parameter(key, format!("cannot parse {text:?} to a valid duration"));
        read.map(Some).ok_or_else(wrong)
    }

    /// How long it may take.
    ///
    /// # Errors
    /// Where `timeout` is no duration.
    pub fn patience(&self) -> Result<Duration, Refused> {
        let asked = self.duration("timeout")?.map(|most| Duration::from_millis(most.max(0).cast_unsigned()));
        Ok(asked.map_or(PATIENCE, |most| most.min(PATIENCE)))
    }

    /// How long a sample speaks for its series, in milliseconds.
    ///
    /// # Errors
    /// Where `lookback_delta` is no duration.
    pub fn lookback(&self) -> Result<i64, Refused> {
        Ok(self.duration("lookback_delta")?.filter(|lookback| *lookback > 0).unwrap_or(LOOKBACK_MS))
    }

    /// The query.
    ///
    /// # Errors
    /// Where there is none, or it can't be read.
    pub fn query(&self) -> Result<Query, Refused> {
        let text = self.get("query").unwrap_or_default();
        Query::parse(text).map_err(|error| Refused::parameter("query", error))
    }

    /// The times of a range.
    ///
    /// # Errors
    /// Where they are none, or too many.
    pub fn times(&self) -> Result<Times, Refused> {
        let (start, end) = (self.needed_time("start")?, self.needed_time("end")?);
        if end < start {
            return Err(Refused::parameter("end", "end timestamp must not be before start time"));
        }
        let step = self.duration("step")?;
        let step = step.ok_or_else(|| Refused::parameter("step", "cannot parse \"\" to a valid duration"))?;
        if step <= 0 {
            let what =
                "zero or negative query resolution step widths are not accepted. Try a positive integer";
            return Err(Refused::parameter("step", what));
        }
        let times = Times { start, end, step };
        if times.count() > MAX_POINTS {
            let what = "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution \
                        (?step=XX)";
            return Err(Refused::wrong(what));
        }
        Ok(times)
    }

    /// The selectors of `match[]`.
    ///
    /// # Errors
    /// Where one can't be read, or there are too many.
    pub fn selectors(&self) -> Result<Vec<Vec<Matcher>>, Refused> {
        let texts: Vec<&str> =
            self.0.iter().filter(|(key, _)| key == "match[]").map(|(_, text)| text.as_str()).collect();
        if texts.len() > MAX_SELECTORS {
            return Err(Refused::parameter(
                "match[]",
                format!("{} selectors, at most {MAX_SELECTORS}", texts.len()),
            ));
        }
        let read = |text| Query::selector(text).map_err(|error| Refused::parameter("match[]", error));
        texts.into_iter().map(read).collect()
    }

    /// How many are wanted.
    ///
    /// # Errors
    /// Where it is no number. None, or 0, is no bound.
    pub fn limit(&self) -> Result<Option<usize>, Refused> {
        let Some(text) = self.get("limit") else { return Ok(None) };
        let wrong = |_| Refused::parameter("limit", format!("{text:?} is no number of things"));
        text.parse().map(|limit| Some(limit).filter(|limit| *limit > 0)).map_err(wrong)
    }
}

/// Of a form's text what it stands for.
fn decoded(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [*rest.next()?, *rest.next()?].map(|digit| char::from(digit).to_digit(16));
                u8::try_from(digits[0]? * 16 + digits[1]?).ok()?
            }
            byte => *byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn asked(query: &str) -> Asked {
        Asked::read(Some(query), b"").unwrap()
    }

    #[test]
    fn words_come_from_both_the_address_and_the_form() {
        let asked =
            Asked::read(Some("query=a%2Bb+c&x"), b"match[]=up&match%5B%5D=%7Ba%3D%22%C3%A9%22%7D").unwrap();
        assert_eq!((asked.get("query"), asked.get("x")), (Some("a+b c"), None));
        let selectors = asked.selectors().unwrap();
        assert_eq!((selectors.len(), selectors[1][0].value.as_str()), (2, "é"));
        for wrong in ["a=%f", "a=%zz", "a=%ff"] {
            assert!(Asked::read(Some(wrong), b"").is_err(), "{wrong}");
        }
        assert!(Asked::read(Some(&"a=b&".repeat(257)), b"").is_err());
    }

    #[test]
    fn times_are_seconds_or_rfc_3339() {
        let read = |text: &str| asked(&format!("time={text}")).time("time");
        assert_eq!(read("1700000000.5").unwrap(), Some(1_700_000_000_500));
        assert_eq!(read("2023-11-14T22:13:20.250Z").unwrap(), Some(1_700_000_000_250));
        assert_eq!(read("").unwrap(), None);
        for wrong in ["x", "NaN", "1e30", "2023-11-14 22:13"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_range_has_a_start_an_end_and_a_step_and_not_too_many() {
        let read = |text: &str| asked(text).times().map_err(|refused| refused.to_string());
        assert_eq!(read("start=0&end=60&step=15"), Ok(Times { start: 0, end: 60_000, step: 15_000 }));
        assert_eq!(read("start=0&end=60&step=1m").unwrap().count(), 2);
        assert_eq!(
            read("start=1&end=0&step=1").unwrap_err(),
            "invalid parameter \"end\": end timestamp must not be before start time"
        );
        assert!(read("start=0&end=11000&step=1").unwrap_err().contains("11,000 points"));
        for wrong in [
            "end=1&step=1",
            "start=0&end=1",
            "start=0&end=1&step=0",
            "start=0&end=1&step=-1",
            "start=0&end=1&step=x",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
