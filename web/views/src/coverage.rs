//! What an answer covers: who was asked, who is missing and why. Nothing that is missing is left unsaid.

use crate::column::is_zero;
use hedgerow_client::mesh;
use hedgerow_model::UnixMillis;
use serde::{Deserialize, Serialize};

/// Whom a frame covers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Coverage {
    /// It is complete up to here, Unix ms; of a live view with everybody there: when it was last looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<UnixMillis>,
    /// Farms asked.
    pub asked: u64,
    /// Farms that answer.
    pub answered: u64,
    /// The others.
    pub missing: Vec<Missing>,
    /// More farms that are missing than are named here.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_missing: u64,
    /// Lookups that do not answer: farms that only they know are not asked.
    pub lookups_missing: Vec<MissingLookup>,
    /// No lookup answers, since when (Unix ms): the farms are those known then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_since_ms: Option<UnixMillis>,
    /// Whether everybody answers.
    pub complete: bool,
}

/// A farm that does not answer, or not completely.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Missing {
    /// Its name, as shown.
    pub farm: String,
    /// Why.
    pub why: String,
}

/// A lookup that does not answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MissingLookup {
    /// Its address.
    pub url: String,
    /// Why.
    pub why: String,
}

/// Most missing farms that one frame names; the others are counted.
pub const MAX_NAMED: usize = 200;

impl Coverage {
    /// In order, at most [`MAX_NAMED`] named, `complete` as it follows.
    pub(crate) fn finished(mut self) -> Self {
        self.missing.sort();
        self.missing.dedup();
        self.complete = self.missing.is_empty()
            && self.answered >= self.asked
            && self.lookups_missing.is_empty()
            && self.stale_since_ms.is_none();
        self.more_missing = (self.missing.len().saturating_sub(MAX_NAMED)) as u64;
        self.missing.truncate(MAX_NAMED);
        self
    }

    /// What two answers to parts of one question cover: a farm counts as answering where it answered both.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.as_of = [self.as_of, other.as_of].into_iter().flatten().min();
        self.asked = self.asked.max(other.asked);
        self.missing.extend(other.missing);
        self.lookups_missing = other.lookups_missing;
        self.stale_since_ms = self.stale_since_ms.or(other.stale_since_ms);
        let mut farms: Vec<&str> = self.missing.iter().map(|missing| &*missing.farm).collect();
        farms.sort_unstable();
        farms.dedup();
        self.answered = self.asked.saturating_sub(farms.len() as u64);
        self.finished()
    }

    /// The same but for when that is: what makes a frame worth sending.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        *self == Self { as_of: self.as_of, ..other.clone() }
    }

    /// What a merged answer says of itself.
    pub fn of(coverage: &mesh::Coverage, now: UnixMillis) -> Self {
        let missing = coverage
            .missing
            .iter()
            .map(|missing| Missing { farm: missing.farm.to_string(), why: missing.why.to_string() });
        let lookups_missing = coverage
            .lookups_missing
            .iter()
            .map(|(url, why)| MissingLookup { url: url.clone(), why: why.to_string() })
            .collect();
        let age = coverage.stale_since.map(|age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        Self {
            as_of: coverage.as_of,
            asked: coverage.asked as u64,
            answered: coverage.answered as u64,
            missing: missing.collect(),
            lookups_missing,
            stale_since_ms: age.map(|age| now.saturating_sub(age)),
            ..Self::default()
        }
        .finished()
    }
}
