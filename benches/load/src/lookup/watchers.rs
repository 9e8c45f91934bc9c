//! Watchers that cost too much: many whom a change does not concern, and one that does not read.

use super::connection::Connection;
use super::load::cost_of_reading;
use super::rates::LONG_LEASES;
use super::server::{Server, Side};
use super::watching::{Changing, Watchers};
use crate::numbers::{at_most, median, quantile, ratio, spread};
use futures_util::future::join_all;
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};

const SIDES: [Side; 2] = [Side::EtcdTmpfs, Side::HedgerowTmpfs];
/// Watchers whom changes concern, each on a connection of its own.
const MATCHING: usize = 10;
/// Watchers whom they do not, on the same connections.
const OTHERS: usize = 990;
/// Times that many and few watch, one after the other, and changes each time.
const ROUNDS: usize = 5;
const CHANGES: usize = 500;
/// How much more many watchers may cost than those whom changes concern.
const MANY_GOAL: f64 = 1.1;
/// Times that a watcher stalls and none does, one after the other; for how long, and how often something changes.
const STALLS: usize = 5;
const STALLED_CHANGES: usize = 2500;
const EVERY: Duration = Duration::from_millis(1);
/// What the other side may send to the stalled watcher before it reads.
const NARROW: u32 = 65_535;
/// How much later others may be told.
const STALLED_GOAL: f64 = 1.1;

struct Running {
    server: Server,
    connection: Connection,
    watching: Vec<Connection>,
    changing: Changing,
}

/// Measures, and writes the sections of the page.
pub async fn run() -> Result<String, String> {
    let mut all = Vec::new();
    for side in SIDES {
        let server = Server::start(side, &LONG_LEASES).await?;
        let connection = server.address.connect().await?;
        let watching = server.address.connections(MATCHING).await?;
        let changing = Changing::register(&server, &connection).await?;
        all.push(Running { server, connection, watching, changing });
    }
    Ok(many(&mut all).await? + &stalled(&mut all).await?)
}

async fn many(all: &mut [Running]) -> Result<String, String> {
    let mut costs = SIDES.map(|_| [Vec::new(), Vec::new()]);
    for _ in 0..ROUNDS {
        for (running, costs) in all.iter_mut().zip(&mut costs) {
            costs[0].push(running.cost().await?);
            let others = (0..OTHERS).map(|n| running.watching[n % MATCHING].watch(Some(SERVICES_END + n)));
            let others: Vec<_> = join_all(others).await.into_iter().collect::<Result<_, _>>()?;
            costs[1].push(running.cost().await?);
            drop(others);
        }
    }
    let mut page = format!(
        "## Watchers whom a change does not concern\n\nµs of the server's CPU for a change that {MATCHING} watchers are told, one after the \
         other, {CHANGES} a round; alone, and with {OTHERS} more whose templates (etcd: prefixes) it does not match, on the same \
         {MATCHING} connections. {ROUNDS} interleaved rounds, medians.\n\n\
         | side | {MATCHING} watch | least–most | {} watch | least–most | ratio |\n|---|---|---|---|---|---|\n",
        MATCHING + OTHERS
    );
    for (side, [few, many]) in SIDES.iter().zip(&costs) {
        let ratio = ratio(many, few);
        let verdict =
            if side.is_ours() { format!(" ({})", at_most(ratio, MANY_GOAL)) } else { String::new() };
        let _ = writeln!(
            page,
            "| {} | {:.0} | {} | {:.0} | {} | {ratio:.2}{verdict} |",
            side.words(),
            median(few.clone()),
            spread(few, 0),
            median(many.clone()),
            spread(many, 0),
        );
    }
    page.push('\n');
    Ok(page)
}

/// The first cell without a service.
const SERVICES_END: usize = super::watching::SERVICES;

