//! Carries what the farms tell to a chart's core: the live streams first, then the history of each farm that was admitted.

use super::core::{Asked, Chart};
use super::plan::Plan;
use crate::clock;
use crate::coverage::Coverage;
use crate::views::{Tally, lock};
use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, FuturesUnordered, SelectAll};
use hedgerow_client::directory::Service;
use hedgerow_client::{Mesh, SubscribeOptions, Update};
use hedgerow_model::predicate::PathPattern;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long farms may take to say which series they have. One that takes longer is asked all the same.
const LIST_PATIENCE: Duration = Duration::from_secs(3);
/// After how long a history that failed is asked for again.
const RETRY: Duration = Duration::from_secs(15);
/// Histories that are on their way at a time; the others wait.
const MAX_HISTORIES: usize = 64;

/// Feeds a chart until nobody looks any more.
pub(crate) async fn feed(mesh: Mesh, tally: Arc<Tally>, core: Arc<Mutex<Chart>>) -> String {
    let plan = lock(&core).plan().clone();
    let listed = mesh.with_patience(LIST_PATIENCE).list_series(&plan.predicate.patterns).await.series;
    let (parts, left_out) = plan.taken(&listed, clock::now());
    let back = Plan::look_back(&listed);
    drop(listed);
    lock(&core).asked(left_out);
    if plan.is_past(clock::now()) {
        past(&mesh, &tally, &core, &plan, parts).await;
        return std::future::pending().await;
    }
    live(&mesh, &tally, &core, &plan, parts, back).await
}

/// A chart that lies in the past is one answer.
async fn past(
    mesh: &Mesh,
    tally: &Arc<Tally>,
    core: &Mutex<Chart>,
    plan: &Plan,
    parts: Vec<Vec<PathPattern>>,
) {
    let until = plan.to.unwrap_or_default();
    let mut coverage = Coverage { complete: true, ..Coverage::default() };
    for (part, patterns) in parts.iter().enumerate() {
        let Some(predicate) = plan.history(patterns, clock::now(), until) else { continue };
        let _upstream = tally.upstream();
        let mut answer = mesh.query(&predicate);
        while let Some(update) = answer.next().await {
            lock(core).hear_past(part, &update, clock::now());
        }
        let told = answer.coverage().map(|told| Coverage::of(told, clock::now())).unwrap_or_default();
        coverage = coverage.and(told);
    }
    lock(core).finished(coverage);
}

async fn live(
    mesh: &Mesh,
    tally: &Arc<Tally>,
    core: &Mutex<Chart>,
    plan: &Plan,
    parts: Vec<Vec<PathPattern>>,
    back: Duration,
) -> String {
    let seam = lock(core).seam();
    let mut streams = SelectAll::new();
    let mut upstream = Vec::new();
    for (part, patterns) in parts.iter().enumerate() {
        let stream = mesh.subscribe_with(&plan.live(patterns, seam, back), SubscribeOptions::default());
        streams.push(stream.map(move |update| (part, update)).boxed());
        upstream.push(tally.upstream());
    }
    let mut histories: SelectAll<BoxStream<'static, (Asked, Update)>> = SelectAll::new();
    let mut again = FuturesUnordered::new();
    let mut waiting = Vec::new();
    loop {
        tokio::select! {
            Some((part, update)) = streams.next() => lock(core).hear(part, &update, clock::now()),
            Some((asked, update)) = histories.next() => {
                if matches!(update, Update::Failed(_)) {
                    again.push(later(asked));
                }
                lock(core).hear_history(asked, &update, clock::now());
            }
            Some(asked) = again.next() => lock(core).retry(asked),
            else => return "the stream of the mesh has ended".to_owned(),
        }
        waiting.extend(lock(core).take_wanted());
        while histories.len() < MAX_HISTORIES
            && let Some((asked, service)) = waiting.pop()
        {
            let patterns = parts.get(asked.0).map(Vec::as_slice).unwrap_or_default();
            match history(mesh, plan, patterns, seam, service) {
                Ok(Some(updates)) => histories.push(updates.map(move |update| (asked, update)).boxed()),
                Ok(None) => lock(core).history_ended(asked),
                Err(why) => {
                    lock(core).history_failed(asked, why);
                    again.push(later(asked));
                }
            }
        }
    }
}

async fn later(asked: Asked) -> Asked {
    tokio::time::sleep(RETRY).await;
    asked
}

/// The history of one farm; `None`: there is none to ask for.
fn history(
    mesh: &Mesh,
    plan: &Plan,
    patterns: &[PathPattern],
    seam: i64,
    service: Option<Service>,
) -> Result<Option<BoxStream<'static, Update>>, String> {
    let Some(predicate) = plan.history(patterns, clock::now(), seam) else { return Ok(None) };
    let service = service.ok_or("the farm is not known any more")?;
    mesh.query_at(&service, &predicate).map_err(|error| error.to_string())
}
