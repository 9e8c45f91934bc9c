//! Carrying: what one lookup lacks and another has is offered to it, its bytes first.
//!
//! Every reader of a mesh could do it, and one is enough. So each waits for a random while, and then looks whether it is
//! still needed: the lookup's own stream has told by then what others carried meanwhile.

use super::at_lookup::{As, Taken, give, give_bytes};
use super::reader::Shared;
use crate::backoff::{Backoff, random};
use crate::channel::Connection;
use crate::error::ClientError;
use hedgerow_proto::signed::SignedDocument;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tonic::Code;

/// For how long a document is not offered again to a lookup that refused it.
const REFUSED_FOR: Duration = Duration::from_secs(600);

/// Carries to one lookup, for ever.
pub async fn carry(shared: &Shared, lookup: &Connection) {
    let mut versions = shared.version.subscribe();
    let mut backoff = Backoff::default();
    loop {
        versions.borrow_and_update();
        if shared.owed(lookup.url()).is_empty() {
            // Or what was refused is to be tried again.
            let _ = tokio::time::timeout(REFUSED_FOR, versions.changed()).await;
            continue;
        }
        let spread = u64::try_from(shared.options.spread.as_nanos()).unwrap_or(u64::MAX).max(1);
        tokio::time::sleep(Duration::from_nanos(random() % spread)).await;
        match carry_all(shared, lookup).await {
            Ok(()) => backoff.succeeded(),
            Err(error) if is_access(&error) => tokio::time::sleep(REFUSED_FOR).await,
            Err(error) => {
                let wait = backoff.failed(random()).max(error.retry_after().unwrap_or_default());
                tokio::time::sleep(wait).await;
            }
        }
    }
}

/// In no particular order, so that two who do it at once share the work.
async fn carry_all(shared: &Shared, lookup: &Connection) -> Result<(), ClientError> {
    let mut owed = shared.owed(lookup.url());
    let first = usize::try_from(random() % owed.len().max(1) as u64).unwrap_or(0);
    owed.rotate_left(first);
    for document in owed {
        if !shared.merge().still_owed(lookup.url(), &document) {
            continue;
        }
        match carry_one(shared, lookup, &document).await {
            Ok(taken) => {
                shared.carried.fetch_add(u64::from(taken == Taken::New), Relaxed);
                let rank = match &taken {
                    Taken::Older(newer) => newer.rank(),
                    Taken::New | Taken::Equal => document.rank(),
                };
                shared.merge().has(lookup.url(), document.key(), rank);
            }
            Err(error) if is_access(&error) || is_of_moment(&error) => return Err(error),
            Err(_) => {
                shared.not_carried.fetch_add(1, Relaxed);
                let until = shared.since_start() + REFUSED_FOR;
                shared.merge().refused_there(lookup.url(), &document, until);
            }
        }
    }
    Ok(())
}

/// Most often the bytes are there already; so they are given when they turn out to be missing.
async fn carry_one(
    shared: &Shared,
    lookup: &Connection,
    document: &SignedDocument,
) -> Result<Taken, ClientError> {
    let offer = || give(lookup, As::Carrier, document.signed.clone());
    match offer().await {
        Err(ClientError::Call { code: Code::FailedPrecondition, .. })
            if !document.document.blobs.is_empty() =>
        {
            for blob in &document.document.blobs {
                let bytes = shared.fetch(*blob).await?;
                give_bytes(lookup, As::Carrier, *blob, bytes).await?;
            }
            offer().await
        }
        answer => answer,
    }
}

/// Nothing of ours is taken there, whatever it is.
fn is_access(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Call { code: Code::PermissionDenied | Code::Unauthenticated | Code::Unimplemented, .. }
    )
}

/// It does not answer now: no reason to give up this document. What has no room there does not stop the others.
fn is_of_moment(error: &ClientError) -> bool {
    error.is_transient() && !matches!(error, ClientError::Call { code: Code::ResourceExhausted, .. })
}
