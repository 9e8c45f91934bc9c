//! Registering and renewing: processor time and rates.

use super::connection::Connection;
use super::load::{Cost, cost, cost_of_reading, each, register};
use super::server::{Server, Side};
use super::services::service;
use crate::numbers::{at_least, median, ratio, spread};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Times that each side is measured, one after the other.
const ROUNDS: usize = 5;
/// Connections to a server.
const CONNECTIONS: usize = 8;
/// Clients that register, each waiting for its answer.
const CLIENTS: usize = 64;
/// Services that are registered in a round.
const REGISTRATIONS: usize = 4_000;
/// Messages with renewals on their way on each connection.
const WINDOW: usize = 64;
/// Leases that last: with so few renewals borne, the longest are granted.
pub const LONG_LEASES: [&str; 2] = ["--max-renewals", "0.001"];

/// What is measured: how etcd is asked, how we are, how many renewals in a message of ours and of all, and the goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Register,
    /// So many leases in a message.
    Renew(usize),
}

impl What {
    const fn words(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Renew(1) => "renew, one lease a message",
            Self::Renew(100) => "renew, 100 a message",
            Self::Renew(_) => "renew, 1,000 a message",
        }
    }

    /// How many times less than etcd it is to cost.
    const fn goal(self) -> f64 {
        match self {
            Self::Register => 4.0,
            Self::Renew(1) => 10.0,
            Self::Renew(_) => 100.0,
        }
    }

    /// What etcd does instead: it renews one lease a message.
    const fn of_etcd(self) -> Self {
        match self {
            Self::Register => Self::Register,
            Self::Renew(_) => Self::Renew(1),
        }
    }

    const fn renewals(self, side: Side) -> usize {
        match self {
            Self::Register => 0,
            _ if !side.is_ours() => 10_000,
            Self::Renew(1) => 400_000,
            Self::Renew(_) => 2_000_000,
        }
    }
}

const SIDES: [Side; 5] =
    [Side::EtcdDisk, Side::EtcdTmpfs, Side::EtcdTuned, Side::HedgerowDisk, Side::HedgerowTmpfs];

struct Running {
    side: Side,
    server: Server,
    connections: Vec<Connection>,
    leases: Vec<u64>,
}

type Seen = BTreeMap<(What, Side), Vec<Cost>>;

/// Measures, and writes the section of the page.
pub async fn run() -> Result<String, String> {
    let mut all = Vec::new();
    for side in SIDES {
        let server = Server::start(side, &LONG_LEASES).await?;
        let connections = server.address.connections(CONNECTIONS).await?;
        all.push(Running { side, server, connections, leases: Vec::new() });
    }
    let mut seen = Seen::new();
    for round in 0..ROUNDS {
        for running in &mut all {
            running.register(round, &mut seen).await?;
        }
        for running in &all {
            running.renew(1, &mut seen).await?;
            if running.side.is_ours() {
                running.renew(100, &mut seen).await?;
                running.renew(1000, &mut seen).await?;
            }
        }
    }
    for running in &all {
        let held = running.connections[0].count().await?;
        if held != ROUNDS * REGISTRATIONS {
            return Err(format!("{} holds {held} services", running.side.words()));
        }
    }
    Ok(section(&seen))
}

impl Running {
    async fn register(&mut self, round: usize, seen: &mut Seen) -> Result<(), String> {
        let numbers = round * REGISTRATIONS..(round + 1) * REGISTRATIONS;
        // Signed before the clock starts.
        let services: Vec<_> = numbers.map(|n| service(&self.server.mesh, n, 0)).collect();
        let mut leases = Vec::new();
        let work = async {
            leases = register(&self.connections, CLIENTS, services.into_iter()).await?;
            Ok::<_, String>(())
        };
        let cost = cost(&self.server, REGISTRATIONS, work).await?;
        self.leases.extend(leases);
        seen.entry((What::Register, self.side)).or_default().push(cost);
        Ok(())
    }

    async fn renew(&self, batch: usize, seen: &mut Seen) -> Result<(), String> {
        let what = What::Renew(batch);
        let each_connection = what.renewals(self.side) / CONNECTIONS;
        let parts: Vec<Vec<u64>> = self
            .leases
            .chunks(self.leases.len().div_ceil(CONNECTIONS))
            .map(|part| part.iter().copied().cycle().take(each_connection).collect())
            .collect();
        let work = move |connection: Connection, leases: Vec<u64>| async move {
            connection.renew(&leases, batch, WINDOW).await
        };
        let work = async { each(&self.connections, CONNECTIONS, parts.into_iter(), work).await.map(|_| ()) };
        let cost = cost_of_reading(&self.server, each_connection * CONNECTIONS, work).await?;
        seen.entry((what, self.side)).or_default().push(cost);
        Ok(())
    }
}

fn section(seen: &Seen) -> String {
    let mut page = format!(
        "## Register and renew\n\n{REGISTRATIONS} registrations a round by {CLIENTS} clients over {CONNECTIONS} connections, one \
         after the other each; etcd: a lease and a put. Renewals pipelined, {WINDOW} messages on their way on each of {CONNECTIONS} \
         streams; etcd knows no more than one lease a message. {ROUNDS} interleaved rounds, medians.\n\n\
         | what | side | µs CPU each | least–most | each second | times less CPU than etcd |\n|---|---|---|---|---|---|\n"
    );
    let none = Vec::new();
    let cpu = |what: What, side: Side| -> Vec<f64> {
        seen.get(&(what, side)).unwrap_or(&none).iter().map(|cost| cost.cpu).collect()
    };
    for ((what, side), costs) in seen {
        let (ours, digits) = (cpu(*what, *side), if matches!(what, What::Renew(_)) { 3 } else { 1 });
        let against = |etcd: Side| ratio(&cpu(what.of_etcd(), etcd), &ours);
        let less = match side {
            Side::HedgerowDisk => Some(("", against(Side::EtcdDisk))),
            Side::HedgerowTmpfs => {
                let (plain, tuned) = (against(Side::EtcdTmpfs), against(Side::EtcdTuned));
                Some(if plain < tuned { ("", plain) } else { (" tuned", tuned) })
            }
            _ => None,
        };
        let less = less.map_or("–".to_owned(), |(which, less)| {
            format!("{less:.1}{which} ({})", at_least(less, what.goal()))
        });
        let rate = median(costs.iter().map(|cost| cost.rate).collect());
        let _ = writeln!(
            page,
            "| {} | {} | {:.digits$} | {} | {rate:.0} | {less} |",
            what.words(),
            side.words(),
            median(ours.clone()),
            spread(&ours, digits),
        );
    }
    page.push('\n');
    page
}
