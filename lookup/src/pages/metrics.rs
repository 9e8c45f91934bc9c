//! How a lookup is, as Prometheus reads it. Every name stands in `docs/reference/metrics.md`.

use crate::lookup::LookupStatus;
use hedgerow_service::http::exposition::{Family, FamilyKind, rounded};

/// A lookup of this status.
pub fn families(status: &LookupStatus) -> Vec<Family> {
    let whole = |count: usize| rounded(count as u64);
    let live = status.leases.saturating_sub(status.unconfirmed);
    let (counters, store) = (&status.counters, &status.store);
    let leases = Family::new(
        FamilyKind::Gauge,
        "hedgerow_lookup_leases",
        "Leases held, by how sure the lookup is of each.",
    );
    let leases = leases
        .with(&[("state", "live")], whole(live))
        .with(&[("state", "unconfirmed")], whole(status.unconfirmed));
    let mut families = vec![
        leases,
        Family::gauge("hedgerow_lookup_watchers", "Open watches.", whole(status.watchers)),
        Family::gauge(
            "hedgerow_lookup_uptime_seconds",
            "Since the lookup started.",
            status.uptime.as_secs_f64(),
        ),
    ];
    families.extend(
        [
            (
                "registrations",
                "Registrations taken, those that said nothing new included.",
                counters.registrations,
            ),
            ("registrations_refused", "Registrations refused.", counters.refused),
            ("renewals", "Leases renewed.", counters.renewals),
            ("leases_cancelled", "Leases ended by their service.", counters.cancelled),
            ("leases_expired", "Leases that ran out.", counters.expired),
            (
                "watchers_reset",
                "Watchers who fell behind, or could not resume, and were reset.",
                counters.resets,
            ),
            (
                "stalls",
                "Times the lookup stood still; what it missed was added to all leases.",
                counters.stalls,
            ),
            ("store_written", "Changes committed to the file.", store.written),
            ("store_failures", "Commits that failed, and were tried again.", store.failures),
            ("store_dropped", "Changes that found no room to wait for the file.", store.dropped),
        ]
        .map(|(name, help, count)| Family::counter(&format!("hedgerow_lookup_{name}_total"), help, count)),
    );
    families
}
