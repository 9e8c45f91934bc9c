//! A mesh of two lookups and several farms.

use crate::fakes::{
    FakeFarm, FakeLookup, Script, Server, Then, anywhere, mesh as identity, registration, say, soon,
};
use hedgerow_client::model::predicate::PathPattern;
use hedgerow_client::model::registration::{Id, Mesh as Identity};
use hedgerow_client::proto::farm;
use hedgerow_client::proto::lookup::watch_response::disappeared::Cause;
use hedgerow_client::{ClientError, Mesh, MeshOptions, MeshStream, MeshUpdate, Predicate, Template, Update};
use std::time::Duration;
use tonic::Status;

fn farm_with(who: u8, numbers: std::ops::RangeInclusive<u32>, then: Then) -> FakeFarm {
    let farm = FakeFarm::default();
    let told = vec![say::opened(who, 0, false), say::series(1, "cpu"), say::batch(numbers)];
    farm.inner().subscribe.push_back(Script::of(told, then));
    farm
}

async fn connect(lookups: &[&Server]) -> Mesh {
    let options = MeshOptions::at(lookups.iter().map(|server| server.url()));
    soon(Mesh::connect(options)).await.unwrap()
}

/// What concerns the mesh, and samples; the farms' own notices are looked at elsewhere.
async fn next(stream: &mut MeshStream) -> String {
    loop {
        match soon(stream.next()).await.expect("it goes on") {
            MeshUpdate::Joined(service) => return format!("+{}", service.shown),
            MeshUpdate::Left(service, gone) => return format!("-{} {}", service.shown, gone.as_str()),
            MeshUpdate::Unreachable(service, _) => return format!("!{}", service.shown),
            MeshUpdate::Farm { farm, update: Update::Samples(samples), .. } => {
                assert_eq!(samples.farm, farm);
                let numbers: Vec<_> = samples.iter().map(|s| s.number.unwrap().to_string()).collect();
                return format!("{farm} {}", numbers.join(" "));
            }
            MeshUpdate::Farm { .. } | MeshUpdate::Lookup { .. } | MeshUpdate::LookupSuspects { .. } => {}
        }
    }
}

#[tokio::test]
async fn farms_join_as_they_appear_and_go_on_while_their_lookups_are_dead() {
    let lookup = FakeLookup::new(1);
    let lookup_server = lookup.serve(anywhere());
    let cut = || Then::Error(Status::unavailable("cut"));
    let (one, two) = (farm_with(1, 1..=2, Then::Silence), farm_with(2, 1..=1, cut()));
    let servers = [one.serve(anywhere()), two.serve(anywhere())];
    lookup.hold(&registration(1, "cern", &servers[0].url(), 1));
    lookup.hold(&registration(3, "elsewhere", &servers[0].url(), 1));
    let mesh = connect(&[&lookup_server]).await;
    let mut stream = mesh.subscribe(&Predicate::parse("cern/c fnal/c").unwrap());
    assert_eq!(next(&mut stream).await, "+cern");
    assert_eq!(next(&mut stream).await, "cern 1 2");
    lookup.hold(&registration(2, "fnal", &servers[1].url(), 1));
    assert_eq!(next(&mut stream).await, "+fnal");
    assert_eq!(next(&mut stream).await, "fnal 1");

    // The lookup is killed; what a farm says next comes all the same.
    drop(lookup_server);
    let more = vec![say::opened(2, 1, false), say::series(1, "cpu"), say::batch(2..=2)];
    two.inner().subscribe.push_back(Script::of(more, Then::Silence));
    assert_eq!(next(&mut stream).await, "fnal 2");
}

#[tokio::test]
async fn a_farm_that_leaves_is_named_and_one_that_moves_is_followed() {
    let lookup = FakeLookup::new(1);
    let lookup_server = lookup.serve(anywhere());
    let farm = farm_with(1, 1..=1, Then::Silence);
    let first = farm.serve(anywhere());
    lookup.hold(&registration(1, "cern", &first.url(), 1));
    let mesh = connect(&[&lookup_server]).await;
    let mut stream = mesh.subscribe(&Predicate::parse("*").unwrap());
    assert_eq!(next(&mut stream).await, "+cern");
    assert_eq!(next(&mut stream).await, "cern 1");
    let more = vec![say::opened(1, 1, false), say::series(1, "cpu"), say::batch(1..=2)];
    farm.inner().subscribe.push_back(Script::of(more, Then::Silence));
    let second = farm.serve(anywhere());
    lookup.hold(&registration(1, "cern", &second.url(), 2));
    assert_eq!(next(&mut stream).await, "cern 2", "at the new address, and 1 is not given again");
    lookup.end(&registration(1, "cern", &second.url(), 2), Cause::Cancelled);
    assert_eq!(next(&mut stream).await, "-cern cancelled");
    lookup.hold(&registration(1, "cern", &second.url(), 3));
    assert_eq!(next(&mut stream).await, "+cern");
}

