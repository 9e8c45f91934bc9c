//! What it costs to register, renew, find and watch, beside etcd in the same run, and what many leases, connections and
//! watchers take.
//!
//! Each server is a process of its own on a processor of its own; its processor time and memory are what counts. Both
//! sides hold the same services, as the same bytes, or there is no figure.

mod change;
mod connection;
mod etcd;
mod find;
mod hedgerow;
mod load;
mod many;
mod rates;
mod server;
mod services;
mod watchers;
mod watching;

use crate::machine::{keep_off, load_average, machine, version};
use std::fmt::Write as _;

/// With more at work than this when it begins, times are those of a busy machine.
const QUIET: f64 = 1.0;

const PARTS: [&str; 6] = ["rates", "find", "change", "watchers", "leases", "connections"];

/// Runs the parts named; all without names.
pub async fn run(parts: &[String]) -> Result<String, String> {
    if let Some(other) = parts.iter().find(|part| !PARTS.contains(&part.as_str())) {
        return Err(format!("no part `{other}`: expected {}", PARTS.join(", ")));
    }
    let mut page = format!("# Lookup: `cargo xtask bench lookup`\n\n{}", machine());
    let _ = writeln!(page, "{} {}\n", keep_off()?, about().await);
    let load = load_average();
    let busy = match load <= QUIET {
        true => "",
        false => {
            ": others were at work. Ratios of CPU time hold, milliseconds do not; `find`, `change` and `watchers` are to be run again"
        }
    };
    let _ = writeln!(page, "Load average when it began: {load:.1}{busy}.\n");
    for part in PARTS.into_iter().filter(|part| parts.is_empty() || parts.iter().any(|named| named == part)) {
        page.push_str(&match part {
            "rates" => rates::run().await?,
            "find" => find::run().await?,
            "change" => change::run().await?,
            "watchers" => watchers::run().await?,
            "leases" => many::leases().await?,
            _ => many::connections().await?,
        });
    }
    Ok(page)
}

async fn about() -> String {
    let etcd = version("etcd-server").await;
    format!(
        "etcd {etcd}, one member. CPU is that of the server alone, user and system, all threads. A service is a signed \
         registration with four attributes; etcd holds the same bytes as the value of a key, under a lease of its own.\n\n\
         What each persists: etcd appends every change to a log and syncs it before it answers, and every lease, too; ours \
         are soft state: each signature is checked, and what changed is in a file, and synced, within a second of the \
         answer, many changes at a time; what a power cut takes is registered again. etcd runs with its defaults, \
         and tuned (`--snapshot-count 10000000` and `GOGC=400`, in its environment: no snapshots, less collecting of garbage); ours \
         with its defaults but for longer leases and more registrations."
    )
}
