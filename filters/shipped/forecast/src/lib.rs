//! `forecast`: where a value will be after some time, and how long until it reaches a limit. For disks that fill, queues that grow,
//! batteries that run down. `forecast-alarm` (feature `alarms`) raises an alarm while that is soon.
//!
//! Values are means over steps of equal length, by the times of the samples.

mod model;

use hedgerow_filter::{
    Alarm, AlarmSettings, Batch, Capability, Description, Filter, Level, Life, LifeChange, Load, Millis, Out,
    Parameters, PerSeries, Sample, Save, Series, SeriesHandle, alarm_key, saved, short, whole,
};

use model::{Model, Smoothing};

/// Whether this is the one that raises alarms. What it would call is not even imported otherwise.
const ALARMS: bool = cfg!(feature = "alarms");

/// Version of what [`Forecast`] saves.
const STATE: u32 = 1;

/// Steps of a season, at most.
const MOST_STEPS: i64 = 512;

/// Steps that are kept of all series together: 8 MB. Series past it are left out, which the log says.
const ROOM: usize = 1_000_000;

/// Steps without samples in a row, at most; after more it begins anew. Or a season, where that is more.
const MOST_SKIPPED: i64 = 24;

/// What takes longer than this, in seconds, is never: ten years.
const NEVER: f64 = 10.0 * 366.0 * 86_400.0;

/// An alarm is over when there is more time by this factor than it takes to raise it.
const RELIEF: f64 = 1.25;

/// What the parameters say.
#[derive(Debug)]
pub struct Settings {
    on: Vec<String>,
    limit: f64,
    from_below: bool,
    horizon: Millis,
    step: Millis,
    season: usize,
    smoothing: Smoothing,
    look_back: Millis,
    within: Millis,
    alarm: AlarmSettings,
}

/// The filter.
#[derive(Debug)]
pub struct Forecast {
    settings: Settings,
    each: PerSeries<Watch>,
    /// Series that have a model.
    known: usize,
    /// That there is no room has been said.
    full: bool,
}

/// One series.
#[derive(Debug, Default)]
struct Watch {
    /// Steps since 1970 of the step that it is now.
    step: i64,
    sum: f64,
    count: u32,
    model: Model,
    raised: bool,
}

saved!(Watch { step, sum, count, model, raised });

impl Settings {
    /// Length of a step, and of a season in steps.
    fn steps(&self) -> (Millis, u64) {
        (self.step, self.season as u64)
    }
}

impl Filter for Forecast {
    type Settings = Settings;

    fn settings(p: &mut Parameters) -> Settings {
        let mut share = |name, doc, default| p.number(name, doc).at_least(0.0).at_most(1.0).or(default);
        let smoothing = Smoothing {
            level: share("level", "How much the newest step counts for the level.", 0.3),
            trend: share("trend", "How much it counts for the trend.", 0.05),
            season: share("seasonal", "How much it counts for the season.", 0.1),
        };
        let on = p.texts("on", "Which series.").or(&["*/hosts/*/disk_used"]);
        let limit = p.number("limit", "What is not to be reached.").or(1.0);
        let from = p.text("from", "From which side it is reached.").one_of(&["below", "above"]).or("below");
        let horizon = p.duration("horizon", "How far ahead to look.").at_least(1_000.0).or("1d");
        let step = p.duration("step", "Values are means over this long.").at_least(1_000.0).or("5m");
        let season = p.duration("season", "What comes again, as 1d; 0s: nothing does.").or("0s");
        if season % step != 0 || season == step || season / step > MOST_STEPS {
            p.refuse("the parameter `season`: expected 0s, or 2 to 512 times `step`");
        }
        Settings {
            on,
            limit,
            from_below: from == "below",
            horizon,
            step,
            season: usize::try_from((season / step).min(MOST_STEPS)).unwrap_or(0),
            smoothing,
            look_back: p.duration("look_back", "How much history to learn from at first.").or("2d"),
            within: if ALARMS { p.duration("within", "How soon is too soon.").or("1d") } else { 0 },
            alarm: if ALARMS { AlarmSettings::read(p) } else { AlarmSettings::default() },
        }
    }

    fn describe(settings: &Settings) -> Result<Description, String> {
        let (name, about) = if ALARMS {
            ("forecast-alarm", "Raises an alarm while a value is soon to reach a limit.")
        } else {
            ("forecast", "Where values will be, and how long until they reach a limit.")
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
            let steps = saved.get()?;
            // What was learnt in other steps means nothing in these.
            if settings.steps() == steps {
                each = saved.get()?;
            }
        }
        let known = each.iter().count();
        Ok(Self { settings, each, known, full: false })
    }

    fn on_batch(&mut self, batch: &Batch, out: &mut Out) {
        for sample in batch.numeric().filter(|sample| sample.value.is_finite()) {
            if self.has_room(sample.series, out) {
                self.take(sample, batch.look_back, out);
            }
        }
    }

