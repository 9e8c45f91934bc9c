//! One farm's samples over a connection that is cut, a reader that is slow, a farm that skips.

use crate::fakes::{FakeFarm, Script, Server, Then, anywhere, say, soon};
use hedgerow_client::model::registration::Id;
use hedgerow_client::subscription::{Farm, query};
use hedgerow_client::{Caller, Predicate, SubscribeOptions, Subscription, Update, subscribe};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tonic::Status;

fn way_to(server: &Server) -> Farm {
    let connection = Caller::default().connect(&server.url()).unwrap();
    Farm { name: "f".into(), id: Some(Id([1; 16])), connection }
}

fn live() -> Predicate {
    Predicate::parse("f").unwrap()
}

async fn next(subscription: &mut Subscription) -> Option<String> {
    Some(match soon(subscription.next()).await? {
        Update::Opened { resumed, .. } => format!("opened{}", if resumed { " resumed" } else { "" }),
        Update::Series { def, .. } => format!("series {}", &*def.key.parameter),
        Update::Samples(samples) => {
            let numbers: Vec<_> = samples.iter().map(|sample| sample.number.unwrap().to_string()).collect();
            format!("{}{}", if samples.late { "late " } else { "" }, numbers.join(" "))
        }
        Update::Progress { through, token, .. } => {
            assert_eq!(token, format!("token {through}"));
            format!("through {through}")
        }
        Update::Lagged { range, fetching, .. } => {
            format!("lagged {}..{} {fetching}", range.after, range.through)
        }
        Update::BackFilled { range, error } => {
            format!("filled {}..{} {}", range.after, range.through, error.map_or("all", |_| "not"))
        }
        Update::Broken { from, to } => format!("broken {} {}", from.number, to.number),
        Update::Disconnected { .. } => "lost".to_owned(),
        Update::End { .. } => "end".to_owned(),
        Update::Failed(error) => format!("failed {error}"),
        other => panic!("{other:?}"),
    })
}

async fn words(subscription: &mut Subscription, count: usize) -> Vec<String> {
    let mut words = Vec::new();
    while words.len() < count {
        words.push(next(subscription).await.unwrap_or_else(|| "over".to_owned()));
    }
    words
}

#[tokio::test]
async fn a_cut_stream_resumes_behind_its_last_progress_and_gives_nothing_twice() {
    let farm = FakeFarm::default();
    let cut = || Then::Error(Status::unavailable("cut"));
    let history = vec![
        say::opened(1, 0, false),
        say::series(1, "cpu"),
        say::batch(1..=3),
        say::progress(0, 2),
        say::batch(4..=5),
    ];
    let again = vec![
        say::opened(1, 0, true),
        say::progress(2, 2),
        say::series(1, "cpu"),
        say::batch(3..=7),
        say::progress(2, 7),
        say::end(),
    ];
    farm.inner().subscribe.extend([Script::of(history, cut()), Script::of(again, cut())]);
    let server = farm.serve(anywhere());
    let mut subscription = subscribe(&way_to(&server), &live(), SubscribeOptions::default());
    assert_eq!(
        words(&mut subscription, 6).await,
        ["opened", "series cpu", "1 2 3", "through 2", "4 5", "lost"]
    );
    let rest = words(&mut subscription, 6).await;
    assert_eq!(rest, ["opened resumed", "through 2", "6 7", "through 7", "end", "over"]);
    assert_eq!((subscription.counts().duplicates, subscription.counts().reconnects), (3, 1));
    let inner = farm.inner();
    assert_eq!(&inner.subscribed[1].resume[..], b"token 2");
    assert_eq!(inner.subscribed[0].predicate, inner.subscribed[1].predicate);
}

#[tokio::test]
async fn the_stream_goes_on_over_a_farm_that_was_killed() {
    let farm = FakeFarm::default();
    let first = vec![say::opened(1, 0, false), say::series(1, "cpu"), say::batch(1..=1), say::progress(0, 1)];
    let second = vec![say::opened(1, 0, true), say::series(1, "cpu"), say::batch(2..=2), say::progress(1, 2)];
    farm.inner().subscribe.extend([Script::of(first, Then::Silence), Script::of(second, Then::Silence)]);
    let server = farm.serve(anywhere());
    let address = server.address;
    let mut subscription = subscribe(&way_to(&server), &live(), SubscribeOptions::default());
    assert_eq!(words(&mut subscription, 4).await.last().unwrap(), "through 1");
    drop(server);
    assert_eq!(next(&mut subscription).await.unwrap(), "lost");
    let _server = farm.serve(address);
    let mut rest = Vec::new();
    while rest.last().is_none_or(|last| last != "through 2") {
        rest.push(next(&mut subscription).await.unwrap());
    }
    rest.retain(|word| word != "lost");
    assert_eq!(rest, ["opened resumed", "2", "through 2"]);
}

