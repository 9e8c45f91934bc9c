//! `expr`: an expression over what came within a window, for each series, node, cluster, value of a label, or all together. No
//! compiler is needed: the expression is a parameter.
//!
//! The window ends with a tick; each begins where the one before ended. What is kept of a series does not grow with its samples.

mod expression;

use hedgerow_filter::{
    Batch, Description, Filter, Gap, Level, Life, LifeChange, Load, Millis, Out, Parameters, PerSeries, Save,
    Series, saved,
};

use expression::{Expression, Of};

/// Version of what [`Expr`] saves; the one before did not say whether the window is whole.
const STATE: u32 = 2;

/// How what a label says is asked for in `by`.
const LABEL: &str = "label:";

/// What the parameters say.
#[derive(Debug)]
pub struct Settings {
    on: Vec<String>,
    expression: Expression,
    by: By,
    window: Millis,
    name: String,
    unit: String,
}

/// What is computed together.
#[derive(Debug, PartialEq)]
enum By {
    Series,
    Node,
    Cluster,
    All,
    Label(String),
}

/// The filter.
#[derive(Debug)]
pub struct Expr {
    settings: Settings,
    each: PerSeries<Watch>,
    /// That a name was never seen has been said.
    told: bool,
    /// The window was seen from its beginning, and nothing of it is missing.
    whole: bool,
    /// That a result is no number has been said.
    told_no_number: bool,
}

/// One series.
#[derive(Debug, Default, Clone, Copy)]
struct Watch {
    /// Time and value; none while the series does not speak.
    newest: Option<(Millis, f64)>,
    /// The newest of the windows before.
    before: Option<(Millis, f64)>,
    window: Window,
}

saved!(Watch { newest, before, window });

/// What came within a window.
#[derive(Debug, Clone, Copy)]
struct Window {
    count: u32,
    sum: f64,
    min: f64,
    max: f64,
}

saved!(Window { count, sum, min, max });

