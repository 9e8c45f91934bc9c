//! What a stream says beside samples: gaps, lags, lives, ends. For people on standard error; with `--events` as objects with
//! an `event` field, among the samples, in their place.

use crate::json::{Key, line};
use crate::path;
use hedgerow_client::subscription::Update;
use hedgerow_model::{Gap, GapScope, Life, NumberRange, SeriesDef, UnixMillis};
use serde::Serialize;
use std::io;

/// One notice of one farm.
#[derive(Serialize)]
pub struct Event<'a> {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    farm: Option<&'a str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    key: Option<Key<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lookup: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<u64>,
    /// The epoch of `to`, where it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    to_epoch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fetching: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The same for people.
    #[serde(skip)]
    text: String,
}

impl<'a> Event<'a> {
    /// An event with nothing but its name and what is said to people.
    pub fn new(event: &'static str, farm: Option<&'a str>, text: String) -> Self {
        Self {
            event,
            farm,
            key: None,
            cluster: None,
            lookup: None,
            epoch: None,
            from: None,
            to: None,
            to_epoch: None,
            time: None,
            count: None,
            fetching: None,
            reason: None,
            text,
        }
    }

    /// The notice in an update, if it is one. Samples, bins, series and progress are none. `series` is what a gap is about,
    /// where it is about one series and that is known; `print` says times to people.
    pub fn of(
        farm: &'a str,
        update: &'a Update,
        series: Option<&'a SeriesDef>,
        print: &dyn Fn(UnixMillis) -> String,
    ) -> Option<Self> {
        let event = |name, text: String| Self::new(name, Some(farm), format!("{farm}: {text}"));
        match update {
            Update::Gap { gap, .. } => Some(gap_event(farm, gap, series)),
            Update::Broken { from, to } => {
                let text = format!(
                    "the farm's account of what it sent has a hole between {} of epoch {} and {} of epoch {}",
                    from.number, from.epoch, to.number, to.epoch
                );
                let mut event = event("broken", text);
                event.epoch = Some(from.epoch.to_string());
                event.to_epoch = Some(to.epoch.to_string());
                (event.from, event.to) = (Some(from.number), Some(to.number));
                Some(event)
            }
            Update::Lagged { range, count, fetching } => {
                let what = count.map_or_else(|| "samples".to_owned(), |count| plural(count, "sample"));
                let next = if *fetching { "they follow, out of order" } else { "not fetched" };
                let mut event = event("lagged", format!("too slow for the stream: skipped {what}; {next}"));
                event.range(range);
                (event.count, event.fetching) = (*count, Some(*fetching));
                Some(event)
            }
            Update::BackFilled { range, error } => {
                let text = match error {
                    None => "what was skipped has been given".to_owned(),
                    Some(error) => format!("not all of what was skipped could be fetched: {error}"),
                };
                let mut event = event("back_filled", text);
                event.range(range);
                event.reason = error.as_ref().map(ToString::to_string);
                Some(event)
            }
            Update::Life { def, life, time, reason, .. } => {
                let since = print(*time);
                let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
                let mut event = Self::new(
                    life_word(*life),
                    Some(farm),
                    format!("{}: {} since {since}{why}", path(farm, &def.key), life.as_str()),
                );
                event.key = Some((&def.key).into());
                event.time = Some(*time);
                event.reason = Some(reason.to_string()).filter(|reason| !reason.is_empty());
                Some(event)
            }
            Update::Disconnected { error, retry_in } => {
                let (why, wait) = (error.brief(), hedgerow_model::duration::print(*retry_in));
                let text = format!("connection lost ({why}), trying again in {wait}");
                let mut event = event("disconnected", text);
                event.reason = Some(error.to_string());
                Some(event)
            }
            Update::End { samples, detail } => {
                let detail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
                let mut event =
                    event("end", format!("end of the window, {}{detail}", plural(*samples, "sample")));
                event.count = Some(*samples);
                Some(event)
            }
            Update::Failed(error) => {
                let mut event = event("failed", error.to_string());
                event.reason = Some(error.to_string());
                Some(event)
            }
            Update::Opened { .. }
            | Update::Series { .. }
            | Update::Samples(_)
            | Update::Bins(_)
            | Update::Alarm(_)
            | Update::Progress { .. } => None,
        }
    }

    /// Why, for programs.
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Of this lookup.
    pub fn of_lookup(mut self, url: &'a str) -> Self {
        self.lookup = Some(url);
        self
    }

