//! What is known of one series: its newest sample, its life, how often it comes.

use hedgerow_collect::front_door::OriginId;
use hedgerow_model::{Life, LifeMark, Mark, Position, SeriesDef, SeriesId, UnixMillis, Value};
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

/// The newest sample of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Latest {
    /// Its number in the running epoch.
    pub number: u64,
    /// Its time.
    pub time: UnixMillis,
    /// Its value; of a state with the text known for it.
    pub value: Value,
    /// Its mark.
    pub mark: Option<Mark>,
}

/// What the hub knows of a series.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its id.
    pub id: SeriesId,
    /// Its declaration.
    pub def: Arc<SeriesDef>,
    /// The newest sample of this run; `None`: not heard since the start.
    pub latest: Option<Latest>,
    /// Whether that sample speaks for now.
    pub life: Life,
    /// Why not.
    pub life_reason: Arc<str>,
    /// Known from an earlier run, and neither heard nor told stale in this one.
    pub unconfirmed: bool,
    /// What the stream and the cache were last told of its life.
    pub(in crate::hub) told: Life,
    /// Behind which number it was told not to live any more; `None`: it lives, or that was in a run of which nothing is kept.
    pub(in crate::hub) silent_behind: Option<Position>,
    /// When the last sample came (or the farm started), by the farm's clock.
    pub heard: UnixMillis,
    /// The interval as it shows, where none is declared.
    pub learned: Option<Duration>,
    /// Who declared it in this run.
    pub(in crate::hub) origin: Option<OriginId>,
    /// Its last samples, where they do not come in the order of their times or nobody said how often.
    pub(in crate::hub) recent: Option<Box<Recent>>,
}

impl Known {
    /// A series that is declared now, or is known from an earlier run.
    pub(in crate::hub) fn new(
        id: SeriesId,
        def: SeriesDef,
        origin: Option<OriginId>,
        now: UnixMillis,
    ) -> Self {
        Self {
            id,
            def: Arc::new(def),
            latest: None,
            life: Life::Live,
            life_reason: "".into(),
            unconfirmed: false,
            told: Life::Live,
            silent_behind: None,
            heard: now,
            learned: None,
            origin,
            recent: None,
        }
    }

    /// How often a sample is expected.
    pub fn interval(&self) -> Option<Duration> {
        self.def.interval.or(self.learned)
    }
}

/// No series is stale before three times this, however short its learned interval: pushes come in bursts.
pub const LEARNED_FLOOR: Duration = Duration::from_secs(10);

impl Known {
    /// A sample has come: the series lives. Gives a mark where the stream was told otherwise.
    pub(super) fn revive(&mut self, now: UnixMillis) -> Option<LifeMark> {
        if self.life != Life::Live {
            self.life = Life::Live;
            self.life_reason = "".into();
            self.unconfirmed = false;
        }
        (std::mem::replace(&mut self.told, Life::Live) != Life::Live).then(|| LifeMark {
            series: self.id,
            life: Life::Live,
            time: now,
            after: 0,
            reason: Arc::clone(&self.life_reason),
        })
    }

    /// Its life as those who follow it were told: of a series that only this run has not heard yet, what was said before.
    pub fn told_life(&self) -> Life {
        self.told
    }

    /// Takes note of a sample that came now.
    pub(super) fn note(&mut self, mut sample: Latest, now: UnixMillis) {
        let newer = self.latest.as_ref().is_none_or(|latest| latest.time <= sample.time);
        if self.def.interval.is_none() && self.latest.is_some() {
            self.learn(Duration::from_millis(u64::try_from(now - self.heard).unwrap_or_default()));
        }
        self.heard = now;
        if self.recent.is_some() || !newer || (self.def.interval.is_none() && self.latest.is_some()) {
            let latest = self.latest.as_ref();
            self.recent
                .get_or_insert_with(|| Box::new(Recent::of(latest)))
                .push(sample.time, fingerprint(&sample.value));
        }
        if newer {
            sample.value = self.with_text(sample.value);
            self.latest = Some(sample);
        }
    }

    /// A gap between arrivals counts at once if it is longer than what was learned, and fades with time, not with samples:
    /// so bursts do not hide the pause between them. One long outage does not become the interval.
    fn learn(&mut self, gap: Duration) {
        self.learned = Some(match self.learned {
            None => gap,
            Some(before) => gap.min(4 * before.max(LEARNED_FLOOR)).max(before.saturating_sub(gap / 16)),
        });
    }

    /// The value; of a state that came without its text with the one known for it.
    pub fn with_text(&self, value: Value) -> Value {
        match (value, self.latest.as_ref().map(|latest| &latest.value)) {
            (Value::I64(code), Some(Value::State(before, Some(text)))) if code == *before => {
                Value::State(code, Some(Arc::clone(text)))
            }
            (value, _) => value,
        }
    }

    /// Whether a sample with this time and value was accepted before, as far as is remembered: the newest always, of the
    /// [`RECENT`] last ones those of series whose times came out of order or whose interval nobody declared.
    pub(in crate::hub) fn has(&self, time: UnixMillis, value: &Value) -> bool {
        let Some(latest) = self.latest.as_ref().filter(|latest| time <= latest.time) else { return false };
        let text_changed = match (value, &latest.value) {
            (Value::State(_, Some(text)), Value::State(_, before)) => before.as_ref() != Some(text),
            _ => false,
        };
        let newest = time == latest.time && !text_changed && fingerprint(value) == fingerprint(&latest.value);
        newest
            || self
                .recent
                .as_ref()
                .is_some_and(|recent| !text_changed && recent.has(time, fingerprint(value)))
    }
}

/// How many samples of a series are remembered, to know what is sent again.
pub const RECENT: usize = 8;

/// The last samples of a series: time and fingerprint.
#[derive(Debug, Clone, Default)]
pub struct Recent {
    samples: [(UnixMillis, u64); RECENT],
    count: usize,
}

impl Recent {
    fn of(latest: Option<&Latest>) -> Self {
        let mut recent = Self::default();
        if let Some(latest) = latest {
            recent.push(latest.time, fingerprint(&latest.value));
        }
        recent
    }

    fn push(&mut self, time: UnixMillis, fingerprint: u64) {
        self.samples[self.count % RECENT] = (time, fingerprint);
        self.count += 1;
    }

    fn has(&self, time: UnixMillis, fingerprint: u64) -> bool {
        self.samples[..self.count.min(RECENT)].contains(&(time, fingerprint))
    }
}

/// Numbers bit for bit, of states the code; texts hashed.
fn fingerprint(value: &Value) -> u64 {
    match value {
        Value::F64(value) => value.to_bits(),
        // Apart from the number with the same bits.
        Value::I64(value) | Value::State(value, _) => value.cast_unsigned().rotate_left(17),
        Value::Text(text) => {
            let mut hasher = DefaultHasher::new();
            hasher.write(text.as_bytes());
            hasher.finish()
        }
    }
}
