//! Promise: whatever is sent to the page's server, by clumsy hands or hostile ones, it answers with what was wrong and goes on: never
//! with a fault of its own, and never with nothing.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use hedgerow_e2e::{Browser, PATIENCE, Process, Sandbox, percent_encoded};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

fn up(sandbox: &Sandbox) -> (Process, Browser) {
    let up = sandbox.up();
    let said = up.stdout();
    let link = said.split_whitespace().find(|word| word.contains("/#session=")).unwrap();
    let browser = Browser::by_link(link);
    (up, browser)
}

/// Sends these bytes; all that is answered until it closes.
fn raw(host: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // It may close before it has taken all.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn questions_that_cannot_be_meant_are_refused_with_what_was_expected() {
    let sandbox = Sandbox::new();
    let (_up, browser) = up(&sandbox);
    let deep = "(".repeat(5_000);
    let long = "x".repeat(40_000);
    for path in [
        "/api/v1/query?predicate=%ff".to_owned(),
        "/api/v1/query?predicate=%".to_owned(),
        "/api/v1/query?predicat=*".to_owned(),
        "/api/v1/query?predicate=*&predicate=*".to_owned(),
        format!("/api/v1/query?predicate={long}/a/b/c/d"),
        format!("/api/v1/query?predicate={}", percent_encoded(&"{a,".repeat(3_000))),
        format!("/api/v1/query?predicate={}", percent_encoded("* since=999999999999999999d")),
        format!("/api/v1/query?predicate={}", percent_encoded("* since=1h every=0s:mean")),
        format!("/api/v1/query?predicate={}", percent_encoded("* where value > ")),
        format!("/api/v1/query?predicate={}", percent_encoded("a\u{0}b")),
        "/api/v1/farms?templat=x".to_owned(),
        format!("/api/v1/farms?template={}", percent_encoded(&deep)),
        "/api/v1/farms/%ff".to_owned(),
        "/api/v1/series?limit=99999999999999999999".to_owned(),
        "/api/v1/series?limit=-1".to_owned(),
        "/api/v1/tree?farm=".to_owned(),
        "/api/v1/tree?farm=%00".to_owned(),
        "/api/v1/alarms?cleared=perhaps".to_owned(),
        "/api/v1/live?predicate=*&since=1h".to_owned(),
        "/api/v1/filters/x/logs?last=-1".to_owned(),
        "/prometheus/api/v1/query?query=%ff".to_owned(),
        format!("/prometheus/api/v1/query?query={deep}"),
        format!(
            "/prometheus/api/v1/query?query={}",
            percent_encoded("{a=~\"(((((a{100}){100}){100}){100}){100})\"}")
        ),
        "/prometheus/api/v1/query_range?query=up&start=-1e300&end=1e300&step=1e-300".to_owned(),
        "/prometheus/api/v1/query_range?query=up&start=0&end=1&step=NaN".to_owned(),
        "/prometheus/api/v1/label/%ff/values".to_owned(),
    ] {
        let answer = browser.get(&path);
        let shown: String = path.chars().take(80).collect();
        assert!((400..500).contains(&answer.status), "{shown}: {} {}", answer.status, answer.text());
        let said = answer.json();
        let sentence = said["error"]["message"].as_str().or(said["error"].as_str());
        assert!(sentence.is_some_and(|text| text.len() > 10), "{shown}: {said}");
    }
    for path in [
        "/api/v1/farms/nobody%00",
        "/api/v1/farms/%2e%2e",
        "/..%2f..%2fetc/passwd",
        "/assets/%2e%2e/x",
        "/api/v1/",
    ] {
        assert_eq!(browser.get(path).status, 404, "{path}");
    }
    // Nothing above has hurt it.
    browser.get("/api/v1/mesh").ok();
}

