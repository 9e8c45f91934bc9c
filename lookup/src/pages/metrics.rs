//! How a lookup is, as Prometheus reads it. Every name stands in `docs/reference/metrics.md`.

use crate::lookup::LookupStatus;
use hedgerow_service::http::exposition::{Family, FamilyKind, rounded};

/// A lookup of this status.
pub fn families(status: &LookupStatus) -> Vec<Family> {
    let whole = |count: usize| rounded(count as u64);
    let census = &status.leases;
    let live = census.leases.saturating_sub(census.unconfirmed + census.suspect);
    let (counters, store, documents) = (&status.counters, &status.store, &status.documents);
    let leases = Family::new(
        FamilyKind::Gauge,
        "hedgerow_lookup_leases",
        "Leases held, by how sure the lookup is of each.",
    );
    let leases = leases
        .with(&[("state", "live")], whole(live))
        .with(&[("state", "unconfirmed")], whole(census.unconfirmed))
        .with(&[("state", "suspect")], whole(census.suspect));
    let mut families = vec![
        leases,
        Family::gauge(
            "hedgerow_lookup_leases_overdue",
            "Leases past half their term.",
            whole(census.overdue),
        ),
        Family::gauge(
            "hedgerow_lookup_suspects",
            "1 while the lookup suspects itself or the network, else 0.",
            f64::from(u8::from(census.suspects)),
        ),
        Family::gauge(
            "hedgerow_lookup_renewals_per_second_max",
            "What the lookup will bear: with more leases, it grants longer ones.",
            census.max_renewals_per_second,
        ),
        Family::gauge("hedgerow_lookup_documents", "Signed documents kept.", whole(documents.documents)),
        Family::gauge(
            "hedgerow_lookup_documents_bytes",
            "Bytes of signed documents, and of what they name.",
            rounded(documents.bytes),
        ),
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
            ("cloned", "Services refused because an older holder of their id still renews.", counters.cloned),
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
            ("documents_taken", "Documents that came to stand.", documents.counters.taken),
            ("documents_refused", "Documents and bytes refused.", documents.counters.refused),
            ("documents_dropped", "Documents dropped after their 90 days.", documents.counters.dropped),
            (
                "documents_write_failures",
                "Groups of documents that could not be committed.",
                documents.counters.write_failures,
            ),
            ("store_written", "Changes committed to the file.", store.written),
            ("store_failures", "Commits that failed, and were tried again.", store.failures),
            ("store_dropped", "Changes that found no room to wait for the file.", store.dropped),
        ]
        .map(|(name, help, count)| Family::counter(&format!("hedgerow_lookup_{name}_total"), help, count)),
    );
    families
}
