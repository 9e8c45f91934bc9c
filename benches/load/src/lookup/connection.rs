//! One connection to either side, with the calls that both have.

use super::hedgerow::Token;
use super::services::Service;
use super::{etcd, hedgerow};
use futures_util::stream::BoxStream;
use hedgerow_model::registration::Id;
use tonic::transport::{Channel, Endpoint};

/// A connection. Clones share it.
#[derive(Clone)]
pub enum Connection {
    Etcd(Channel),
    Hedgerow(hedgerow::Client),
}

/// Where a side listens, and with what it is called.
#[derive(Debug, Clone)]
pub struct Address {
    pub url: String,
    /// `None`: etcd, which asks for none here.
    pub token: Option<Token>,
}

impl Address {
    /// Opens a connection.
    pub async fn connect(&self) -> Result<Connection, String> {
        self.open(self.endpoint()?).await
    }

    /// Opens a connection that lets the other side send only this much that is not read.
    pub async fn connect_narrow(&self, window: u32) -> Result<Connection, String> {
        self.open(self.endpoint()?.initial_stream_window_size(window)).await
    }

    /// Opens some.
    pub async fn connections(&self, count: usize) -> Result<Vec<Connection>, String> {
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            connections.push(self.connect().await?);
        }
        Ok(connections)
    }

    fn endpoint(&self) -> Result<Endpoint, String> {
        let endpoint = Endpoint::from_shared(self.url.clone()).map_err(|error| error.to_string())?;
        Ok(endpoint.tcp_nodelay(true))
    }

    async fn open(&self, endpoint: Endpoint) -> Result<Connection, String> {
        let channel = endpoint.connect().await.map_err(|error| format!("{}: {error}", self.url))?;
        Ok(match &self.token {
            None => Connection::Etcd(channel),
            Some(token) => Connection::Hedgerow(hedgerow::client(channel, token.clone())),
        })
    }
}

/// Serials of changes, as a watcher is told them.
pub type Serials = BoxStream<'static, Result<Vec<u64>, String>>;

impl Connection {
    /// A lease for a long time, and the registration under it.
    pub async fn register(&self, service: &Service) -> Result<u64, String> {
        match self {
            Self::Etcd(channel) => etcd::register(channel, service).await,
            Self::Hedgerow(client) => hedgerow::register_long(client, service).await,
        }
    }

    /// A registration in the place of the one before, under the same lease.
    pub async fn change(&self, service: &Service, lease: u64) -> Result<(), String> {
        match self {
            Self::Etcd(channel) => etcd::change(channel, service, lease).await,
            Self::Hedgerow(client) => hedgerow::register_long(client, service).await.map(|_| ()),
        }
    }

    /// Renews each lease once, so many in a message (etcd: always one), `window` messages on their way at most.
    pub async fn renew(&self, leases: &[u64], batch: usize, window: usize) -> Result<(), String> {
        match self {
            Self::Etcd(channel) => etcd::renew(channel, leases, window).await,
            Self::Hedgerow(client) => hedgerow::renew(client, leases, batch, window).await,
        }
    }

    /// Opens a stream of renewals, renews a lease, and keeps the stream.
    pub async fn hold(&self, lease: u64) -> Result<Box<dyn Send>, String> {
        match self {
            Self::Etcd(channel) => etcd::hold(channel, lease).await,
            Self::Hedgerow(client) => hedgerow::hold(client, lease).await,
        }
    }

    /// How many services are registered.
    pub async fn count(&self) -> Result<usize, String> {
        match self {
            Self::Etcd(channel) => etcd::count(channel).await,
            Self::Hedgerow(client) => hedgerow::count(client).await,
        }
    }

    /// The services of a cell, in the order of their ids.
    pub async fn find(&self, cell: usize) -> Result<Vec<Id>, String> {
        match self {
            Self::Etcd(channel) => etcd::find(channel, cell).await,
            Self::Hedgerow(client) => hedgerow::find(client, cell).await,
        }
    }

    /// Watches all services, or something in which nothing happens. The watch has begun when this returns.
    pub async fn watch(&self, elsewhere: Option<usize>) -> Result<Serials, String> {
        match self {
            Self::Etcd(channel) => etcd::watch(channel, elsewhere).await,
            Self::Hedgerow(client) => hedgerow::watch(client, elsewhere).await,
        }
    }
}