#[test]
fn methods_bodies_and_headers_that_do_not_fit_are_refused() {
    let sandbox = Sandbox::new();
    let (_up, browser) = up(&sandbox);
    let json_type = [("content-type", "application/json")];
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    for (method, path, headers, body, status) in [
        ("PATCH", "/api/v1/mesh", &json_type[..], b"{}".as_slice(), 405),
        ("DELETE", "/api/v1/mesh", &[], b"", 405),
        ("OPTIONS", "/api/v1/mesh", &json_type, b"", 405),
        ("TRACE", "/", &json_type, b"", 404),
        ("BREW", "/api/v1/query", &json_type, b"{}", 405),
        ("POST", "/api/v1/silences", &json_type, b"", 400),
        ("POST", "/api/v1/silences", &json_type, b"{\"until\":1e99}", 400),
        ("POST", "/api/v1/silences", &json_type, b"\xff\xfe", 400),
        ("POST", "/api/v1/silences", &json_type, deep.as_bytes(), 400),
        ("POST", "/api/v1/silences", &json_type, &[b' '; 300 * 1024], 413),
        ("POST", "/api/v1/silences", &[("content-type", "application/xml")], b"<a/>", 415),
        ("POST", "/api/v1/components", &json_type, b"{}", 400),
        ("POST", "/api/v1/components/describe", &json_type, b"{\"component\":\"no such thing\"}", 404),
        ("PUT", "/api/v1/views/x", &json_type, b"null", 400),
        ("POST", "/prometheus/api/v1/query", &json_type, b"{}", 415),
        ("PUT", "/prometheus/api/v1/query", &json_type, b"{}", 405),
    ] {
        let answer = browser.ask(method, path, headers, body);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        let said = answer.json();
        assert!(said["error"]["message"].is_string() || said["error"].is_string(), "{method} {path}: {said}");
    }
    // The token only counts where it belongs.
    let token = browser.session.clone().unwrap();
    let reader = browser.reader();
    let bearer = format!("Bearer {token}");
    for (path, headers) in [
        (format!("/api/v1/views/x?session={token}"), vec![]),
        ("/api/v1/views/x".to_owned(), vec![("authorization", bearer.as_str())]),
        ("/api/v1/views/x".to_owned(), vec![("cookie", "x-hedgerow-session=1")]),
    ] {
        let headers: Vec<_> = headers.into_iter().chain(json_type).collect();
        let answer = reader.ask("PUT", &path, &headers, b"{\"title\":\"x\",\"page\":\"mesh\",\"state\":{}}");
        assert_eq!(
            (answer.status, answer.json()["error"]["code"].as_str()),
            (401, Some("no_session")),
            "{path}"
        );
    }
    // What is only read may be asked for as caches and others do.
    let head = browser.ask("HEAD", "/api/v1/mesh", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    let part =
        browser.ask("GET", "/api/v1/openapi.json", &[("range", "bytes=5-1"), ("if-none-match", "*")], b"");
    assert_eq!(part.status, 200, "no parts are given, but all of it");

    for name in ["components", "describe"] {
        let path = format!("/api/v1/filters/{name}");
        let answer = browser.ask("DELETE", &path, &[], b"");
        assert_eq!(answer.status, 404, "a name like others: {}", answer.text());
        assert!(answer.text().contains("no deployment is called"), "{}", answer.text());
    }
}

#[test]
fn what_is_no_http_is_answered_or_closed_and_the_server_goes_on() {
    let sandbox = Sandbox::new();
    let (_up, browser) = up(&sandbox);
    let host = &browser.host;
    let hosts =
        |host: &str| format!("GET /api/v1/mesh HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    let port = host.rsplit(':').next().unwrap();
    for (sent, status) in [
        (b"\x16\x03\x01\x02\x00\x01\x00".to_vec(), " 400 "),
        (b"GET /\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(), " 400 "),
        (b"GET / HTTP/9.9\r\n\r\n".to_vec(), " 400 "),
        (
            format!("POST /api/v1/silences HTTP/1.1\r\nhost: {host}\r\ncontent-length: -1\r\n\r\n")
                .into_bytes(),
            " 400 ",
        ),
        (hosts("evil.example").into_bytes(), " 403 "),
        (hosts("").into_bytes(), " 403 "),
        (hosts(&format!("user@127.0.0.1:{port}")).into_bytes(), " 403 "),
        (hosts("127.0.0.1:1").into_bytes(), " 403 "),
        (hosts(&format!("LOCALHOST:{port}")).into_bytes(), " 200 "),
        (
            format!("GET http://evil.example/ HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")
                .into_bytes(),
            " 403 ",
        ),
        (
            format!("GET / HTTP/1.1\r\nhost: {host}\r\nhost: evil.example\r\nconnection: close\r\n\r\n")
                .into_bytes(),
            " 403 ",
        ),
    ] {
        let answer = raw(host, &sent);
        let line = answer.lines().next().unwrap_or_default();
        assert!(line.contains(status), "{:?}: {line}", String::from_utf8_lossy(&sent[..sent.len().min(60)]));
    }
    // Of a head that is too long the rest is not read: the refusal may be lost with it.
    for long in [
        format!("GET /{} HTTP/1.1\r\n", "a".repeat(100_000)),
        format!("GET / HTTP/1.1\r\n{}", "a: b\r\n".repeat(20_000)),
    ] {
        let answer = raw(host, format!("{long}host: {host}\r\n\r\n").as_bytes());
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    // Many who say nothing do not keep others out.
    let silent: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(host).unwrap()).collect();
    browser.get("/api/v1/mesh").ok();
    drop(silent);
}

#[test]
fn a_socket_that_says_what_it_should_not_is_told_and_others_go_on() {
    let sandbox = Sandbox::new();
    let (_up, browser) = up(&sandbox);
    let path = "/api/v1/live/views";
    let origin = format!("http://{}", browser.host);
    let mut socket = browser.socket(path, &origin).unwrap();
    for wrong in [
        json!([]),
        json!({"open": -1, "view": {"kind": "mesh"}}),
        json!({"open": 1}),
        json!({"open": 1, "view": {"kind": "mesh"}, "more": 1}),
        json!({"open": 1, "view": {"kind": "chart", "predicate": "*", "from": 5, "to": 1, "pixels": 600}}),
        json!({"open": 1, "view": {"kind": "chart", "predicate": "*", "from": -1, "pixels": 0}}),
        json!({"open": 1, "view": {"kind": "latest", "predicate": "[", "limit": 5}}),
        json!({"open": 1, "view": {"kind": "top", "predicate": "*", "n": 4_000_000_000_u64}}),
        json!({"open": 1, "view": "mesh"}),
    ] {
        socket.say(&wrong);
        let told = socket.hear().unwrap();
        assert!(told["error"].as_str().is_some_and(|error| error.len() > 10), "{wrong}: {told}");
    }
    // Bytes in place of text are refused, and the socket goes on.
    socket.send(2, b"\xff\x00");
    assert!(socket.hear().unwrap()["error"].as_str().unwrap().contains("text"));
    socket.say(&json!({"open": 2, "view": {"kind": "mesh"}}));
    assert_eq!(socket.hear().unwrap()["view"], 2);

    // Text that is none, a message that is too long, and a frame of no kind close it, and say why.
    for (kind, body, code) in
        [(1, vec![0xff; 8], 1007), (1, vec![b' '; 200 * 1024], 1009), (0x0b, vec![], 1002)]
    {
        let mut other = browser.socket(path, &origin).unwrap();
        other.send(kind, &body);
        assert_eq!(other.closed(), Some(code), "kind {kind}, {} bytes", body.len());
    }
    socket.say(&json!({"open": 3, "view": {"kind": "lookups"}}));
    assert!(std::iter::from_fn(|| socket.hear()).take(50).any(|told| told["view"] == 3));
}
