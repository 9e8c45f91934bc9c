//! Which lookups there are: configured, named by a domain, announced on the local network, told by one another, remembered
//! from the last time. Everything that talks to lookups follows the set as it is now.

use hedgerow_model::registration::Id;
use std::sync::Arc;
use tokio::sync::watch;

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

/// The lookups as they are known now. Cheap to clone; all clones see the same.
#[derive(Debug, Clone)]
pub struct Lookups {
    known: watch::Receiver<Arc<[LookupAt]>>,
}

impl Lookups {
    /// These, and never others.
    pub fn fixed<U: Into<String>>(urls: impl IntoIterator<Item = U>) -> Self {
        let at = |url: U| LookupAt { url: url.into(), id: None, source: Source::Configured };
        // Nothing changes: the sender may go.
        Self { known: watch::channel(urls.into_iter().map(at).collect()).1 }
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
}
