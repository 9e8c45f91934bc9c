//! `anomaly`: how far each value is from what is usual at this time of the day or week: expected value, band and score.
//! `anomaly-alarm` (feature `alarms`) raises an alarm while a value stays out of its band.
//!
//! Time is that of the samples, in UTC. A series that falls silent keeps what is known of it.

mod band;

use hedgerow_filter::{
    Alarm, AlarmSettings, Batch, Capability, Description, Filter, Level, Life, LifeChange, Load, Millis, Out,
    Output, Parameters, PerSeries, Sample, Save, Series, SeriesHandle, alarm_key, saved, short, whole,
};

use band::{Band, Expected, Learning};

/// Whether this is the one that raises alarms. What it would call is not even imported otherwise.
const ALARMS: bool = cfg!(feature = "alarms");

/// Version of what [`Anomaly`] saves.
const STATE: u32 = 1;

/// Parts of a season, at most.
const MOST_PARTS: i64 = 1_008;

/// Parts of all series together: 10 MB of state. Series past it are left out, which the log says; those that ended make room.
const ROOM: usize = 500_000;

/// What the parameters say.
#[derive(Debug)]
pub struct Settings {
    on: Vec<String>,
    learning: Learning,
    width: f64,
    hold: Millis,
    look_back: Millis,
    alarm: AlarmSettings,
}

/// The filter.
#[derive(Debug)]
pub struct Anomaly {
    settings: Settings,
    each: PerSeries<Watch>,
    /// Series that have a band.
    known: usize,
    /// That there is no room has been said.
    full: bool,
    /// Declared anew in each run.
    outputs: PerSeries<[Output; 4]>,
}

/// One series.
#[derive(Debug)]
struct Watch {
    band: Band,
    /// Out of its band, for long enough.
    out: bool,
    /// Since when the values have spoken against `out`.
    since: Option<Millis>,
    ended: bool,
}

saved!(Watch { band, out, since, ended });

impl Filter for Anomaly {
    type Settings = Settings;

    fn settings(p: &mut Parameters) -> Settings {
        const DAY: Millis = 86_400_000;
        let on = p.texts("on", "Which series.").or(&["*/hosts/*/cpu_busy", "*/hosts/*/load1"]);
        let season = p.text("season", "What comes again.").one_of(&["day", "week"]).or("day");
        let season = if season == "week" { 7 * DAY } else { DAY };
        let part =
            p.duration("part", "Into how long parts it is divided, each known by itself.").at_least(60_000.0);
        let part = part.or("1h");
        if season % part != 0 || season / part > MOST_PARTS {
            p.refuse("the parameter `part`: expected a part of a day without a rest, at most 1008 of them in a season");
        }
        let count = |value: i64| u32::try_from(value).unwrap_or(1);
        let learning = Learning {
            part,
            parts: usize::try_from((season / part).min(MOST_PARTS)).unwrap_or(1),
            known_after: count(
                p.whole("learn", "Seasons after which it is known what is expected.")
                    .at_least(1.0)
                    .at_most(100.0)
                    .or(3),
            ),
            memory: count(
                p.whole("memory", "Seasons that are remembered.").at_least(2.0).at_most(1000.0).or(10),
            ),
            floor: p
                .number("floor", "A deviation is at least this share of what is expected.")
                .at_least(0.0)
                .at_most(1.0)
                .or(0.01),
        };
        Settings {
            on,
            learning,
            width: p
                .number("width", "Deviations from the middle of the band to its edge.")
                .at_least(0.1)
                .or(4.0),
            look_back: p.duration("look_back", "How much history to learn from at first.").or("7d"),
            hold: if ALARMS {
                p.duration("hold", "How long values have to be out of the band, and back for the end.")
                    .or("5m")
            } else {
                0
            },
            alarm: if ALARMS { AlarmSettings::read(p) } else { AlarmSettings::default() },
        }
    }

    fn describe(settings: &Settings) -> Result<Description, String> {
        let (name, about) = if ALARMS {
            (
                "anomaly-alarm",
                "Raises an alarm while a value is not what is usual at this time of the day or week.",
            )
        } else {
            ("anomaly", "How far values are from what is usual at this time of the day or week.")
        };
        let description = Description::new(name, env!("CARGO_PKG_VERSION"), about)
            .on(&settings.on)
            .look_back(settings.look_back);
        Ok(if ALARMS { description.wants(Capability::Alarms) } else { description })
    }

    fn configure(settings: Settings, saved: Option<&mut Load>) -> Result<Self, String> {
        let mut each: PerSeries<Watch> = PerSeries::new();
        if let Some(saved) = saved {
            saved.only(STATE)?;
            let season = saved.get()?;
            // Parts of another season mean nothing in this one.
            if settings.learning.season() == season {
                each = saved.get()?;
            }
        }
        let known = each.iter().count();
        Ok(Self { settings, each, known, full: false, outputs: PerSeries::new() })
    }

