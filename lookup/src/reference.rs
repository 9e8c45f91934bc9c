//! Holds the constants in `docs/reference/lookup.md` against the code.

use crate::directory::Bounds;
use crate::lease_time::{STALL, TICK};
use crate::leases::{ENDED_AT_ONCE, MARKED_AT_ONCE, SUSPECT_TERMS, SUSPICION_LEASES};
use crate::replaced::{MAX_REPLACED, MAX_REPLACED_BYTES, PROOF_APART, REPLACED_KEPT};
use crate::watchers::MAX_WATCHERS;
use hedgerow_model::{duration, lease};

const PAGE: &str = include_str!("../../docs/reference/lookup.md");

/// `1234567` as `1,234,567`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

#[test]
fn the_page_names_the_constants_of_the_code() {
    let bounds = Bounds::default();
    let rate = format!("will bear: {}", grouped(bounds.renewals_per_second as usize));
    let mib = |bytes: usize| format!("{} MiB", bytes >> 20);
    for part in [
        rate,
        format!("clamp(3·N/R, {}, asked)", duration::print(lease::FLOOR).replace('s', " s")),
        format!("full lookup ({} registrations,", grouped(bounds.registrations)),
        format!("every {} ms", TICK.as_millis()),
        format!("more than {} s beyond that", STALL.as_secs()),
        format!("N >= {SUSPICION_LEASES} and"),
        format!("N < {SUSPICION_LEASES} or"),
        format!("renewed + {SUSPECT_TERMS}·granted"),
        format!("At most {} leases are marked", grouped(MARKED_AT_ONCE)),
        format!("ends at most {} leases each time", grouped(ENDED_AT_ONCE)),
        format!("or {} of their bodies", mib(bounds.bytes)),
        format!("at least {} s of running", PROOF_APART.as_secs()),
        format!("remembered for {} h", REPLACED_KEPT.as_secs() / 3600),
        format!("at most {} of them and {}", grouped(MAX_REPLACED), mib(MAX_REPLACED_BYTES)),
        format!("{} transitions or {}", grouped(bounds.log.transitions), mib(bounds.log.bytes)),
        format!("more than {} transitions", grouped(bounds.pending)),
        format!("At most {} watch", grouped(MAX_WATCHERS)),
    ] {
        assert!(PAGE.contains(&part), "{part}");
    }
}
