//! Many services: what memory each takes, and what it costs to find a few among them.

use super::connection::Connection;
use super::load::{Cost, SETTLE, cost_of_reading, register};
use super::rates::LONG_LEASES;
use super::server::{Server, Side};
use super::services::{CELLS, service};
use crate::machine::Memory;
use crate::numbers::{at_least, at_most, median, ratio, spread};
use hedgerow_model::registration::Id;
use std::fmt::Write as _;

/// Services held.
const SERVICES: usize = 100_000;
/// Clients that register them, over so many connections.
const CLIENTS: usize = 128;
const CONNECTIONS: usize = 8;
/// Times that each side is measured, one after the other.
const ROUNDS: usize = 5;
/// Questions in a round of etcd's and of ours.
const QUESTIONS: [usize; 2] = [1, 2000];
const SIDES: [Side; 2] = [Side::EtcdTmpfs, Side::HedgerowTmpfs];
/// Bytes that a lease may take, and how many times faster than etcd we are to find.
const MEMORY_GOAL: f64 = 400.0;
const FIND_GOAL: f64 = 20.0;

struct Held {
    server: Server,
    connection: Connection,
    /// With nothing, with half of them, with all.
    memory: [Memory; 3],
    register: f64,
}

/// Measures, and writes the sections of the page.
pub async fn run() -> Result<String, String> {
    let mut held = Vec::new();
    for side in SIDES {
        held.push(fill(side).await?);
    }
    let mut costs = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        for (at, held) in held.iter().enumerate() {
            costs[at].push(ask(held, round, QUESTIONS[at]).await?);
        }
    }
    Ok(memory_section(&held) + &find_section(&costs))
}

async fn fill(side: Side) -> Result<Held, String> {
    let server = Server::start(side, &LONG_LEASES).await?;
    let connections = server.address.connections(CONNECTIONS).await?;
    let (empty, cpu) = (server.memory()?, server.cpu()?);
    let mut memory = [empty; 3];
    for (half, memory) in memory.iter_mut().skip(1).enumerate() {
        let (mesh, numbers) = (server.mesh.clone(), half * SERVICES / 2..(half + 1) * SERVICES / 2);
        register(&connections, CLIENTS, numbers.map(move |n| service(&mesh, n, 0))).await?;
        tokio::time::sleep(SETTLE).await;
        *memory = server.memory()?;
    }
    let register = server.cpu()?.saturating_sub(cpu).as_secs_f64() * 1e6 / SERVICES as f64;
    let connection = connections[0].clone();
    match connection.count().await? {
        SERVICES => Ok(Held { server, connection, memory, register }),
        other => Err(format!("{} holds {other} services", side.words())),
    }
}

/// Asks for one cell after the other. The answer must be what was registered.
async fn ask(held: &Held, round: usize, questions: usize) -> Result<Cost, String> {
    let work = async {
        for question in 0..questions {
            let cell = (round * 1009 + question * 7) % CELLS;
            let mut found = held.connection.find(cell).await?;
            if question == 0 {
                let numbers = (cell..SERVICES).step_by(CELLS);
                let mut expected: Vec<Id> = numbers.map(|n| service(&held.server.mesh, n, 0).id).collect();
                found.sort_unstable();
                expected.sort_unstable();
                if found != expected {
                    return Err(format!(
                        "found {} services of cell {cell}, other than registered",
                        found.len()
                    ));
                }
            }
        }
        Ok::<_, String>(())
    };
    cost_of_reading(&held.server, questions, work).await
}

fn memory_section(held: &[Held]) -> String {
    let mut page = format!(
        "## Memory a lease\n\n{SERVICES} leases, each with a registration of four attributes: what each of the second half took, and \
         all of them, from a server that holds nothing, with what it keeps of the latest changes, whatever their number.\n\n\
         | side | resident, bytes a further lease | all told, a lease | without pages of files | µs CPU to register each |\n\
         |---|---|---|---|---|\n"
    );
    for (side, Held { memory: [empty, half, all], register, .. }) in SIDES.iter().zip(held) {
        let each = |after: u64, before: u64, count: usize| after.saturating_sub(before) as f64 / count as f64;
        let further = each(all.resident, half.resident, SERVICES / 2);
        let (resident, own) =
            (each(all.resident, empty.resident, SERVICES), each(all.own, empty.own, SERVICES));
        let verdict = match side.is_ours() {
            true => format!(" ({})", at_most(further, MEMORY_GOAL)),
            false => String::new(),
        };
        let words = side.words();
        let _ =
            writeln!(page, "| {words} | {further:.0}{verdict} | {resident:.0} | {own:.0} | {register:.1} |");
    }
    page.push('\n');
    page
}

fn find_section(costs: &[Vec<Cost>; 2]) -> String {
    let mut page = format!(
        "## Find\n\n{} services of {SERVICES}, by a template of kind and two attributes (etcd: all under the prefix, and the client takes \
         those that match), one question after the other, the answer decoded; {ROUNDS} interleaved rounds, medians.\n\n\
         | side | ms | least–most | times faster | µs CPU each | times less CPU |\n|---|---|---|---|---|---|\n",
        SERVICES / CELLS
    );
    let times = |at: usize| -> Vec<f64> { costs[at].iter().map(|cost| 1e3 / cost.rate).collect() };
    let cpu = |at: usize| -> Vec<f64> { costs[at].iter().map(|cost| cost.cpu).collect() };
    for (at, side) in SIDES.iter().enumerate() {
        let (mut faster, mut less) = ("–".to_owned(), "–".to_owned());
        if side.is_ours() {
            let ratio = ratio(&times(0), &times(at));
            faster = format!("{ratio:.0} ({})", at_least(ratio, FIND_GOAL));
            less = format!("{:.0}", crate::numbers::ratio(&cpu(0), &cpu(at)));
        }
        let _ = writeln!(
            page,
            "| {} | {:.3} | {} | {faster} | {:.0} | {less} |",
            side.words(),
            median(times(at)),
            spread(&times(at), 3),
            median(cpu(at)),
        );
    }
    page.push('\n');
    page
}
