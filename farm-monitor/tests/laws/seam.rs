//! The laws of subscriptions, on a real hub over a real cache: no sample twice, none missing, everything accounted for.

use crate::ground::{Ground, Story, text};
use hedgerow_collect::front_door::FrontDoor;
use hedgerow_model::{BatchBuilder, Kind, Predicate, Value};
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

#[tokio::test]
async fn each_counter_has_its_rates_whoever_else_is_heard() {
    let ground = Ground::new();
    let start = ground.now() - 100_000;
    let count = |parameter: &str, second: i64, value: u64| {
        let mut builder = BatchBuilder::new();
        builder.push(
            ground.series(parameter, Kind::Counter, "1"),
            start + second * 1000,
            Value::counter(value),
            None,
        );
        let origin = ground.hub.origin("test");
        assert_eq!(ground.hub.accept(origin, builder.build()).accepted, 1);
    };
    // The one with the lower id is heard last: its first sample in the window has the highest number.
    count("a", 10, 1);
    for second in 20..40 {
        count("b", second, second as u64);
    }
    count("a", 45, 36);
    for second in 50..60 {
        count("b", second, second as u64);
    }
    count("a", 65, 56);
    let told = Story::query(&ground, "* since=70s as=rate", &[]).ended().await;
    let shown = |series: u32| {
        told.shown.iter().filter(move |(id, _, _)| *id == series).map(|(_, t, _)| (t - start) / 1000)
    };
    assert_eq!(shown(1).collect::<Vec<_>>(), [45, 65]);
    assert_eq!(shown(2).collect::<Vec<_>>(), (30..40).chain(50..60).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_state_without_its_text_is_known_by_it() {
    let ground = Ground::new();
    let state = |code, text: Option<&str>| Value::State(code, text.map(Into::into));
    let id = ground.give_one("s", Kind::State, state(2, Some("down"))).0;
    ground.give_one("s", Kind::State, state(2, None));
    let live = Story::of(&ground, "* where value in {down}", &[]);
    let plain = Story::of(&ground, "*", &[]);
    ground.give_one("s", Kind::State, state(2, None));
    ground.give_one("s", Kind::State, state(0, Some("up")));
    ground.give_one("s", Kind::State, state(2, Some("down")));
    ground.give_one("s", Kind::State, state(2, None));
    let (live, plain) = (live.until_number(6).await, plain.until_number(6).await);
    assert_eq!(live.samples.len(), 3, "3, 5 and 6");
    assert_eq!(live.texts[0], (id, "down".into()));
    let texts: Vec<&str> = plain.texts.iter().map(|(_, text)| &**text).collect();
    assert_eq!(texts, ["down", "up", "down", ""], "who joins is told the text; then it is unchanged");
    let past = Story::query(&ground, "* where value in {down} since=1h", &[]).ended().await;
    let numbers: Vec<u64> = past.samples.keys().map(|(_, number)| *number).collect();
    assert_eq!(numbers, [1, 2, 3, 5, 6]);
}

#[tokio::test]
async fn a_storm_of_marks_past_a_slow_reader_leaves_the_chain_whole_and_the_lives_right() {
    const SERIES: usize = 6000;
    let ground = Ground::new();
    let mut slow = Story::of(&ground, "*", &[]);
    ground.give(1, SERIES);
    slow.first_message().await;
    let slow = slow.until_number(SERIES as u64).await;
    // More marks than the queue holds, with nobody reading.
    ground.forget_for(Duration::from_secs(31));
    ground.give(2, 10);
    let slow = slow.until_number(ground.last()).await;
    slow.assert_complete(1, ground.last());
    let story =
        slow.until(|story| story.lives.values().filter(|life| **life == 2).count() >= SERIES - 10).await;
    assert_eq!(story.lives.values().filter(|life| **life == 1).count(), 10, "those that were heard again");
}

#[tokio::test]
async fn a_drain_ends_history_at_once_and_says_so() {
    let ground = Ground::new();
    for round in 0..30_000 {
        ground.give(round, 10);
    }
    let mut story = Story::of(&ground, "* since=1h", &[]);
    story.first_message().await;
    // This one never reads.
    let _stuck = Story::of(&ground, "* since=1h", &[]);
    tokio::task::yield_now().await;
    ground.drain();
    let story = story.ended().await;
    assert_eq!(story.end, 2, "draining");
    assert!(story.samples.len() < 200_000, "not after all was read");
    story.assert_chain();
    tokio::time::timeout(Duration::from_secs(20), async {
        while ground.is_read() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("who does not read is not waited for");
}

#[tokio::test]
async fn nobody_reads_on_for_a_client_that_is_gone() {
    let ground = Ground::new();
    for round in 0..3000 {
        ground.give(round, 10);
    }
    for predicate in ["* since=1h", "* since=1h every=1s:mean", "* since=1h as=rate", "*", "* last"] {
        let mut story = Story::of(&ground, predicate, &[]);
        story.first_message().await;
        drop(story);
        tokio::time::timeout(Duration::from_secs(20), async {
            while ground.is_read() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{predicate} goes on"));
    }
    assert_eq!(ground.hub.subscribers(), 0);
}

#[tokio::test]
async fn bins_since_1970_and_bins_wider_than_time_are_answered() {
    let ground = Ground::new();
    for second in 0..100 {
        ground.give_at(ground.now() - 100_000 + second * 1000, second as u64, 3);
    }
    let fine = Story::query(&ground, "* since=1970-01-01T00:00:00Z every=1ms:count", &[]).ended().await;
    assert_eq!(fine.bins.len(), 300);
    for width in ["1000d", "25000d"] {
        let wide = Story::query(&ground, &format!("* since=1h every={width}:count,last"), &[]).ended().await;
        let counts: Vec<f64> = wide.bins.values().map(|bin| bin["count"]).collect();
        assert_eq!(counts, [100.0; 3], "{width}");
    }
}

#[tokio::test]
async fn more_bins_than_fit_at_once_are_all_given_in_order() {
    let ground = Ground::new();
    let start = ground.now() - 3_600_000;
    // Long empty, then dense: the slices of time have to shrink again.
    for step in 0..30 {
        ground.give_at(start + 3_000_000 + step * 10, step as u64, 3000);
    }
    let told = Story::query(&ground, "* since=1d every=10ms:count,last", &[]).ended().await;
    assert_eq!(told.bins.len(), 30 * 3000);
    assert!(told.largest < 512 * 1024, "{} bytes", told.largest);
    assert!(told.bins.values().all(|bin| (bin["count"] - 1.0).abs() < 0.1));
    told.assert_chain();
}

#[tokio::test]
async fn no_message_is_larger_than_a_client_takes() {
    let ground = Ground::new();
    let origin = ground.hub.origin("test");
    let mut builder = BatchBuilder::new();
    for at in 0..2000 {
        let id = ground.series(&format!("t{at}"), Kind::Text, "");
        builder.push(id, ground.now(), Value::Text("x".repeat(4096).into()), None);
    }
    let batch = builder.build();
    let live = Story::of(&ground, "*", &[]);
    assert_eq!(ground.hub.accept(origin, batch).accepted, 2000);
    let past = Story::query(&ground, "* since=1h", &[]).ended().await;
    assert_eq!(past.samples.len(), 2000);
    let live = live.until_number(2000).await;
    let skipped: u64 = live.lagged.iter().map(|lagged| lagged.count).sum();
    assert_eq!(live.samples.len() as u64 + skipped, 2000);
    for story in [past, live] {
        assert!(story.largest < 512 * 1024, "{} bytes", story.largest);
        story.assert_chain();
    }
}

#[tokio::test]
async fn a_window_that_is_over_ends_with_its_history() {
    let ground = Ground::new();
    for round in 0..10 {
        ground.give(round, 2);
    }
    let until = |millis: i64| hedgerow_model::moment::print(ground.now() + millis);
    let over = Story::of(&ground, &format!("* since=1h until={}", until(-5000)), &[]).ended().await;
    assert_eq!((over.samples.len(), over.end), (0, 1));
    let mut open = Story::of(&ground, &format!("* since=1h until={}", until(1000)), &[]);
    open.first_message().await;
    ground.give(10, 2);
    ground.give_at(ground.now() + 2000, 11, 2);
    ground.pass(Duration::from_secs(3));
    // Before its end by time, though later by number: still within the grace.
    ground.give_at(ground.now() - 3000, 12, 2);
    ground.pass(Duration::from_secs(1));
    let open = open.ended().await;
    assert_eq!(open.samples.len(), 24);
    assert_eq!(open.doubles, 0);
    open.assert_chain();
}

#[tokio::test]
async fn what_was_stale_before_a_restart_is_told_to_live_again() {
    let ground = Ground::new();
    ground.give(1, 3);
    ground.forget_for(Duration::from_secs(60));
    let told = Story::of(&ground, "* since=1h", &[]).until(|story| story.lives.len() == 3).await;
    assert!(told.lives.values().all(|life| *life == 2));
    let token = told.until_number(3).await.tokens.last().unwrap().1.clone();
    let ground = ground.restart().await;
    let resumed = Story::of(&ground, "* since=1h", &token);
    ground.give(2, 2);
    let resumed = resumed.until_number(2).await;
    assert_eq!(resumed.lives.get(&1), Some(&1), "{:?}", resumed.lives);
    assert_eq!(resumed.lives.get(&2), Some(&1));
    let last = Story::of(&ground, "* last", &[]);
    ground.give(3, 3);
    let last = last.until_number(5).await;
    assert!(last.lives.values().all(|life| *life == 1), "told as not heard, then as live: {:?}", last.lives);
}

#[tokio::test]
async fn history_that_was_set_aside_is_told_as_a_gap() {
    let ground = Ground::new();
    ground.give(0, 3);
    ground.forget_for(Duration::from_secs(60));
    let ground = ground.restart_damaged().await;
    assert!(ground.hub.set_aside().is_some());
    ground.give(1, 3);
    let story = Story::query(&ground, "* since=1h", &[]).ended().await;
    assert_eq!(story.samples.len(), 3);
    assert_eq!(story.gaps.len(), 1);
    assert_eq!(story.gaps[0].reason(), hedgerow_proto::common::GapReason::Corruption);
    let later = Story::query(&ground, "* since=1ms", &[]).ended().await;
    assert!(later.gaps.is_empty(), "a window that the lost history did not reach");
}
