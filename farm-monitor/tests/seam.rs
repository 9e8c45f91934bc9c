//! The laws of subscriptions, on a real hub over a real cache: no sample twice, none missing, everything accounted for.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation, clippy::cast_possible_wrap)]

mod ground;

use ground::{Ground, Story, text};
use hedgerow_model::Predicate;
use std::time::Duration;

#[tokio::test]
async fn history_and_live_meet_without_a_gap_and_without_a_double() {
    let ground = Ground::new();
    for round in 0..200 {
        ground.give(round, 7);
    }
    let story = Story::of(&ground, "* since=1h", &[]);
    for round in 200..300 {
        ground.give(round, 7);
        tokio::task::yield_now().await;
    }
    let story = story.until_number(ground.last()).await;
    story.assert_complete(1, ground.last());
    assert_eq!(story.samples.len(), 300 * 7);
}

#[tokio::test]
async fn any_token_goes_on_exactly_behind_its_item() {
    let ground = Ground::new();
    for round in 0..3000 {
        ground.give(round, 10);
    }
    let whole = Story::of(&ground, "* since=1h", &[]).until_number(ground.last()).await;
    whole.assert_complete(1, ground.last());
    assert!(whole.tokens.len() >= 2, "30,000 samples are more than one window");
    for (position, token) in whole.tokens.iter() {
        let rest = Story::of(&ground, "* since=1h", token).until_number(ground.last()).await;
        assert!(rest.resumed);
        rest.assert_complete(position.number + 1, ground.last());
    }
}

#[tokio::test]
async fn a_token_lives_over_a_restart_of_the_farm() {
    let ground = Ground::new();
    for round in 0..50 {
        ground.give(round, 4);
    }
    let first = Story::of(&ground, "* since=1h", &[]).until_number(100).await;
    let (epoch_before, last_before) = (ground.hub.epoch(), ground.last());
    let (position, token) = first.tokens.last().unwrap().clone();
    let ground = ground.restart().await;
    for round in 50..60 {
        ground.give(round, 4);
    }
    let rest = Story::of(&ground, "* since=1h", &token).until_number(ground.last()).await;
    rest.assert_complete_in(epoch_before, position.number + 1, last_before);
    rest.assert_complete(1, ground.last());
    assert!(rest.ended_epochs.contains(&(epoch_before, last_before)), "the end of the old epoch is said");
}

#[tokio::test]
async fn foreign_damaged_and_other_predicates_tokens_are_refused() {
    let ground = Ground::new();
    ground.give(0, 3);
    let story = Story::of(&ground, "* since=1h", &[]).until_number(ground.last()).await;
    let token = story.tokens.last().unwrap().1.clone();
    let refusal = |predicate: &str, token: &[u8]| ground.refusal(predicate, token);
    assert!(refusal("*/*/*/p1 since=1h", &token).contains("another predicate"));
    assert!(refusal("* since=1h", b"nonsense").contains("not a resume token"));
    let other = Ground::new();
    assert!(other.refusal("* since=1h", &token).contains("made by farm"));
}

#[tokio::test]
async fn a_sparse_subscriber_can_prove_that_nothing_is_missing() {
    let ground = Ground::new();
    for round in 0..20 {
        ground.give(round, 5);
    }
    let story = Story::of(&ground, "*/*/*/p3", &[]);
    for round in 20..40 {
        ground.give(round, 5);
    }
    let story = story.until_number(ground.last()).await;
    assert_eq!(story.samples.len(), 20, "live only");
    assert_eq!(story.first_after, Some(100), "the chain begins at the watermark");
    story.assert_chain();
}

#[tokio::test]
async fn a_reader_that_stops_is_told_what_it_missed_and_finds_it_by_number() {
    let ground = Ground::new();
    ground.give(0, 10);
    let mut slow = Story::of(&ground, "*", &[]);
    slow.first_message().await;
    // Several times what a channel holds for its slowest reader.
    for round in 1..30_000 {
        ground.give(round, 10);
    }
    let mut fast = Story::of(&ground, "*", &[]);
    fast.first_message().await;
    ground.give(30_000, 10);
    let fast = tokio::time::timeout(Duration::from_secs(20), fast.until_number(ground.last())).await.unwrap();
    assert_eq!(fast.samples.len(), 10, "another reader is not concerned");
    let slow = slow.until_number(ground.last()).await;
    let skipped: u64 = slow.lagged.iter().map(|lagged| lagged.count).sum();
    assert!(skipped > 0);
    assert_eq!(skipped + slow.samples.len() as u64, 30_000 * 10, "skipped and sent are all there was");
    slow.assert_chain();
    let mut found = 0;
    for lagged in &slow.lagged {
        let fetched = Story::query(&ground, "*", &[(lagged.after, lagged.through)]).ended().await;
        found += fetched.samples.len() as u64;
    }
    assert_eq!(found, skipped);
}

