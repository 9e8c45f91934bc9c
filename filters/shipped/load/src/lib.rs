//! `load`: over the nodes of a cluster, at each tick: how many speak, mean, least, most, sum, a histogram, and the highest.
//!
//! A series counts with its last value for as long as the farm holds it live. Units are never mixed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use hedgerow_filter::{
    Batch, Description, Filter, Level, Life, LifeChange, Load as Saved, Millis, Out, Parameters, PerSeries,
    Save, Series, whole,
};

/// Version of what [`Load`] saves.
const STATE: u32 = 1;

/// Bounds of a histogram, at most.
const BOUNDS: usize = 32;

/// What the parameters say.
#[derive(Debug)]
pub struct Settings {
    on: Vec<String>,
    by_cluster: bool,
    every: Millis,
    bounds: Vec<f64>,
    top: usize,
}

/// The filter.
#[derive(Debug)]
pub struct Load {
    settings: Settings,
    last: PerSeries<f64>,
}

/// What is aggregated together.
struct Group<'a> {
    unit: &'a str,
    values: Vec<(f64, &'a Series)>,
}

impl Filter for Load {
    type Settings = Settings;

    fn settings(p: &mut Parameters) -> Settings {
        let mut settings = Settings {
            on: p.texts("on", "Which series.").or(&["*/hosts/*/cpu_busy", "*/hosts/*/load1"]),
            by_cluster: p
                .text("by", "What is aggregated together: each cluster by itself, or all that match.")
                .one_of(&["cluster", "all"])
                .or("cluster")
                == "cluster",
            every: p.duration("every", "How often to aggregate.").at_least(1_000.0).or("30s"),
            bounds: p
                .numbers("histogram", "Upper bounds of a histogram's bars, rising; the last bar has none.")
                .or(&[]),
            top: usize::try_from(
                p.whole("top", "How many of the highest are named.").at_least(0.0).at_most(20.0).or(3),
            )
            .unwrap_or(0),
        };
        if settings.bounds.len() > BOUNDS || settings.bounds.windows(2).any(|pair| pair[0] >= pair[1]) {
            p.refuse("the parameter `histogram`: expected at most 32 bounds that rise");
            settings.bounds.clear();
        }
        settings
    }

    fn describe(settings: &Settings) -> Result<Description, String> {
        let about = "Over the nodes of a cluster: number, mean, min, max, sum, histogram and the highest.";
        Ok(Description::new("load", env!("CARGO_PKG_VERSION"), about).on(&settings.on).every(settings.every))
    }

    fn configure(settings: Settings, saved: Option<&mut Saved>) -> Result<Self, String> {
        let last = match saved {
            Some(saved) => saved.only(STATE).and_then(|()| saved.get())?,
            None => PerSeries::new(),
        };
        Ok(Self { settings, last })
    }

    fn on_batch(&mut self, batch: &Batch, _: &mut Out) {
        for sample in batch.numeric() {
            if sample.value.is_finite() {
                *self.last.get_or(sample.series, || 0.0) = sample.value;
            }
        }
    }

    fn on_life(&mut self, changes: &[LifeChange], _: &mut Out) {
        for change in changes.iter().filter(|change| change.life != Life::Live) {
            self.last.remove(change.series);
        }
    }

    fn on_tick(&mut self, time: Millis, out: &mut Out) {
        // The declared series are lent to the groups while `out` is written to.
        let series: Vec<Series> =
            self.last.iter().filter_map(|(handle, _)| out.series(handle).cloned()).collect();
        for ((name, parameter), group) in self.groups(&series, out) {
            self.emit(time, name, parameter, group, out);
        }
    }

    fn save(&self, to: &mut Save) {
        to.version(STATE);
        to.put(&self.last);
    }
}

