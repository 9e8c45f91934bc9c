//! `quantile`: quantiles of all samples that came within a window. The window ends with a tick; each begins where the one before
//! ended.
//!
//! Values are counted in buckets whose bounds grow by 2 % each, so that a quantile is right within 1 %, however many there are.

mod sketch;

use std::collections::BTreeMap;

use hedgerow_filter::{
    Batch, Description, Filter, Gap, Level, Load, Millis, Out, Parameters, Save, Series, saved, short, whole,
};
use sketch::Sketch;

/// Version of what [`Quantile`] saves; the one before did not say whether the window is whole.
const STATE: u32 = 2;

/// Quantiles that may be asked for.
const QUANTILES: usize = 16;

/// Groups at most: what belongs to more of them is left out, which the log says at each tick.
const GROUPS: usize = 5_000;

/// What the parameters say.
#[derive(Debug)]
pub struct Settings {
    on: Vec<String>,
    by: String,
    window: Millis,
    quantiles: Vec<f64>,
}

/// The filter.
#[derive(Debug)]
pub struct Quantile {
    settings: Settings,
    /// By node, parameter, labels and unit of the output.
    groups: BTreeMap<String, Group>,
    /// The window was seen from its beginning, and nothing of it is missing.
    whole: bool,
    left_out: u32,
}

/// What is counted together.
#[derive(Debug)]
struct Group {
    node: String,
    parameter: String,
    labels: Vec<(String, String)>,
    unit: String,
    sketch: Sketch,
}

saved!(Group { node, parameter, labels, unit, sketch });

impl Filter for Quantile {
    type Settings = Settings;

    fn settings(p: &mut Parameters) -> Settings {
        let mut settings = Settings {
            on: p.texts("on", "Which series.").or(&["*/*/*/response_time"]),
            by: p
                .text("by", "What is counted together.")
                .one_of(&["series", "node", "cluster", "all"])
                .or("series"),
            window: p.duration("window", "Over how long.").at_least(1_000.0).or("5m"),
            quantiles: p
                .numbers("quantiles", "Which, from 0 to 1.")
                .at_least(0.0)
                .at_most(1.0)
                .or(&[0.5, 0.95, 0.99]),
        };
        if settings.quantiles.is_empty() || settings.quantiles.len() > QUANTILES {
            p.refuse("the parameter `quantiles`: expected 1 to 16");
            settings.quantiles.clear();
        }
        settings
    }

    fn describe(settings: &Settings) -> Result<Description, String> {
        let about = "Quantiles of what came within a window, right within 1 %.";
        Ok(Description::new("quantile", env!("CARGO_PKG_VERSION"), about)
            .on(&settings.on)
            .every(settings.window))
    }

    fn configure(settings: Settings, saved: Option<&mut Load>) -> Result<Self, String> {
        let mut new = Self { settings, groups: BTreeMap::new(), whole: false, left_out: 0 };
        if let Some(saved) = saved {
            let before = saved.either(STATE - 1, STATE)?;
            new.groups = saved.get()?;
            new.whole = before || saved.get()?;
        }
        Ok(new)
    }

    fn on_batch(&mut self, batch: &Batch, out: &mut Out) {
        for sample in batch.numeric().filter(|sample| sample.value.is_finite()) {
            let Some(series) = out.series(sample.series) else { continue };
            match self.group(series) {
                Some(group) => group.sketch.add(sample.value),
                None => self.left_out += 1,
            }
        }
    }

    fn on_gap(&mut self, _: Gap, _: &mut Out) {
        self.whole = false;
    }

    fn on_tick(&mut self, time: Millis, out: &mut Out) {
        let groups = std::mem::take(&mut self.groups);
        let is_whole = std::mem::replace(&mut self.whole, true);
        for group in groups.into_values().filter(|_| is_whole) {
            for quantile in &self.settings.quantiles {
                let Some(value) = group.sketch.quantile(*quantile) else { continue };
                let name = [&*group.parameter, "_quantile"].concat();
                let mut output =
                    out.gauge(&group.node, &name).unit(&group.unit).label("quantile", &short(*quantile));
                for (key, value) in &group.labels {
                    output = output.label(key, value);
                }
                let output = output.declare();
                out.number(output, time, value);
            }
            let output = out.gauge(&group.node, &[&*group.parameter, "_samples"].concat()).unit("{sample}");
            let output =
                group.labels.iter().fold(output, |output, (key, value)| output.label(key, value)).declare();
            out.number(output, time, group.sketch.count() as f64);
        }
        if self.left_out > 0 {
            let line =
                [&*whole(self.left_out.into()), " samples were left out: there are more than 5000 groups"]
                    .concat();
            out.log(Level::Warning, &line);
            self.left_out = 0;
        }
    }

