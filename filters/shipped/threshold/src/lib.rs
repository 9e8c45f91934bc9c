//! `threshold`: a value past a bound, with hysteresis and hold time. Emits a state beside each series.
//! `threshold-alarm` (feature `alarms`) raises alarms too, `threshold-action` (feature `actions`) asks for an action: each has to be
//! granted that.
//!
//! Time is that of the samples. A series that falls silent keeps its state: the farm marks its alarm as unknown by itself.

use hedgerow_filter::{
    ActionSettings, Alarm, AlarmSettings, Batch, Capability, Description, Filter, Life, LifeChange, Load,
    Millis, Out, Output, Parameters, PerSeries, Sample, Save, Series, SeriesHandle, alarm_key, saved, short,
};

/// Whether this is the one that raises alarms. What it would call is not even imported otherwise.
const ALARMS: bool = cfg!(feature = "alarms");
/// Whether this is the one that asks for an action.
const ACTIONS: bool = cfg!(feature = "actions");

/// Version of what [`Threshold`] saves.
const STATE: u32 = 1;

/// What the parameters say.
#[derive(Debug)]
pub struct Settings {
    on: Vec<String>,
    above: Option<f64>,
    below: Option<f64>,
    hysteresis: f64,
    hold: Millis,
    clear_hold: Millis,
    alarm: AlarmSettings,
    action: ActionSettings,
}

/// The filter.
#[derive(Debug)]
pub struct Threshold {
    settings: Settings,
    each: PerSeries<Watch>,
    /// Declared anew in each run.
    outputs: PerSeries<Output>,
}

/// One series.
#[derive(Debug, Default)]
struct Watch {
    /// Past the bound, for long enough.
    past: bool,
    /// Since when the values have spoken against `past`.
    since: Option<Millis>,
}

saved!(Watch { past, since });

/// On which side of the bounds.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Inside,
    High,
    Low,
}

impl Settings {
    /// Where a value is; bounds are nearer by the hysteresis for one that is past them.
    fn side(&self, value: f64, past: bool) -> Side {
        let give = if past { self.hysteresis } else { 0.0 };
        if self.above.is_some_and(|above| value > above - give) {
            Side::High
        } else if self.below.is_some_and(|below| value < below + give) {
            Side::Low
        } else {
            Side::Inside
        }
    }
}

impl Filter for Threshold {
    type Settings = Settings;

    fn settings(p: &mut Parameters) -> Settings {
        let settings = Settings {
            on: p.texts("on", "Which series.").or(&["*/hosts/*/disk_used"]),
            above: p.number("above", "Past it is more than this.").optional(),
            below: p.number("below", "Past it is less than this.").optional(),
            hysteresis: p
                .number("hysteresis", "It is over only when the value is back within the bound by this much.")
                .at_least(0.0)
                .or(0.0),
            hold: p.duration("hold", "How long the value has to be past the bound.").or("0s"),
            clear_hold: p.duration("clear_hold", "How long it has to be back.").or("0s"),
            alarm: if ALARMS { AlarmSettings::read(p) } else { AlarmSettings::default() },
            action: if ACTIONS { ActionSettings::read(p) } else { ActionSettings::default() },
        };
        match (settings.above, settings.below) {
            (None, None) => {
                p.refuse("one of the parameters `above` and `below` has to be given, as above=0.9")
            }
            (Some(above), Some(below)) if below + settings.hysteresis >= above - settings.hysteresis => {
                p.refuse(
                    "the parameter `below` has to be less than `above`, by more than twice `hysteresis`",
                );
            }
            _ => {}
        }
        settings
    }

    fn describe(settings: &Settings) -> Result<Description, String> {
        let (name, about) = if ACTIONS {
            (
                "threshold-action",
                "Asks for an action when a value gets past a bound, with hysteresis and hold time.",
            )
        } else if ALARMS {
            (
                "threshold-alarm",
                "Raises an alarm while a value is past a bound, with hysteresis and hold time.",
            )
        } else {
            ("threshold", "Says whether values are past a bound, with hysteresis and hold time.")
        };
        let mut description = Description::new(name, env!("CARGO_PKG_VERSION"), about).on(&settings.on);
        if ALARMS {
            description = description.wants(Capability::Alarms);
        }
        Ok(if ACTIONS { description.wants(Capability::Actions) } else { description })
    }