    fn on_life(&mut self, changes: &[LifeChange], out: &mut Out) {
        for change in changes.iter().filter(|change| change.life == Life::Ended) {
            let Some(watch) = self.each.remove(change.series) else { continue };
            self.known -= 1;
            if ALARMS && watch.raised {
                let Some(path) = out.series(change.series).map(Series::path) else { continue };
                out.clear(&alarm_key(&path), &["the series ended: ", &change.reason].concat());
            }
        }
    }

    fn save(&self, to: &mut Save) {
        to.version(STATE);
        to.put(&self.settings.steps());
        to.put(&self.each);
    }
}

impl Forecast {
    /// Whether the series has a model, or may have one.
    fn has_room(&mut self, series: SeriesHandle, out: &mut Out) -> bool {
        if self.each.get(series).is_some() {
            return true;
        }
        let most = ROOM / (2 * self.settings.season).max(10);
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

    /// The first sample of a later step ends the one before.
    fn take(&mut self, sample: Sample<f64>, look_back: bool, out: &mut Out) {
        let Settings { step: length, season, smoothing, .. } = self.settings;
        let step = sample.time.div_euclid(length);
        let watch = self.each.get_or(sample.series, || Watch { step, ..Watch::default() });
        if step > watch.step {
            if watch.count > 0 {
                watch.model.learn(watch.sum / f64::from(watch.count), season, smoothing);
            }
            let (end, skipped) = ((watch.step + 1) * length, step - watch.step - 1);
            (watch.step, watch.sum, watch.count) = (step, 0.0, 0);
            if !look_back {
                self.tell(sample.series, end, out);
            }
            let Some(watch) = self.each.get_mut(sample.series) else { return };
            if skipped > MOST_SKIPPED.max(i64::try_from(season).unwrap_or(0)) {
                watch.model = Model::default();
            } else {
                (0..skipped).for_each(|_| watch.model.skip());
            }
        }
        // What is late belongs to a step that is over.
        if let Some(watch) = self.each.get_mut(sample.series).filter(|watch| watch.step == step) {
            watch.sum += sample.value;
            watch.count += 1;
        }
    }

    fn tell(&mut self, handle: SeriesHandle, time: Millis, out: &mut Out) {
        let settings = &self.settings;
        let (Some(watch), Some(series)) = (self.each.get_mut(handle), out.series(handle).cloned()) else {
            return;
        };
        let ahead = usize::try_from((settings.horizon + settings.step / 2) / settings.step).unwrap_or(0);
        let Some(value) = watch.model.ahead(ahead) else { return };
        let mut gauge = |suffix: &str, unit: &str, value: f64| {
            let parameter = [&series.parameter, suffix].concat();
            let output = out.gauge(&series.node, &parameter).labels_of(&series).unit(unit).declare();
            out.number(output, time, value);
        };
        gauge("_forecast", &series.unit, value);
        let left = watch.model.steps_to(settings.limit, settings.from_below);
        let left =
            left.map(|steps| steps * settings.step as f64 / 1000.0).filter(|seconds| *seconds <= NEVER);
        if let Some(seconds) = left {
            gauge("_time_to_limit", "s", seconds);
        }
        if !ALARMS {
            return;
        }
        let soon = settings.within as f64 / 1000.0 * if watch.raised { RELIEF } else { 1.0 };
        let is_soon = left.is_some_and(|seconds| seconds <= soon);
        if is_soon == watch.raised {
            return;
        }
        watch.raised = is_soon;
        let (path, limit) = (series.path(), short(settings.limit));
        match left {
            Some(seconds) if is_soon => out.raise(&Alarm {
                key: alarm_key(&path),
                severity: settings.alarm.severity,
                text: [&path, " reaches ", &limit, " in ", &span(seconds)].concat(),
                series: vec![handle],
                value: Some(seconds),
                runbook: settings.alarm.runbook.clone(),
            }),
            Some(seconds) => out.clear(&alarm_key(&path), &["it has ", &span(seconds)].concat()),
            None => out.clear(&alarm_key(&path), &["it does not go to ", &limit].concat()),
        }
    }
}

/// Seconds for people: the two largest units.
fn span(seconds: f64) -> String {
    let minutes = (seconds / 60.0) as u64;
    let (days, hours) = (minutes / 1440, minutes / 60 % 24);
    let [d, h, m] = [days, hours, minutes % 60].map(whole);
    match (days, hours) {
        (0, 0) => m + "m",
        (0, _) => [&*h, "h", &m, "m"].concat(),
        _ => [&*d, "d", &h, "h"].concat(),
    }
}

hedgerow_filter::export!(Forecast);

#[cfg(test)]
mod tests;
