//! Views of a mesh that is there: a lookup and farms, played, that appear, answer, fall silent, and go.

#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code, reason = "made for the tests of the client, which need more of it")]
#[path = "../../../client-sdk/tests/network/fakes.rs"]
mod fakes;

use fakes::{FakeFarm, FakeLookup, Script, Server, Then, anywhere, registration, say, soon};
use hedgerow_client::proto::common;
use hedgerow_client::proto::farm::item::Item;
use hedgerow_client::proto::farm::{Bins, bins};
use hedgerow_client::proto::lookup::watch_response::disappeared::Cause;
use hedgerow_client::{Mesh, MeshOptions};
use hedgerow_views::alarms::AlarmsFrame;
use hedgerow_views::chart::ChartFrame;
use hedgerow_views::latest::LatestFrame;
use hedgerow_views::mesh::MeshFrame;
use hedgerow_views::{Look, Refused, Told, ViewSpec, Views, ViewsOptions};
use serde::de::DeserializeOwned;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tonic::Status;

struct Site {
    lookup: FakeLookup,
    _server: Server,
    views: Views,
}

impl Site {
    async fn new(options: ViewsOptions) -> Self {
        let lookup = FakeLookup::new(1);
        let server = lookup.serve(anywhere());
        let mesh = soon(Mesh::connect(MeshOptions::at([server.url()]))).await.unwrap();
        Self { lookup, _server: server, views: Views::new(mesh, options) }
    }

    fn open(&self, json: &str) -> Look {
        self.views.open(ViewSpec::parse(json).unwrap()).unwrap()
    }

    async fn until(&self, so: impl Fn(hedgerow_views::Counts) -> bool) {
        fakes::until(|| so(self.views.counts())).await;
    }
}

fn now() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "views have the clock of the machine")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// Samples of series 1 with these numbers, all of one time.
fn samples(first: u64, time: i64, values: &[f64]) -> Item {
    let values = Some(common::Columns { f64: values.to_vec(), ..common::Columns::default() });
    let series = vec![1; values.as_ref().unwrap().f64.len()];
    Item::Batch(common::Batch { epoch_start: 1, first, series, time, values, ..common::Batch::default() })
}

fn farm(messages: Vec<Item>, then: Then) -> FakeFarm {
    let farm = FakeFarm::default();
    farm.inner().subscribe.push_back(Script::of(messages, then));
    farm
}

