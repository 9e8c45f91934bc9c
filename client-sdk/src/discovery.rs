//! Which lookups there are: configured, named by a domain, announced on the local network, told by one another, remembered
//! from the last time. Everything that talks to lookups follows the set as it is now.
//!
//! A client that knows one lookup comes to know all. Lookups of other meshes are never in the set; what was wrong with
//! them stands in [`Lookups::problems`].

mod asking;
mod core;
mod domain;
mod local_network;

use crate::channel::Caller;
use crate::error::ClientError;
use hedgerow_model::registration::Id;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

pub use self::domain::SRV_SERVICE;
pub use self::local_network::MDNS_SERVICE;

/// Most lookups that are known at a time. With more, the last in the order of [`Source`] are left out, and
/// [`Lookups::problems`] says so.
pub const MAX_LOOKUPS: usize = 64;
/// Most hints that wait to be looked at; further ones are lost, and what they hint at is seen within a minute.
const MAX_HINTS: usize = 64;

/// How a lookup came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Somebody configured it; it is never dropped.
    Configured,
    /// A DNS SRV record `_hedgerow-lookup._tcp.DOMAIN` names it.
    Domain,
    /// It is registered with another lookup.
    Peer,
    /// It announces itself on the local network.
    Mdns,
    /// It was there the last time.
    Remembered,
}

impl Source {
    /// For people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Configured => "configuration",
            Self::Domain => "DNS",
            Self::Peer => "other lookups",
            Self::Mdns => "the local network",
            Self::Remembered => "the last time",
        }
    }
}

/// A lookup, and where it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupAt {
    /// Its address.
    pub url: String,
    /// Its id, once it is known. No two entries have the same.
    pub id: Option<Id>,
    /// How it came to be known; of several ways the first in the order of [`Source`].
    pub source: Source,
}

/// Where lookups are looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Addresses that somebody configured. They are known from the start, and never dropped.
    pub configured: Vec<String>,
    /// A DNS domain whose SRV records `_hedgerow-lookup._tcp.DOMAIN` name lookups.
    pub domain: Option<String>,
    /// The DNS server to ask; `None`: those of the system.
    pub nameserver: Option<SocketAddr>,
    /// Whether to listen to what lookups announce on the local network.
    pub mdns: bool,
    /// Whether an unknown mesh may be that of any lookup that answers, those of the local network and of the last time too.
    /// Otherwise, where some are configured or named by a domain, it is theirs, and nobody else is asked until one of them
    /// has answered.
    pub any_mesh: bool,
    /// Addresses that were known the last time: a way back while no configured one answers.
    pub remembered: Vec<String>,
    /// As of [`LeaseKeeperOptions`](crate::lease::LeaseKeeperOptions): for services; programs that people start have zero.
    pub start_delay: Duration,
}

/// The lookups as they are known now. Cheap to clone; all clones see the same. When the last is dropped, nobody is asked
/// any more.
#[derive(Debug, Clone)]
pub struct Lookups {
    known: watch::Receiver<Arc<[LookupAt]>>,
    said: watch::Receiver<Said>,
    hints: Option<mpsc::Sender<Hint>>,
    _task: Arc<JoinSet<()>>,
}

/// What is said beside the set.
#[derive(Debug, Clone, Default)]
struct Said {
    problems: Arc<[ClientError]>,
    settled: bool,
}

/// Something may have changed.
#[derive(Debug)]
enum Hint {
    Version(String, u64),
    Lost(String),
}

impl Lookups {
    /// These, and never others.
    pub fn fixed<U: Into<String>>(urls: impl IntoIterator<Item = U>) -> Self {
        let at = |url: U| LookupAt { url: url.into(), id: None, source: Source::Configured };
        // Nothing changes: the senders may go.
        Self {
            known: watch::channel(urls.into_iter().map(at).collect()).1,
            said: watch::channel(Said { settled: true, ..Said::default() }).1,
            hints: None,
            _task: Arc::default(),
        }
    }

    /// Looks for lookups in all of `sources` from now on. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Where a configured address is none. What else is wrong is told by [`Self::problems`].
    pub fn start(sources: Sources, caller: Caller) -> Result<Self, ClientError> {
        for url in &sources.configured {
            caller.connect(url)?;
        }
        let (tell_known, known) = watch::channel(Arc::default());
        let (tell_said, said) = watch::channel(Said::default());
        let (hints, hinted) = mpsc::channel(MAX_HINTS);
        let mut task = JoinSet::new();
        let asking = asking::Asking::new(sources, caller, tell_known, tell_said);
        task.spawn(asking.run(hinted));
        Ok(Self { known, said, hints: Some(hints), _task: Arc::new(task) })
    }

    /// Whether they never change.
    pub(crate) fn are_fixed(&self) -> bool {
        self.hints.is_none()
    }

    /// Those known now.
    pub fn known(&self) -> Arc<[LookupAt]> {
        Arc::clone(&self.known.borrow())
    }

    /// Waits until others are known than when this was last called; for ever, where that cannot be.
    pub async fn changed(&mut self) -> Arc<[LookupAt]> {
        if self.known.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        Arc::clone(&self.known.borrow_and_update())
    }

    /// What is wrong now: lookups that do not answer, those of other meshes, sources that cannot be asked, more lookups
    /// than are taken.
    pub fn problems(&self) -> Arc<[ClientError]> {
        Arc::clone(&self.said.borrow().problems)
    }

    /// Waits until every source was asked once and every lookup found so has answered or failed. Takes a few seconds at
    /// most: who wants the first answer only looks at [`Self::known`] as it changes.
    pub async fn settled(&self) {
        let _ = self.said.clone().wait_for(|said| said.settled).await;
    }

    /// The lookup at `url` told this version of the lookups it knows: where it is another than before, it is asked who
    /// they are. Every answer to a registration or renewal carries it.
    pub fn version(&self, url: &str, version: u64) {
        self.hint(|| Hint::Version(url.to_owned(), version));
    }

    /// The connection to the lookup at `url` was lost: whether it still exists, the others are asked.
    pub fn lost(&self, url: &str) {
        self.hint(|| Hint::Lost(url.to_owned()));
    }

    fn hint(&self, hint: impl FnOnce() -> Hint) {
        if let Some(hints) = &self.hints {
            let _ = hints.try_send(hint());
        }
    }
}

impl<U: Into<String>> From<Vec<U>> for Lookups {
    fn from(urls: Vec<U>) -> Self {
        Self::fixed(urls)
    }
}

#[cfg(test)]
mod tests;