#[tokio::test]
async fn a_merged_answer_ends_with_what_it_covers() {
    let lookups = [FakeLookup::new(1), FakeLookup::new(2)];
    let lookup_servers = lookups.each_ref().map(|lookup| lookup.serve(anywhere()));
    let farms = [FakeFarm::default(), FakeFarm::default(), FakeFarm::default()];
    let servers = farms.each_ref().map(|farm| farm.serve(anywhere()));
    for (who, server) in (1_u8..).zip(&servers) {
        lookups[0].hold(&registration(who, &format!("f{who}"), &server.url(), 1));
    }
    let whole = |who| vec![say::opened(who, 0, false), say::series(1, "cpu"), say::batch(1..=3), say::end()];
    farms[0].inner().query.push_back(Script::of(whole(1), Then::Silence));
    farms[1].inner().query.push_back(Script::of(whole(2), Then::Silence));
    let broken = Then::Error(Status::internal("the disk is gone"));
    farms[2].inner().query.push_back(Script::of(vec![say::opened(3, 0, false)], broken));
    let mesh = connect(&[&lookup_servers[0], &lookup_servers[1]]).await;
    drop(lookup_servers);
    let server = lookups[0].serve(anywhere());
    let mesh = {
        drop(mesh);
        connect(&[&server]).await
    };

    let mut answer = mesh.query(&Predicate::parse("f* since=5m").unwrap());
    let mut samples = 0;
    while let Some(update) = soon(answer.next()).await {
        if let MeshUpdate::Farm { update: Update::Samples(part), .. } = update {
            samples += part.len();
        }
    }
    let coverage = answer.coverage().unwrap();
    assert_eq!((samples, coverage.asked, coverage.answered), (6, 3, 2));
    assert_eq!(coverage.as_of, Some(1_001));
    assert_eq!(&*coverage.missing[0].farm, "f3");
    assert!(coverage.missing[0].why.to_string().contains("the disk is gone"));
    assert!(!coverage.is_complete());
    assert!(soon(answer.next()).await.is_none(), "over is over");
}

#[tokio::test]
async fn series_are_listed_over_all_farms_and_a_farm_says_how_it_is() {
    let lookup = FakeLookup::new(1);
    let lookup_server = lookup.serve(anywhere());
    let farm = FakeFarm::default();
    let listed = farm::list_series_response::Listed {
        series: Some(say::wire_series(1, "cpu")),
        life: hedgerow_client::proto::common::Life::Live.into(),
        last_ms: Some(5),
        last: Some(hedgerow_client::proto::common::Columns { f64: vec![0.5], ..Default::default() }),
        ..Default::default()
    };
    farm.inner().listed.push(farm::ListSeriesResponse { series: vec![listed] });
    let server = farm.serve(anywhere());
    let dead = { FakeFarm::default().serve(anywhere()).url() };
    lookup.hold(&registration(1, "cern", &server.url(), 1));
    lookup.hold(&registration(2, "fnal", &dead, 1));
    lookup.hold(&registration(3, "fnal", &dead, 1));
    let mesh = connect(&[&lookup_server]).await;
    let list = soon(mesh.list_series(&[PathPattern::any()])).await;
    assert_eq!((list.series.len(), list.coverage.asked, list.coverage.answered), (1, 3, 1));
    assert_eq!(list.series[0].last, Some((5, hedgerow_client::model::Value::F64(0.5))));
    assert!(list.coverage.missing.iter().all(|missing| missing.farm.starts_with("fnal~0")));

    assert_eq!(soon(mesh.farm_status("cern")).await.unwrap().version, "fake");
    let error = |name: &'static str| {
        let mesh = mesh.clone();
        async move { soon(mesh.farm_status(name)).await.unwrap_err().to_string() }
    };
    assert!(error("nope").await.starts_with("no farm is called `nope`; there are cern, fnal~"));
    assert!(error("fnal").await.contains("say which, of fnal~02020202, fnal~03030303"));
    assert!(error("fnal~02020202").await.contains("check that it runs"));
    let found = soon(mesh.farms(&Template::parse("name=c*").unwrap())).await;
    assert_eq!(found.answered, 1);
}

