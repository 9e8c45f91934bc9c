//! `ewma`: an exponentially weighted moving average of each series, and a state where it goes past a bound or comes back. Little
//! work a sample and next to no output: what is measured of it is what the way into a filter costs. Not shipped.

use hedgerow_filter::{
    Batch, Description, Filter, Load, Millis, Out, Output, Parameters, PerSeries, Sample, Save, Series, saved,
};

/// Version of what [`Ewma`] saves.
const STATE: u32 = 1;

/// What the parameters say.
#[derive(Debug)]
pub struct Settings {
    on: Vec<String>,
    alpha: f64,
    above: f64,
    look_back: Millis,
}

/// The filter.
#[derive(Debug)]
pub struct Ewma {
    settings: Settings,
    each: PerSeries<Average>,
    outputs: PerSeries<Output>,
}

/// One series.
#[derive(Debug, Default)]
struct Average {
    mean: f64,
    past: bool,
}

saved!(Average { mean, past });

impl Filter for Ewma {
    type Settings = Settings;

    fn settings(p: &mut Parameters) -> Settings {
        Settings {
            on: p.texts("on", "Which series.").or(&["*"]),
            alpha: p.number("alpha", "What a new value weighs.").or(0.1),
            above: p.number("above", "The bound.").or(0.9),
            look_back: p.duration("look_back", "How much history comes first.").or("0s"),
        }
    }

    fn describe(settings: &Settings) -> Result<Description, String> {
        let about = "A moving average of each series, and whether it is past a bound.";
        Ok(Description::new("ewma", env!("CARGO_PKG_VERSION"), about)
            .on(&settings.on)
            .look_back(settings.look_back))
    }

    fn configure(settings: Settings, saved: Option<&mut Load>) -> Result<Self, String> {
        let each = match saved {
            Some(saved) => saved.only(STATE).and_then(|()| saved.get())?,
            None => PerSeries::new(),
        };
        Ok(Self { settings, each, outputs: PerSeries::new() })
    }

    fn on_batch(&mut self, batch: &Batch, out: &mut Out) {
        let Settings { alpha, above, .. } = self.settings;
        for Sample { series, time, value } in batch.numbers.iter() {
            let average = self.each.get_or(series, Average::default);
            average.mean += alpha * (*value - average.mean);
            let past = average.mean > above;
            if past != average.past {
                average.past = past;
                let output = *self.outputs.get_or(series, || declared(out.series(series).cloned(), out));
                out.state_of(output, time, i64::from(past), if past { "past" } else { "ok" });
            }
        }
    }

    fn save(&self, to: &mut Save) {
        to.version(STATE);
        to.put(&self.each);
    }
}

fn declared(series: Option<Series>, out: &mut Out) -> Output {
    let Some(series) = series else { return Output::default() };
    out.state(&series.node, &format!("{}_past", series.parameter)).labels_of(&series).declare()
}

hedgerow_filter::export!(Ewma);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hedgerow_filter::Bench;

    #[test]
    fn it_says_when_the_average_goes_past_the_bound_and_comes_back() {
        let mut bench = Bench::<Ewma>::new(r#"{"alpha":0.5,"above":0.6}"#).unwrap();
        let a = bench.series("hosts", "n1", "load");
        assert!(bench.batch(0, &[(a, 1.0)]).is_empty(), "0.5");
        assert_eq!(bench.batch(1, &[(a, 1.0)]).emitted.len(), 1, "0.75");
        bench.restart();
        assert!(bench.batch(2, &[(a, 0.6)]).is_empty(), "0.675");
        assert_eq!(bench.batch(3, &[(a, 0.0)]).emitted.len(), 1, "0.3375");
    }
}
