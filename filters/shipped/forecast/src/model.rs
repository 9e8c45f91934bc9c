//! The model: Holt's, a level and a trend; with a season, Holt-Winters', additive. Steps have equal lengths.

use hedgerow_filter::saved;

/// Steps from which a line is drawn at first, where there is no season; with one it is two seasons.
const FIRST: usize = 8;

/// How fast it follows.
#[derive(Debug, Clone, Copy)]
pub struct Smoothing {
    /// Of the level, from 0 to 1.
    pub level: f64,
    /// Of the trend.
    pub trend: f64,
    /// Of the season.
    pub season: f64,
}

/// What is known of a series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Model {
    /// The first steps, until there are enough.
    first: Vec<f64>,
    ready: bool,
    level: f64,
    /// A step.
    trend: f64,
    /// What is added at each step of the season; empty: there is none.
    season: Vec<f64>,
    /// The step that comes next.
    next: u32,
}

saved!(Model { first, ready, level, trend, season, next });

impl Model {
    /// The next step had this value. `season` is its length in steps; 0: there is none.
    pub fn learn(&mut self, value: f64, season: usize, smoothing: Smoothing) {
        if !self.ready {
            self.first.push(value);
            if self.first.len() >= if season == 0 { FIRST } else { 2 * season } {
                self.begin(season);
            }
            return;
        }
        let prior = self.level + self.trend;
        let add = self.season.get(self.next as usize).copied().unwrap_or(0.0);
        let level = smoothing.level * (value - add) + (1.0 - smoothing.level) * prior;
        self.trend = smoothing.trend * (level - self.level) + (1.0 - smoothing.trend) * self.trend;
        self.level = level;
        if let Some(add) = self.season.get_mut(self.next as usize) {
            *add = smoothing.season * (value - prior) + (1.0 - smoothing.season) * *add;
        }
        self.step();
    }

    /// Nothing is known of the next step.
    pub fn skip(&mut self) {
        if self.ready {
            self.level += self.trend;
            self.step();
        } else if let Some(last) = self.first.last().copied() {
            self.first.push(last);
        }
    }

    fn step(&mut self) {
        self.next = if self.next as usize + 1 < self.season.len() { self.next + 1 } else { 0 };
    }

    /// From the first steps: a line through them, or through the means of two seasons, and what is over.
    fn begin(&mut self, season: usize) {
        let first = std::mem::take(&mut self.first);
        self.ready = true;
        let line = if season == 0 {
            Line::through(&first)
        } else {
            let mean = |from: usize| first.iter().skip(from).take(season).sum::<f64>() / season as f64;
            let trend = (mean(season) - mean(0)) / season as f64;
            Line { at_first: mean(0) - trend * (season as f64 - 1.0) / 2.0, trend }
        };
        self.trend = line.trend;
        self.level = line.at(first.len() - 1);
        self.season = vec![0.0; season];
        for (step, value) in first.iter().enumerate().filter(|_| season > 0) {
            self.season[step % season] += (value - line.at(step)) / 2.0;
        }
    }

    /// The value so many steps from now, once enough is known.
    pub fn ahead(&self, steps: usize) -> Option<f64> {
        self.ready.then(|| self.level + self.trend * steps as f64 + self.added(steps))
    }

    fn added(&self, steps: usize) -> f64 {
        let Some(last) = self.season.len().checked_sub(1) else { return 0.0 };
        self.season[(self.next as usize + last + steps) % self.season.len()]
    }

    /// Steps until it is at the limit, from below or from above; 0: it is there already; none: it does not go there.
    pub fn steps_to(&self, limit: f64, from_below: bool) -> Option<f64> {
        let sign = if from_below { 1.0 } else { -1.0 };
        let (limit, level, trend) = (sign * limit, sign * self.level, sign * self.trend);
        if sign * self.ahead(0)? >= limit {
            return Some(0.0);
        }
        if self.season.is_empty() {
            return (trend > 0.0).then(|| (limit - level) / trend);
        }
        // Not before the highest point of the season is there; and once that can be, within one season.
        let highest = self.season.iter().fold(f64::NEG_INFINITY, |highest, add| highest.max(sign * add));
        let earliest = if trend > 0.0 { ((limit - level - highest) / trend).ceil().max(1.0) } else { 1.0 };
        // Where the season stands does not depend on whole seasons.
        let place = |steps: f64| (steps as u64 % self.season.len() as u64) as usize;
        let is_there = |steps: &f64| level + trend * steps + sign * self.added(place(*steps)) >= limit;
        (0..=self.season.len()).map(|more| earliest + more as f64).find(is_there)
    }
}

struct Line {
    at_first: f64,
    trend: f64,
}

impl Line {
    fn at(&self, step: usize) -> f64 {
        self.at_first + self.trend * step as f64
    }

    /// The one of least squares.
    fn through(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let middle = (count - 1.0) / 2.0;
        let mean = values.iter().sum::<f64>() / count;
        let (mut together, mut square) = (0.0, 0.0);
        for (step, value) in values.iter().enumerate() {
            let off = step as f64 - middle;
            together += off * (value - mean);
            square += off * off;
        }
        let trend = together / square;
        Self { at_first: mean - trend * middle, trend }
    }
}

#[cfg(test)]
mod tests;
