//! Samples that farms say are missing, where that is within the times of a question; for `warnings`. A farm tells a hole by
//! numbers, in the place where the samples would have come: so the samples around it say when it was.

use super::fetch::MAX_NAMED;
use hedgerow_model::{Gap, GapReason, UnixMillis, moment};
use hedgerow_promql::LOOKBACK_MS;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What was told of holes.
#[derive(Debug)]
pub struct Holes {
    from: UnixMillis,
    farms: BTreeMap<Arc<str>, OfFarm>,
}

/// What one farm told.
#[derive(Debug, Default)]
struct OfFarm {
    /// The oldest and the newest sample so far.
    seen: Option<(UnixMillis, UnixMillis)>,
    /// It keeps no more of something, and no sample had come before.
    shortened: bool,
    holes: BTreeSet<String>,
}

impl Holes {
    /// Of a question for what is not older than this.
    pub fn new(from: UnixMillis) -> Self {
        Self { from, farms: BTreeMap::new() }
    }

    /// Samples of these times came.
    pub fn samples(&mut self, farm: &Arc<str>, times: impl Iterator<Item = UnixMillis>) {
        let of = self.farms.entry(Arc::clone(farm)).or_default();
        for time in times {
            let (oldest, newest) = of.seen.unwrap_or((time, time));
            of.seen = Some((oldest.min(time), newest.max(time)));
        }
    }

    /// The farm told of a hole. What stands before all samples may be older than what was asked for, unless it is what the farm keeps
    /// no more.
    pub fn gap(&mut self, farm: &Arc<str>, gap: &Gap) {
        let of = self.farms.entry(Arc::clone(farm)).or_default();
        let Some((_, newest)) = of.seen else {
            of.shortened |= matches!(gap.reason, GapReason::Retention | GapReason::Quota);
            return;
        };
        if of.holes.len() <= MAX_NAMED {
            let many = gap.count.map_or_else(|| "samples".to_owned(), |count| format!("{count} samples"));
            let when = moment::print(newest);
            of.holes.insert(format!("{many} are missing behind {when} ({})", gap.reason.as_str()));
        }
    }

    /// What is missing, for people.
    pub fn warnings(self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (farm, of) in self.farms {
            let begins = of.seen.map(|(oldest, _)| oldest).filter(|_| of.shortened);
            if let Some(oldest) = begins.filter(|oldest| *oldest > self.from.saturating_add(LOOKBACK_MS)) {
                warnings.push(format!("farm {farm}: nothing is kept from before {}", moment::print(oldest)));
            }
            warnings.extend(of.holes.iter().map(|hole| format!("farm {farm}: {hole}")));
        }
        if warnings.len() > MAX_NAMED {
            let more = warnings.len() - MAX_NAMED;
            warnings.truncate(MAX_NAMED);
            warnings.push(format!("{more} or more holes besides"));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hedgerow_model::{Epoch, GapScope};

    const HOUR: i64 = 3_600_000;

    fn gap(reason: GapReason, count: Option<u64>) -> Gap {
        let epoch = Epoch { start: 1, random: 1 };
        Gap { epoch, scope: GapScope::Farm, from: 1, to: None, count, reason }
    }

    #[test]
    fn what_is_missing_within_the_times_of_the_question_is_told() {
        let (oak, ash): (Arc<str>, Arc<str>) = ("oak".into(), "ash".into());
        let mut holes = Holes::new(0);
        holes.gap(&oak, &gap(GapReason::Retention, Some(9)));
        holes.gap(&ash, &gap(GapReason::Retention, Some(9)));
        holes.gap(&ash, &gap(GapReason::Crash, None));
        holes.samples(&oak, [10, 5].into_iter());
        holes.samples(&ash, [2 * HOUR, HOUR].into_iter());
        holes.gap(&oak, &gap(GapReason::Corruption, Some(3)));
        holes.gap(&oak, &gap(GapReason::Corruption, Some(3)));
        holes.gap(&ash, &gap(GapReason::Crash, None));
        assert_eq!(
            holes.warnings(),
            [
                "farm ash: nothing is kept from before 1970-01-01T01:00:00Z",
                "farm ash: samples are missing behind 1970-01-01T02:00:00Z (crash)",
                "farm oak: 3 samples are missing behind 1970-01-01T00:00:00.010Z (corruption)",
            ]
        );
    }

    #[test]
    fn of_many_holes_some_are_told_and_that_there_are_more() {
        let mut holes = Holes::new(0);
        for farm in 0..30 {
            let farm: Arc<str> = format!("farm{farm}").into();
            holes.samples(&farm, [1].into_iter());
            holes.gap(&farm, &gap(GapReason::Crash, None));
        }
        let warnings = holes.warnings();
        assert_eq!(warnings.len(), MAX_NAMED + 1);
        assert_eq!(warnings.last().map(String::as_str), Some("10 or more holes besides"));
    }
}