async fn frame<F: DeserializeOwned>(look: &mut Look) -> F {
    match soon(look.next()).await {
        Some(Told::Frame(json)) => serde_json::from_str(&json).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Frames until one is as it should be.
async fn frames_until<F: DeserializeOwned>(look: &mut Look, mut is_it: impl FnMut(&F) -> bool) -> F {
    loop {
        let frame = frame(look).await;
        if is_it(&frame) {
            return frame;
        }
    }
}

const LOAD: &str = r#"{"kind":"latest","predicate":"*/c/n/load"}"#;

#[tokio::test]
async fn one_view_has_one_upstream_subscription_however_many_look() {
    let linger = Duration::from_millis(50);
    let site = Site::new(ViewsOptions { linger, ..ViewsOptions::default() }).await;
    let told = vec![say::opened(1, 1, false), say::series(1, "load"), samples(1, now(), &[7.0])];
    let farm = farm(told, Then::Silence);
    let server = farm.serve(anywhere());
    site.lookup.hold(&registration(1, "cern", &server.url(), 1));
    let mut looks: Vec<Look> = (0..100).map(|_| site.open(LOAD)).collect();
    let mut texts = Vec::new();
    for look in &mut looks {
        let mut frame: LatestFrame = frames_until(look, |frame: &LatestFrame| !frame.values.is_empty()).await;
        texts.push(format!("{:?}", frame.values.v.remove(0)));
    }
    assert!(texts.iter().all(|text| text == "Number(7.0)"), "{texts:?}");
    let counts = site.views.counts();
    assert_eq!((counts.views, counts.looks, counts.opened), (1, 100, 1));
    assert_eq!(counts.upstream, 2, "the directory, and this");
    assert_eq!(farm.inner().subscribed.len(), 1);
    assert!(counts.frames < 100, "{counts:?}");
    drop(looks);
    site.until(|counts| counts.views == 0 && counts.upstream == 1).await;
    drop(site.open(LOAD));
    site.until(|counts| counts.opened == 2 && counts.views == 0).await;
}

#[tokio::test]
async fn a_chart_asks_for_history_up_to_where_live_values_are_folded() {
    let site = Site::new(ViewsOptions::default()).await;
    let now = now();
    let live = vec![
        say::opened(1, 10, false),
        say::series(1, "load"),
        // Before the seam and in history already; and accepted since.
        samples(10, now - 50_000, &[100.0]),
        samples(11, now, &[1.0]),
        samples(12, now, &[3.0]),
    ];
    let farm = farm(live, Then::Silence);
    let number = |aggregate, value| bins::Column {
        aggregate,
        values: Some(common::Columns { f64: vec![value], ..common::Columns::default() }),
    };
    let count = bins::Column {
        aggregate: 5,
        values: Some(common::Columns { i64: vec![2], ..common::Columns::default() }),
    };
    let start = (now - 1_000_000).div_euclid(5000) * 5000;
    let columns = vec![number(1, 8.0), number(2, 7.0), number(3, 6.0), number(4, 8.0), count];
    let bins = Item::Bins(Bins { start, width_ms: 5000, series: vec![1], columns, late: 0 });
    let history = vec![say::opened(1, 10, false), say::series(1, "load"), bins, say::end()];
    farm.inner().query.push_back(Script::of(history, Then::Silence));
    let server = farm.serve(anywhere());
    site.lookup.hold(&registration(1, "cern", &server.url(), 1));
    let mut look =
        site.open(r#"{"kind":"chart","predicate":"*/c/n/load","from":-3600000,"pixels":720,"max_series":3}"#);
    let mut points = std::collections::BTreeMap::new();
    frames_until(&mut look, |frame: &ChartFrame| {
        assert_eq!(frame.bin, 5000);
        for told in &frame.points {
            for (at, t) in told.t.iter().enumerate() {
                points.insert(*t, (told.mean.0[at], told.count[at]));
            }
        }
        points.len() >= 2 && !frame.loading
    })
    .await;
    let told: Vec<_> = points.values().copied().collect();
    assert_eq!(told, [(7.0, 2), (2.0, 2)], "what history has is not folded again");
    let inner = farm.inner();
    let window = |predicate: &Option<common::Predicate>| {
        let window = predicate.clone().unwrap().window.unwrap();
        format!("{window:?}")
    };
    assert_eq!((inner.subscribed.len(), inner.queried.len()), (1, 1));
    assert!(window(&inner.subscribed[0].predicate).contains("every: None"));
    assert!(window(&inner.queried[0].predicate).contains("every: Some"));
}

#[tokio::test]
async fn a_farm_that_is_killed_is_named_and_goes_on_when_it_is_back() {
    let site = Site::new(ViewsOptions::default()).await;
    let told = |number, value| {
        vec![say::opened(1, number, number > 1), say::series(1, "load"), samples(number, now(), &[value])]
    };
    let farm = farm(told(1, 1.0), Then::Silence);
    let server = farm.serve(anywhere());
    let address = server.address;
    site.lookup.hold(&registration(1, "cern", &server.url(), 1));
    let mut look = site.open(LOAD);
    frames_until(&mut look, |frame: &LatestFrame| !frame.values.is_empty()).await;
    drop(server);
    let missing = |frame: &LatestFrame| frame.coverage.as_ref().is_some_and(|it| !it.missing.is_empty());
    let frame = frames_until(&mut look, missing).await;
    assert_eq!(frame.coverage.unwrap().missing[0].farm, "cern");
    assert_eq!(frame.series[0].life, "stale", "what a dead farm said last is not live");
    farm.inner().subscribe.push_back(Script::of(told(2, 2.0), Then::Silence));
    let _server = farm.serve(address);
    let (mut is_live, mut has_value) = (false, false);
    frames_until(&mut look, |frame: &LatestFrame| {
        is_live |= frame.series.iter().any(|head| head.life == "live");
        has_value |= !frame.values.is_empty();
        is_live && has_value
    })
    .await;
}

#[tokio::test]
async fn a_farm_whose_lease_runs_out_is_an_alarm_and_grey_on_the_map() {
    let site = Site::new(ViewsOptions::default()).await;
    let cut = || Then::Error(Status::unavailable("cut"));
    let farm = farm(vec![say::opened(1, 1, false)], cut());
    let server = farm.serve(anywhere());
    let cern = registration(1, "cern", &server.url(), 1);
    site.lookup.hold(&cern);
    let (mut map, mut alarms) = (site.open(r#"{"kind":"mesh"}"#), site.open(r#"{"kind":"alarms"}"#));
    frames_until(&mut map, |frame: &MeshFrame| frame.farms.iter().any(|farm| farm.name == "cern")).await;
    site.lookup.end(&cern, Cause::Expired);
    let lost = frames_until(&mut map, |frame: &MeshFrame| !frame.gone.is_empty()).await;
    assert_eq!((lost.gone[0].why.as_str(), lost.totals.gone), ("expired", 1));
    assert!(lost.log.iter().any(|line| line.what == "gone"), "{:?}", lost.log);
    frames_until(&mut alarms, |frame: &AlarmsFrame| {
        frame.alarms.iter().any(|alarm| alarm.name == "farm_lost" && alarm.farm == "cern")
    })
    .await;
    // Who looks only now sees it, too.
    let mut later = site.open(r#"{"kind":"mesh","template":"name=cern"}"#);
    let told: MeshFrame = frame(&mut later).await;
    assert!(told.full && told.gone.len() == 1);
    assert_eq!(site.views.counts().upstream, 2, "the directory, and the alarms of all farms once");
    site.lookup.hold(&cern);
    frames_until(&mut map, |frame: &MeshFrame| !frame.back.is_empty()).await;
    frames_until(&mut alarms, |frame: &AlarmsFrame| !frame.removed.is_empty()).await;
}

#[tokio::test]
async fn views_beyond_the_bound_are_refused_and_those_there_are_not() {
    let site = Site::new(ViewsOptions { max_views: 1, ..ViewsOptions::default() }).await;
    let _look = site.open(LOAD);
    let _same = site.open(LOAD);
    let other = ViewSpec::parse(r#"{"kind":"lookups"}"#).unwrap();
    assert!(matches!(site.views.open(other), Err(Refused::TooMany(1))));
    assert_eq!(site.views.counts().refused, 1);
}
