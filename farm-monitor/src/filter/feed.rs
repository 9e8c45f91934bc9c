//! The input of one deployment: what the hub accepted, in number order, whole batches, always the same ones.
//!
//! First comes what is stored (a [`Walk`] over the cache), then what is new, from the live channel, as long as that is whole;
//! where it is not, from the cache again. Both ways give the same items. Neither makes the hub wait: a feed that is not
//! read falls behind, and past its bound it goes on with what is new, saying how much it left out.

mod series;
mod stored;
mod walk;

pub use stored::Stored;
pub use walk::{LookBack, Walk};

use crate::hub::{Hub, LiveCursor, LiveEntry, LiveItem, PIECE_BYTES, PIECE_SAMPLES};
use hedgerow_cache::{CacheError, Reader};
use hedgerow_model::predicate::PathPattern;
use hedgerow_model::{Epoch, GapReason, Glob, LifeMark, Name, Numbered, Position, SeriesId, UnixMillis};
use series::Wanted;
use std::sync::Arc;
use std::time::Duration;

/// How many samples a feed may be behind the hub, whoever wants them, where its look-back is not counted. Past it the feed
/// skips to what is new, with a gap that says how many of its samples that were.
pub const MAX_BEHIND: u64 = 50_000_000;

/// A live batch near the bound of what a channel has in one piece may be but a part: then the cache gives the whole.
const WHOLE_SAMPLES: usize = PIECE_SAMPLES / 2;
/// As `WHOLE_SAMPLES`, in bytes.
const WHOLE_BYTES: usize = PIECE_BYTES / 2;
/// About how many bytes are taken from the live channel at once.
const LIVE_BYTES: usize = 256 * 1024;

/// Why samples are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Missing {
    /// The farm keeps them no longer.
    Retention,
    /// The feed was too far behind.
    Lag,
    /// The farm lost them.
    Lost,
}

impl From<GapReason> for Missing {
    fn from(reason: GapReason) -> Self {
        match reason {
            GapReason::Retention | GapReason::Quota => Self::Retention,
            GapReason::Lag => Self::Lag,
            GapReason::DiskFull | GapReason::Corruption | GapReason::Crash | GapReason::Other => Self::Lost,
        }
    }
}

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A batch that the hub accepted, restricted to what is wanted.
    Accepted {
        /// The last number of what is wanted of it.
        through: Position,
        /// What matches. None: only the heartbeat was wanted.
        batch: Option<Arc<Numbered>>,
        /// The time of the heartbeat, where it was in it.
        heartbeat: Option<UnixMillis>,
    },
    /// A change in the life of a series that matches.
    Life(Epoch, LifeMark),
    /// Nothing comes of what lies behind the item before, up to and including this number.
    Gap {
        /// The last number of the gap; where it reaches to the end of an epoch, number 0 of the next one.
        through: Position,
        /// Why.
        reason: Missing,
        /// How many samples that match, where known.
        count: Option<u64>,
    },
    /// The declaration of a series that matches changed.
    Redeclared(SeriesId),
}

/// What a feed gives.
#[derive(Debug, Clone)]
pub struct FeedOptions {
    /// Which series: those that match any of these.
    pub patterns: Vec<PathPattern>,
    /// But none of this cluster: its own, so that it never gets what it made itself;
    pub excluded: Vec<Name>,
    /// nor of those that the farm hides.
    pub hidden: Vec<Glob>,
    /// As [`MAX_BEHIND`].
    pub max_behind: u64,
}

/// Where a feed begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Now, after so much history.
    Fresh {
        /// How much; zero: none.
        look_back: Duration,
    },
    /// Behind a number. Changes of life that stand right behind it are all given.
    Behind {
        /// This one.
        position: Position,
        /// As [`Feed::look_back`] said when the deployment was new.
        look_back: Option<LookBack>,
    },
}

/// The input of one deployment.
pub struct Feed {
    hub: Arc<Hub>,
    reader: Reader,
    cursor: LiveCursor,
    wanted: Wanted,
    walk: Walk,
    max_behind: u64,
    /// Everything up to `walk`'s position is given, and the live channel goes on right behind it.
    live: bool,
    /// Numbers of the running epoch up to here went by in the live channel without being given: the cache has them.
    passed: u64,
    /// Declarations may have changed without a word.
    redeclared: bool,
}

impl Feed {
    /// A feed of this hub. What is accepted from now on is not missed, however late it is asked for.
    ///
    /// # Errors
    /// Where the cache cannot be read.
    pub async fn start(hub: Arc<Hub>, options: FeedOptions, start: Start) -> Result<Self, CacheError> {
        let (wanted, patterns) = Wanted::new(&hub, options.patterns, options.excluded, options.hidden);
        let (number, cursor) = hub.admit(&patterns, None);
        let now = Position { epoch: hub.epoch(), number };
        let reader = hub.cache().reader();
        let (position, look_back) = match start {
            Start::Behind { position, look_back } => (position, look_back),
            Start::Fresh { look_back } if look_back.is_zero() => (now, None),
            Start::Fresh { look_back } => {
                let window = i64::try_from(look_back.as_millis()).unwrap_or(i64::MAX);
                let look_back = LookBack { since: hub.now().saturating_sub(window), through: now };
                let reader = reader.clone();
                let first = blocking(move || walk::first_behind(&reader, look_back)).await?;
                (first, Some(look_back))
            }
        };
        let walk = Walk::new(position, look_back);
        let max_behind = options.max_behind;
        Ok(Self { hub, reader, cursor, wanted, walk, max_behind, live: false, passed: 0, redeclared: false })
    }

