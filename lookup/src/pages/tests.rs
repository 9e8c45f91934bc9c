#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::lookup::LookupOptions;
use crate::testing::{Author, mesh};
use hedgerow_model::registration::{Endpoint, Id};
use hedgerow_proto::lookup::lookup_server::Lookup as _;
use hedgerow_proto::lookup::{CancelRequest, RegisterRequest};
use hedgerow_service::http::Answer;
use hedgerow_service::http::exposition::FamilyKind;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tokio::time::advance;

fn open(folder: &Path) -> Lookup {
    let mut options = LookupOptions::new(folder.to_owned(), Id([0x77; 16]));
    options.mesh = Some(mesh());
    Lookup::open(options).unwrap()
}

async fn register(lookup: &Lookup, author: &Author) -> u64 {
    let registration = Some(author.signed(1, 1));
    let request = tonic::Request::new(RegisterRequest { registration, asked_ms: 60_000 });
    let service = crate::LookupService(Arc::clone(&lookup.0));
    service.register(request).await.unwrap().into_inner().lease
}

fn ask(lookup: &Lookup, query: &str) -> Answer {
    let page = &lookup.pages("lookup-1").more[0];
    assert_eq!(page.path, "/prometheus/sd");
    (page.make)(&Query::parse(query).unwrap())
}

/// The target groups that Prometheus reads.
fn groups(lookup: &Lookup, query: &str) -> Vec<Value> {
    match ask(lookup, query) {
        Answer::Json(text) => serde_json::from_str(&text).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn names(groups: &[Value]) -> Vec<&str> {
    groups.iter().map(|group| group["labels"]["__meta_hedgerow_name"].as_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_registered_is_a_target_with_all_that_is_known_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let lookup = open(folder.path());
    let mut first = Author::new(1);
    first.registration.groups = vec!["alice".into(), "cms".into()];
    let attributes = [("site.room", "4\"1"), ("site_room", "west"), ("country", "CH")];
    first.registration.attributes = attributes.map(|(key, text)| (key.to_owned(), text.to_owned())).into();
    let mut relayed = Author::new(2);
    relayed.registration.endpoints[0].via_relay = Some(Id([9; 16]));
    let mut other = Author::new(3);
    other.registration.kind = "repository".into();
    other.registration.endpoints = ["http://[::1]:80", "http://127.0.0.1:1"]
        .map(|url| Endpoint { url: url.into(), via_relay: None })
        .into();
    let leases =
        [register(&lookup, &other).await, register(&lookup, &relayed).await, register(&lookup, &first).await];

    let listed = groups(&lookup, "");
    assert_eq!(names(&listed), ["farm-1"], "farms and lookups that can be reached");
    let expected = serde_json::json!([{
        "targets": ["127.0.0.1:7403"],
        "labels": {
            "__meta_hedgerow_id": "01".repeat(16),
            "__meta_hedgerow_kind": "farm",
            "__meta_hedgerow_name": "farm-1",
            "__meta_hedgerow_mesh": "test",
            "__meta_hedgerow_groups": ",alice,cms,",
            "__meta_hedgerow_state": "live",
            "__meta_hedgerow_version": "0.1.0",
            "__meta_hedgerow_attribute_country": "CH",
            "__meta_hedgerow_attribute_site_room": "west",
            "__meta_hedgerow_attribute_site_room_2": "4\"1",
            "__scheme__": "http",
        },
    }]);
    assert_eq!(Value::from(listed), expected);
    let all = groups(&lookup, "template=");
    assert_eq!(names(&all), ["farm-1", "farm-3"], "everything, by id");
    assert_eq!(all[1]["targets"][0], "[::1]:80");
    assert_eq!(names(&groups(&lookup, "template=group%3Dcms")), ["farm-1"]);
    for (query, said) in [("template=%21gpu", "expected KEY=VALUE"), ("x=1", "expected `template`")] {
        assert!(matches!(ask(&lookup, query), Answer::Wrong(text) if text.contains(said)), "{query}");
    }

    let cancel = tonic::Request::new(CancelRequest { lease: leases[2] });
    crate::LookupService(Arc::clone(&lookup.0)).cancel(cancel).await.unwrap();
    assert!(groups(&lookup, "").is_empty());
    lookup.close().await;
    assert!(matches!(ask(&lookup, ""), Answer::NotNow(_)), "what ends is no reason to drop targets");
}

#[tokio::test(start_paused = true)]
async fn a_list_of_many_pages_has_each_once() {
    let folder = tempfile::tempdir().unwrap();
    let lookup = open(folder.path());
    for n in 1..=crate::MAX_PAGE as u16 + 3 {
        let mut author = Author::new(1);
        author.registration.id.0[..2].copy_from_slice(&n.to_be_bytes());
        register(&lookup, &author).await;
    }
    let listed = groups(&lookup, "");
    let ids: Vec<&str> =
        listed.iter().map(|group| group["labels"]["__meta_hedgerow_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), crate::MAX_PAGE + 3);
    assert!(ids.is_sorted_by(|one, next| one < next));
}

#[tokio::test(start_paused = true)]
async fn a_restart_drops_no_target_and_who_knows_nobody_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let lookup = open(folder.path());
    assert!(matches!(ask(&lookup, ""), Answer::NotNow(text) if text.contains("just started")));
    register(&lookup, &Author::new(1)).await;
    assert_eq!(groups(&lookup, "").len(), 1, "whoever comes first is not kept waiting");
    lookup.close().await;
    drop(lookup);

    let lookup = open(folder.path());
    let listed = groups(&lookup, "");
    assert_eq!(listed[0]["labels"]["__meta_hedgerow_state"], "unconfirmed");
    lookup.close().await;
    drop(lookup);

    // Its file is lost: those who come back first are not all.
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "db") {
            std::fs::write(path, "no database, whatever its name says").unwrap();
        }
    }
    let lookup = open(folder.path());
    register(&lookup, &Author::new(1)).await;
    assert!(matches!(ask(&lookup, ""), Answer::NotNow(_)));
    advance(targets::SETTLING + Duration::from_secs(1)).await;
    register(&lookup, &Author::new(1)).await;
    assert_eq!(groups(&lookup, "").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_metric_of_a_lookup_stands_in_the_reference() {
    let page = include_str!("../../../docs/reference/metrics.md");
    let folder = tempfile::tempdir().unwrap();
    let lookup = open(folder.path());
    register(&lookup, &Author::new(1)).await;
    let families = (lookup.pages("lookup-1").metrics)();
    for family in &families {
        let kind = if family.kind == FamilyKind::Counter { "counter" } else { "gauge" };
        let row = format!("| `{}` | {kind} |", family.name);
        assert!(page.contains(&row), "expected a row `{row}`");
    }
    let value = |name: &str| families.iter().find(|family| family.name == name).unwrap().samples[0].value;
    assert_eq!(value("hedgerow_lookup_leases"), 1.0);
    assert_eq!(value("hedgerow_lookup_registrations_total"), 1.0);
    let rows = page.lines().filter(|line| line.starts_with("| `hedgerow_lookup_")).count();
    assert_eq!(rows, families.len(), "the reference lists nothing else");
}
