//! Our sides: processes that read all agents, again and again, and say what it took.

use super::figures::{Figures, check};
use super::{ROWS, agents, columns};
use futures_util::stream::{FuturesUnordered, StreamExt, iter};
use hedgerow_collect::snmp::sweep::{Known, Limits, Sweep, Wanted};
use hedgerow_snmp::{Agent, Ask, Engine, EngineOptions, Oid, Request, Secret, Security, Value};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Agents read at once: as many runs as the pool of a farm allows by default.
const AT_ONCE: usize = 64;
/// How long a reading may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// What was read of one agent: number of values, and checksum.
type Sum = (u64, u64);

/// Reads so many cycles, after a first one that is not measured.
pub async fn run(what: &str, targets: &str, cycles: usize) -> Result<Figures, String> {
    let engine = Engine::start(EngineOptions::default()).map_err(|error| error.to_string())?;
    let security = Arc::new(Security::V2c { community: Secret::new("public") });
    let agents: Vec<Agent> = agents::read(targets)?
        .into_iter()
        .map(|address| Agent { address, security: security.clone() })
        .collect();
    let at_once = columns().len();
    let mut readers: Vec<Reader> = match what {
        "ask-packed" => agents.into_iter().map(|agent| Reader::Ask(agent, at_once)).collect(),
        "ask-single" => agents.into_iter().map(|agent| Reader::Ask(agent, 1)).collect(),
        "sweep-packed" => agents.into_iter().map(|agent| Reader::sweep(agent, Limits::default())).collect(),
        "sweep-single" => {
            let limits = Limits { max_names: 1, ..Limits::default() };
            agents.into_iter().map(|agent| Reader::sweep(agent, limits.clone())).collect()
        }
        _ => return Err(format!("no side `{what}`")),
    };
    cycle(&engine, &mut readers).await?;
    let counts = engine.counts();
    let (sent, cpu, begun) = (counts.sent.get(), spent(), Instant::now());
    let (mut values, mut checksum) = (0, 0u64);
    for _ in 0..cycles {
        let (more, sum) = cycle(&engine, &mut readers).await?;
        values += more;
        checksum = checksum.wrapping_add(sum);
    }
    Ok(Figures {
        values,
        checksum,
        requests: counts.sent.get() - sent,
        cpu: spent().saturating_sub(cpu),
        wall: begun.elapsed(),
    })
}

/// CPU time of this process.
pub fn spent() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

async fn cycle(engine: &Engine, readers: &mut [Reader]) -> Result<Sum, String> {
    let mut all = iter(readers.iter_mut().enumerate().map(|(number, reader)| reader.read(engine, number)))
        .buffer_unordered(AT_ONCE);
    let (mut values, mut checksum) = (0, 0u64);
    while let Some(one) = all.next().await {
        let (more, sum) = one?;
        values += more;
        checksum = checksum.wrapping_add(sum);
    }
    Ok((values, checksum))
}

/// How an agent is read.
enum Reader {
    /// By a fixed walk, so many columns in a request: the engine alone.
    Ask(Agent, usize),
    /// By the sweep that collection uses, with what it has learned.
    Sweep(Agent, Arc<Wanted>, Known, Limits),
}

impl Reader {
    fn sweep(agent: Agent, limits: Limits) -> Self {
        let wanted = Wanted { scalars: Vec::new(), tables: vec![columns()] };
        Self::Sweep(agent, Arc::new(wanted), Known::default(), limits)
    }

    async fn read(&mut self, engine: &Engine, number: usize) -> Result<Sum, String> {
        match self {
            Self::Ask(agent, packed) => {
                let (mut values, mut checksum) = (0, 0u64);
                for from in (0..columns().len()).step_by(*packed) {
                    let (more, sum) = walk(engine, agent, number, from, *packed).await?;
                    values += more;
                    checksum = checksum.wrapping_add(sum);
                }
                Ok((values, checksum))
            }
            Self::Sweep(agent, wanted, known, limits) => {
                sweep(engine, agent, number, (wanted, known, limits)).await
            }
        }
    }
}

/// Walks so many columns from one on, all in each request, until each has ended.
async fn walk(
    engine: &Engine,
    agent: &Agent,
    number: usize,
    from: usize,
    many: usize,
) -> Result<Sum, String> {
    let mut open: Vec<(usize, Oid, Oid)> = columns()
        .into_iter()
        .enumerate()
        .skip(from)
        .take(many)
        .map(|(at, column)| (at, column.clone(), column))
        .collect();
    let (mut values, mut checksum) = (0, 0u64);
    while !open.is_empty() {
        let request = Request::GetBulk {
            non_repeaters: 0,
            max_repetitions: u32::try_from(ROWS + 1).unwrap_or_default(),
            oids: open.iter().map(|(.., at)| at.clone()).collect(),
        };
        let deadline = tokio::time::Instant::now() + DEADLINE;
        let reply = engine.ask(agent, request, deadline).await.map_err(|error| error.to_string())?;
        let mut ended = vec![false; open.len()];
        for (place, varbind) in reply.varbinds.into_iter().enumerate() {
            let place = place % open.len();
            let (column, root, at) = &mut open[place];
            if ended[place] || !varbind.oid.starts_with(root) {
                ended[place] = true;
                continue;
            }
            let row = varbind.oid.arcs().last().copied().unwrap_or_default();
            values += 1;
            checksum = checksum.wrapping_add(check(number, *column, row, whole(&varbind.value)?));
            *at = varbind.oid;
        }
        let mut ended = ended.into_iter();
        open.retain(|_| ended.next() == Some(false));
    }
    Ok((values, checksum))
}

type Plan<'a> = (&'a Arc<Wanted>, &'a mut Known, &'a Limits);

async fn sweep(
    engine: &Engine,
    agent: &Agent,
    number: usize,
    (wanted, known, limits): Plan<'_>,
) -> Result<Sum, String> {
    let mut sweep = Sweep::new(wanted.clone(), std::mem::take(known), limits.clone());
    let deadline = tokio::time::Instant::now() + DEADLINE;
    let mut in_flight = FuturesUnordered::new();
    while !sweep.is_done() {
        while let Some((ticket, request)) = sweep.next_request() {
            in_flight.push(async move { (ticket, engine.ask(agent, request, deadline).await) });
        }
        let Some((ticket, answer)) = in_flight.next().await else { break };
        sweep.answered(ticket, answer);
    }
    drop(in_flight);
    let (swept, learned) = sweep.finish();
    *known = learned;
    if let Some(problem) = swept.problems.first() {
        return Err(format!("{problem:?}"));
    }
    let (mut values, mut checksum) = (0, 0u64);
    let rows = swept.tables.iter().flat_map(|table| &table.rows);
    for (index, cells) in rows {
        for (column, value) in cells.iter().enumerate() {
            let Some(value) = value else { continue };
            values += 1;
            let row = index.last().copied().unwrap_or_default();
            checksum = checksum.wrapping_add(check(number, column, row, whole(value)?));
        }
    }
    Ok((values, checksum))
}

fn whole(value: &Value) -> Result<u64, String> {
    match value {
        Value::Integer(number) => Ok(u64::from(number.cast_unsigned())),
        Value::Counter32(number) | Value::Gauge32(number) | Value::TimeTicks(number) => {
            Ok(u64::from(*number))
        }
        Value::Counter64(number) => Ok(*number),
        other => Err(format!("{other:?} is no number")),
    }
}