    /// Behind what it goes on; at first, where it began.
    pub fn position(&self) -> Position {
        self.walk.position()
    }

    /// What of its input is look-back.
    pub fn look_back(&self) -> Option<LookBack> {
        self.walk.look_back()
    }

    /// Whether everything stored has been given.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// Waits for what comes next: some items, at least one. Where it is not waited for to its end, nothing is lost.
    ///
    /// # Errors
    /// Where the cache cannot be read. It may be asked again.
    pub async fn next(&mut self) -> Result<Vec<Item>, CacheError> {
        loop {
            let items = if self.live {
                self.cursor.ready().await;
                self.take_live()
            } else {
                self.take_stored().await?
            };
            if !items.is_empty() {
                return Ok(items);
            }
        }
    }

    async fn take_stored(&mut self) -> Result<Vec<Item>, CacheError> {
        // Read before the series: what is numbered up to here is of series that are known by then.
        let end = self.hub.routed();
        self.wanted.refresh(&self.hub, &self.cursor);
        let (mut walk, reader, max_behind) = (self.walk.clone(), self.reader.clone(), self.max_behind);
        let (series, heartbeat) = (self.wanted.series(), self.wanted.heartbeat());
        let (walk, mut items, all) = blocking(move || {
            let mut items = walk.skip_if_behind(&reader, &series, heartbeat, end, max_behind)?;
            let all = walk.step(&reader, &series, heartbeat, end, &mut items)?;
            Ok((walk, items, all))
        })
        .await?;
        self.walk = walk;
        self.live = all && end.number >= self.passed;
        if std::mem::take(&mut self.redeclared) {
            // Which ones went by unseen.
            items.splice(0..0, self.wanted.all().map(Item::Redeclared));
        }
        if items.is_empty() && all && !self.live {
            // The hub is about to say so: it holds its lock for microseconds.
            tokio::task::yield_now().await;
        }
        Ok(items)
    }

    fn take_live(&mut self) -> Vec<Item> {
        let entries = match self.cursor.take(LIVE_BYTES) {
            Ok((entries, _)) => entries,
            Err(overtaken) => {
                self.live = false;
                self.passed = self.passed.max(overtaken.through);
                self.redeclared |= overtaken.redeclared;
                return Vec::new();
            }
        };
        let mut items = Vec::new();
        for (at, entry) in entries.iter().enumerate() {
            if !self.take_entry(entry, &mut items) {
                self.live = false;
                for entry in &entries[at..] {
                    self.passed = self.passed.max(entry.item.last_number().unwrap_or_default());
                    self.redeclared |= matches!(entry.item, LiveItem::Redeclared(_));
                }
                break;
            }
        }
        items
    }

    /// Adds what an entry of the channel comes to; false where it may be a part only.
    fn take_entry(&mut self, entry: &LiveEntry, items: &mut Vec<Item>) -> bool {
        match &entry.item {
            LiveItem::Redeclared(id) => {
                self.wanted.refresh(&self.hub, &self.cursor);
                if self.wanted.is_wanted(*id) {
                    items.push(Item::Redeclared(*id));
                }
            }
            LiveItem::Life { epoch, mark, id } => {
                self.wanted.refresh(&self.hub, &self.cursor);
                if self.wanted.is_wanted(mark.series) && self.walk.pass_mark(*id, mark) {
                    items.push(Item::Life(*epoch, mark.clone()));
                }
            }
            LiveItem::Batch(numbered) => {
                let last = entry.item.last_number().unwrap_or_default();
                if last <= self.walk.position().number {
                    return true;
                }
                if numbered.batch.len() > WHOLE_SAMPLES || numbered.batch.values.bytes() > WHOLE_BYTES {
                    return false;
                }
                if numbered.batch.series.last() > Some(&self.wanted.classified()) {
                    self.wanted.refresh(&self.hub, &self.cursor);
                }
                items.extend(self.wanted.accepted(Arc::clone(numbered)));
                self.walk.pass(last);
            }
        }
        true
    }
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("walk", &self.walk).field("live", &self.live).finish_non_exhaustive()
    }
}

/// Reading takes a thread that may wait.
pub(super) async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, CacheError> + Send + 'static,
) -> Result<T, CacheError> {
    match tokio::task::spawn_blocking(read).await {
        Ok(answer) => answer,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(CacheError::Closed),
        },
    }
}