    fn save(&self, to: &mut Save) {
        to.version(STATE);
        to.put(&self.groups);
        to.put(&self.whole);
    }
}

impl Quantile {
    fn group(&mut self, series: &Series) -> Option<&mut Group> {
        let (node, labels) = match self.settings.by.as_str() {
            "series" => (series.node.as_str(), series.labels.as_slice()),
            "node" => (series.node.as_str(), &[][..]),
            "cluster" => (series.cluster.as_str(), &[][..]),
            _ => ("all", &[][..]),
        };
        let mut key = [node, "\0", &series.parameter, "\0", &series.unit].concat();
        for (name, value) in labels {
            key += &["\0", name, "\0", value].concat();
        }
        if self.groups.len() >= GROUPS && !self.groups.contains_key(&key) {
            return None;
        }
        Some(self.groups.entry(key).or_insert_with(|| Group {
            node: node.into(),
            parameter: series.parameter.clone(),
            labels: labels.to_vec(),
            unit: series.unit.clone(),
            sketch: Sketch::default(),
        }))
    }
}

hedgerow_filter::export!(Quantile);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hedgerow_filter::Bench;

    #[test]
    fn a_window_gives_its_quantiles_and_is_then_forgotten() {
        let mut bench = Bench::<Quantile>::new(r#"{"quantiles":[0.5,0.9],"by":"node"}"#).unwrap();
        let a = bench.series("web", "n1", "response_time");
        let b = bench.series_with("web", "n1", "response_time", |series| {
            series.labels = vec![("item".into(), "x".into())]
        });
        bench.batch(-2, &[(a, 1e9)]);
        assert!(bench.tick(-1).is_empty(), "the first window was begun in its middle");
        for value in 1..=50 {
            bench.batch(value, &[(a, value as f64), (b, (value + 50) as f64)]);
            if value % 10 == 0 {
                bench.restart();
            }
        }
        let seen = bench.tick(300_000);
        for (label, exact) in [("0.5", 50.0), ("0.9", 90.0)] {
            let value = seen.labelled("n1", "response_time_quantile", &[("quantile", label)]).unwrap();
            assert!((value - exact).abs() <= exact * 0.011, "{label}: {value}");
        }
        assert_eq!(seen.value("n1", "response_time_samples"), Some(100.0));
        assert!(seen.emitted.iter().any(|one| one.unit == "{sample}"));
        assert!(bench.tick(600_000).is_empty());
        bench.batch(600_001, &[(a, 1.0)]);
        bench.gap(Gap { reason: hedgerow_filter::GapReason::Lag, count: None });
        assert!(bench.tick(900_000).is_empty(), "some of it is missing");
    }

    #[test]
    fn groups_are_what_was_asked_for() {
        for (by, count) in [("series", 3), ("node", 2), ("cluster", 1), ("all", 1)] {
            let mut bench = Bench::<Quantile>::new(&format!(r#"{{"quantiles":0.5,"by":"{by}"}}"#)).unwrap();
            let a = bench.series("web", "n1", "x");
            let b = bench
                .series_with("web", "n1", "x", |series| series.labels = vec![("item".into(), "y".into())]);
            let c = bench.series("web", "n2", "x");
            bench.tick(0);
            bench.batch(0, &[(a, 1.0), (b, 2.0), (c, 3.0)]);
            assert_eq!(bench.tick(300_000).emitted.len(), 2 * count, "{by}");
        }
    }

    #[test]
    fn quantiles_are_between_0_and_1() {
        assert!(Bench::<Quantile>::new(r#"{"quantiles":95}"#).unwrap_err().contains("expected at most 1"));
        assert!(Bench::<Quantile>::new(r#"{"quantiles":[]}"#).unwrap_err().contains("expected 1 to 16"));
    }
}
