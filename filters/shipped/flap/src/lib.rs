//! `flap`: values that change too often within a window. Emits a state beside each series; `flap-alarm` (feature `alarms`) raises
//! alarms too.
//!
//! For states, texts and numbers that stand for one (`up`, an oper status). Time is that of the samples.

use std::collections::VecDeque;

use hedgerow_filter::{
    Alarm, AlarmSettings, Batch, Capability, Description, Filter, Life, LifeChange, Load, Millis, Out,
    Parameters, PerSeries, Save, Series, SeriesHandle, alarm_key, saved, whole,
};

/// Whether this is the one that raises alarms. What it would call is not even imported otherwise.
const ALARMS: bool = cfg!(feature = "alarms");

/// Version of what [`Flap`] saves.
const STATE: u32 = 1;

/// Changes that are remembered of a series: what `start` may be at most.
const MOST_CHANGES: f64 = 100.0;

/// What the parameters say.
#[derive(Debug)]
pub struct Settings {
    on: Vec<String>,
    window: Millis,
    start: usize,
    stop: usize,
    alarm: AlarmSettings,
}

/// The filter.
#[derive(Debug)]
pub struct Flap {
    settings: Settings,
    each: PerSeries<Watch>,
}

/// One series.
#[derive(Debug)]
struct Watch {
    /// The bits of the last value, or a sum of the text.
    last: u64,
    /// When it changed, within the window.
    changes: VecDeque<Millis>,
    flapping: bool,
}

saved!(Watch { last, changes, flapping });

impl Filter for Flap {
    type Settings = Settings;

    fn settings(p: &mut Parameters) -> Settings {
        let count = |value: i64| usize::try_from(value).unwrap_or(0);
        let settings = Settings {
            on: p
                .texts("on", "Which series: states, texts, or numbers that stand for a state.")
                .or(&["*/*/*/up"]),
            window: p.duration("window", "Within how long changes are counted.").at_least(1_000.0).or("10m"),
            start: count(
                p.whole("start", "It flaps from this many changes.")
                    .at_least(2.0)
                    .at_most(MOST_CHANGES)
                    .or(6),
            ),
            stop: count(p.whole("stop", "And no more at this many or fewer.").at_least(0.0).or(2)),
            alarm: if ALARMS { AlarmSettings::read(p) } else { AlarmSettings::default() },
        };
        if settings.stop >= settings.start {
            p.refuse("the parameter `stop` has to be less than `start`");
        }
        settings
    }

    fn describe(settings: &Settings) -> Result<Description, String> {
        let (name, about) = if ALARMS {
            ("flap-alarm", "Raises an alarm while a value changes too often within a window.")
        } else {
            ("flap", "Says which values change too often within a window.")
        };
        let description = Description::new(name, env!("CARGO_PKG_VERSION"), about).on(&settings.on);
        Ok(if ALARMS { description.wants(Capability::Alarms) } else { description })
    }

    fn configure(settings: Settings, saved: Option<&mut Load>) -> Result<Self, String> {
        let each = match saved {
            Some(saved) => saved.only(STATE).and_then(|()| saved.get())?,
            None => PerSeries::new(),
        };
        Ok(Self { settings, each })
    }

    fn on_batch(&mut self, batch: &Batch, out: &mut Out) {
        for sample in batch.numbers.iter() {
            self.judge(sample.series, sample.time, sample.value.to_bits(), out);
        }
        for sample in batch.integers.iter() {
            self.judge(sample.series, sample.time, sample.value.cast_unsigned(), out);
        }
        for sample in batch.texts.iter() {
            self.judge(sample.series, sample.time, sum(sample.value), out);
        }
    }

    fn on_life(&mut self, changes: &[LifeChange], out: &mut Out) {
        for change in changes.iter().filter(|change| change.life == Life::Ended) {
            let was_flapping = self.each.remove(change.series).is_some_and(|watch| watch.flapping);
            if ALARMS && was_flapping {
                let Some(path) = out.series(change.series).map(Series::path) else { continue };
                out.clear(&alarm_key(&path), &["the series ended: ", &change.reason].concat());
            }
        }
    }

    fn save(&self, to: &mut Save) {
        to.version(STATE);
        to.put(&self.each);
    }
}