impl Default for Window {
    fn default() -> Self {
        Self { count: 0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl Window {
    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

/// All series of one parameter in a group.
#[derive(Debug, Default, Clone)]
struct Pool {
    window: Window,
    total: f64,
    series: u32,
    rate: Option<f64>,
}

impl Filter for Expr {
    type Settings = Settings;

    fn settings(p: &mut Parameters) -> Settings {
        let on = p.texts("on", "Which series.").or(&["*/hosts/*/*"]);
        let doc = "What to compute of their parameters, as memory_available / memory_total < 0.1.";
        let expression = Expression::parse(&p.text("expr", doc).required());
        let by =
            p.text("by", "What is computed together: series, node, cluster, all, or label:KEY.").or("node");
        let settings = Settings {
            on,
            window: p.duration("window", "Over how long, and how often.").at_least(1_000.0).or("1m"),
            name: p.text("name", "What the result is called.").or("value"),
            unit: p.text("unit", "Its unit.").or(""),
            by: match by.as_str() {
                "series" => By::Series,
                "node" => By::Node,
                "cluster" => By::Cluster,
                "all" => By::All,
                _ => By::Label(by.strip_prefix(LABEL).unwrap_or_default().into()),
            },
            expression: match expression {
                Ok(expression) => expression,
                Err(why) => {
                    p.refuse(["the parameter `expr`: ", &why].concat());
                    Expression::default()
                }
            },
        };
        if settings.by == By::Label(String::new()) {
            p.refuse("the parameter `by`: expected one of series node cluster all, or label:KEY");
        }
        if settings.name.is_empty() {
            p.refuse("the parameter `name`: expected a name");
        }
        settings
    }

    fn describe(settings: &Settings) -> Result<Description, String> {
        let about =
            "An expression over what came within a window: for each series, node, cluster, label, or all.";
        Ok(Description::new("expr", env!("CARGO_PKG_VERSION"), about).on(&settings.on).every(settings.window))
    }

    fn configure(settings: Settings, saved: Option<&mut Load>) -> Result<Self, String> {
        let (each, told, whole, told_no_number) = (PerSeries::new(), false, false, false);
        let mut new = Self { settings, each, told, whole, told_no_number };
        if let Some(saved) = saved {
            let before = saved.either(STATE - 1, STATE)?;
            (new.each, new.told) = (saved.get()?, saved.get()?);
            new.whole = before || saved.get()?;
            new.told_no_number = !before && saved.get()?;
        }
        Ok(new)
    }

    fn on_batch(&mut self, batch: &Batch, out: &mut Out) {
        for sample in batch.numeric().filter(|sample| sample.value.is_finite()) {
            if out.series(sample.series).is_none_or(|series| self.named(series).is_none()) {
                continue;
            }
            let watch = self.each.get_or(sample.series, Watch::default);
            let value = sample.value;
            watch.window.add(Window { count: 1, sum: value, min: value, max: value });
            if watch.newest.is_none_or(|(time, _)| time <= sample.time) {
                watch.newest = Some((sample.time, value));
            }
            // The first of all begins what a rate is taken over.
            watch.before = watch.before.or(watch.newest);
        }
    }

    fn on_life(&mut self, changes: &[LifeChange], _: &mut Out) {
        for change in changes {
            match (change.life, self.each.get_mut(change.series)) {
                (Life::Stale, Some(watch)) => (watch.newest, watch.before) = (None, None),
                (Life::Ended, _) => _ = self.each.remove(change.series),
                _ => {}
            }
        }
    }

    fn on_gap(&mut self, _: Gap, _: &mut Out) {
        self.whole = false;
    }

    fn on_tick(&mut self, time: Millis, out: &mut Out) {
        self.tell_unseen(out);
        if std::mem::replace(&mut self.whole, true) {
            self.tell(time, out);
        }
        for (_, watch) in self.each.iter_mut() {
            watch.before = watch.newest;
            watch.window = Window::default();
        }
    }

    fn save(&self, to: &mut Save) {
        to.version(STATE);
        to.put(&self.each);
        to.put(&self.told);
        to.put(&self.whole);
        to.put(&self.told_no_number);
    }
}

/// Node and labels of an output.
type Group<'a> = (&'a str, &'a [(String, String)]);

impl Expr {
    /// What the window that has ended comes to.
    fn tell(&mut self, time: Millis, out: &mut Out) {
        // The declared series are lent to the groups while `out` is written to.
        let all: Vec<Series> =
            self.each.iter().filter_map(|(handle, _)| out.series(handle).cloned()).collect();
        let mut all: Vec<&Series> = all.iter().filter(|series| self.group(series).is_some()).collect();
        all.sort_unstable_by(|a, b| (self.group(a), a.handle).cmp(&(self.group(b), b.handle)));
        let mut no_number = None;
        let none = vec![Pool::default(); self.settings.expression.names.len()];
        for group in all.chunk_by(|a, b| self.group(a) == self.group(b)) {
            let Some((node, labels)) = group.first().and_then(|first| self.group(first)) else { continue };
            let mut pools = none.clone();
            for series in group {
                self.pour(series, &mut pools);
            }
            let value =
                self.settings.expression.value(|name, of| pools.get(name).and_then(|pool| pool.value(of)));
            let Some(value) = value else { continue };
            if !value.is_finite() {
                no_number = no_number.or(Some(node));
                continue;
            }
            let mut output = out.gauge(node, &self.settings.name).unit(&self.settings.unit);
            for (key, value) in labels {
                output = output.label(key, value);
            }
            let output = output.declare();
            out.number(output, time, value);
        }
        let Some(node) = no_number.filter(|_| !self.told_no_number) else { return };
        let line =
            ["the result is not a number, at ", node, " first: nothing is emitted where it is not"].concat();
        self.told_no_number = true;
        out.log(Level::Warning, &line);
    }

    /// Which of the expression's names it has.
    fn named(&self, series: &Series) -> Option<usize> {
        self.settings.expression.names.iter().position(|name| *name == series.parameter)
    }

    fn group<'a>(&self, series: &'a Series) -> Option<Group<'a>> {
        match &self.settings.by {
            By::Series => Some((&series.node, &series.labels)),
            By::Node => Some((&series.node, &[])),
            By::Cluster => Some((&series.cluster, &[])),
            By::All => Some(("all", &[])),
            By::Label(key) => {
                let at = series.labels.iter().position(|(known, _)| known == key)?;
                Some(("all", &series.labels[at..=at]))
            }
        }
    }

    fn pour(&self, series: &Series, pools: &mut [Pool]) {
        let pool = self.named(series).and_then(|name| pools.get_mut(name));
        let (Some(pool), Some(watch)) = (pool, self.each.get(series.handle)) else { return };
        pool.window.add(watch.window);
        let Some((end, value)) = watch.newest else { return };
        pool.total += value;
        pool.series += 1;
        if let Some((begin, before)) = watch.before.filter(|(begin, _)| *begin < end) {
            let rate = (value - before) * 1000.0 / (end - begin) as f64;
            pool.rate = Some(pool.rate.unwrap_or(0.0) + rate);
        }
    }

    /// Once: a name that no series has is most often a slip.
    fn tell_unseen(&mut self, out: &mut Out) {
        if self.told || out.all_series().next().is_none() {
            return;
        }
        self.told = true;
        for name in &self.settings.expression.names {
            if out.all_series().all(|series| series.parameter != *name) {
                let line = ["no series of those that match is called `", name, "` as yet"].concat();
                out.log(Level::Warning, &line);
            }
        }
    }
}

impl Pool {
    fn value(&self, of: Of) -> Option<f64> {
        let Window { count, sum, min, max } = self.window;
        let some = (count > 0).then_some(());
        match of {
            Of::Newest => (self.series > 0).then(|| self.total / f64::from(self.series)),
            Of::Total => (self.series > 0).then_some(self.total),
            Of::Series => Some(f64::from(self.series)),
            Of::Mean => some.map(|()| sum / f64::from(count)),
            Of::Min => some.map(|()| min),
            Of::Max => some.map(|()| max),
            Of::Sum => some.map(|()| sum),
            Of::Count => Some(f64::from(count)),
            Of::Rate => self.rate,
        }
    }
}

hedgerow_filter::export!(Expr);

#[cfg(test)]
mod tests;
