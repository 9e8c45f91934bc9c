//! What is expected of a series at each time of the day or week: mean and variance of what came in each part of the season, each
//! season counting as much as another, later ones more once there are many.

use hedgerow_filter::{Millis, saved};

/// Values further off than this many deviations are learnt as if they were so far: one outage does not widen the band for weeks.
const CLIP: f64 = 3.0;
/// A score is not further from 0.
const FURTHEST: f64 = 1_000.0;

/// How a band is learnt.
#[derive(Debug, Clone, Copy)]
pub struct Learning {
    /// Length of a part of the season.
    pub part: Millis,
    /// Parts of a season.
    pub parts: usize,
    /// Seasons after which it is known what is expected.
    pub known_after: u32,
    /// Seasons that are remembered: the newest counts for one in so many.
    pub memory: u32,
    /// A deviation is at least this share of what is expected.
    pub floor: f64,
}

impl Learning {
    /// Length of a part, and how many there are.
    pub fn season(&self) -> (Millis, u64) {
        (self.part, self.parts as u64)
    }
}

/// What is known of one part of the season.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Part {
    mean: f64,
    variance: f64,
    seasons: u32,
}

saved!(Part { mean, variance, seasons });

/// What came in the part that it is now.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Now {
    /// Parts since 1970.
    part: i64,
    count: u32,
    mean: f64,
    /// Sum of squares about the mean.
    squares: f64,
}

saved!(Now { part, count, mean, squares });

/// The band of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    parts: Vec<Part>,
    now: Option<Now>,
}

saved!(Band { parts, now });

/// What a value is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// The middle of the band.
    pub mean: f64,
    /// How far values usually are from it.
    pub deviation: f64,
}

impl Expected {
    /// How many deviations a value is off.
    pub fn score(self, value: f64) -> f64 {
        let off = value - self.mean;
        if off == 0.0 { 0.0 } else { (off / self.deviation).clamp(-FURTHEST, FURTHEST) }
    }
}

impl Part {
    /// What is expected, once enough seasons were seen.
    fn expected(self, learning: &Learning) -> Option<Expected> {
        let deviation = self.variance.sqrt().max(self.mean.abs() * learning.floor);
        (self.seasons >= learning.known_after).then_some(Expected { mean: self.mean, deviation })
    }

    /// One more season: mean and variance of both together, weighed.
    fn learn(&mut self, now: Now, memory: u32) {
        self.seasons = self.seasons.saturating_add(1);
        let weight = 1.0 / f64::from(self.seasons.min(memory));
        let (before, variance) = (self.mean, now.squares / f64::from(now.count));
        self.mean += weight * (now.mean - before);
        let about = |mean: f64| (mean - self.mean) * (mean - self.mean);
        self.variance =
            (1.0 - weight) * (self.variance + about(before)) + weight * (variance + about(now.mean));
    }
}

impl Band {
    /// That knows nothing.
    pub fn new(learning: &Learning) -> Self {
        Self { parts: vec![Part::default(); learning.parts], now: None }
    }

    /// What was expected at that time, before the value is learnt.
    pub fn take(&mut self, time: Millis, value: f64, learning: &Learning) -> Option<Expected> {
        let part = time.div_euclid(learning.part);
        let expected = self.parts.get(place(part, learning))?.expected(learning);
        // What comes late is judged, and not learnt: its part is over.
        if self.now.is_none_or(|now| now.part < part)
            && let Some(done) = self.now.replace(Now { part, ..Now::default() })
            && let Some(known) = self.parts.get_mut(place(done.part, learning))
        {
            known.learn(done, learning.memory);
        }
        if let Some(now) = self.now.as_mut().filter(|now| now.part == part) {
            let value = expected.map_or(value, |Expected { mean, deviation }| {
                value.max(mean - CLIP * deviation).min(mean + CLIP * deviation)
            });
            now.count += 1;
            let before = value - now.mean;
            now.mean += before / f64::from(now.count);
            now.squares += before * (value - now.mean);
        }
        expected
    }
}

fn place(part: i64, learning: &Learning) -> usize {
    let parts = i64::try_from(learning.parts.max(1)).unwrap_or(1);
    usize::try_from(part.rem_euclid(parts)).unwrap_or(0)
}