impl Flap {
    fn judge(&mut self, handle: SeriesHandle, time: Millis, value: u64, out: &mut Out) {
        let settings = &self.settings;
        let watch =
            self.each.get_or(handle, || Watch { last: value, changes: VecDeque::new(), flapping: false });
        while watch.changes.front().is_some_and(|first| time - first >= settings.window) {
            watch.changes.pop_front();
        }
        if watch.last != value {
            watch.last = value;
            watch.changes.push_back(time);
            // More than what it takes to start need not be remembered.
            while watch.changes.len() > settings.start {
                watch.changes.pop_front();
            }
        }
        let count = watch.changes.len();
        let was_flapping = watch.flapping;
        watch.flapping = if was_flapping { count > settings.stop } else { count >= settings.start };
        let flapping = watch.flapping;
        let Some(series) = out.series(handle).cloned() else { return };
        let output =
            out.state(&series.node, &[&*series.parameter, "_flapping"].concat()).labels_of(&series).declare();
        out.state_of(output, time, i64::from(flapping), if flapping { "flapping" } else { "steady" });
        if ALARMS && flapping != was_flapping {
            self.tell(flapping, &series, out);
        }
    }

    fn tell(&self, flapping: bool, series: &Series, out: &mut Out) {
        let path = series.path();
        if !flapping {
            return out.clear(&alarm_key(&path), "it is steady");
        }
        let Settings { start, window, alarm, .. } = &self.settings;
        out.raise(&Alarm {
            key: alarm_key(&path),
            severity: alarm.severity,
            text: [
                &*path,
                " changed ",
                &whole(*start as u64),
                " times within ",
                &whole(window.unsigned_abs() / 1_000),
                " s",
            ]
            .concat(),
            series: vec![series.handle],
            value: None,
            runbook: alarm.runbook.clone(),
        });
    }
}

/// FNV-1a: only whether a text is the one before is asked.
fn sum(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

hedgerow_filter::export!(Flap);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hedgerow_filter::{Bench, Column};

    /// States after each value, a minute apart; and how many alarms were raised and cleared.
    fn states(values: &[f64], restart: bool) -> (String, usize, usize) {
        let mut bench = Bench::<Flap>::new(r#"{"window":"5m","start":3,"stop":1}"#).unwrap();
        let series = bench.series("hosts", "n1", "up");
        let (mut all, mut raised, mut cleared) = (String::new(), 0, 0);
        for (value, time) in values.iter().zip((0..).step_by(60_000)) {
            let seen = bench.batch(time, &[(series, *value)]);
            all.push(if seen.value("n1", "up_flapping") == Some(1.0) { '1' } else { '0' });
            raised += seen.raised.len();
            cleared += seen.cleared.len();
            if restart {
                bench.restart();
            }
        }
        (all, raised, cleared)
    }

    #[test]
    fn it_flaps_from_so_many_changes_until_they_are_out_of_the_window() {
        let values = [1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        let alarms = usize::from(ALARMS);
        let expected = ("00011110000".to_owned(), alarms, alarms);
        assert_eq!(states(&values, false), expected);
        assert_eq!(states(&values, true), expected, "over restarts");
    }

    #[test]
    fn texts_and_codes_count_too() {
        let mut bench = Bench::<Flap>::new(r#"{"start":2,"stop":0}"#).unwrap();
        let series = bench.series("net", "sw", "role");
        for (time, value, flapping) in [(0, "a", 0.0), (1, "b", 0.0), (2, "b", 0.0), (3, "c", 1.0)] {
            let texts = Column { series: vec![series], times: vec![time], values: vec![value.to_owned()] };
            let seen = bench.whole_batch(&Batch { texts, ..Batch::default() });
            assert_eq!(seen.value("sw", "role_flapping"), Some(flapping), "{value}");
        }
        let code = bench.series("net", "sw", "oper");
        for (time, value, flapping) in [(0, 1, 0.0), (1, 2, 0.0), (2, 1, 1.0)] {
            let integers = Column { series: vec![code], times: vec![time], values: vec![value] };
            let seen = bench.whole_batch(&Batch { integers, ..Batch::default() });
            assert_eq!(seen.value("sw", "oper_flapping"), Some(flapping), "{value}");
        }
    }

    #[test]
    fn memory_is_bounded_however_often_it_changes() {
        let mut bench = Bench::<Flap>::new(r#"{"start":100,"window":"1w"}"#).unwrap();
        let series = bench.series("hosts", "n1", "up");
        bench.batch(0, &[(series, 0.0)]);
        let mut size = 0;
        for time in 1..2_000 {
            bench.batch(time, &[(series, f64::from(time as u32 % 2))]);
            if time % 500 == 0 {
                size = size.max(bench.restart());
            }
        }
        assert!(size < 1_500, "{size} bytes");
    }
}