    fn on_series(&mut self, series: &[Series], _: &mut Out) {
        // One that is declared anew may have another unit.
        for one in series {
            self.outputs.remove(one.handle);
        }
    }

    fn on_batch(&mut self, batch: &Batch, out: &mut Out) {
        for sample in batch.numeric().filter(|sample| sample.value.is_finite()) {
            if !self.has_room(sample.series, out) {
                continue;
            }
            let learning = &self.settings.learning;
            let watch = self.each.get_or(sample.series, || Watch {
                band: Band::new(learning),
                out: false,
                since: None,
                ended: false,
            });
            watch.ended = false;
            let expected = watch.band.take(sample.time, sample.value, learning);
            if let Some(expected) = expected.filter(|_| !batch.look_back) {
                self.judge(sample, expected, out);
            }
        }
    }

    fn on_life(&mut self, changes: &[LifeChange], out: &mut Out) {
        for change in changes.iter().filter(|change| change.life == Life::Ended) {
            let Some(watch) = self.each.get_mut(change.series) else { continue };
            (watch.ended, watch.since) = (true, None);
            if ALARMS && std::mem::take(&mut watch.out) {
                let Some(path) = out.series(change.series).map(Series::path) else { continue };
                out.clear(&alarm_key(&path), &["the series ended: ", &change.reason].concat());
            }
        }
    }

    fn save(&self, to: &mut Save) {
        to.version(STATE);
        to.put(&self.settings.learning.season());
        to.put(&self.each);
    }
}

impl Anomaly {
    /// Whether the series has a band, or may have one.
    fn has_room(&mut self, series: SeriesHandle, out: &mut Out) -> bool {
        if self.each.get(series).is_some() {
            return true;
        }
        let most = ROOM / self.settings.learning.parts.max(1);
        if self.known >= most {
            let ended: Vec<SeriesHandle> =
                self.each.iter().filter(|(_, watch)| watch.ended).map(|(series, _)| series).collect();
            for one in &ended {
                self.each.remove(*one);
            }
            self.known -= ended.len();
        }
        let has_room = self.known < most;
        self.known += usize::from(has_room);
        if !has_room && !self.full {
            let most = whole(most as u64);
            out.log(
                Level::Warning,
                &["there are more than ", &most, " series: the others are left out"].concat(),
            );
        }
        self.full = !has_room;
        has_room
    }

    fn judge(&mut self, sample: Sample<f64>, expected: Expected, out: &mut Out) {
        let Sample { series, time, value } = sample;
        let edge = self.settings.width * expected.deviation;
        let score = expected.score(value);
        let values = [expected.mean, expected.mean - edge, expected.mean + edge, score];
        for (output, value) in self.outputs(series, out).into_iter().zip(values) {
            out.number(output, time, value);
        }
        if !ALARMS {
            return;
        }
        let Some(watch) = self.each.get_mut(series) else { return };
        if (score.abs() > self.settings.width) == watch.out {
            watch.since = None;
            return;
        }
        // Times may run backwards: what counts is the earliest.
        let since = watch.since.map_or(time, |since| since.min(time));
        let changed = time - since >= self.settings.hold;
        watch.out ^= changed;
        watch.since = (!changed).then_some(since);
        if changed {
            let is_out = watch.out;
            self.tell(sample, is_out, expected, out);
        }
    }

    fn outputs(&mut self, handle: SeriesHandle, out: &mut Out) -> [Output; 4] {
        const NAMES: [&str; 4] = ["_expected", "_low", "_high", "_score"];
        *self.outputs.get_or(handle, || match out.series(handle).cloned() {
            Some(series) => NAMES.map(|name| {
                let unit = if name == "_score" { "1" } else { &series.unit };
                let parameter = [&series.parameter, name].concat();
                out.gauge(&series.node, &parameter).labels_of(&series).unit(unit).declare()
            }),
            None => [Output::default(); 4],
        })
    }

    fn tell(&self, sample: Sample<f64>, is_out: bool, expected: Expected, out: &mut Out) {
        let Some(series) = out.series(sample.series) else { return };
        let (path, value) = (series.path(), short(sample.value));
        let Expected { mean, deviation } = expected;
        let edge = self.settings.width * deviation;
        let usual =
            ["usual is ", &short(mean), " (", &short(mean - edge), " to ", &short(mean + edge), ")"].concat();
        if !is_out {
            return out.clear(&alarm_key(&path), &["back at ", &value, ", ", &usual].concat());
        }
        out.raise(&Alarm {
            key: alarm_key(&path),
            severity: self.settings.alarm.severity,
            text: [&path, " is ", &value, ", ", &usual].concat(),
            series: vec![sample.series],
            value: Some(sample.value),
            runbook: self.settings.alarm.runbook.clone(),
        });
    }
}

hedgerow_filter::export!(Anomaly);

#[cfg(test)]
mod tests;
