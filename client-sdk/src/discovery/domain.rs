//! Lookups named by DNS: the SRV records `_hedgerow-lookup._tcp.DOMAIN`, asked again as their time to live says.
//!
//! A server that does not answer is said and asked again; what it named last stays until another answer comes.

use crate::backoff::{Backoff, random};
use crate::error::ClientError;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The service under which a domain names its lookups.
pub const SRV_SERVICE: &str = "_hedgerow-lookup._tcp";
/// Records are asked for no more often than this, however short they say they live.
const SHORTEST: Duration = Duration::from_secs(30);
/// And no less often than this: what an administrator changes is seen the same hour.
const LONGEST: Duration = Duration::from_secs(3600);
/// The longest wait after a question that was not answered.
const AFTER_FAILURE: Duration = Duration::from_secs(60);
/// How long one server may take to answer; each is asked twice.
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);

/// What the domain names, as it is known now.
pub(super) struct Domain {
    told: watch::Receiver<Told>,
    _task: JoinSet<()>,
}

#[derive(Debug, Clone, Default)]
struct Told {
    urls: Arc<[String]>,
    problem: Option<ClientError>,
    tried: bool,
}

impl Domain {
    /// Begins to ask, where there is a domain.
    pub(super) fn new(domain: Option<String>, server: Option<SocketAddr>) -> Self {
        let (tell, told) = watch::channel(Told { tried: domain.is_none(), ..Told::default() });
        let mut task = JoinSet::new();
        if let Some(domain) = domain {
            task.spawn(ask(domain, server, tell));
        }
        Self { told, _task: task }
    }

    /// Waits for an answer, and gives the addresses that are named now.
    pub(super) async fn changed(&mut self) -> Arc<[String]> {
        if self.told.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        Arc::clone(&self.told.borrow_and_update().urls)
    }

    /// What is wrong, if anything.
    pub(super) fn problem(&self) -> Option<ClientError> {
        self.told.borrow().problem.clone()
    }

    /// Whether it was asked, and answered or failed, and that was taken in.
    pub(super) fn tried(&self) -> bool {
        !self.told.has_changed().unwrap_or(false) && self.told.borrow().tried
    }
}

async fn ask(domain: String, server: Option<SocketAddr>, tell: watch::Sender<Told>) {
    let mut backoff = Backoff::default();
    loop {
        let answer = resolve(&domain, server).await;
        let wait = match &answer {
            Ok((_, valid)) => {
                backoff.succeeded();
                (*valid).clamp(SHORTEST, LONGEST)
            }
            Err(_) => backoff.failed_within(AFTER_FAILURE, random()).max(Duration::from_secs(1)),
        };
        tell.send_modify(|told| {
            told.tried = true;
            match answer {
                Ok((urls, _)) => (told.urls, told.problem) = (urls.into(), None),
                Err(why) => told.problem = Some(ClientError::Domain { domain: domain.clone(), why }),
            }
        });
        tokio::time::sleep(wait).await;
    }
}

/// The addresses in order, and how long that is true. A domain that has no such records names nobody.
///
/// A resolver is made for each question, so that a change of `/etc/resolv.conf` is followed.
async fn resolve(domain: &str, server: Option<SocketAddr>) -> Result<(Vec<String>, Duration), String> {
    let mut builder = match server {
        None => TokioResolver::builder_tokio().map_err(|error| error.to_string())?,
        Some(server) => {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = server.port();
                connection
            });
            let server = NameServerConfig::new(server.ip(), true, connections.into());
            let config = ResolverConfig::from_name_servers(vec![server]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    builder.options_mut().timeout = ANSWER_PATIENCE;
    builder.options_mut().attempts = 1;
    let resolver = builder.build().map_err(|error| error.to_string())?;
    let name = format!("{SRV_SERVICE}.{}.", domain.trim_end_matches('.'));
    let found = match resolver.srv_lookup(name).await {
        Ok(found) => found,
        Err(error) if says_none(&error) => return Ok((Vec::new(), Duration::ZERO)),
        Err(error) => return Err(error.to_string()),
    };
    let mut valid = LONGEST;
    let mut targets = Vec::new();
    for record in found.answers() {
        if let RData::SRV(srv) = &record.data {
            valid = valid.min(Duration::from_secs(u64::from(record.ttl)));
            let host = srv.target.to_ascii();
            let host = host.trim_end_matches('.');
            // The root as a target says that there is no such service.
            if !host.is_empty() && srv.port > 0 {
                let place = (srv.priority, u16::MAX - srv.weight);
                targets.push((place, format!("http://{host}:{}", srv.port)));
            }
        }
    }
    targets.sort();
    Ok((targets.into_iter().map(|(_, url)| url).collect(), valid))
}

/// Whether that is an answer: there are no such records. A server that fails is none.
fn says_none(error: &NetError) -> bool {
    error.is_nx_domain() || error.is_no_records_found()
}
