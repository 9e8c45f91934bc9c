//! Samples as lines for people: time, path, value, the columns as wide as what has been seen so far. Streams never wait for
//! a width; a query's first lines do.

use super::clock::Zone;
use super::safe::clean;
use super::table::WIDEST;
use super::{Out, amount, bins};
use hedgerow_client::sample::{BinSet, Sample};
use hedgerow_model::{Kind, SeriesKey};
pub use hedgerow_shown::path;
use std::io;
use unicode_width::UnicodeWidthStr as _;

/// Lines that may wait for their widths.
const MAX_WAITING: usize = 2000;

/// Lines under way.
pub struct Lines {
    zone: Zone,
    width: usize,
    /// Path, time, value.
    waiting: Vec<(String, String, String)>,
}

impl Lines {
    /// None yet.
    pub fn new(zone: Zone) -> Self {
        Self { zone, width: 0, waiting: Vec::new() }
    }

    /// Adds a sample.
    ///
    /// # Errors
    /// Where nobody reads.
    pub fn sample(&mut self, out: &mut Out, sample: &Sample) -> io::Result<()> {
        let series = &sample.series;
        let mut value = amount::of_series(&sample.value, series);
        if let Some(mark) = sample.mark.filter(|_| series.kind == Kind::Counter) {
            value.push_str(&format!(" ({})", mark.as_str()));
        }
        if sample.late {
            value.push_str(" (late)");
        }
        self.add(out, &sample.farm, &series.key, sample.time, &value)
    }

    /// Adds bins.
    ///
    /// # Errors
    /// Where nobody reads.
    pub fn bins(&mut self, out: &mut Out, bins: &BinSet) -> io::Result<()> {
        for (series, aggregates) in bins::rows(bins) {
            let one = |(name, value): &(&'static str, hedgerow_model::Value)| {
                let unit = if *name == "count" { "" } else { &series.unit };
                format!("{name} {}", amount::amount(value, series.kind, unit))
            };
            let values: Vec<String> = aggregates.iter().map(one).collect();
            self.add(out, &bins.farm, &series.key, bins.start, &values.join("  "))?;
        }
        Ok(())
    }

    fn add(&mut self, out: &mut Out, farm: &str, key: &SeriesKey, time: i64, value: &str) -> io::Result<()> {
        let path = clean(&path(farm, key)).into_owned();
        self.waiting.push((path, self.zone.print(time), clean(value).into_owned()));
        if self.waiting.len() >= MAX_WAITING { self.write(out) } else { Ok(()) }
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// Where nobody reads.
    pub fn write(&mut self, out: &mut Out) -> io::Result<()> {
        let widths = self.waiting.iter().map(|(path, _, _)| path.width()).filter(|width| *width <= WIDEST);
        self.width = widths.max().unwrap_or_default().max(self.width);
        for (path, time, value) in self.waiting.drain(..) {
            let padding = " ".repeat(self.width.saturating_sub(path.width()));
            out.line(format!("{time}  {path}{padding}  {value}"))?;
        }
        Ok(())
    }
}