    fn configure(settings: Settings, saved: Option<&mut Load>) -> Result<Self, String> {
        let each = match saved {
            Some(saved) => saved.only(STATE).and_then(|()| saved.get())?,
            None => PerSeries::new(),
        };
        Ok(Self { settings, each, outputs: PerSeries::new() })
    }

    fn on_series(&mut self, series: &[Series], _: &mut Out) {
        // One that is declared anew may have another unit.
        for one in series {
            self.outputs.remove(one.handle);
        }
    }

    fn on_batch(&mut self, batch: &Batch, out: &mut Out) {
        for sample in batch.numeric().filter(|sample| !sample.value.is_nan()) {
            self.judge(sample, out);
        }
    }

    fn on_life(&mut self, changes: &[LifeChange], out: &mut Out) {
        for change in changes.iter().filter(|change| change.life == Life::Ended) {
            let was_past = self.each.remove(change.series).is_some_and(|watch| watch.past);
            if ALARMS && was_past {
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

impl Threshold {
    fn judge(&mut self, sample: Sample<f64>, out: &mut Out) {
        let Sample { series, time, value } = sample;
        let settings = &self.settings;
        let watch = self.each.get_or(series, Watch::default);
        let side = settings.side(value, watch.past);
        let mut changed = false;
        if (side != Side::Inside) == watch.past {
            watch.since = None;
        } else {
            // Times may run backwards: what counts is the earliest.
            let since = watch.since.map_or(time, |since| since.min(time));
            let hold = if watch.past { settings.clear_hold } else { settings.hold };
            changed = time - since >= hold;
            watch.past ^= changed;
            watch.since = (!changed).then_some(since);
        }
        let past = watch.past;
        let output = self.output(series, out);
        out.state_of(output, time, i64::from(past), if past { "past" } else { "ok" });
        if (ALARMS || ACTIONS) && changed {
            self.tell(sample, side, out);
        }
    }

    fn output(&mut self, handle: SeriesHandle, out: &mut Out) -> Output {
        *self.outputs.get_or(handle, || match out.series(handle).cloned() {
            Some(series) => out
                .state(&series.node, &[&*series.parameter, "_state"].concat())
                .labels_of(&series)
                .describe("0: within the bounds, 1: past one of them")
                .declare(),
            None => Output::default(),
        })
    }

    fn tell(&self, sample: Sample<f64>, side: Side, out: &mut Out) {
        let Some(series) = out.series(sample.series) else { return };
        let (path, value, unit) = (series.path(), short(sample.value), series.unit.as_str());
        let unit = if unit.is_empty() || unit == "1" { String::new() } else { [" ", unit].concat() };
        let (word, bound) = match side {
            Side::Inside => {
                if ALARMS {
                    out.clear(&alarm_key(&path), &["back at ", &value, &unit].concat());
                }
                return;
            }
            Side::High => ("above", self.settings.above),
            Side::Low => ("below", self.settings.below),
        };
        let bound = short(bound.unwrap_or_default());
        let text = [&*path, " is ", &value, &unit, ", ", word, " ", &bound, &unit].concat();
        if ACTIONS {
            let node = series.node.clone();
            self.settings.action.ask(&path, &node, &text, out);
        }
        if !ALARMS {
            return;
        }
        out.raise(&Alarm {
            key: alarm_key(&path),
            severity: self.settings.alarm.severity,
            text,
            series: vec![sample.series],
            value: Some(sample.value),
            runbook: self.settings.alarm.runbook.clone(),
        });
    }
}

hedgerow_filter::export!(Threshold);

#[cfg(test)]
mod tests;