    /// Its word.
    pub fn name(&self) -> &'static str {
        self.event
    }

    /// For people.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// For programs.
    ///
    /// # Errors
    /// None that can happen.
    pub fn json(&self) -> io::Result<Vec<u8>> {
        line(self)
    }

    /// Whether it only ends what was asked for, which a person sees anyway.
    pub fn is_end(&self) -> bool {
        self.event == "end"
    }

    fn range(&mut self, range: &NumberRange) {
        self.epoch = Some(range.epoch.to_string());
        (self.from, self.to) = (Some(range.after + 1), Some(range.through));
    }
}

fn gap_event<'a>(farm: &'a str, gap: &'a Gap, series: Option<&'a SeriesDef>) -> Event<'a> {
    let many = gap.count.map_or_else(|| "samples".to_owned(), |count| plural(count, "sample"));
    let of_what = match (&gap.scope, series) {
        (GapScope::Farm, _) => String::new(),
        (GapScope::Cluster(cluster), _) => format!(" in cluster {cluster}"),
        (GapScope::Series(_), Some(def)) => format!(" of {}", path(farm, &def.key)),
        (GapScope::Series(_), None) => " of one series".to_owned(),
    };
    let numbers = match gap.to {
        Some(to) => format!("numbers {} to {to}", gap.from),
        None => format!("numbers from {} on", gap.from),
    };
    let why = gap.reason.as_str();
    let text = format!("{farm}: {many} missing{of_what}, {numbers} of epoch {}: {why}", gap.epoch);
    let mut event = Event::new("gap", Some(farm), text).because(why);
    event.epoch = Some(gap.epoch.to_string());
    (event.from, event.to, event.count) = (Some(gap.from), gap.to, gap.count);
    if let GapScope::Cluster(cluster) = &gap.scope {
        event.cluster = Some(cluster);
    }
    event.key = series.filter(|_| matches!(gap.scope, GapScope::Series(_))).map(|def| (&def.key).into());
    event
}

fn life_word(life: Life) -> &'static str {
    match life {
        Life::Live => "live",
        Life::Stale => "stale",
        Life::Ended => "ended",
    }
}

/// `1 sample`, `3 samples`.
pub fn plural(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hedgerow_model::{Epoch, GapReason, Kind, Labels, Name, Position, SeriesId, SeriesKey};
    use std::sync::Arc;
    use std::time::Duration;

    fn told(update: &Update, series: Option<&SeriesDef>) -> String {
        let event = Event::of("cern", update, series, &hedgerow_model::moment::print).unwrap();
        format!("{}\n{}", event.text(), String::from_utf8(event.json().unwrap()).unwrap())
    }

    #[test]
    fn notices_are_told_to_people_and_to_programs() {
        let epoch = Epoch { start: 3, random: 0xc0ffee };
        let gap = |to, count, reason, scope| Update::Gap {
            gap: Gap { epoch, scope, from: 18, to, count, reason },
            late: false,
        };
        let hosts = || Name::new("hosts").unwrap();
        let def = Arc::new(SeriesDef {
            key: SeriesKey {
                cluster: hosts(),
                node: Name::new("n1").unwrap(),
                parameter: Name::new("cpu_busy").unwrap(),
                labels: Labels::item("0").unwrap(),
            },
            kind: Kind::Gauge,
            unit: "1".into(),
            source: "host".into(),
            interval: None,
            lifetime: None,
            description: String::new(),
        });
        let life = |life, reason: &str| Update::Life {
            id: SeriesId(1),
            def: Arc::clone(&def),
            life,
            time: 1_795_176_000_000,
            reason: reason.into(),
        };
        let range = NumberRange { epoch, after: 17, through: 40 };
        let error = hedgerow_client::error::ClientError::TimedOut {
            tried: "subscribe",
            at: "http://127.0.0.1:7403".into(),
            within: Duration::from_secs(3),
        };
        let to = Position { epoch: Epoch { start: 4, ..epoch }, number: 2 };
        let one_series = gap(Some(40), None, GapReason::Corruption, GapScope::Series(SeriesId(1)));
        let updates = [
            gap(Some(40), Some(1), GapReason::DiskFull, GapScope::Farm),
            gap(None, None, GapReason::Crash, GapScope::Cluster(hosts())),
            one_series.clone(),
            Update::Lagged { range, count: Some(23), fetching: true },
            Update::Lagged { range, count: None, fetching: false },
            Update::BackFilled { range, error: None },
            life(Life::Stale, "missed 3 intervals of 10s"),
            life(Life::Ended, ""),
            Update::Broken { from: Position { epoch, number: 17 }, to },
            Update::Disconnected { error: error.clone(), retry_in: Duration::from_millis(250) },
            Update::End { samples: 12, detail: String::new() },
            Update::Failed(error),
        ];
        let mut all: Vec<String> = updates.iter().map(|update| told(update, None)).collect();
        all.push(told(&one_series, Some(&def)));
        insta::assert_snapshot!(all.join("\n\n"));
    }
}
