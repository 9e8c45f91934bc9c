//! From a change to those who watch: latency, and what it costs.

use super::connection::Connection;
use super::load::cost_of_reading;
use super::rates::LONG_LEASES;
use super::server::{Server, Side};
use super::watching::{Changing, Watchers};
use crate::numbers::{at_most, median, quantile, ratio, spread};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Instant;

/// Times that each side is measured, one after the other.
const ROUNDS: usize = 5;
/// Watchers, each on a connection of its own, and changes in a round.
const CASES: [(usize, usize); 2] = [(1, 200), (100, 60)];
const SIDES: [Side; 4] = [Side::EtcdDisk, Side::EtcdTmpfs, Side::HedgerowDisk, Side::HedgerowTmpfs];
/// What is to be reached, beside etcd.
const GOAL: f64 = 0.5;

struct Running {
    side: Side,
    server: Server,
    connection: Connection,
    watching: Vec<Connection>,
    changing: Changing,
}

/// What a round showed: milliseconds, and microseconds of the server's CPU for each change.
#[derive(Default)]
struct Seen {
    p50: Vec<f64>,
    p99: Vec<f64>,
    cpu: Vec<f64>,
}

/// Measures, and writes the section of the page.
pub async fn run() -> Result<String, String> {
    let most = CASES.iter().map(|(watchers, _)| *watchers).max().unwrap_or_default();
    let mut all = Vec::new();
    for side in SIDES {
        let server = Server::start(side, &LONG_LEASES).await?;
        let connection = server.address.connect().await?;
        let watching = server.address.connections(most).await?;
        let changing = Changing::register(&server, &connection).await?;
        all.push(Running { side, server, connection, watching, changing });
    }
    let mut seen: BTreeMap<(usize, Side), Seen> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for (watchers, changes) in CASES {
            for running in &mut all {
                let seen = seen.entry((watchers, running.side)).or_default();
                running.measure(watchers, changes, seen).await?;
            }
        }
    }
    Ok(section(&seen))
}

impl Running {
    /// One change after the other, each sent when all were told of the one before.
    async fn measure(&mut self, watchers: usize, changes: usize, seen: &mut Seen) -> Result<(), String> {
        let mut watchers = Watchers::begin(&self.watching[..watchers]).await?;
        let mut latencies = Vec::new();
        let changes = self.changing.next(&self.server, changes);
        let count = changes.len();
        let work = async {
            for change in changes {
                let sent = Instant::now();
                let (changed, told) = tokio::join!(
                    self.connection.change(&change.service, change.lease),
                    watchers.all(change.serial)
                );
                changed?;
                latencies.extend(told?.into_iter().map(|at| (at - sent).as_secs_f64() * 1e3));
            }
            Ok::<_, String>(())
        };
        let cost = cost_of_reading(&self.server, count, work).await?;
        seen.cpu.push(cost.cpu);
        seen.p50.push(quantile(&latencies, 500));
        seen.p99.push(quantile(&latencies, 990));
        Ok(())
    }
}

fn section(seen: &BTreeMap<(usize, Side), Seen>) -> String {
    let mut page = format!(
        "## Change to watchers\n\nFrom the call that changes a registration to each watcher that holds it decoded, in milliseconds; one \
         change after the other ({}). Each watcher has a connection of its own. {ROUNDS} interleaved rounds, medians.\n\n\
         | watchers | side | p50 | least–most | beside etcd | p99 | beside etcd | µs CPU a change |\n|---|---|---|---|---|---|---|---|\n",
        CASES.map(|(watchers, changes)| format!("{changes} a round to {watchers}")).join(", "),
    );
    for ((watchers, side), ours) in seen {
        let etcd = match side {
            Side::HedgerowDisk => seen.get(&(*watchers, Side::EtcdDisk)),
            Side::HedgerowTmpfs => seen.get(&(*watchers, Side::EtcdTmpfs)),
            _ => None,
        };
        let beside = |ours: &[f64], etcd: Option<&Vec<f64>>| {
            etcd.map_or("–".to_owned(), |etcd| {
                let ratio = ratio(ours, etcd);
                format!("{ratio:.2} ({})", at_most(ratio, GOAL))
            })
        };
        let _ = writeln!(
            page,
            "| {watchers} | {} | {:.2} | {} | {} | {:.2} | {} | {:.0} |",
            side.words(),
            median(ours.p50.clone()),
            spread(&ours.p50, 2),
            beside(&ours.p50, etcd.map(|etcd| &etcd.p50)),
            median(ours.p99.clone()),
            beside(&ours.p99, etcd.map(|etcd| &etcd.p99)),
            median(ours.cpu.clone()),
        );
    }
    page.push('\n');
    page
}
