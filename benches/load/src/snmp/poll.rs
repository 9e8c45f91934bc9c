//! The first part: CPU for each million values read, side by side.

use super::agents::Agents;
use super::figures::Figures;
use super::peers::{Exporter, NetSnmp, figures};
use super::{AGENTS, COLUMNS, ROWS};
use crate::machine::version;
use crate::numbers::median;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tokio::process::Command;

/// Times that each side is measured, one after the other.
const ROUNDS: usize = 5;
/// Cycles of a measurement.
const CYCLES: usize = 5;
/// Cycles of a measurement of the exporter, which takes longer.
const EXPORTER_CYCLES: usize = 2;
/// What is to be reached, beside net-snmp at the same shape.
const GOAL: f64 = 0.6;

/// Our sides with what they are compared with: name, words for the page, peer.
const SIDES: [(&str, &str, &str); 5] = [
    (
        "farm",
        "hedgerow, the whole of collection: schedule, pool, module, batches; agents spread over the period",
        "packed",
    ),
    ("sweep-packed", "hedgerow, sweep and engine, 10 columns a request", "packed"),
    ("ask-packed", "hedgerow, engine alone with a fixed walk, 10 columns a request", "packed"),
    ("sweep-single", "hedgerow, sweep and engine, one column a request", "single"),
    ("ask-single", "hedgerow, engine alone with a fixed walk, one column a request", "single"),
];
const PEERS: [(&str, &str); 2] = [
    ("packed", "net-snmp C library, async, 10 columns a request"),
    ("single", "net-snmp C library, async, one column a request"),
];
const EXPORTER: &str = "exporter";

/// Measures, and writes the section of the page.
pub async fn run() -> Result<String, String> {
    let agents = Agents::start(AGENTS, &["--rows", &ROWS.to_string(), "--cap", "1472"]).await?;
    let net_snmp = NetSnmp::compile().await?;
    let exporter = Exporter::start().await?;
    let mut seen: BTreeMap<&str, Vec<Figures>> = BTreeMap::new();
    let file = agents.file();
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    for _ in 0..ROUNDS {
        for (shape, _) in PEERS {
            for (side, ..) in SIDES.iter().filter(|(.., peer)| *peer == shape) {
                let mut command = Command::new(&program);
                command.args(["__snmp", side]).arg(&file).arg(CYCLES.to_string());
                seen.entry(side)
                    .or_default()
                    .push(figures(command).await.map_err(|error| format!("{side}: {error}"))?);
            }
            seen.entry(shape).or_default().push(net_snmp.run(shape, &file, CYCLES).await?);
        }
        let scraped = exporter.run(agents.addresses(), EXPORTER_CYCLES).await?;
        seen.entry(EXPORTER).or_default().push(scraped);
    }
    for (side, runs) in &seen {
        let cycles = if *side == EXPORTER { EXPORTER_CYCLES } else { CYCLES };
        agree(side, runs, cycles, &seen)?;
    }
    Ok(section(&seen).await)
}

/// Each run delivered each value once a cycle, and the same values as the first run of net-snmp.
fn agree(
    side: &str,
    runs: &[Figures],
    cycles: usize,
    seen: &BTreeMap<&str, Vec<Figures>>,
) -> Result<(), String> {
    let sum = |run: &Figures, cycles: usize| (run.values / cycles as u64, run.checksum, cycles as u64);
    let (_, first, first_cycles) = seen
        .get("packed")
        .and_then(|runs| runs.first())
        .map(|run| sum(run, CYCLES))
        .ok_or("no run of net-snmp")?;
    let expected = (AGENTS * ROWS * COLUMNS.len()) as u64;
    for run in runs {
        // Cycles differ in number, and each adds the same to the sum.
        let same = run.checksum.wrapping_mul(first_cycles) == first.wrapping_mul(cycles as u64);
        if run.values != expected * cycles as u64 || !same {
            return Err(format!(
                "{side} delivered other values: {} of {}, checksum {}",
                run.values,
                expected * cycles as u64,
                if same { "right" } else { "wrong" }
            ));
        }
    }
    Ok(())
}

async fn section(seen: &BTreeMap<&str, Vec<Figures>>) -> String {
    let mut page = format!(
        "## Poll stage\n\n{AGENTS} agents × {} columns × {ROWS} rows, replies capped at 1,472 bytes; {ROUNDS} interleaved rounds of {CYCLES} \
         cycles (exporter: {EXPORTER_CYCLES}), medians. Every side delivered the same values (numbers and checksums). net-snmp {}, \
         prometheus-snmp-exporter {}.\n\n| side | CPU-s per million values | least–most | requests per agent and cycle | ratio to net-snmp at the same shape |\n|---|---|---|---|---|\n",
        COLUMNS.len(),
        version("libsnmp-dev").await,
        version("prometheus-snmp-exporter").await,
    );
    let none = Vec::new();
    let of = |side: &str| seen.get(side).unwrap_or(&none);
    let row = |page: &mut String, side: &str, words: &str, ratio: Option<f64>| {
        let costs: Vec<f64> = of(side).iter().map(Figures::cost).collect();
        let (least, most) =
            (costs.iter().copied().fold(f64::INFINITY, f64::min), costs.iter().copied().fold(0.0, f64::max));
        let requests = of(side).first().map_or(0, |run| run.requests) as f64 / (AGENTS * CYCLES) as f64;
        let requests = if requests > 0.0 { format!("{requests:.1}") } else { "–".to_owned() };
        let ratio = ratio.map_or("–".to_owned(), |ratio| {
            let verdict = if ratio <= GOAL { "met" } else { "**missed**" };
            format!("{ratio:.2} (goal ≤ {GOAL}: {verdict})")
        });
        let _ = writeln!(
            page,
            "| {words} | {:.3} | {least:.3}–{most:.3} | {requests} | {ratio} |",
            median(costs)
        );
    };
    for (shape, words) in PEERS {
        row(&mut page, shape, words, None);
        for (side, words, _) in SIDES.iter().filter(|(.., peer)| *peer == shape) {
            let pairs = of(side).iter().zip(of(shape));
            let ratio = median(pairs.map(|(ours, theirs)| ours.cost() / theirs.cost()).collect());
            row(&mut page, side, words, Some(ratio));
        }
    }
    row(&mut page, EXPORTER, "prometheus-snmp-exporter, max-repetitions 25 (its own CPU)", None);
    page.push('\n');
    page
}
