//! Asks candidates who they are and whom they know, and tells the set that comes of it: the shell around
//! [`Core`](super::core::Core).

use super::core::{Answer, Core};
use super::domain::Domain;
use super::local_network::LocalNetwork;
use super::{Hint, LookupAt, MAX_LOOKUPS, Said, Source, Sources};
use crate::backoff::random;
use crate::channel::{Caller, Connection, in_time};
use crate::directory::{LOOKUP_KIND, of_kind};
use crate::error::ClientError;
use crate::lease::start;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use hedgerow_model::Template;
use hedgerow_model::registration::{Id, Registration};
use hedgerow_proto::lookup::FindRequest;
use hedgerow_proto::{convert, signed};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// How long a lookup may take for each of the two calls.
const ANSWER_PATIENCE: Duration = Duration::from_secs(3);
/// Most lookups that are asked at once; others wait for their turn.
const MAX_ASKED: usize = 16;
const FIND: &str = "find the other lookups";

pub(super) struct Asking {
    core: Core,
    caller: Caller,
    domain: Domain,
    local: LocalNetwork,
    known: watch::Sender<Arc<[LookupAt]>>,
    said: watch::Sender<Said>,
}

/// All who followed a lookup see in one moment that it is lost: they do not ask the others in one moment.
fn lost_spread(random: u64) -> Duration {
    Duration::from_nanos(random % 2_000_000_000)
}

type Asked = (String, Result<Answer, ClientError>);

impl Asking {
    /// Knows the configured ones at once.
    pub(super) fn new(
        sources: Sources,
        caller: Caller,
        known: watch::Sender<Arc<[LookupAt]>>,
        said: watch::Sender<Said>,
    ) -> Self {
        let now = Instant::now();
        let named = !(sources.any_mesh || sources.configured.is_empty() && sources.domain.is_none());
        let mut core = Core::new(&sources.configured, &sources.remembered, named, now);
        core.hold_back(now + start::delay(sources.start_delay, random()));
        caller.names(core.named());
        let domain = Domain::new(sources.domain, sources.nameserver);
        let mut asking = Self { core, caller, domain, local: LocalNetwork::new(sources.mdns), known, said };
        asking.tell();
        asking
    }

    /// Asks until nobody wants to know any more.
    pub(super) async fn run(mut self, mut hints: mpsc::Receiver<Hint>) {
        let mut asked: FuturesUnordered<BoxFuture<'static, Asked>> = FuturesUnordered::new();
        loop {
            let now = Instant::now();
            while asked.len() < MAX_ASKED
                && let Some(url) = self.core.ask(now, self.caller.mesh().is_some())
            {
                asked.push(Box::pin(ask(self.caller.clone(), url)));
            }
            self.tell();
            let next = self.core.next(self.caller.mesh().is_some()).filter(|_| asked.len() < MAX_ASKED);
            let timer = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some((url, answer)) = asked.next() => match answer {
                    Ok(answer) => self.core.answered(&url, Instant::now(), answer, random()),
                    Err(error) => self.core.failed(&url, Instant::now(), error, random()),
                },
                urls = self.domain.changed() => {
                    self.core.names(Source::Domain, &urls, Instant::now());
                    self.caller.names(self.core.named());
                }
                urls = self.local.changed(&self.caller) => self.core.names(Source::Mdns, &urls, Instant::now()),
                hint = hints.recv() => match hint {
                    Some(Hint::Version(url, version)) => self.core.version(&url, version, Instant::now()),
                    Some(Hint::Lost(url)) => self.core.lost(&url, Instant::now() + lost_spread(random())),
                    None => return,
                },
                () = timer => {}
            }
        }
    }

    /// Tells what has changed, and nothing where nothing has.
    fn tell(&mut self) {
        let known = self.core.known();
        self.known.send_if_modified(|told| {
            let changed = **told != *known;
            if changed {
                *told = known.into();
            }
            changed
        });
        let mut problems = self.core.problems();
        problems.extend(self.domain.problem());
        problems.extend(self.local.problems());
        let settled =
            self.core.tried(self.caller.mesh().is_some()) && self.domain.tried() && self.local.tried();
        self.said.send_modify(|said| {
            said.settled |= settled;
            said.problems = problems.into();
        });
    }
}

/// Greets whoever listens at `url`, and asks for the lookups registered there. On a connection of its own: it is made once
/// a minute, and a lookup holds one less for each of its clients.
async fn ask(caller: Caller, url: String) -> Asked {
    let answer = async {
        let lookup = caller.connect(&url)?;
        let status = lookup.greet(&caller, ANSWER_PATIENCE).await?;
        let id = Id::from_slice(&status.lookup_id).ok_or_else(|| ClientError::Wire {
            at: url.clone(),
            error: hedgerow_proto::WireError::new("lookup_id", "expected 16 bytes"),
        })?;
        let finding = tokio::time::timeout(ANSWER_PATIENCE, peers(&lookup, &caller)).await;
        let at = url.clone();
        let late = ClientError::TimedOut { tried: FIND, at, within: ANSWER_PATIENCE };
        // Pages without end end here, too.
        let mut peers = finding.unwrap_or(Err(late))?;
        peers.retain(|(peer, _)| *peer != id);
        Ok(Answer { id, peers })
    };
    let answer = answer.await;
    (url, answer)
}

/// The lookups that are registered there: signed, of our mesh, and with an address that needs no relay. Others are not
/// believed, and not followed.
async fn peers(lookup: &Connection, caller: &Caller) -> Result<Vec<(Id, Vec<String>)>, ClientError> {
    let mut request = FindRequest {
        template: Some(convert::template::to_wire(&of_kind(LOOKUP_KIND, &Template::default()))),
        ..FindRequest::default()
    };
    let mut held = Vec::new();
    // One more than is taken, so that it shows.
    while held.len() <= MAX_LOOKUPS {
        let mut client = lookup.lookup();
        let call = client.find(request.clone());
        let found = in_time(FIND, lookup.url(), ANSWER_PATIENCE, call).await?.into_inner();
        held.extend(found.held);
        if found.cursor.is_empty() {
            break;
        }
        request.cursor = found.cursor;
    }
    let mesh = caller.mesh().map(|mesh| mesh.id);
    let believed = |held: hedgerow_proto::lookup::Held| -> Option<Registration> {
        let registration = signed::open_registration(&held.registration?).ok()?;
        (Some(registration.mesh.id) == mesh && registration.kind == LOOKUP_KIND).then_some(registration)
    };
    let peer = |said: Registration| {
        let direct = said.endpoints.into_iter().filter(|endpoint| endpoint.via_relay.is_none());
        let urls = direct.map(|endpoint| endpoint.url).filter(|url| caller.connect(url).is_ok());
        (said.id, urls.collect())
    };
    // More in one page are as many too many, and verifying them takes its time.
    held.truncate(MAX_LOOKUPS + 1);
    Ok(held.into_iter().filter_map(believed).map(peer).collect())
}