#[tokio::test]
async fn what_was_skipped_is_fetched_by_number_one_range_at_a_time_and_marked_late() {
    let farm = FakeFarm::default();
    let stream = vec![
        say::opened(1, 0, false),
        say::series(1, "cpu"),
        say::lagged(0, 4),
        say::batch(5..=5),
        say::lagged(5, 7),
        say::progress(0, 7),
    ];
    farm.inner().subscribe.push_back(Script::of(stream, Then::Silence));
    let failed = || Then::Error(Status::unavailable("busy"));
    let begun = vec![say::opened(1, 0, false), say::series(1, "cpu"), say::batch(1..=2)];
    let whole = vec![say::series(1, "cpu"), say::batch(1..=4), say::end()];
    let second = vec![say::series(1, "cpu"), say::batch(6..=7), say::end()];
    let queries = [Script::of(begun, failed()), Script::of(whole, failed()), Script::of(second, failed())];
    farm.inner().query.extend(queries);
    let server = farm.serve(anywhere());
    let mut subscription = subscribe(&way_to(&server), &live(), SubscribeOptions::default());
    let told = words(&mut subscription, 11).await;
    assert_eq!(told[..6], ["opened", "series cpu", "lagged 0..4 true", "5", "lagged 5..7 true", "through 7"]);
    assert_eq!(told[6..], ["late 1 2", "late 3 4", "filled 0..4 all", "late 6 7", "filled 5..7 all"]);
    let inner = farm.inner();
    let asked: Vec<_> = inner.queried.iter().map(|q| (q.ranges[0].after, q.ranges[0].through)).collect();
    assert_eq!(asked, [(0, 4), (0, 4), (5, 7)]);
    assert_eq!(inner.queried[0].predicate.as_ref().unwrap().patterns.len(), 1);
}

#[tokio::test]
async fn what_was_skipped_is_not_fetched_when_told_not_to() {
    let farm = FakeFarm::default();
    let stream = vec![say::opened(1, 0, false), say::lagged(0, 4), say::end()];
    farm.inner().subscribe.push_back(Script::of(stream, Then::Silence));
    let server = farm.serve(anywhere());
    let options = SubscribeOptions { back_fill: false, ..SubscribeOptions::default() };
    let mut subscription = subscribe(&way_to(&server), &live(), options);
    assert_eq!(words(&mut subscription, 4).await, ["opened", "lagged 0..4 false", "end", "over"]);
    assert!(farm.inner().queried.is_empty());
}

#[tokio::test]
async fn the_end_waits_for_what_is_still_fetched() {
    let farm = FakeFarm::default();
    let stream = vec![say::opened(1, 0, false), say::lagged(0, 2), say::end()];
    farm.inner().subscribe.push_back(Script::of(stream, Then::Silence));
    let late = vec![say::series(1, "cpu"), say::batch(1..=2), say::end()];
    farm.inner().query.push_back(Script::of(late, Then::Silence));
    let server = farm.serve(anywhere());
    let mut subscription = subscribe(&way_to(&server), &live(), SubscribeOptions::default());
    let told = words(&mut subscription, 7).await;
    let all = ["opened", "lagged 0..2 true", "series cpu", "late 1 2", "filled 0..2 all", "end", "over"];
    assert_eq!(told, all);
}

#[tokio::test]
async fn a_refused_token_begins_anew_and_a_refused_question_ends() {
    let farm = FakeFarm::default();
    let refused = || Script::of(vec![], Then::Error(Status::invalid_argument("not of this farm")));
    let first = vec![say::opened(1, 3, false), say::progress(3, 4)];
    let anew = vec![say::opened(1, 9, false)];
    farm.inner().subscribe.extend([
        Script::of(first, Then::Error(Status::unavailable("cut"))),
        refused(),
        Script::of(anew, Then::Error(Status::unavailable("cut"))),
        refused(),
    ]);
    let server = farm.serve(anywhere());
    let mut subscription = subscribe(&way_to(&server), &live(), SubscribeOptions::default());
    let told = words(&mut subscription, 8).await;
    assert_eq!(told[..6], ["opened", "through 4", "lost", "lost", "opened", "lagged 4..9 true"]);
    assert_eq!(told[6], "lost");
    assert!(told[7].starts_with("failed cannot subscribe at http://127.0.0.1:"), "{}", told[7]);
    assert!(told[7].ends_with("not of this farm; change what is asked"), "{}", told[7]);
    assert!(subscription.next().await.is_none());
    let resumes: Vec<_> = farm.inner().subscribed.iter().map(|request| request.resume.clone()).collect();
    assert_eq!(resumes, [&b""[..], b"token 4", b"", b""]);
}

