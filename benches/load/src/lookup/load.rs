//! Many calls at once, and what they took of the server.

use super::connection::Connection;
use super::server::Server;
use super::services::Service;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long after the last answer a server still writes what came; that counts, too.
pub const SETTLE: Duration = Duration::from_millis(1200);

/// What an operation took.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Microseconds of the server's processor.
    pub cpu: f64,
    /// Operations in a second, as the clients saw it.
    pub rate: f64,
}

/// What `work`, which is so many operations, costs the server, with what it writes afterwards.
pub async fn cost(
    server: &Server,
    operations: usize,
    work: impl Future<Output = Result<(), String>>,
) -> Result<Cost, String> {
    cost_until(server, operations, SETTLE, work).await
}

/// What `work`, which is so many operations that change nothing, costs the server.
pub async fn cost_of_reading(
    server: &Server,
    operations: usize,
    work: impl Future<Output = Result<(), String>>,
) -> Result<Cost, String> {
    cost_until(server, operations, Duration::ZERO, work).await
}

async fn cost_until(
    server: &Server,
    operations: usize,
    settle: Duration,
    work: impl Future<Output = Result<(), String>>,
) -> Result<Cost, String> {
    let (before, begun) = (server.cpu()?, Instant::now());
    work.await?;
    let wall = begun.elapsed();
    tokio::time::sleep(settle).await;
    let cpu = server.cpu()?.saturating_sub(before);
    let operations = operations as f64;
    Ok(Cost { cpu: cpu.as_secs_f64() * 1e6 / operations, rate: operations / wall.as_secs_f64() })
}

/// Does something with each item, `clients` at once, at these places in turn. Gives the results in the order of the items.
pub async fn each<P, T, R, F>(
    places: &[P],
    clients: usize,
    items: impl Iterator<Item = T> + Send + 'static,
    work: impl Fn(P, T) -> F + Clone + Send + 'static,
) -> Result<Vec<R>, String>
where
    P: Clone + Send + 'static,
    T: Send + 'static,
    R: Send + 'static,
    F: Future<Output = Result<R, String>> + Send + 'static,
{
    let items = Arc::new(Mutex::new(items.enumerate()));
    let mut running = JoinSet::new();
    for place in places.iter().cycle().take(clients) {
        let (items, place, work) = (Arc::clone(&items), place.clone(), work.clone());
        let next = move || items.lock().unwrap_or_else(PoisonError::into_inner).next();
        running.spawn(async move {
            let mut done = Vec::new();
            while let Some((at, item)) = next() {
                done.push((at, work(place.clone(), item).await?));
            }
            Ok::<_, String>(done)
        });
    }
    let mut all = Vec::new();
    for done in running.join_all().await {
        all.extend(done?);
    }
    all.sort_unstable_by_key(|(at, _)| *at);
    Ok(all.into_iter().map(|(_, result)| result).collect())
}

/// Registers services; gives their leases.
pub async fn register(
    connections: &[Connection],
    clients: usize,
    services: impl Iterator<Item = Service> + Send + 'static,
) -> Result<Vec<u64>, String> {
    let work = |connection: Connection, service: Service| async move { connection.register(&service).await };
    each(connections, clients, services, work).await
}