#[tokio::test]
async fn a_reader_may_ask_for_a_shorter_queue() {
    let ground = Ground::new();
    ground.give(0, 10);
    let mut short = Story::with_queue(&ground, "*", 4096);
    short.first_message().await;
    for round in 1..200 {
        ground.give(round, 10);
    }
    let short = short.until_number(ground.last()).await;
    let skipped: u64 = short.lagged.iter().map(|lagged| lagged.count).sum();
    assert!(skipped > 0, "200 batches are more than 4 KiB");
    assert_eq!(skipped + short.samples.len() as u64, 199 * 10);
    short.assert_chain();
}

#[tokio::test]
async fn late_samples_are_live_whatever_their_time_but_not_history() {
    let ground = Ground::new();
    ground.give_at(ground.now() - 7_200_000, 0, 2);
    ground.give(1, 2);
    let story = Story::of(&ground, "* since=1h", &[]);
    ground.give_at(ground.now() - 7_100_000, 2, 2);
    let story = story.until_number(ground.last()).await;
    let numbers: Vec<u64> = story.samples.keys().map(|(_, number)| *number).collect();
    assert_eq!(numbers, [3, 4, 5, 6]);
    let again = Story::of(&ground, "* since=1h", &story.tokens.first().unwrap().1.clone());
    let again = again.until_number(ground.last()).await;
    assert!(again.samples.keys().all(|(_, number)| *number > 2), "a resumed one keeps its watermark");
}

#[tokio::test]
async fn constraints_hold_in_history_and_live() {
    let ground = Ground::new();
    for round in 0..10 {
        ground.give(round, 4);
    }
    let story = Story::of(&ground, "* where value >= 5 since=1h", &[]);
    for round in 10..20 {
        ground.give(round, 4);
    }
    let story = story.until_number(ground.last()).await;
    assert_eq!(story.samples.len(), 15 * 4, "rounds 5 to 19");
    story.assert_chain();
}

#[tokio::test]
async fn last_gives_each_newest_value_once_and_never_as_live_what_is_stale() {
    let ground = Ground::new();
    for round in 0..3 {
        ground.give(round, 4);
    }
    ground.forget_for(Duration::from_secs(3600));
    let story = Story::query(&ground, "* last", &[]).ended().await;
    assert_eq!(story.samples.len(), 4);
    assert!(story.samples.values().all(|value| text(value) == "2"));
    assert_eq!(story.stale.len(), 4, "an hour of silence is said");
    let ground = ground.restart().await;
    let story = Story::query(&ground, "* last", &[]).ended().await;
    assert_eq!(story.samples.len(), 4, "known from before the restart");
    assert_eq!(story.stale.len(), 4);
}

#[tokio::test]
async fn counters_are_given_as_rates_from_the_sample_before_the_window() {
    let ground = Ground::new();
    for second in 0..20 {
        ground.count_at(ground.now() - 20_000 + second * 1000, second as u64 * 5);
    }
    let whole = Story::query(&ground, "*/*/*/requests since=1h as=rate", &[]).ended().await;
    assert_eq!(whole.samples.len(), 19, "the first has no sample before");
    let part = Story::query(&ground, "*/*/*/requests since=10s as=rate", &[]).ended().await;
    assert_eq!(part.samples.len(), 10, "looked up before the window");
    assert!(part.samples.values().all(|value| text(value) == "5"), "{:?}", part.samples);
    assert_eq!(part.units["requests"], "1/s");
    let delta = Story::query(&ground, "*/*/*/requests since=10s as=delta", &[]).ended().await;
    assert_eq!(delta.samples.len(), 10);
    assert_eq!(delta.units["requests"], "1");
}

#[tokio::test]
async fn bins_are_the_same_from_history_and_from_a_resumed_token() {
    let ground = Ground::new();
    let start = ground.now() - 600_000;
    for second in 0..600 {
        ground.give_at(start + second * 1000, second as u64, 2);
    }
    let predicate = "* since=10m every=1m:mean,count,max";
    let whole = Story::query(&ground, predicate, &[]).ended().await;
    let counts: f64 = whole.bins.values().map(|bin| bin["count"]).sum();
    assert!((counts - 1200.0).abs() < 0.5, "each sample stands in one bin: {counts}");
    let live = Story::of(&ground, predicate, &[]).until_number(ground.last()).await;
    for (key, bin) in &live.bins {
        assert_eq!(&whole.bins[key], bin, "a closed bin is the same whoever asks");
    }
    assert!(live.bins.len() >= 2 * 9);
}

#[tokio::test]
async fn a_query_needs_something_to_answer() {
    let ground = Ground::new();
    let refusal = ground.query_refusal("*");
    assert!(refusal.contains("needs `since`, `last` or number ranges"), "{refusal}");
    assert!(Predicate::parse("* last since=1h").is_err());
}

#[tokio::test]
async fn a_query_by_numbers_has_every_one_while_the_cache_seals() {
    let ground = Ground::new();
    for round in 0..20_000 {
        ground.give(round, 10);
    }
    let whole = Story::query(&ground, "*", &[(0, ground.last())]).ended().await;
    whole.assert_complete(1, ground.last());
}
