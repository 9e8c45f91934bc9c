//! Deployments that run, with real components, on a hub and a cache of their own.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../../../filters/host/tests/support/guests.rs"]
mod guests;
mod site;

use crate::hub::{Bounds, LifeRules};
use hedgerow_filter_host::guest::Fault;
use hedgerow_model::Life;
use hedgerow_model::deployment::Capability;
use hedgerow_proto::filter::AlarmLevel;
use hedgerow_proto::filter::DeploymentState::{Quarantined, Refused, Running};
use site::{Site, look, prebuilt};
use std::time::Duration;

/// Past 0.5, where it has been for a second.
const PARAMETERS: &str = r#"{"on": ["*/c/*/*"], "above": 0.5, "hold": "1s"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deployed_runs_and_what_it_emits_is_what_a_backtest_gives() {
    let mut site = Site::new();
    site.deploy("t", 1, &prebuilt("threshold"), PARAMETERS, |_| ());
    site.comes_to("t", Running, "").await;
    for round in 0..40 {
        site.give(round, 5);
    }
    site.emits("t", 200).await;
    assert_eq!(site.stored("t"), site.backtest("t", &prebuilt("threshold"), PARAMETERS));
    look("its cost is told", || {
        let cost = site.status("t").unwrap().cost.unwrap();
        (cost.samples_in, cost.samples_out, cost.behind) == (200, 200, 0)
            && cost.memory_bytes > 0
            && cost.cpu_us > 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_it_emits_what_it_would_have_without() {
    let mut site = Site::new();
    site.deploy("t", 1, &prebuilt("threshold"), PARAMETERS, |_| ());
    site.comes_to("t", Running, "").await;
    let mut round = 0;
    for kill in 0..6 {
        for _ in 0..40 {
            site.give(round, 7);
            round += 1;
        }
        if kill % 2 == 0 {
            site.emits("t", usize::try_from(round).unwrap() * 7).await;
        }
        // What comes after its last word is not consumed, whoever was quicker.
        site = site
            .killed(|site| {
                for _ in 0..10 {
                    site.give(round, 7);
                    round += 1;
                }
            })
            .await;
    }
    site.emits("t", usize::try_from(round).unwrap() * 7).await;
    assert_eq!(site.stored("t"), site.backtest("t", &prebuilt("threshold"), PARAMETERS));
    let before = site.stored("t").len();
    site = site.drained().await;
    site.comes_to("t", Running, "").await;
    site.give(round, 7);
    site.emits("t", before + 7).await;
    assert_eq!(site.stored("t"), site.backtest("t", &prebuilt("threshold"), PARAMETERS));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_loops_is_quarantined_and_harms_nobody() {
    let mut site = Site::with(|filters| filters.call_time = Duration::from_millis(20));
    site.deploy("good", 1, &prebuilt("threshold"), PARAMETERS, |_| ());
    site.deploy("bad", 1, &guests::guest("loop-in-batch"), "", |_| ());
    site.deploy("worse", 1, &guests::guest("memory-bomb"), "", |_| ());
    site.comes_to("good", Running, "").await;
    site.comes_to("bad", Running, "").await;
    site.comes_to("worse", Running, "").await;
    let begun = tokio::time::Instant::now();
    site.give(0, 3);
    site.comes_to("bad", Quarantined, "processor time").await;
    site.comes_to("worse", Quarantined, "memory").await;
    assert!(begun.elapsed() < Duration::from_secs(30), "two waits of 1 s and 2 s: {:?}", begun.elapsed());
    for round in 1..20 {
        site.give(round, 3);
    }
    site.emits("good", 60).await;
    assert!(site.stored("bad").is_empty());
    let restarts = site.status("bad").unwrap().cost.unwrap().restarts;
    assert_eq!(restarts, 2, "tried three times");
    assert!(site.log("bad").contains("serial 1 is backing off: in `on-batch`"), "{}", site.log("bad"));

    // Somebody thinks that it is better now; it is not.
    site.deployments.retry("bad").unwrap();
    look("tried again", || site.status("bad").unwrap().cost.unwrap().restarts > restarts).await;
    site.comes_to("bad", Quarantined, "processor time").await;
    // A new serial may do what the one before could not.
    site.deploy("bad", 2, &guests::guest("echo"), "", |_| ());
    site.comes_to("bad", Running, "").await;
    site.give(20, 3);
    look("it emits", || !site.stored("bad").is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantine_and_its_cost_are_known_after_a_restart_until_a_retry_or_a_new_serial() {
    const CALL: Duration = Duration::from_millis(40);
    let bad = ["loop-in-start", "loop-in-configure", "loop-in-batch"];
    let mut site = Site::with(|filters| filters.call_time = CALL);
    for name in bad {
        site.deploy(name, 1, &guests::guest(name), "", |_| ());
    }
    site.comes_to("loop-in-batch", Running, "").await;
    site.give(0, 3);
    let mut before = Vec::new();
    for name in bad {
        site.comes_to(name, Quarantined, "3 times within 10 minutes").await;
        let status = site.status(name).unwrap();
        let cost = status.cost.unwrap();
        // Each of three calls, whatever it was: but for the time before the first look at the clock.
        assert!(cost.cpu_us > 60_000, "{name}: {cost:?}");
        assert_eq!(cost.restarts, 2, "{name}");
        before.push((status.reason, status.since_ms, cost.cpu_us, cost.restarts));
    }
    let known = |site: &Site| {
        let of = |name: &str| {
            let status = site.status(name).unwrap();
            let cost = status.cost.unwrap();
            (status.reason, status.since_ms, cost.cpu_us, cost.restarts)
        };
        bad.map(of)
    };
    // What was lost in faults and what is in the checkpoint are microseconds apart from each other: rounded once or twice.
    let as_before = |site: &Site| {
        for (now, before) in known(site).iter().zip(&before) {
            assert_eq!((&now.0, now.1, now.3), (&before.0, before.1, before.3));
            assert!(now.2.abs_diff(before.2) <= 2, "{now:?}, and {before:?} before");
        }
    };
    site = site.killed(|_| ()).await;
    for name in bad {
        site.comes_to(name, Quarantined, "3 times within 10 minutes").await;
    }
    as_before(&site);
    // Nor do other settings lift it: by the time that another one is begun with them, these would be.
    site.configure(|filters| filters.call_time = 2 * CALL);
    site.deploy("good", 1, &guests::guest("echo"), "", |_| ());
    site.comes_to("good", Running, "").await;
    for name in bad {
        site.comes_to(name, Quarantined, "").await;
    }
    as_before(&site);

    // What somebody asked for is not forgotten, however quickly the farm ends after it.
    site.deployments.retry("loop-in-batch").unwrap();
    site = site.killed(|_| ()).await;
    site.give(1, 3);
    look("tried again", || site.status("loop-in-batch").unwrap().cost.unwrap().restarts > 2).await;
    site.comes_to("loop-in-batch", Quarantined, "3 times within 10 minutes").await;
    site.deploy("loop-in-batch", 2, &guests::guest("echo"), "", |_| ());
    site.comes_to("loop-in-batch", Running, "").await;
    site = site.killed(|_| ()).await;
    site.comes_to("loop-in-batch", Running, "").await;
    assert_eq!(site.status("loop-in-batch").unwrap().cost.unwrap().restarts, 0);
    for (name, before) in bad.iter().zip(&before).take(2) {
        site.comes_to(name, Quarantined, &before.0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_farm_does_not_take_is_refused_at_once_and_says_what_would_have_to_change() {
    let mut site = Site::with(|filters| filters.hidden = vec![hedgerow_model::Glob::new("c").unwrap()]);
    site.deploy("none", 1, b"\0asm\x01\0\0\0", "", |_| ());
    site.comes_to("none", Refused, "it is no filter").await;
    site.deploy("words", 1, &prebuilt("threshold"), r#"{"above": "much"}"#, |_| ());
    site.comes_to("words", Refused, "above").await;
    site.deploy("hidden", 1, &prebuilt("threshold"), PARAMETERS, |_| ());
    site.comes_to("hidden", Refused, "reads the cluster `c`").await;
    site.deploy("alarms", 1, &prebuilt("threshold-alarm"), r#"{"above": 1}"#, |_| ());
    site.comes_to("alarms", Refused, "alarms").await;
    site.deploy("back", 1, &looking_back(864_000_000), "", |_| ());
    site.comes_to("back", Refused, "10d of look-back").await;
    // What is hidden is not shown by a wildcard either.
    site.deploy("all", 1, &guests::guest("echo"), "", |_| ());
    site.comes_to("all", Running, "").await;
    site.give(0, 3);
    site.give_to("d", 0, 3);
    site.emits("all", 3).await;

    site.configure(|filters| filters.hidden.clear());
    site.comes_to("hidden", Running, "").await;
    site.comes_to("all", Running, "").await;
    site.give(1, 3);
    site.emits("hidden", 3).await;
    site.emits("all", 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_goes_on_from_the_state_or_from_nothing_and_where_it_refuses_the_earlier_runs_on() {
    let mut site = Site::new();
    site.deploy("t", 1, &guests::guest("echo"), "", |_| ());
    site.comes_to("t", Running, "").await;
    site.give(0, 3);
    site.emits("t", 3).await;
    // The state is a count: told at a tick.
    site.deploy("t", 2, &with_comment(&guests::guest("echo")), "", |_| ());
    site.comes_to("t", Running, "").await;
    site.ticks("t", 3).await;

    site.deploy("t", 3, &guests::with_parts(REFUSES_STATE), "", |_| ());
    site.comes_to("t", Refused, "of it saved: `--fresh` begins without").await;
    assert_eq!(site.status("t").unwrap().running_serial, 2);
    site.give_to("d", 0, 2);
    site.ticks("t", 5).await;

    site.deploy("t", 4, &guests::with_parts(REFUSES_STATE), "", |deployment| deployment.fresh = true);
    site.comes_to("t", Running, "").await;
    assert_eq!(site.status("t").unwrap().running_serial, 0);
    site.give_to("e", 0, 1);
    site.ticks("t", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_upgrade_does_not_make_any_more_ends_with_the_reason_and_what_was_silent_before_does_not() {
    for fresh in [false, true] {
        let mut site = Site::new();
        site.deploy("t", 1, &prebuilt("threshold"), PARAMETERS, |_| ());
        site.comes_to("t", Running, "").await;
        site.give(0, 4);
        site.give(1, 4);
        site.emits("t", 8).await;
        let life = |site: &Site, of: &str| {
            let known = site.hub.known(&site.series("t"));
            let known = known.into_iter().find(|known| *known.def.key.parameter == format!("{of}_state"));
            known.map(|known| (known.life, known.life_reason.to_string())).unwrap()
        };
        // The source of one falls silent, and so it does.
        site.pass(Duration::from_secs(40));
        site.give(2, 3);
        site.emits("t", 11).await;
        site.hub.tick();
        assert_eq!(life(&site, "p3").0, Life::Stale);

        let narrower = PARAMETERS.replace("*/c/*/*", "*/c/*/p0");
        site.deploy("t", 2, &prebuilt("threshold"), &narrower, |of| of.fresh = fresh);
        site.comes_to("t", Running, "").await;
        site.give(3, 3);
        site.emits("t", 12).await;
        assert_eq!([life(&site, "p1").0, life(&site, "p2").0], [Life::Live, Life::Live], "not yet");
        // The hub learned forty seconds at most.
        for round in 4..30 {
            site.pass(Duration::from_secs(10));
            site.give(round, 3);
            site.hub.tick();
        }
        for of in ["p1", "p2"] {
            look("it has ended", || life(&site, of).0 == Life::Ended).await;
            assert_eq!(life(&site, of).1, "serial 2 of its deployment does not make it");
        }
        assert_eq!(life(&site, "p0").0, Life::Live);
        assert_eq!(life(&site, "p3").0, Life::Stale);
        // The same serial, begun again, ends nothing that its source leaves out.
        site.configure(|filters| filters.log_rate += 1);
        site.give(30, 1);
        site.emits("t", 39).await;
        site.comes_to("t", Running, "").await;
        site.pass(Duration::from_secs(600));
        site.hub.tick();
        // Longer than between two looks.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(life(&site, "p0").0, Life::Stale);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_filter_under_the_same_name_does_not_take_over_the_state() {
    let mut site = Site::new();
    site.deploy("t", 1, &prebuilt("flap"), r#"{"on": ["*/c/*/*"]}"#, |_| ());
    site.comes_to("t", Running, "").await;
    site.give(0, 3);
    site.deploy("t", 2, &prebuilt("threshold"), PARAMETERS, |_| ());
    site.comes_to(
        "t",
        Refused,
        "the state of the filter `flap`, and this is `threshold`: deploy it with `--fresh`",
    )
    .await;
    assert_eq!(site.status("t").unwrap().running_serial, 1);
    site = site.drained().await;
    site.comes_to("t", Refused, "the state of the filter `flap`").await;
    site.deploy("t", 3, &prebuilt("threshold"), PARAMETERS, |deployment| deployment.fresh = true);
    site.comes_to("t", Running, "").await;
    site = site.drained().await;
    site.comes_to("t", Running, "").await;
    site.give(1, 3);
    site.emits("t", 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_leaves_nothing_and_what_is_off_goes_on_later() {
    let mut site = Site::new();
    site.deploy("t", 1, &prebuilt("threshold"), PARAMETERS, |_| ());
    site.comes_to("t", Running, "").await;
    site.give(0, 3);
    site.emits("t", 3).await;
    site.configure(|filters| filters.enabled = false);
    site.comes_to("t", Refused, "filters.enabled").await;
    site.give(1, 3);
    site.configure(|filters| filters.enabled = true);
    site.comes_to("t", Running, "").await;
    site.emits("t", 6).await;
    assert_eq!(
        site.stored("t"),
        site.backtest("t", &prebuilt("threshold"), PARAMETERS),
        "what came meanwhile, too"
    );

    site.remove("t");
    look("its series have ended", || {
        let known = site.hub.known(&site.series("t"));
        known.len() == 3 && known.iter().all(|known| known.life == Life::Ended)
    })
    .await;
    site = site.drained().await;
    assert!(site.checkpoints.is_empty(), "nothing to go on from");
    site.deploy("t", 2, &prebuilt("threshold"), PARAMETERS, |_| ());
    site.comes_to("t", Running, "").await;
    assert_eq!(site.status("t").unwrap().cost.unwrap().samples_in, 0);
    // Removed while the farm is away.
    site.stand_aside("t");
    let mut site = site.drained().await;
    assert!(site.checkpoints.contains_key("t"));
    look("swept", || site.deployments.is_gone("t")).await;
    site = site.drained().await;
    assert!(site.checkpoints.is_empty(), "{:?}", site.checkpoints.keys());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_back_meets_what_is_live_without_a_gap_and_is_over_after_a_kill() {
    let mut site = Site::new();
    site.give(0, 4);
    site.pass(Duration::from_secs(60));
    for round in 1..6 {
        site.give(round, 4);
    }
    site.deploy("back", 1, &looking_back(30_000), "", |_| ());
    site.comes_to("back", Running, "").await;
    site.give(6, 4);
    site.emits("back", 24).await;
    site = site.killed(|_| ()).await;
    site.comes_to("back", Running, "").await;
    assert_eq!(site.stored("back").len(), 24, "no look-back again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_made_itself_it_is_not_given_and_a_ring_ends() {
    let mut site = Site::new();
    let rises = guests::with_parts(RISES);
    site.deploy("a", 1, &rises, "", |_| ());
    site.comes_to("a", Running, "").await;
    site.give_to("x", 0, 1);
    site.emits("a", 1).await;
    assert_eq!(site.values("a"), [1.0], "not its own");

    site.deploy("b", 1, &rises, "", |_| ());
    site.comes_to("b", Running, "").await;
    site.give_to("y", 0, 1);
    look("the ring has ended", || {
        let refused = |name| site.status(name).unwrap().cost.unwrap().samples_refused;
        refused("a") > 0 && refused("b") > 0
    })
    .await;
    for name in ["a", "b"] {
        assert!(site.values(name).iter().all(|value| (1.0..=8.0).contains(value)), "{:?}", site.values(name));
        assert!(site.values(name).contains(&8.0), "{:?}", site.values(name));
        assert!(site.log(name).contains("loop"), "{}", site.log(name));
    }
    let last = site.hub.routed();
    site.comes_to("a", Running, "").await;
    assert_eq!(site.hub.routed(), last, "and stays so");
}

#[tokio::test(flavor = "multi_thread")]
async fn series_past_the_farms_bounds_are_told_in_the_log_and_cost_nothing_else() {
    let mut site = Site::new();
    let retention = Duration::from_secs(86_400);
    site.give(0, 5);
    let bounds = Bounds { per_origin: 100, per_farm: site.hub.series_count() + 2 };
    site.hub.set_rules(bounds, retention, LifeRules::default(), Vec::new());
    site.deploy("t", 1, &prebuilt("threshold"), PARAMETERS, |_| ());
    site.comes_to("t", Running, "").await;
    site.give(1, 5);
    site.emits("t", 2).await;
    look("told", || site.log("t").contains("does not take 3 of its series")).await;
    look("counted", || site.status("t").unwrap().cost.unwrap().samples_refused == 3).await;
}

#[test]
fn a_filters_own_refusal_is_no_failure() {
    use crate::filter::host::Unfit;
    assert!(matches!(Unfit::of(Fault::Refused("no".into())), Unfit::Refused(_)));
    assert!(matches!(Unfit::of(Fault::Host("no".into())), Unfit::Failed(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_reads_back_what_it_was_given_and_nothing_else() {
    let mut site = Site::new();
    site.give(0, 3);
    let history = [Capability::History];
    site.deploy("t", 1, &guests::with_parts(READS_BACK), "", |of| of.grants = history.into());
    site.comes_to("t", Running, "").await;
    for round in 1..5 {
        site.give(round, 3);
    }
    // Handle 0 is the first of the three; what came before the deployment is stored, and was not given.
    site.ticks("t", 4).await;
    site.give(5, 3);
    site.ticks("t", 5).await;
    site = site.killed(|site| site.give(6, 3)).await;
    site.comes_to("t", Running, "").await;
    site.ticks("t", 6).await;
    assert_eq!(site.status("t").unwrap().cost.unwrap().restarts, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_reads_back_goes_as_far_as_its_look_back_and_is_the_same_in_a_backtest() {
    let mut site = Site::new();
    // Before an epoch's first heartbeat nobody knows the time.
    site.hub.beat();
    for round in 0..9 {
        site.give(round, 2);
    }
    // Of the nine, 300 ms apart, the last four.
    let component = guests::with_parts(&format!("{READS_BACK}{}", description_looking_back(1_000)));
    site.deploy("t", 1, &component, "", |of| of.grants = [Capability::History].into());
    site.comes_to("t", Running, "").await;
    let from = site.hub.now();
    site.hub.beat();
    site.ticks("t", 4).await;
    for round in 9..12 {
        site.give(round, 2);
    }
    site.ticks("t", 7).await;
    site.pass(Duration::from_secs(1));
    let to = site.hub.now();
    site.hub.beat();
    let seen = |samples: Vec<(String, i64, hedgerow_model::Value)>| {
        let seen = samples.into_iter().filter(|(path, time, _)| path.contains("echo/seen") && *time < to);
        seen.collect::<Vec<_>>()
    };
    let live = seen(site.stored("t"));
    assert!(live.len() >= 2, "{live:?}");
    let tested = seen(site.held("t", component, from..to).await);
    assert_eq!(tested, live);
}

#[tokio::test(flavor = "multi_thread")]
async fn alarms_are_raised_cleared_and_unknown_where_nobody_can_say() {
    let mut site = Site::new();
    let alarms = [Capability::Alarms];
    let parameters = r#"{"on": ["*/c/*/*"], "above": 0.5}"#;
    site.deploy("t", 1, &prebuilt("threshold-alarm"), parameters, |of| of.grants = alarms.into());
    site.comes_to("t", Running, "").await;
    // Of three series, one is past its bound in each round.
    site.give(0, 3);
    look("one is open", || matches!(site.open_alarms()[..], [(_, AlarmLevel::Warning)])).await;
    let first = site.open_alarms();
    site.give(3, 3);
    look("another one", || site.open_alarms().len() == 1 && site.open_alarms() != first).await;
    let raised = site.alarms.counts().open;
    site = site.killed(|_| ()).await;
    site.comes_to("t", Running, "").await;
    assert_eq!(site.alarms.counts().open, raised);
    site.configure(|filters| filters.enabled = false);
    look("unknown", || matches!(site.open_alarms()[..], [(_, AlarmLevel::Unknown)])).await;
    site.configure(|filters| filters.enabled = true);
    site.comes_to("t", Running, "").await;
    look("known again", || matches!(site.open_alarms()[..], [(_, AlarmLevel::Warning)])).await;
    site.remove("t");
    look("unknown", || matches!(site.open_alarms()[..], [(_, AlarmLevel::Unknown)])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn alarms_of_one_that_cannot_be_begun_are_unknown() {
    let mut site = Site::new();
    let parameters = r#"{"on": ["*/c/*/*"], "above": 0.5}"#;
    let alarms = [Capability::Alarms];
    site.deploy("t", 1, &prebuilt("threshold-alarm"), parameters, |of| of.grants = alarms.into());
    site.comes_to("t", Running, "").await;
    site.give(0, 3);
    look("one is open", || matches!(site.open_alarms()[..], [(_, AlarmLevel::Warning)])).await;
    site.configure(|filters| filters.hidden = vec![hedgerow_model::Glob::new("c").unwrap()]);
    site.comes_to("t", Refused, "reads the cluster `c`").await;
    look("unknown", || matches!(site.open_alarms()[..], [(_, AlarmLevel::Unknown)])).await;
    let (open, _) = site.alarms.list(false, "");
    assert!(open[0].unknown_reason.starts_with("its deployment is refused: "), "{}", open[0].unknown_reason);
    site.configure(|filters| filters.hidden.clear());
    look("known again", || matches!(site.open_alarms()[..], [(_, AlarmLevel::Warning)])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_is_closed_while_its_filter_waits_to_be_begun_again_and_once_it_is_quarantined() {
    let mut site = Site::new();
    let component = guests::with_parts(RAISES_THEN_FAILS);
    for name in ["waits", "ended"] {
        site.deploy(name, 1, &component, "", |of| of.grants = [Capability::Alarms].into());
        site.comes_to(name, Running, "").await;
    }
    site.give(0, 1);
    look("both are open", || {
        site.open_alarms().iter().filter(|(_, level)| *level == AlarmLevel::Warning).count() == 2
    })
    .await;
    let of = |name: &str| site.alarms.list(false, name).0.pop();
    let id = |name: &str| {
        let alarm = of(name).unwrap();
        hedgerow_model::registration::Id(alarm.id[..].try_into().unwrap())
    };
    let ids = ["waits", "ended"].map(id);
    let running = site.alarms.close(ids[0], "ann", "gone").await.unwrap_err();
    assert!(running.to_string().contains("its filter runs"), "{running}");

    // Each tick is its end; it is begun again after a second, then after two, and runs meanwhile.
    let mut closed = None;
    while closed.is_none() {
        site.pass(Duration::from_secs(1));
        site.hub.beat();
        match site.alarms.close(ids[0], "ann", "gone").await {
            Ok(alarm) => closed = Some(alarm),
            Err(why) => assert!(why.to_string().contains("its filter runs"), "{why}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(of("waits").is_none());
    look("it is quarantined", || {
        site.pass(Duration::from_secs(1));
        site.hub.beat();
        site.status("ended").unwrap().state() == Quarantined
            && site.status("waits").unwrap().state() == Quarantined
    })
    .await;
    let unknown = of("ended").unwrap();
    assert_eq!(unknown.level(), AlarmLevel::Unknown);
    assert!(unknown.unknown_reason.contains("unreachable"), "{}", unknown.unknown_reason);
    assert_eq!(site.alarms.close(ids[1], "ann", "gone").await.unwrap().text, "closed by ann: gone");
    let twice = site.alarms.close(ids[1], "ann", "gone").await.unwrap_err();
    assert!(twice.to_string().contains("was cleared already"), "{twice}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "prints how long the hub takes for a batch, and from a batch to what a filter makes of it; for an idle machine"]
#[expect(clippy::disallowed_methods, reason = "it measures")]
async fn latency() {
    use std::time::Instant;
    for bad in [&[][..], &["loop-in-batch", "memory-bomb", "unreachable-in-save"], &["emission-at-once"]] {
        let mut site = Site::with(|filters| filters.call_time = Duration::from_millis(200));
        site.deploy("good", 1, &prebuilt("threshold"), r#"{"on": ["*/c/*/*"], "above": 0.5}"#, |_| ());
        site.comes_to("good", Running, "").await;
        for name in bad {
            site.deploy(name, 1, &guests::guest(name), "", |_| ());
        }
        let mut took = Vec::new();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) {
            let at = Instant::now();
            site.give(took.len() as u64, 20);
            took.push(at.elapsed());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        took.sort();
        let at = Instant::now();
        site.emits("good", took.len() * 20).await;
        let states: Vec<_> = bad.iter().map(|name| site.status(name).unwrap()).collect();
        let states: Vec<_> = states.iter().map(|status| (status.state(), &status.reason)).collect();
        println!(
            "beside {bad:?} {states:?}: {} batches, p50 {:?}, p99 {:?}, worst {:?}; all made {:?} later",
            took.len(),
            took[took.len() / 2],
            took[took.len() * 99 / 100],
            took[took.len() - 1],
            at.elapsed()
        );
    }
}

#[tokio::test]
#[ignore = "prints how long the hub is held by what one call emits, at how many distinct times; for an idle machine"]
#[expect(clippy::disallowed_methods, reason = "it measures")]
async fn emission() {
    use hedgerow_collect::front_door::FrontDoor as _;
    let site = Site::new();
    site.give(0, 1000);
    let (origin, series) = (site.hub.origin("c"), site.series("c"));
    for (times, each) in [(100_000, 1), (1000, 1), (1000, 100), (100, 1000)] {
        let mut builder = hedgerow_model::BatchBuilder::new();
        for time in 0..times {
            for id in &series[..each] {
                builder.push(*id, site.hub.now() - time, hedgerow_model::Value::F64(0.5), None);
            }
        }
        // As the host makes them: none longer than a batch may be.
        let (batch, mut batches) = (builder.build(), Vec::new());
        let most = hedgerow_model::batch::MAX_BATCH_SAMPLES;
        for from in (0..batch.len()).step_by(most) {
            let positions: Vec<u32> = (from..batch.len().min(from + most)).map(|at| at as u32).collect();
            batches.push(batch.select(&positions));
        }
        let checkpoint = hedgerow_cache::Checkpoint { consumed: [].into(), state: None };
        let begun = std::time::Instant::now();
        let emitted = site.hub.emit(origin, batches, "x", &checkpoint);
        println!(
            "{each} samples at each of {times} times: {:?}; {:?}",
            begun.elapsed(),
            emitted.map(|of| of.accepted)
        );
        site.hub.cache().flush().unwrap();
        site.pass(Duration::from_secs(200));
    }
}

/// `echo`, that wants so much look-back.
fn looking_back(millis: u64) -> Vec<u8> {
    guests::with_parts(&description_looking_back(millis))
}

fn description_looking_back(millis: u64) -> String {
    let bytes: String = millis.to_le_bytes().iter().map(|byte| format!("\\{byte:02x}")).collect();
    let text = guests::text("echo");
    let (_, rest) = text.split_once(";;; description\n").unwrap();
    let (description, _) = rest.split_once(";;;").unwrap();
    let nothing = r"\00\00\00\00\00\00\00\00";
    let wanted = format!("\"{nothing}\" \"{nothing}\" \"\\e8");
    assert!(description.contains(&wanted));
    let changed = description.replace(&wanted, &format!("\"{nothing}\" \"{bytes}\" \"\\e8"));
    format!(";;; description\n{changed}")
}

/// The same component, by other bytes.
fn with_comment(module: &[u8]) -> Vec<u8> {
    let mut bytes = module.to_vec();
    bytes.extend([0, 3, 1, b'x', b'y']);
    bytes
}

/// Gives back one more than it was given.
const RISES: &str = r#"
;;; on-batch
  (func (export "hedgerow:filter/filter@1.0.0#on-batch") (param $batch i32)
    (local $at i32) (local $n i32) (local $value i32)
    (local.set $at (i32.load (local.get $batch)))
    (local.set $n (i32.load offset=4 (local.get $batch)))
    (local.set $value (i32.load offset=16 (local.get $batch)))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $n)))
        (i32.store (local.get $at)
          (i32.load offset=4096 (i32.shl (i32.and (i32.load (local.get $at)) (i32.const 1023)) (i32.const 2))))
        (f64.store (local.get $value) (f64.add (f64.load (local.get $value)) (f64.const 1)))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (local.set $value (i32.add (local.get $value) (i32.const 8)))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $next)))
    (if (i32.load offset=4 (local.get $batch))
      (then
        (call $emit_numbers
          (i32.load (local.get $batch)) (i32.load offset=4 (local.get $batch))
          (i32.load offset=8 (local.get $batch)) (i32.load offset=12 (local.get $batch))
          (i32.load offset=16 (local.get $batch)) (i32.load offset=20 (local.get $batch)))))
    (call $forget))
"#;

/// `echo`, that tells at each tick how many samples of its first series it can read back.
const READS_BACK: &str = r#"
;;; imports
  (import "hedgerow:filter/host@1.0.0" "declare"
    (func $declare (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "hedgerow:filter/host@1.0.0" "emit-numbers"
    (func $emit_numbers (param i32 i32 i32 i32 i32 i32)))
  (import "hedgerow:filter/host@1.0.0" "emit-integers"
    (func $emit_integers (param i32 i32 i32 i32 i32 i32)))
  (import "hedgerow:filter/host@1.0.0" "log" (func $log (param i32 i32 i32)))
  (import "hedgerow:filter/history@1.0.0" "read" (func $read (param i32 i32 i64 i64 i32)))
;;; describe
  (func (export "hedgerow:filter/filter@1.0.0#describe") (param i32 i32) (result i32)
    (i32.store8 (i32.const 1100) (i32.const 2))
    (i32.store (i32.const 72) (i32.const 1100))
    (i32.store (i32.const 76) (i32.const 1))
    (call $forget)
    (i32.const 0))
;;; on-tick
  (func (export "hedgerow:filter/filter@1.0.0#on-tick") (param $time i64)
    (i32.store (i32.const 1024) (i32.const 0))
    (call $read (i32.const 1024) (i32.const 1) (i64.const 0) (i64.const 9000000000000) (i32.const 1040))
    (if (i32.load8_u (i32.const 1040)) (then unreachable))
    (i32.store (i32.const 3000) (i32.const 0))
    (i64.store (i32.const 3008) (local.get $time))
    (i64.store (i32.const 3016) (i64.extend_i32_u (i32.load (i32.const 1048))))
    (call $emit_integers (i32.const 3000) (i32.const 1) (i32.const 3008) (i32.const 1) (i32.const 3016) (i32.const 1))
    (call $forget))
"#;

/// `echo`, that raises the alarm `seen` with each batch, and ends with the first tick.
const RAISES_THEN_FAILS: &str = r#"
;;; imports
  (import "hedgerow:filter/host@1.0.0" "declare"
    (func $declare (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "hedgerow:filter/alarms@1.0.0" "raise"
    (func $raise (param i32 i32 i32 i32 i32 i32 i32 i32 f64 i32 i32)))
;;; describe
  (func (export "hedgerow:filter/filter@1.0.0#describe") (param i32 i32) (result i32)
    (i32.store8 (i32.const 1100) (i32.const 0))
    (i32.store (i32.const 72) (i32.const 1100))
    (i32.store (i32.const 76) (i32.const 1))
    (call $forget)
    (i32.const 0))
;;; on-batch
  (func (export "hedgerow:filter/filter@1.0.0#on-batch") (param $batch i32)
    (if (i32.load offset=4 (local.get $batch))
      (then
        (call $raise (i32.const 184) (i32.const 4) (i32.const 1) (i32.const 144) (i32.const 28)
          (i32.const 0) (i32.const 0) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0))))
    (call $forget))
;;; on-tick
  (func (export "hedgerow:filter/filter@1.0.0#on-tick") (param $time i64) unreachable)
"#;

/// `echo`, that takes no state.
const REFUSES_STATE: &str = r#"
;;; configure
  (func (export "hedgerow:filter/filter@1.0.0#configure")
    (param $parameters i32) (param i32) (param $has_state i32) (param $state i32) (param $state_bytes i32) (result i32)
    (if (local.get $has_state)
      (then
        (memory.fill (i32.const 8192) (i32.const 120) (i32.const 4))
        (i32.store8 (i32.const 1040) (i32.const 1))
        (i32.store (i32.const 1044) (i32.const 8192))
        (i32.store (i32.const 1048) (i32.const 4))
        (return (i32.const 1040))))
    (call $declare (i32.const 128) (i32.const 4) (i32.const 184) (i32.const 4) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1024))
    (call $forget)
    (i32.store8 (i32.const 1040) (i32.const 0))
    (i32.const 1040))
"#;
