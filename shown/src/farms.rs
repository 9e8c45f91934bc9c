//! How a farm is, by its own account.

use hedgerow_proto::convert::series::epoch_from_wire;
use hedgerow_proto::farm::StatusResponse;
use hedgerow_proto::farm::status_response::Target;
use serde_json::{Value, json};

/// The status as JSON; times are Unix milliseconds, what never was is null.
pub fn object(status: &StatusResponse) -> Value {
    let time = |at: i64| (at != 0).then_some(at);
    let word = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let target = |target: &Target| {
        json!({
            "node": target.node, "address": target.address, "up": target.up,
            "lateness_ms": target.lateness_ms, "duration_ms": target.duration_ms, "samples": target.samples,
            "last_error": word(&target.last_error), "last_error_time": time(target.last_error_ms),
            "last_success_time": time(target.last_success_ms), "probation": target.probation,
        })
    };
    let collectors: Vec<Value> = status
        .collectors
        .iter()
        .map(|collector| {
            json!({
                "name": collector.name, "module": collector.module, "cluster": collector.cluster,
                "period_ms": collector.period_ms, "runs": collector.runs, "skipped": collector.skipped,
                "timeouts": collector.timeouts, "targets": collector.targets.iter().map(target).collect::<Vec<_>>(),
            })
        })
        .collect();
    let cache = status.cache.as_ref().map(|cache| {
        json!({
            "bytes": cache.bytes, "max_bytes": cache.max_bytes, "max_age_ms": cache.max_age_ms,
            "oldest": time(cache.oldest_ms), "days": (cache.days > 0.0).then_some(cache.days),
            "problem": word(&cache.problem),
        })
    });
    let edges: Vec<Value> = status
        .edges
        .iter()
        .map(|edge| {
            json!({
                "name": edge.name, "samples": edge.samples, "passed": edge.passed, "held": edge.held,
                "conflated": edge.conflated, "lost": edge.lost.iter().collect::<std::collections::BTreeMap<_, _>>(),
            })
        })
        .collect();
    let lookups: Vec<Value> = status
        .lookups
        .iter()
        .map(|lookup| {
            json!({
                "url": lookup.url, "registered": lookup.registered,
                "lease_remaining_ms": lookup.lease_remaining_ms, "last_error": word(&lookup.last_error),
            })
        })
        .collect();
    let id = hedgerow_model::registration::Id::from_slice(&status.farm_id).map(|id| id.to_string());
    json!({
        "id": id, "farm": status.farm, "version": status.version,
        "epoch": epoch_from_wire(status.epoch).ok().map(|epoch| epoch.to_string()),
        "number": status.number, "committed": status.committed, "uptime_ms": status.uptime_ms,
        "series": status.series, "stale": status.stale, "ended": status.ended, "subscribers": status.subscribers, "collectors": collectors, "cache": cache,
        "edges": edges, "lookups": lookups, "config_error": word(&status.config_error),
    })
}