impl Load {
    fn groups<'a>(&self, series: &'a [Series], out: &mut Out) -> BTreeMap<(&'a str, &'a str), Group<'a>> {
        let mut groups: BTreeMap<_, Group<'a>> = BTreeMap::new();
        for one in series {
            let Some(value) = self.last.get(one.handle) else { continue };
            let name = if self.settings.by_cluster { one.cluster.as_str() } else { "all" };
            let group = match groups.entry((name, one.parameter.as_str())) {
                Entry::Vacant(entry) => entry.insert(Group { unit: &one.unit, values: Vec::new() }),
                Entry::Occupied(entry) => entry.into_mut(),
            };
            if group.unit == one.unit {
                group.values.push((*value, one));
            } else {
                let units = [&*one.unit, "`, the others have `", group.unit, "`"].concat();
                out.log(Level::Warning, &[&*one.path(), " is left out: its unit is `", &units].concat());
            }
        }
        groups
    }

    fn emit(&self, time: Millis, name: &str, parameter: &str, mut group: Group<'_>, out: &mut Out) {
        let values = &mut group.values;
        let mut nodes: Vec<_> = values.iter().map(|(_, series)| (&series.cluster, &series.node)).collect();
        nodes.sort_unstable();
        nodes.dedup();
        // Highest first; of equal ones the one that the farm told of first.
        values.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let (Some((most, _)), Some((least, _))) = (values.first(), values.last()) else { return };
        let sum: f64 = values.iter().map(|(value, _)| value).sum();
        let mut gauge = |suffix: &str, unit: &str, value: f64| {
            let output = out.gauge(name, &[parameter, "_", suffix].concat()).unit(unit).declare();
            out.number(output, time, value);
        };
        gauge("nodes", "{node}", nodes.len() as f64);
        gauge("mean", group.unit, sum / values.len() as f64);
        gauge("min", group.unit, *least);
        gauge("max", group.unit, *most);
        gauge("sum", group.unit, sum);
        self.histogram(time, name, parameter, values, out);
        for (rank, (value, series)) in (1..).zip(values.iter().take(self.settings.top)) {
            let rank = whole(rank);
            let parameter = [parameter, "_top"].concat();
            let output = out.gauge(name, &parameter).unit(group.unit).label("rank", &rank).declare();
            out.number(output, time, *value);
            let output = out.texts(name, &[&*parameter, "_path"].concat()).label("rank", &rank).declare();
            out.text(output, time, &series.path());
        }
    }

    /// How many are in each bar: above the bound before, and at most this one.
    fn histogram(&self, time: Millis, name: &str, parameter: &str, values: &[(f64, &Series)], out: &mut Out) {
        let bounds = &self.settings.bounds;
        if bounds.is_empty() {
            return;
        }
        let mut bars = vec![0_u32; bounds.len() + 1];
        for (value, _) in values {
            bars[bounds.partition_point(|bound| bound < value)] += 1;
        }
        let named = bounds.iter().map(|bound| hedgerow_filter::short(*bound)).chain(["+Inf".to_owned()]);
        for (bar, bound) in bars.iter().zip(named) {
            let output =
                out.gauge(name, &[parameter, "_histogram"].concat()).unit("{series}").label("le", &bound);
            let output =
                output.describe("how many are above the bound before, and at most this one").declare();
            out.number(output, time, f64::from(*bar));
        }
    }
}

hedgerow_filter::export!(Load);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hedgerow_filter::Bench;

    fn bench(parameters: &str) -> (Bench<Load>, Vec<u32>) {
        let mut bench = Bench::new(parameters).unwrap();
        let series = ["a", "b", "c"].map(|node| bench.series("hosts", node, "load1")).to_vec();
        (bench, series)
    }

    #[test]
    fn aggregates_are_those_of_the_last_values() {
        let (mut bench, series) = bench(r#"{"histogram":[1,2]}"#);
        bench.batch(0, &[(series[0], 9.0), (series[1], 1.0)]);
        bench.batch(1, &[(series[0], 4.0), (series[2], 1.0)]);
        bench.restart();
        let seen = bench.tick(30_000);
        let expected = [
            ("load1_nodes", 3.0),
            ("load1_mean", 2.0),
            ("load1_min", 1.0),
            ("load1_max", 4.0),
            ("load1_sum", 6.0),
        ];
        for (parameter, value) in expected {
            assert_eq!(seen.value("hosts", parameter), Some(value), "{parameter}");
        }
        for (bound, count) in [("1", 2.0), ("2", 0.0), ("+Inf", 1.0)] {
            assert_eq!(seen.labelled("hosts", "load1_histogram", &[("le", bound)]), Some(count), "{bound}");
        }
        let unit = |parameter: &str| {
            seen.emitted.iter().find(|one| one.parameter == parameter).unwrap().unit.clone()
        };
        assert_eq!(
            (&*unit("load1_nodes"), &*unit("load1_histogram")),
            ("{node}", "{series}"),
            "counts are no ratios"
        );
        assert_eq!(seen.labelled("hosts", "load1_top", &[("rank", "1")]), Some(4.0));
        let first = seen.emitted.iter().find(|emitted| emitted.parameter == "load1_top_path").unwrap();
        assert_eq!(first.text, "hosts/a/load1");
    }

    #[test]
    fn what_is_stale_does_not_count() {
        let (mut bench, series) = bench("{}");
        bench.batch(0, &[(series[0], 9.0), (series[1], 1.0)]);
        bench.life(series[0], Life::Stale, 1);
        let seen = bench.tick(30_000);
        assert_eq!(
            (seen.value("hosts", "load1_max"), seen.value("hosts", "load1_nodes")),
            (Some(1.0), Some(1.0))
        );
        bench.life(series[1], Life::Ended, 2);
        assert!(bench.tick(60_000).is_empty(), "nothing is said of nothing");
    }

    #[test]
    fn clusters_are_apart_unless_asked_for_and_units_always_are() {
        for (by, cluster_sum, all_sum) in [("cluster", Some(1.0), None), ("all", None, Some(3.0))] {
            let mut bench = Bench::<Load>::new(&format!(r#"{{"by":"{by}"}}"#)).unwrap();
            let a = bench.series("one", "n", "x");
            let b = bench.series("two", "n", "x");
            let other = bench.series_with("one", "n", "x", |series| series.unit = "By".into());
            bench.batch(0, &[(a, 1.0), (b, 2.0), (other, 1e9)]);
            let seen = bench.tick(30_000);
            assert_eq!((seen.value("one", "x_sum"), seen.value("all", "x_sum")), (cluster_sum, all_sum));
            assert_eq!(seen.logs.len(), 1, "{:?}", seen.logs);
        }
    }

    #[test]
    fn bounds_rise() {
        assert!(Bench::<Load>::new(r#"{"histogram":[1,1]}"#).unwrap_err().contains("bounds that rise"));
    }
}
