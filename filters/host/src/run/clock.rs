//! A filter's clock: the farm's heartbeat. Ticks stand at multiples of an interval; hours bound what is emitted.

use hedgerow_model::UnixMillis;

/// Milliseconds of an hour.
const HOUR: i64 = 3_600_000;

/// Makes ticks of heartbeats.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticks {
    /// Every so many milliseconds; 0: never.
    every: i64,
    next: Option<UnixMillis>,
}

impl Ticks {
    pub(super) fn new(tick_ms: u64, next: Option<UnixMillis>) -> Self {
        Self { every: i64::try_from(tick_ms).unwrap_or(i64::MAX), next }
    }

    pub(super) fn next(&self) -> Option<UnixMillis> {
        self.next
    }

    /// The tick that a heartbeat makes due, if any: of several the last. The first heartbeat only sets the grid. So does one that
    /// is more than a whole interval back: the farm's clock was wrong before; one less far back changes nothing.
    pub(super) fn heartbeat(&mut self, time: UnixMillis) -> Option<UnixMillis> {
        if self.every <= 0 {
            return None;
        }
        let reached = time.saturating_sub(time.rem_euclid(self.every));
        match self.next {
            Some(next) if time >= next => {
                self.next = Some(reached.saturating_add(self.every));
                Some(reached)
            }
            Some(next) if time >= next.saturating_sub(self.every.saturating_mul(2)) => None,
            _ => {
                self.next = Some(reached.saturating_add(self.every));
                None
            }
        }
    }
}

/// How much may be emitted in an hour of the heartbeat, and how much has been.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hour {
    pub(super) bound: u64,
    pub(super) hour: i64,
    pub(super) emitted: u64,
}

impl Hour {
    pub(super) fn heartbeat(&mut self, time: UnixMillis) {
        let hour = time.div_euclid(HOUR);
        if hour != self.hour {
            (self.hour, self.emitted) = (hour, 0);
        }
    }

    /// Whether so many samples may be emitted; they are counted if so.
    pub(super) fn takes(&mut self, samples: u64) -> bool {
        let fits = self.emitted.checked_add(samples).is_some_and(|sum| sum <= self.bound);
        self.emitted += if fits { samples } else { 0 };
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_stand_at_multiples_and_several_due_are_one() {
        let mut ticks = Ticks::new(10_000, None);
        let due = |times: &[i64], ticks: &mut Ticks| -> Vec<Option<i64>> {
            times.iter().map(|time| ticks.heartbeat(*time)).collect()
        };
        assert_eq!(due(&[3_000, 9_999], &mut ticks), [None, None]);
        assert_eq!(
            due(&[10_000, 10_500, 47_000, 50_001], &mut ticks),
            [Some(10_000), None, Some(40_000), Some(50_000)]
        );
        assert_eq!(due(&[49_000, 50_500], &mut ticks), [None, None], "a small step back gives no tick twice");
        assert_eq!(
            due(&[9_000, 10_000], &mut ticks),
            [None, Some(10_000)],
            "a clock that was far ahead is put right"
        );
        assert_eq!(Ticks::new(0, None).heartbeat(1), None);
        let mut huge = Ticks::new(u64::MAX, None);
        assert_eq!((huge.heartbeat(5), huge.heartbeat(i64::MAX)), (None, Some(i64::MAX)));
    }

    #[test]
    fn an_hour_takes_what_fits_as_a_whole() {
        let mut hour = Hour { bound: 10, hour: 0, emitted: 0 };
        assert!(hour.takes(8) && !hour.takes(3) && hour.takes(2) && !hour.takes(1));
        hour.heartbeat(HOUR - 1);
        assert!(!hour.takes(1));
        hour.heartbeat(HOUR);
        assert!(hour.takes(10) && !hour.takes(u64::MAX));
    }
}
