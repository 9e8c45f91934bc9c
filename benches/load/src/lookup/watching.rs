//! Some who watch and say when they were told what, and changes to be told of.

use super::connection::Connection;
use super::load::register;
use super::server::Server;
use super::services::{Service, service};
use futures_util::StreamExt as _;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How long a change may take to be told.
const PATIENCE: Duration = Duration::from_secs(30);
/// Services that change, one after the other.
pub const SERVICES: usize = 100;

type Told = Result<(u64, Instant), String>;

/// Watchers of all services. Gone when dropped.
pub struct Watchers {
    told: mpsc::Receiver<Told>,
    count: usize,
    _tasks: JoinSet<()>,
}

impl Watchers {
    /// One on each connection.
    pub async fn begin(connections: &[Connection]) -> Result<Self, String> {
        let (queue, told) = mpsc::channel(64 * 1024);
        let mut tasks = JoinSet::new();
        for connection in connections {
            let (mut serials, queue) = (connection.watch(None).await?, queue.clone());
            tasks.spawn(async move {
                while let Some(message) = serials.next().await {
                    let now = Instant::now();
                    let told: Vec<Told> = match message {
                        Ok(serials) => serials.into_iter().map(|serial| Ok((serial, now))).collect(),
                        Err(error) => vec![Err(error)],
                    };
                    for told in told {
                        if queue.send(told).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
        Ok(Self { told, count: connections.len(), _tasks: tasks })
    }

    /// What one of them is told next, and when it was.
    pub async fn next(&mut self) -> Result<(u64, Instant), String> {
        let told = tokio::time::timeout(PATIENCE, self.told.recv()).await;
        told.map_err(|_| "a watcher is not told of a change")?.ok_or("all watches ended")?
    }

    /// Waits until all of them are told of the change with this serial; when each was.
    pub async fn all(&mut self, serial: u64) -> Result<Vec<Instant>, String> {
        let mut at = Vec::with_capacity(self.count);
        while at.len() < self.count {
            match self.next().await? {
                (told, now) if told == serial => at.push(now),
                (told, _) => return Err(format!("told of change {told} instead of {serial}")),
            }
        }
        Ok(at)
    }

    /// How many watch.
    pub const fn count(&self) -> usize {
        self.count
    }
}

/// Services that change again and again.
pub struct Changing {
    leases: Vec<u64>,
    /// Number of the last change.
    serial: u64,
}

/// A change that is ready to be sent.
pub struct Change {
    pub serial: u64,
    pub service: Service,
    pub lease: u64,
}

impl Changing {
    /// Registers them.
    pub async fn register(server: &Server, connection: &Connection) -> Result<Self, String> {
        let mesh = server.mesh.clone();
        let services = (0..SERVICES).map(move |n| service(&mesh, n, 0));
        let leases = register(std::slice::from_ref(connection), 16, services).await?;
        Ok(Self { leases, serial: 0 })
    }

    /// The next changes, signed.
    pub fn next(&mut self, server: &Server, count: usize) -> Vec<Change> {
        let first = self.serial + 1;
        self.serial += count as u64;
        let change = |serial: u64| {
            let n = serial as usize % SERVICES;
            Change { serial, service: service(&server.mesh, n, serial), lease: self.leases[n] }
        };
        (first..=self.serial).map(change).collect()
    }
}