#[tokio::test]
async fn one_lookup_is_enough_and_those_of_another_mesh_are_left_out() {
    let (ours, other) = (FakeLookup::new(1), FakeLookup::new(2));
    other.inner().mesh = Identity { name: "other".into(), id: Id([8; 16]) };
    let servers = [ours.serve(anywhere()), other.serve(anywhere())];
    let dead = { ours.serve(anywhere()).url() };
    let options = MeshOptions {
        mesh: Some(identity()),
        patience: Duration::from_secs(5),
        ..MeshOptions::at([servers[1].url(), dead.clone(), servers[0].url()])
    };
    let mesh = soon(Mesh::connect(options)).await.unwrap();
    assert_eq!(mesh.identity(), &identity());
    assert_eq!(mesh.problems().len(), 2);
    assert!(mesh.problems().iter().any(|error| matches!(error, ClientError::OtherMesh { .. })));
    let found = soon(mesh.farms(&Template::default())).await;
    assert_eq!((found.asked, found.answered), (2, 1), "the dead one is asked again, the other mesh's is not");

    let error = soon(Mesh::connect(MeshOptions::at([dead]))).await.unwrap_err().to_string();
    assert!(error.starts_with("no lookup answers (") && error.contains("hedgerow up"), "{error}");
}

#[tokio::test]
async fn samples_come_one_by_one_for_programs_that_want_them_so() {
    let lookup = FakeLookup::new(1);
    let lookup_server = lookup.serve(anywhere());
    let farm = farm_with(1, 4..=6, Then::Silence);
    let server = farm.serve(anywhere());
    lookup.hold(&registration(1, "cern", &server.url(), 1));
    let mut samples =
        connect(&[&lookup_server]).await.subscribe(&Predicate::parse("*/*/*/cpu").unwrap()).samples();
    for number in 4..=6 {
        let sample = soon(samples.next()).await.unwrap();
        assert_eq!(
            (sample.number, &*sample.farm, sample.time, sample.late),
            (Some(number), "cern", 5, false)
        );
        assert_eq!(&*sample.series.key.parameter, "cpu");
    }
}

#[tokio::test]
async fn a_window_that_has_an_end_ends_when_all_farms_have_come_to_it() {
    let lookup = FakeLookup::new(1);
    let lookup_server = lookup.serve(anywhere());
    let farms = [FakeFarm::default(), FakeFarm::default()];
    let servers = farms.each_ref().map(|farm| farm.serve(anywhere()));
    for (who, (farm, server)) in (1_u8..).zip(farms.iter().zip(&servers)) {
        lookup.hold(&registration(who, &format!("f{who}"), &server.url(), 1));
        let told = vec![say::opened(who, 0, false), say::series(1, "cpu"), say::batch(1..=1), say::end()];
        farm.inner().subscribe.push_back(Script::of(told, Then::Silence));
    }
    let window = Predicate::parse("* since=2026-01-01 until=2026-01-02").unwrap();
    let mut samples = connect(&[&lookup_server]).await.subscribe(&window).samples();
    let mut count = 0;
    while soon(samples.next()).await.is_some() {
        count += 1;
    }
    assert_eq!(count, 2);
}

#[tokio::test]
async fn a_farm_is_never_given_the_token_wherever_it_says_that_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let token = hedgerow_client::UserToken::load_or_create(&folder.path().join("token")).unwrap();
    let (lookup, farm) = (FakeLookup::new(1), FakeFarm::default());
    let (lookup_server, server) = (lookup.serve(anywhere()), farm.serve(anywhere()));
    lookup.hold(&registration(1, "cern", &server.url(), 1));
    let options = MeshOptions { token: Some(token), ..MeshOptions::at([lookup_server.url()]) };
    let mesh = soon(Mesh::connect(options)).await.unwrap();
    assert_eq!(soon(mesh.farm_status("cern")).await.unwrap().version, "fake");
    assert!(!farm.inner().token_seen, "whoever registers a loopback address would get it");
}
