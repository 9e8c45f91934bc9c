//! What it costs to read many SNMP agents, beside net-snmp's C library and prometheus-snmp-exporter, and what dead, big and
//! lossy agents cost the others.
//!
//! The agents are simulated, in a process of their own; each side is one, too. All sides must deliver the same values, by
//! number and checksum, or there is no figure.

mod agents;
mod farm;
mod figures;
mod peers;
mod poll;
mod polling;
mod site;

use crate::machine;
pub use farm::collection;
use hedgerow_snmp::Oid;
use std::fmt::Write as _;

/// What each agent is asked: ifHCInOctets, ifHCInUcastPkts, ifHCOutOctets, ifHCOutUcastPkts, ifAdminStatus, ifOperStatus,
/// ifInDiscards, ifInErrors, ifOutDiscards, ifOutErrors.
const COLUMNS: [&[u32]; 10] = [
    &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 6],
    &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 7],
    &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 10],
    &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 11],
    &[1, 3, 6, 1, 2, 1, 2, 2, 1, 7],
    &[1, 3, 6, 1, 2, 1, 2, 2, 1, 8],
    &[1, 3, 6, 1, 2, 1, 2, 2, 1, 13],
    &[1, 3, 6, 1, 2, 1, 2, 2, 1, 14],
    &[1, 3, 6, 1, 2, 1, 2, 2, 1, 19],
    &[1, 3, 6, 1, 2, 1, 2, 2, 1, 20],
];
/// Agents.
const AGENTS: usize = 500;
/// Rows of each.
const ROWS: usize = 20;

/// Runs the parts named; all without names.
pub async fn run(parts: &[String]) -> Result<String, String> {
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|named| named == part);
    if let Some(other) = parts.iter().find(|part| !["poll", "farm"].contains(&part.as_str())) {
        return Err(format!("no part `{other}`: expected poll or farm"));
    }
    let mut page = String::new();
    let _ = writeln!(page, "# SNMP: `cargo xtask bench snmp`\n\n{}", machine::machine());
    if wants("poll") {
        page.push_str(&poll::run().await?);
    }
    if wants("farm") {
        page.push_str(&farm::run().await?);
    }
    Ok(page)
}

/// The process of one of our sides.
pub async fn side(args: &[String]) -> Result<String, String> {
    match args {
        [what, targets, cycles] => {
            let cycles = cycles.parse().map_err(|_| "a number of cycles is expected".to_owned())?;
            let figures = match what.as_str() {
                "farm" => farm::busy(targets, cycles).await?,
                _ => polling::run(what, targets, cycles).await?,
            };
            Ok(figures.line())
        }
        _ => Err("expected SIDE TARGETS CYCLES".to_owned()),
    }
}

fn columns() -> Vec<Oid> {
    COLUMNS.iter().map(|column| Oid::from_slice(column)).collect()
}