#[tokio::test]
async fn an_epoch_the_farm_forgot_begins_anew_too() {
    let farm = FakeFarm::default();
    let first = vec![say::opened(1, 3, false), say::progress(3, 4)];
    let forgotten = vec![say::opened(1, 3, true)];
    // After its first words, as a farm finds out when it reads.
    let messages = Box::new(std::iter::once(forgotten));
    let refused = Script { messages, then: Then::Refusal(Status::invalid_argument("epoch not known")) };
    farm.inner().subscribe.extend([Script::of(first, Then::Error(Status::unavailable("cut"))), refused]);
    farm.inner().subscribe.push_back(Script::of(vec![say::opened(1, 9, false)], Then::Silence));
    let server = farm.serve(anywhere());
    let mut subscription = subscribe(&way_to(&server), &live(), SubscribeOptions::default());
    let told = words(&mut subscription, 7).await;
    let all = ["opened", "through 4", "lost", "opened resumed", "lost", "opened", "lagged 4..9 true"];
    assert_eq!(told, all);
}

#[tokio::test]
async fn another_farm_at_the_address_is_refused() {
    let farm = FakeFarm::default();
    farm.inner().subscribe.push_back(Script::of(vec![say::opened(2, 0, false)], Then::Silence));
    let server = farm.serve(anywhere());
    let mut subscription = subscribe(&way_to(&server), &live(), SubscribeOptions::default());
    let told = next(&mut subscription).await.unwrap();
    assert!(told.contains("is now farm 0202") && told.contains("not 0101"), "{told}");
}

#[tokio::test]
async fn a_reader_that_stops_makes_the_farm_wait_and_stops_no_other_call() {
    const SAMPLES: u32 = 10_000;
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let endless = (0_u32..).map(move |at| {
        counted.fetch_add(1, Ordering::Relaxed);
        match at {
            0 => vec![say::opened(1, 0, false), say::series(1, "cpu")],
            at => vec![say::batch((at - 1) * SAMPLES + 1..=at * SAMPLES)],
        }
    });
    let farm = FakeFarm::default();
    farm.inner().subscribe.push_back(Script { messages: Box::new(endless), then: Then::Silence });
    let server = farm.serve(anywhere());
    let way = way_to(&server);
    let mut subscription = subscribe(&way, &live(), SubscribeOptions::default());
    assert_eq!(words(&mut subscription, 3).await[0], "opened");
    // The reader stops. Others on the same connection are served all the same.
    for _ in 0..200 {
        let mut client = way.connection.farm();
        soon(client.status(hedgerow_client::proto::farm::StatusRequest {})).await.unwrap();
    }
    let bytes = sent.load(Ordering::Relaxed) * SAMPLES as usize * 8;
    assert!(bytes < 16 * 1024 * 1024, "{bytes} bytes under way for one that does not read");
    // Nothing was lost by waiting.
    let mut expected = 2 * SAMPLES as usize;
    for _ in 0..30 {
        let Update::Samples(samples) = soon(subscription.next()).await.unwrap() else { panic!() };
        expected = samples.iter().next().unwrap().number.unwrap() as usize;
        assert_eq!(samples.len(), SAMPLES as usize);
    }
    assert!(expected > 20 * SAMPLES as usize);
}

#[tokio::test]
async fn a_query_that_breaks_off_is_never_taken_for_complete() {
    let farm = FakeFarm::default();
    let begun = vec![say::opened(1, 9, false), say::series(1, "cpu"), say::batch(1..=2)];
    farm.inner().query.push_back(Script::of(begun, Then::Error(Status::internal("disk"))));
    farm.inner().query.push_back(Script::of(vec![say::opened(1, 9, false)], Then::Silence));
    let server = farm.serve(anywhere());
    for why in ["disk", "no answer within 50 ms"] {
        use futures_util::StreamExt as _;
        let since = Predicate::parse("f since=5m").unwrap();
        let patience = if why == "disk" { crate::fakes::PATIENCE } else { Duration::from_millis(50) };
        let updates: Vec<_> = soon(query(&way_to(&server), &since, &[], patience).collect()).await;
        let Some(Update::Failed(error)) = updates.last() else { panic!("{updates:?}") };
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[tokio::test]
async fn between_the_ranges_of_a_query_nothing_is_missing() {
    use futures_util::StreamExt as _;
    use hedgerow_client::model::{Epoch, NumberRange};
    let farm = FakeFarm::default();
    let told = vec![say::opened(1, 9, false), say::progress(1, 2), say::progress(5, 6), say::end()];
    farm.inner().query.push_back(Script::of(told, Then::Silence));
    let server = farm.serve(anywhere());
    let range = |after| NumberRange { epoch: Epoch { start: 1, random: 7 }, after, through: after + 1 };
    let updates = query(&way_to(&server), &live(), &[range(1), range(5)], crate::fakes::PATIENCE);
    let updates: Vec<_> = soon(updates.collect()).await;
    assert!(!updates.iter().any(|update| matches!(update, Update::Broken { .. })), "{updates:?}");
    assert!(matches!(updates.last(), Some(Update::End { .. })));
    assert_eq!(farm.inner().queried[0].ranges.len(), 2);
}
