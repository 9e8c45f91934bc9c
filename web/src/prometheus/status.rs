//! What clients ask of a Prometheus beside samples: who it is, and lists that are empty here.

use super::told::{Refused, told};
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

/// The release of Prometheus whose interface and language this follows. Clients choose by it what they ask.
pub const FOLLOWS: &str = "2.42.0";

#[derive(Serialize)]
struct BuildInfo {
    version: &'static str,
    revision: &'static str,
    branch: &'static str,
    #[serde(rename = "buildUser")]
    build_user: &'static str,
    #[serde(rename = "buildDate")]
    build_date: &'static str,
    #[serde(rename = "goVersion")]
    go_version: &'static str,
}

/// `/status/buildinfo`.
pub fn buildinfo() -> Result<Response, Refused> {
    let build = BuildInfo {
        version: FOLLOWS,
        revision: concat!("hedgerow-", env!("CARGO_PKG_VERSION")),
        branch: "hedgerow",
        build_user: "",
        build_date: "",
        go_version: "",
    };
    told(build, Vec::new())
}

/// What is empty here: there are no rules, targets, and exemplars of Prometheus. `None`: no such page.
pub fn empty(page: &str) -> Option<Result<Response, Refused>> {
    let data = match page {
        "rules" => json!({"groups": []}),
        "alerts" => json!({"alerts": []}),
        "targets" => json!({"activeTargets": [], "droppedTargets": []}),
        "alertmanagers" => json!({"activeAlertmanagers": [], "droppedAlertmanagers": []}),
        "query_exemplars" => json!([]),
        _ => return None,
    };
    Some(told(data, Vec::new()))
}
