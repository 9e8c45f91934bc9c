//! Promise: a document that a lookup acknowledged is there after a `kill -9`, with its bytes; and what one lookup missed while it
//! was dead, readers carry there.
#![allow(clippy::unwrap_used, missing_docs)]

use hedgerow_client::discovery::Lookups;
use hedgerow_client::documents::{DocumentAuthor, DocumentReader, DocumentReaderOptions, Draft};
use hedgerow_client::{Caller, Identity, UserToken};
use hedgerow_e2e::{PATIENCE, Sandbox};
use std::time::Duration;

/// Two mebibytes that do not repeat.
fn component() -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    (0..2 << 20).map(|_| next()).collect()
}

#[expect(clippy::disallowed_methods, reason = "when a document is signed")]
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

fn draft(name: &str, bytes: &[u8]) -> Draft {
    Draft {
        kind: "deployment".into(),
        name: name.into(),
        signed_ms: now(),
        payload: b"{}".to_vec(),
        blobs: vec![bytes.to_vec().into()],
        ..Draft::default()
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}");
}

#[test]
fn what_is_acknowledged_survives_kill_nine_and_comes_to_the_lookup_that_was_dead() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sandbox = Sandbox::new();
    let mut first = sandbox.first_lookup();
    let mut second = sandbox.lookup("lookup-2", 2);
    let token = UserToken::load(&sandbox.path("state/hedgerow/token")).unwrap();
    let caller = |token| Caller::new(token, None);
    let identity = Identity::open(&sandbox.path("author")).unwrap();
    let author = |urls: Vec<String>| {
        DocumentAuthor::new(identity.clone(), caller(token.clone()), Lookups::fixed(urls))
    };
    let bytes = component();

    // Without the token nobody publishes.
    let stranger = DocumentAuthor::new(identity.clone(), caller(None), Lookups::fixed(sandbox.lookups()));
    let refused = runtime.block_on(stranger.publish(&draft("a", &bytes))).unwrap_err().to_string();
    assert!(refused.contains("takes the role author"), "{refused}");

    // Published while the second is dead; the first dies as soon as it has said yes, five times.
    second.kill();
    for serial in 1..=5 {
        let draft = Draft { payload: vec![serial], ..draft("a", &bytes) };
        let published = runtime.block_on(author(vec![sandbox.url(1)]).publish(&draft)).unwrap();
        first.kill();
        assert_eq!(published.document.document.serial, u64::from(serial));
        first = sandbox.lookup("lookup-1", 1);
    }

    let read = |url: String, carries: bool| {
        let lookups = if carries { sandbox.lookups() } else { vec![url] };
        let mut options = DocumentReaderOptions::new(Lookups::fixed(lookups), caller(token.clone()), now);
        (options.carries, options.spread) = (carries, Duration::from_millis(100));
        DocumentReader::start(options)
    };
    runtime.block_on(async {
        let carrier = read(String::new(), true);
        until("it stands at the first", || !carrier.standing().is_empty()).await;
        second = sandbox.lookup("lookup-2", 2);
        let alone = read(sandbox.url(2), false);
        until("it was carried to the second", || !alone.standing().is_empty()).await;
        first.kill();
        let document = alone.standing().remove(0);
        assert_eq!((document.document.serial, &*document.document.payload), (5, &[5_u8][..]));
        assert_eq!(alone.bytes(document.document.blobs[0]).await.unwrap(), bytes);
        let gone = Draft { tombstone: true, ..draft("a", &[]) };
        let published = author(sandbox.lookups()).publish(&gone).await.unwrap();
        assert_eq!((published.document.document.serial, published.missing().count()), (6, 1));
        until("it is taken back", || alone.standing().is_empty()).await;
        first = sandbox.lookup("lookup-1", 1);
        let back = read(sandbox.url(1), false);
        until("at the first, too", || carrier.counters().carried >= 2).await;
        back.complete().await;
        until("what was dead does not bring it back", || back.standing().is_empty()).await;
    });
}