impl Running {
    /// CPU for each change, told to those whom it concerns before the next.
    async fn cost(&mut self) -> Result<f64, String> {
        let mut watchers = Watchers::begin(&self.watching).await?;
        let changes = self.changing.next(&self.server, CHANGES);
        let work = async {
            for change in changes {
                let (changed, told) = tokio::join!(
                    self.connection.change(&change.service, change.lease),
                    watchers.all(change.serial)
                );
                changed.and(told)?;
            }
            Ok::<_, String>(())
        };
        Ok(cost_of_reading(&self.server, CHANGES, work).await?.cpu)
    }

    /// Changes at an even rate. Latencies in milliseconds, and by how many bytes the server grew.
    async fn paced(&mut self) -> Result<(Vec<f64>, f64), String> {
        let mut watchers = Watchers::begin(&self.watching).await?;
        let changes = self.changing.next(&self.server, STALLED_CHANGES);
        let first = changes.first().map_or(0, |change| change.serial);
        let before = self.server.memory()?.own;
        let connection = &self.connection;
        let send = async {
            let (mut ticks, mut sent) = (interval(EVERY), Vec::with_capacity(changes.len()));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            for change in &changes {
                ticks.tick().await;
                sent.push(Instant::now());
                connection.change(&change.service, change.lease).await?;
            }
            Ok::<_, String>(sent)
        };
        let receive = async {
            let mut told = Vec::with_capacity(changes.len() * watchers.count());
            for _ in 0..changes.len() * watchers.count() {
                told.push(watchers.next().await?);
            }
            Ok::<_, String>(told)
        };
        let (sent, told) = tokio::join!(send, receive);
        let sent = sent?;
        let grown = self.server.memory()?.own as f64 - before as f64;
        let late = |(serial, at): (u64, Instant)| {
            let sent = sent.get(usize::try_from(serial - first).ok()?)?;
            Some((at - *sent).as_secs_f64() * 1e3)
        };
        Ok((told?.into_iter().filter_map(late).collect(), grown))
    }
}

async fn stalled(all: &mut [Running]) -> Result<String, String> {
    let mut page = format!(
        "## A watcher that does not read\n\n{} changes a second for {:.0} s, told to {MATCHING} watchers on connections of their own; alone, \
         and beside one that takes {NARROW} bytes and then reads no more. Milliseconds from the call to each watcher; memory is what \
         the server grew meanwhile, without pages of files. {STALLS} interleaved rounds, medians.\n\n\
         | side | p99 alone | p99 beside it | ratio | grown alone, KiB | grown beside it, KiB |\n|---|---|---|---|---|---|\n",
        1.0 / EVERY.as_secs_f64(),
        (EVERY * u32::try_from(STALLED_CHANGES).unwrap_or(u32::MAX)).as_secs_f64(),
    );
    let mut seen = SIDES.map(|_| [(); 4].map(|()| Vec::new()));
    for _ in 0..STALLS {
        for (running, seen) in all.iter_mut().zip(&mut seen) {
            let (alone, grown_alone) = running.paced().await?;
            let narrow = running.server.address.connect_narrow(NARROW).await?;
            let stalled = narrow.watch(None).await?;
            let (beside, grown_beside) = running.paced().await?;
            drop(stalled);
            let all = [quantile(&alone, 990), quantile(&beside, 990), grown_alone, grown_beside];
            seen.iter_mut().zip(all).for_each(|(seen, number)| seen.push(number));
        }
    }
    for (side, [alone, beside, grown_alone, grown_beside]) in SIDES.iter().zip(&seen) {
        let ratio = ratio(beside, alone);
        let verdict =
            if side.is_ours() { format!(" ({})", at_most(ratio, STALLED_GOAL)) } else { String::new() };
        let _ = writeln!(
            page,
            "| {} | {:.2} | {:.2} | {ratio:.2}{verdict} | {:.0} | {:.0} |",
            side.words(),
            median(alone.clone()),
            median(beside.clone()),
            median(grown_alone.clone()) / 1024.0,
            median(grown_beside.clone()) / 1024.0,
        );
    }
    page.push('\n');
    Ok(page)
}
