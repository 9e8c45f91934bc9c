//! `rate`: how fast counters grew over a window, on average. The window ends with a tick; each begins where the one before ended.
//!
//! The farm already gives increases without resets and wraps; what is added here is the window, which smooths.

use hedgerow_filter::{
    Batch, Description, Filter, Gap, Kind, Level, Load, Millis, Out, Parameters, PerSeries, Reading, Save,
    Series, saved,
};

/// Version of what [`Rate`] saves.
const STATE: u32 = 1;

/// What the parameters say.
#[derive(Debug)]
pub struct Settings {
    on: Vec<String>,
    window: Millis,
}

/// The filter.
#[derive(Debug)]
pub struct Rate {
    settings: Settings,
    each: PerSeries<Growth>,
}

/// What a series grew by in this window.
#[derive(Debug, Default)]
struct Growth {
    increase: f64,
    samples: u32,
    /// Not from its beginning: a rate of it would be too low.
    partial: bool,
}

saved!(Growth { increase, samples, partial });

impl Filter for Rate {
    type Settings = Settings;

    fn settings(p: &mut Parameters) -> Settings {
        Settings {
            on: p.texts("on", "Which counters.").or(&["*/hosts/*/{in,out}"]),
            window: p.duration("window", "Over how long.").at_least(1_000.0).or("5m"),
        }
    }

    fn describe(settings: &Settings) -> Result<Description, String> {
        let about = "How fast counters grew over a window, on average.";
        let description = Description::new("rate", env!("CARGO_PKG_VERSION"), about);
        Ok(description.on(&settings.on).reading(Reading::Delta).every(settings.window))
    }

    fn configure(settings: Settings, saved: Option<&mut Load>) -> Result<Self, String> {
        let each = match saved {
            Some(saved) => saved.only(STATE).and_then(|()| saved.get())?,
            None => PerSeries::new(),
        };
        Ok(Self { settings, each })
    }

    fn on_series(&mut self, series: &[Series], out: &mut Out) {
        for series in series.iter().filter(|series| series.kind != Kind::Counter) {
            out.log(Level::Warning, &[&*series.path(), " is left out: it is no counter"].concat());
        }
    }

    fn on_batch(&mut self, batch: &Batch, out: &mut Out) {
        for sample in batch.numeric().filter(|sample| sample.value.is_finite()) {
            if out.series(sample.series).is_none_or(|series| series.kind != Kind::Counter) {
                continue;
            }
            let growth = self.each.get_or(sample.series, || Growth { partial: true, ..Growth::default() });
            growth.increase += sample.value;
            growth.samples += 1;
        }
    }

    fn on_gap(&mut self, _: Gap, _: &mut Out) {
        // Whose samples are missing is not known.
        for (_, growth) in self.each.iter_mut() {
            growth.partial = true;
        }
    }

    fn on_tick(&mut self, time: Millis, out: &mut Out) {
        let seconds = self.settings.window as f64 / 1_000.0;
        for (handle, growth) in self.each.iter_mut() {
            let done = std::mem::take(growth);
            let Some(series) = out.series(handle).filter(|_| done.samples > 0 && !done.partial).cloned()
            else {
                continue;
            };
            let unit = [&*series.unit, "/s"].concat();
            let output = out.gauge(&series.node, &[&*series.parameter, "_rate"].concat()).labels_of(&series);
            let output = output.unit(&unit).declare();
            out.number(output, time, done.increase / seconds);
        }
    }

    fn save(&self, to: &mut Save) {
        to.version(STATE);
        to.put(&self.each);
    }
}

hedgerow_filter::export!(Rate);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hedgerow_filter::{Bench, GapReason};

    #[test]
    fn a_whole_window_gives_its_mean_rate() {
        let mut bench = Bench::<Rate>::new(r#"{"window":"1m"}"#).unwrap();
        let a = bench.series_with("hosts", "n1", "in", |series| {
            (series.kind, series.unit) = (Kind::Counter, "By".into())
        });
        bench.batch(50_000, &[(a, 1e9)]);
        assert!(bench.tick(60_000).is_empty(), "the first window was begun in its middle");
        bench.batch(70_000, &[(a, 400.0)]);
        bench.restart();
        bench.batch(110_000, &[(a, 200.0)]);
        let seen = bench.tick(120_000);
        assert_eq!((seen.value("n1", "in_rate"), seen.emitted[0].unit.as_str()), (Some(10.0), "By/s"));
        assert!(bench.tick(180_000).is_empty(), "no samples, no rate");
    }

    #[test]
    fn a_window_with_a_gap_gives_nothing() {
        let mut bench = Bench::<Rate>::new("{}").unwrap();
        let a = bench.series_with("hosts", "n1", "in", |series| series.kind = Kind::Counter);
        bench.batch(1, &[(a, 1.0)]);
        bench.tick(300_000);
        bench.batch(300_001, &[(a, 1.0)]);
        bench.gap(Gap { reason: GapReason::Lag, count: None });
        assert!(bench.tick(600_000).is_empty());
        bench.batch(600_001, &[(a, 3.0)]);
        assert_eq!(bench.tick(900_000).value("n1", "in_rate"), Some(0.01));
    }

    #[test]
    fn what_is_no_counter_is_left_out_which_the_log_says() {
        let mut bench = Bench::<Rate>::new("{}").unwrap();
        let a = bench.series_with("hosts", "n1", "load1", |series| series.kind = Kind::Gauge);
        let mut logs = Vec::new();
        for end in [300_000, 600_000, 900_000] {
            logs.extend(bench.batch(end - 1, &[(a, 4.0)]).logs);
            let seen = bench.tick(end);
            logs.extend(seen.logs);
            assert!(seen.emitted.is_empty(), "{end}");
        }
        assert_eq!(logs.len(), 1, "{logs:?}");
        assert!(logs[0].1.starts_with("hosts/n1/load1 is left out"), "{logs:?}");
    }
}
