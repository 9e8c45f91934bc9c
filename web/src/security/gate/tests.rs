#![allow(clippy::unwrap_used)]
use super::*;
use http::Request;

const OWN: &str = "127.0.0.1:7400";

fn gate(more: &[&str], origins: &[&str]) -> (Gate, String) {
    let session = Session::new().unwrap();
    let token = session.token().to_owned();
    let more = more.iter().map(|text| AllowedHost::parse(text).unwrap()).collect();
    (Gate::new(7400, more, origins.iter().map(|text| (*text).to_owned()).collect(), session), token)
}

fn parts(method: &str, path: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn of_host(gate: &Gate, host: &str) -> bool {
    gate.admit(&parts("GET", "/api/v1/mesh", &[("host", host)])).is_ok()
}

#[test]
fn a_name_that_was_made_to_point_here_is_refused() {
    let (gate, _) = gate(&["mesh.example", "other.example:8443"], &[]);
    for own in [
        OWN,
        "localhost:7400",
        "LOCALHOST:7400",
        "[::1]:7400",
        "mesh.example",
        "mesh.example:9",
        "other.example:8443",
    ] {
        assert!(of_host(&gate, own), "{own}");
    }
    for foreign in [
        "evil.example:7400",
        "127.0.0.1",
        "127.0.0.1:7401",
        "localhost.evil.example:7400",
        "127.0.0.1:7400@evil.example",
        "evil@127.0.0.1:7400",
        "other.example",
        "0.0.0.0:7400",
        "",
    ] {
        assert!(!of_host(&gate, foreign), "{foreign}");
    }
    assert!(gate.admit(&parts("GET", "/", &[])).is_err(), "no host at all");
    assert!(gate.admit(&parts("GET", "/", &[("host", OWN), ("host", "evil.example")])).is_err(), "two hosts");
    let line = parts("GET", "http://evil.example/", &[("host", OWN)]);
    assert!(gate.admit(&line).is_err(), "another one in the line");
}

#[test]
fn what_changes_something_takes_the_token_of_this_run() {
    let (gate, token) = gate(&[], &[]);
    let json = ("content-type", "application/json");
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let asked = |more: &[(&str, &str)]| {
            gate.admit(&parts(method, "/api/v1/silences", &[&[("host", OWN), json], more].concat()))
        };
        assert_eq!(asked(&[]), Err(Refusal::NoSession), "{method}");
        assert_eq!(asked(&[("x-hedgerow-session", "0123")]), Err(Refusal::WrongSession));
        assert_eq!(asked(&[("x-hedgerow-session", &token)]), Ok(Standing::Changer));
    }
    // A wrong one is never taken for none.
    let read = parts("GET", "/api/v1/mesh", &[("host", OWN), ("x-hedgerow-session", "0123")]);
    assert_eq!(gate.admit(&read), Err(Refusal::WrongSession));
}

#[test]
fn a_foreign_page_can_neither_change_nor_listen() {
    let (gate, token) = gate(&[], &["http://grafana.example:3000"]);
    let token = ("x-hedgerow-session", token.as_str());
    let post = |more: &[(&str, &str)]| {
        gate.admit(&parts("POST", "/api/v1/silences", &[&[("host", OWN), token], more].concat()))
    };
    let json = ("content-type", "application/json; charset=utf-8");
    assert_eq!(post(&[json]), Ok(Standing::Changer));
    assert_eq!(post(&[json, ("origin", "http://127.0.0.1:7400")]), Ok(Standing::Changer));
    for origin in ["http://evil.example", "null", "http://127.0.0.1:7401", "http://grafana.example:3000"] {
        assert_eq!(post(&[json, ("origin", origin)]), Err(Refusal::Origin(origin.to_owned())));
        let socket = parts(
            "GET",
            "/api/v1/live/views",
            &[("host", OWN), ("origin", origin), ("upgrade", "websocket")],
        );
        assert_eq!(gate.admit(&socket), Err(Refusal::Origin(origin.to_owned())));
    }
    // What a form or `no-cors` can send.
    for simple in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
    ] {
        assert!(matches!(post(&[("content-type", simple)]), Err(Refusal::Body(_))), "{simple}");
    }
    assert!(matches!(post(&[]), Err(Refusal::Body(_))));
}

#[test]
fn a_page_elsewhere_cannot_make_work_here_but_a_link_may_lead_here() {
    let (gate, _) = gate(&[], &["http://grafana.example:3000"]);
    let get = |more: &[(&str, &str)]| {
        gate.admit(&parts("GET", "/api/v1/query", &[&[("host", OWN)], more].concat()))
    };
    let elsewhere = ("sec-fetch-site", "cross-site");
    assert!(matches!(get(&[elsewhere, ("sec-fetch-mode", "no-cors")]), Err(Refusal::Origin(_))));
    assert_eq!(get(&[elsewhere, ("sec-fetch-mode", "navigate")]), Ok(Standing::Reader));
    assert_eq!(get(&[("sec-fetch-site", "same-origin")]), Ok(Standing::Reader));
    assert_eq!(get(&[elsewhere, ("origin", "http://grafana.example:3000")]), Ok(Standing::Reader));
}

#[test]
fn prometheus_reads_by_post() {
    let (gate, _) = gate(&[], &[]);
    let form = ("content-type", "application/x-www-form-urlencoded");
    let post = |path: &str| gate.admit(&parts("POST", path, &[("host", OWN), form]));
    assert_eq!(post("/prometheus/api/v1/query"), Ok(Standing::Reader));
    assert_eq!(post("/api/v1/silences"), Err(Refusal::NoSession));
}

#[test]
fn hosts_are_read_or_refused_with_what_was_expected() {
    for wrong in ["", "a b", "*", "a@b", "http://x", "x/y"] {
        assert!(AllowedHost::parse(wrong).is_err_and(|said| said.contains("expected NAME")), "{wrong}");
    }
}
