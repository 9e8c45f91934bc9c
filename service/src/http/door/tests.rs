#![allow(clippy::unwrap_used)]
use super::*;
use crate::http::Page;
use http::Request;

fn door() -> Arc<Door> {
    let pages = Pages {
        role: "farm oak".to_owned(),
        metrics: Arc::new(|| vec![Family::gauge("hedgerow_farm_series", "Series.", 7.0)]),
        more: vec![
            Page {
                path: "/list",
                about: "a list",
                make: Arc::new(|query| match query.only("template") {
                    Ok(None) => Answer::Json("[]".to_owned()),
                    Ok(Some(_)) => Answer::NotNow("later".to_owned()),
                    Err(error) => Answer::Wrong(error.to_string()),
                }),
            },
            Page {
                path: "/broken",
                about: "breaks",
                make: Arc::new(|_| std::panic::resume_unwind(Box::new(()))),
            },
        ],
    };
    Arc::new(Door::new(pages, Access::new("s3cret", "/state/token"), || 3))
}

async fn ask(method: &str, uri: &str, headers: &[(&str, &str)], loopback: bool) -> (u16, Reply) {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, text) in headers {
        request = request.header(*name, *text);
    }
    let reply = door().answer(&request.body(()).unwrap().into_parts().0, loopback).await;
    (reply.status().as_u16(), reply)
}

#[tokio::test]
async fn pages_are_found_and_what_is_none_is_told_in_plain_words() {
    let (status, index) = ask("GET", "/", &[], true).await;
    assert_eq!(status, 200);
    for part in ["farm oak", "gRPC", "/metrics", "/list  a list"] {
        assert!(index.body().contains(part), "{part}: {}", index.body());
    }
    let (status, metrics) = ask("GET", "/metrics?any=thing", &[], true).await;
    assert_eq!((status, metrics.headers()[CONTENT_TYPE].to_str().unwrap()), (200, exposition::CONTENT_TYPE));
    assert!(metrics.body().contains("\nhedgerow_farm_series 7\n"), "{}", metrics.body());
    assert!(metrics.body().contains("\nhedgerow_connections 3\n"), "{}", metrics.body());
    let (status, list) = ask("GET", "/list", &[], true).await;
    assert_eq!(
        (status, list.headers()[CONTENT_TYPE].to_str().unwrap(), list.body().as_str()),
        (200, JSON, "[]")
    );

    for (method, uri, status, said) in [
        ("GET", "/metric", 404, "no page /metric here; there is\n  /"),
        ("POST", "/hedgerow.farm.v1.Farm/Status", 404, "there is"),
        ("POST", "/metrics", 405, "expected GET or HEAD, found POST"),
        ("DELETE", "/list", 405, "found DELETE"),
        ("GET", "/list?template=%zz", 400, "%HH"),
        ("GET", "/list?tem=1", 400, "expected `template`"),
        ("GET", "/list?template=1", 503, "later"),
        ("GET", "/broken", 500, "see the log"),
    ] {
        let (code, reply) = ask(method, uri, &[], true).await;
        assert_eq!(code, status, "{method} {uri}: {}", reply.body());
        assert!(reply.body().contains(said), "{method} {uri}: {}", reply.body());
    }
    assert_eq!(ask("HEAD", "/metrics", &[], true).await.0, 200);
    assert_eq!(ask("POST", "/metrics", &[], true).await.1.headers()[ALLOW], "GET, HEAD");
}

#[tokio::test]
async fn from_elsewhere_reading_takes_the_token_and_a_wrong_one_is_refused_everywhere() {
    let right = ("authorization", "Bearer s3cret");
    assert_eq!(ask("GET", "/metrics", &[right, ("host", "farm.example:7403")], false).await.0, 200);
    let (status, reply) = ask("GET", "/metrics", &[("host", "127.0.0.1:7403")], false).await;
    assert_eq!(status, 401);
    assert!(reply.headers()[WWW_AUTHENTICATE].to_str().unwrap().starts_with("Bearer"));
    assert!(reply.body().contains("/state/token"), "{}", reply.body());
    for wrong in ["Bearer s3cre", "Basic czNjcmV0", ""] {
        for loopback in [true, false] {
            assert_eq!(ask("GET", "/", &[("authorization", wrong)], loopback).await.0, 401, "{wrong:?}");
        }
    }
    // Who may not read learns not even which pages there are.
    assert_eq!(ask("GET", "/nothing", &[], false).await.0, 401);
}

#[tokio::test]
async fn a_page_of_the_web_cannot_read_this_port_through_a_name_of_its_own() {
    for own in
        ["127.0.0.1:7401", "localhost", "LocalHost:7401", "[::1]:7401", "127.8.0.1", "[::ffff:127.0.0.1]:1"]
    {
        assert_eq!(ask("GET", "/metrics", &[("host", own)], true).await.0, 200, "{own}");
    }
    for foreign in [
        "evil.example:7401",
        "10.0.0.1",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
        "127.0.0.1@evil",
    ] {
        assert_eq!(ask("GET", "/metrics", &[("host", foreign)], true).await.0, 403, "{foreign:?}");
    }
    let two = [("host", "localhost"), ("host", "evil.example")];
    assert_eq!(ask("GET", "/metrics", &two, true).await.0, 403);
    assert_eq!(ask("GET", "http://evil.example/metrics", &[("host", "localhost")], true).await.0, 403);
    let token = [("host", "evil.example"), ("authorization", "Bearer s3cret")];
    assert_eq!(ask("GET", "/metrics", &token, true).await.0, 200, "no page of the web has the token");
}

#[tokio::test]
async fn every_metric_of_the_service_stands_in_the_reference() {
    let page = include_str!("../../../../docs/reference/metrics.md");
    let door = door();
    door.answer(&Request::new(()).into_parts().0, true).await;
    let families = door.families();
    assert!(families.len() > 8, "{families:?}");
    for family in families.iter().filter(|family| !family.name.starts_with("hedgerow_farm_")) {
        let kind = if family.kind == FamilyKind::Counter { "counter" } else { "gauge" };
        let row = format!("| `{}` | {kind} |", family.name);
        assert!(page.contains(&row), "expected a row `{row}`");
    }
}
