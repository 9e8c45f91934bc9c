//! A million leases over a hundred connections, and ten thousand connections of one lease each.

use super::connection::{Address, Connection};
use super::hedgerow::{Client, register, renew, status};
use super::load::{SETTLE, cost, cost_of_reading, each};
use super::rates::LONG_LEASES;
use super::server::{Server, Side};
use super::services::service;
use crate::numbers::at_most;
use hedgerow_model::registration::Mesh;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

const LEASES: usize = 1_000_000;
const RELAYS: usize = 100;
/// Memory that each of them may take, in bytes.
const GOAL_EACH: f64 = 400.0;
/// For how long leases are asked.
const ASKED_MS: u64 = 3600 * 1000;
/// Memory that a million leases may take.
const GOAL_MIB: f64 = 450.0;
/// Leases in a message as a relay sends them, and messages on their way.
const BATCH: usize = 1000;
const WINDOW: usize = 16;

const CONNECTIONS: usize = 10_000;
const SIDES: [Side; 2] = [Side::EtcdTmpfs, Side::HedgerowTmpfs];
/// Connections that are being opened at once.
const OPENING: usize = 64;

/// Registers and renews a million, and writes the section of the page.
pub async fn leases() -> Result<String, String> {
    let most = (LEASES + 1000).to_string();
    let server = Server::start(Side::HedgerowDisk, &["--max-registrations", &most]).await?;
    let connections = server.address.connections(RELAYS).await?;
    let clients: Vec<Client> = connections
        .into_iter()
        .filter_map(|connection| match connection {
            Connection::Hedgerow(client) => Some(client),
            Connection::Etcd(_) => None,
        })
        .collect();
    let empty = server.memory()?;
    let mut held = Vec::new();
    let registering = async {
        let mesh = server.mesh.clone();
        let relays = clients.clone().into_iter().enumerate();
        let work = |mesh: Mesh, (at, client): (usize, Client)| relay(mesh, at, client);
        held = each(&[mesh], RELAYS, relays, work).await?;
        Ok::<_, String>(())
    };
    let registered = cost(&server, LEASES, registering).await?;
    let holding = server.memory()?;
    let mut renewed = Vec::new();
    for batch in [1, BATCH] {
        let jobs: Vec<_> = clients.iter().cloned().zip(held.clone()).collect();
        let work = move |(): (), (client, leases): (Client, Vec<u64>)| async move {
            renew(&client, &leases, batch, WINDOW).await
        };
        let work = async { each(&[()], RELAYS, jobs.into_iter(), work).await.map(|_| ()) };
        renewed.push(cost_of_reading(&server, LEASES, work).await?);
    }
    tokio::time::sleep(SETTLE).await;
    let status = status(&clients[0]).await?;
    if status.expired > 0 || usize::try_from(status.leases).is_ok_and(|leases| leases < LEASES) {
        return Err(format!("{} leases are held, {} ran out", status.leases, status.expired));
    }
    let now = server.memory()?;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let each = now.resident.saturating_sub(empty.resident) as f64 / LEASES as f64;
    let mut page = format!(
        "## A million leases\n\n{LEASES} services with four attributes each over {RELAYS} connections, renewed meanwhile; then each once, one a \
         message and {BATCH} a message. Terms as the lookup's default of 10,000 renewals a second makes them; none ran out. On \
         disk.\n\n| | µs CPU each | each second |\n|---|---|---|\n"
    );
    let rows = [
        ("register", registered),
        ("renew, one a message", renewed[0]),
        ("renew, 1,000 a message", renewed[1]),
    ];
    for (words, cost) in rows {
        let _ = writeln!(page, "| {words} | {:.2} | {:.0} |", cost.cpu, cost.rate);
    }
    let _ = writeln!(
        page,
        "\nResident: {:.0} MiB empty, {:.0} when all were registered, {:.0} after the renewals, {:.0} at most ({}); \
         {:.0} bytes a lease, all told ({}).\n",
        mib(empty.resident),
        mib(holding.resident),
        mib(now.resident),
        mib(now.peak),
        at_most(mib(now.peak), GOAL_MIB),
        each,
        at_most(each, GOAL_EACH),
    );
    Ok(page)
}

/// Registers its share over one connection, renewing what it has each third of a term; gives the leases.
async fn relay(mesh: Mesh, at: usize, client: Client) -> Result<Vec<u64>, String> {
    let share = LEASES / RELAYS;
    let (mut leases, mut renewed) = (Vec::with_capacity(share), Instant::now());
    // Of the least that was granted since: terms grow with the number of leases.
    let mut least_ms = u64::MAX;
    for n in at * share..(at + 1) * share {
        let (lease, granted_ms) = register(&client, &service(&mesh, n, 0), ASKED_MS).await?;
        leases.push(lease);
        least_ms = least_ms.min(granted_ms);
        if renewed.elapsed() > Duration::from_millis(least_ms / 3) {
            (renewed, least_ms) = (Instant::now(), granted_ms);
            renew(&client, &leases, BATCH, WINDOW).await?;
        }
    }
    // The others may not be done, and terms are what they were when this was renewed.
    renew(&client, &leases, BATCH, WINDOW).await?;
    Ok(leases)
}

/// Opens ten thousand connections to either side, and writes the section of the page.
pub async fn connections() -> Result<String, String> {
    let files = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files })
        .map_err(|error| error.to_string())?;
    if files.maximum.is_some_and(|most| most < CONNECTIONS as u64 + 1000) {
        return Err(format!("{CONNECTIONS} connections need more open files than {:?}", files.maximum));
    }
    let mut page = format!(
        "## Connections\n\n{CONNECTIONS} connections, each with one lease and its stream of renewals open; what the server grew by.\n\n\
         | side | resident, KiB each | without pages of files | µs CPU to connect, register and renew each |\n|---|---|---|---|\n"
    );
    for side in SIDES {
        let server = Server::start(side, &LONG_LEASES).await?;
        let (before, mesh) = (server.memory()?, server.mesh.clone());
        let mut held = Vec::new();
        let opening = async {
            let work = |(address, mesh): (Address, Mesh), n: usize| async move {
                let connection = address.connect().await?;
                let lease = connection.register(&service(&mesh, n, 0)).await?;
                let stream = connection.hold(lease).await?;
                Ok((connection, stream))
            };
            held = each(&[(server.address.clone(), mesh)], OPENING, 0..CONNECTIONS, work).await?;
            Ok::<_, String>(())
        };
        let cost = cost(&server, CONNECTIONS, opening).await?;
        let after = server.memory()?;
        match held[0].0.count().await? {
            CONNECTIONS => {}
            other => return Err(format!("{} holds {other} services", side.words())),
        }
        let each =
            |after: u64, before: u64| after.saturating_sub(before) as f64 / 1024.0 / CONNECTIONS as f64;
        let _ = writeln!(
            page,
            "| {} | {:.1} | {:.1} | {:.0} |",
            side.words(),
            each(after.resident, before.resident),
            each(after.own, before.own),
            cost.cpu
        );
    }
    page.push('\n');
    Ok(page)
}
