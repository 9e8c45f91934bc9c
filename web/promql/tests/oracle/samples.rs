//! The samples that both are given: an hour of what there is at a site, with what makes trouble.

use hedgerow_promql::{Fetch, Labels, NAME, Series, Values, number_text};

/// When they begin; Unix milliseconds.
pub(crate) const T0: i64 = 1_700_000_000_000;
const HOUR: i64 = 3_600_000;

/// Numbers that look random and are always the same.
struct Dice(u64);

impl Dice {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

fn series(name: &str, labels: &[(&str, &str)], times: Vec<i64>, values: Values) -> Series {
    let labels = Labels::new(labels.iter().copied().chain([(NAME, name)]));
    Series { labels, times, values, stale: Vec::new() }
}

/// Every so many milliseconds, up to `jitter` late.
fn times(every: i64, jitter: u64, dice: &mut Dice) -> Vec<i64> {
    (0..HOUR / every)
        .map(|n| T0 + n * every + if jitter > 0 { dice.next(jitter) as i64 } else { 0 })
        .collect()
}

fn gauge(times: &[i64], of: impl Fn(f64) -> f64) -> Values {
    Values::F64(times.iter().map(|time| of((time - T0) as f64 / 1000.0)).collect())
}

pub(crate) fn all() -> Vec<Series> {
    let mut dice = Dice(7);
    let mut all = Vec::new();
    for (job, instance, code, step, reset) in [
        ("web", "n1", "200", 50, 37),
        ("web", "n1", "500", 3, 90),
        ("web", "n2", "200", 40, 1000),
        ("web", "n2", "500", 1, 1000),
        ("db", "n3", "200", 9, 60),
    ] {
        let times = times(15_000, 900, &mut dice);
        let mut value = 17u64;
        let grown = (0..times.len()).map(|n| {
            value = if n % reset == reset - 1 { dice.next(step) } else { value + dice.next(step) };
            value
        });
        let labels = [("job", job), ("instance", instance), ("code", code)];
        all.push(series("requests_total", &labels, times.clone(), Values::U64(grown.collect())));
    }
    for (job, instance, shift) in [("web", "n1", 0.0), ("web", "n2", 1.0), ("db", "n3", 2.0)] {
        let every = times(30_000, 0, &mut dice);
        let labels = [("job", job), ("instance", instance)];
        all.push(series(
            "temperature",
            &labels,
            every.clone(),
            gauge(&every, |s| 20.0 * (s / 500.0 + shift).sin()),
        ));
        // Away for ten minutes in the middle.
        let gone = |time: &i64| !(T0 + 1_500_000..T0 + 2_100_000).contains(time);
        let there: Vec<i64> = times(20_000, 300, &mut dice).into_iter().filter(gone).collect();
        all.push(series(
            "busy",
            &labels,
            there.clone(),
            gauge(&there, |s| 0.5 + 0.4 * (s / 300.0 + shift).cos()),
        ));
        let rare: Vec<i64> = (0..8).map(|n| T0 + n * 450_000).collect();
        all.push(series("rare", &labels, rare.clone(), gauge(&rare, |s| s / 450.0 + shift)));
        all.push(series(
            "node_info",
            &[("instance", instance), ("rack", if job == "db" { "b" } else { "a" })],
            every.clone(),
            gauge(&every, |_| 1.0),
        ));
    }
    for (instance, special) in
        [("n1", f64::NAN), ("n2", f64::INFINITY), ("n3", f64::NEG_INFINITY), ("n4", 0.0), ("n5", -2.5)]
    {
        let every = times(60_000, 0, &mut dice);
        let of = |s: f64| if (s as i64 / 60) % 3 == 0 { special } else { s / 60.0 - 30.0 };
        all.push(series("special", &[("instance", instance)], every.clone(), gauge(&every, of)));
    }
    let bounds = ["0.1", "0.5", "1", "5", "+Inf"];
    for (instance, speed) in [("n1", 1), ("n2", 3)] {
        let every = times(30_000, 0, &mut dice);
        let mut counts = [0u64; 5];
        let mut rows = vec![Vec::new(); 5];
        for _ in &every {
            let (slow, number) = (dice.next(5) as usize, dice.next(7) * speed);
            counts.iter_mut().skip(slow).for_each(|count| *count += number);
            rows.iter_mut().zip(counts).for_each(|(row, count)| row.push(count));
        }
        for (bound, row) in bounds.iter().zip(rows) {
            let labels = [("instance", instance), ("le", bound)];
            all.push(series("latency_bucket", &labels, every.clone(), Values::U64(row)));
        }
    }
    all.sort_by(|a, b| a.labels.cmp(&b.labels));
    all
}

/// Only what a selector asks for, and what of that is kept.
pub(crate) fn seen(series: &Series, fetch: &Fetch) -> Series {
    let mut taken = Vec::new();
    for (at, time) in series.times.iter().enumerate() {
        if (fetch.from..=fetch.to).contains(time) {
            fetch.looks.take(&mut taken, *time, at);
        }
    }
    let at: Vec<usize> = taken.into_iter().map(|(_, at)| at).collect();
    let values = match &series.values {
        Values::F64(values) => Values::F64(at.iter().map(|at| values[*at]).collect()),
        Values::U64(values) => Values::U64(at.iter().map(|at| values[*at]).collect()),
    };
    let times = at.iter().map(|at| series.times[*at]).collect();
    Series { labels: series.labels.clone(), times, values, stale: Vec::new() }
}

/// As text in the format of OpenMetrics.
pub(crate) fn as_text(all: &[Series]) -> String {
    let mut text = String::new();
    for series in all {
        let labels = series.labels.to_string().replace("\", ", "\",");
        for (at, time) in series.times.iter().enumerate() {
            let value = number_text(series.values.at(at));
            text.push_str(&format!("{labels} {value} {}.{:03}\n", time / 1000, time % 1000));
        }
    }
    text + "# EOF\n"
}
