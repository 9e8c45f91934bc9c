//! Promise: the page and its API are served from the binary, beside `up` and alone; a page elsewhere can neither read nor change
//! anything there; what changes something takes the session that was printed; what is told is what the farms have.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use hedgerow_e2e::{Browser, PATIENCE, Process, Sandbox, percent_encoded, wait_for, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;

/// A mesh, and a browser that was opened by the link that it printed.
fn up(sandbox: &Sandbox) -> (Process, Browser) {
    let up = sandbox.up();
    let browser = by_link(&up);
    (up, browser)
}

fn by_link(process: &Process) -> Browser {
    let said = process.stdout();
    let link = said.split_whitespace().find(|word| word.contains("/#session=")).unwrap();
    Browser::by_link(link)
}

fn query(browser: &Browser, predicate: &str, more: &str) -> hedgerow_e2e::Answer {
    browser.get(&format!("/api/v1/query?predicate={}{more}", percent_encoded(predicate)))
}

#[test]
fn a_page_elsewhere_gets_nothing_and_changes_nothing() {
    let sandbox = Sandbox::new();
    let (mut up, browser) = up(&sandbox);
    let token = browser.session.clone().unwrap();
    assert!(token.len() * 4 >= 128);
    let own = ("host", browser.host.as_str());
    let (json_type, session) = (("content-type", "application/json"), ("x-hedgerow-session", token.as_str()));
    let refused = |method: &str, path: &str, headers: &[(&str, &str)], status: u16, code: &str| {
        let answer = browser.send(method, path, headers, b"{\"title\":\"x\",\"page\":\"mesh\",\"state\":{}}");
        assert_eq!(
            (answer.status, answer.json()["error"]["code"].as_str()),
            (status, Some(code)),
            "{headers:?}"
        );
        assert!(answer.json()["error"]["message"].as_str().unwrap().len() > 20);
    };
    // A name that was made to point here.
    for path in ["/", "/api/v1/mesh", "/api/v1/openapi.json"] {
        refused("GET", path, &[("host", "evil.example")], 403, "foreign_host");
        refused(
            "GET",
            path,
            &[("host", &format!("evil.example:{}", sandbox.base_port()))],
            403,
            "foreign_host",
        );
    }
    let view = "/api/v1/views/mine";
    refused("PUT", view, &[own, json_type], 401, "no_session");
    refused("PUT", view, &[own, json_type, ("x-hedgerow-session", "00")], 403, "wrong_session");
    refused("DELETE", view, &[own], 401, "no_session");
    refused("POST", "/api/v1/components", &[own, ("content-type", "application/wasm")], 401, "no_session");
    // What a form, or a page without asking first, can send; and what it says of itself.
    refused("PUT", view, &[own, session, ("content-type", "text/plain")], 415, "wrong_content_type");
    refused("PUT", view, &[own, session], 415, "wrong_content_type");
    refused(
        "PUT",
        view,
        &[own, session, json_type, ("origin", "http://evil.example")],
        403,
        "foreign_origin",
    );
    refused("PUT", view, &[own, session, json_type, ("origin", "null")], 403, "foreign_origin");
    refused(
        "GET",
        "/api/v1/mesh",
        &[own, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")],
        403,
        "foreign_origin",
    );
    assert_eq!(browser.get("/api/v1/views").ok()["views"], json!([]), "nothing was changed");

    for path in ["/", "/api", "/api/v1/mesh", "/none"] {
        let answer = browser.get(path);
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
    }
    // A preflight is not answered with leave.
    let asked = browser.send(
        "OPTIONS",
        view,
        &[own, ("origin", "http://evil.example"), ("access-control-request-method", "PUT")],
        b"",
    );
    assert!(
        asked.status >= 400 && asked.header("access-control-allow-origin").is_empty(),
        "{}",
        asked.text()
    );

    let (status, _) = up.stop(Signal::TERM);
    assert!(status.success(), "{}", up.stderr());
    drop(up);
    let again = by_link(&sandbox.up());
    assert_ne!(again.session, browser.session, "fresh at each start");
}

#[test]
fn what_programs_read_is_what_the_farms_have() {
    let sandbox = Sandbox::new();
    let (_up, browser) = up(&sandbox);
    let reader = browser.reader();
    let mesh = wait_for("the mesh", PATIENCE, || {
        let answer = reader.get("/api/v1/mesh");
        (answer.status == 200 && answer.json()["lookups"]["answered"] == 2).then(|| answer.json())
    });
    assert_eq!((&mesh["session"], &mesh["version"]), (&json!("reader"), &json!("0.1.0")));
    assert_eq!(browser.get("/api/v1/mesh").ok()["session"], "changer");
    let farms = reader.get("/api/v1/farms?template=kind%3Dfarm").ok();
    let name = farms["farms"][0]["name"].as_str().unwrap().to_owned();
    assert_eq!((farms["farms"].as_array().unwrap().len(), &farms["coverage"]["complete"]), (1, &json!(true)));
    let farm = reader.get(&format!("/api/v1/farms/{}", percent_encoded(&name))).ok();
    assert!(farm["collectors"][0]["targets"][0]["lateness_ms"].is_u64(), "{farm}");
    assert_eq!(farm["filters"], json!([]));

    let newest = wait_for("a load average", PATIENCE, || {
        let answer = query(&reader, "*/hosts/*/load1", "").ok();
        answer["samples"].as_array().unwrap().first().cloned()
    });
    assert_eq!((&newest["farm"], &newest["parameter"]), (&json!(name), &json!("load1")));
    let csv = query(&reader, "*/hosts/*/load1 since=1h", "&format=csv");
    assert_eq!(csv.header("content-type").split(';').next(), Some("text/csv"));
    assert!(
        csv.text().starts_with("farm,cluster,node,parameter,labels,unit,time,value,text\r\n"),
        "{}",
        csv.text()
    );
    assert!(csv.header("x-hedgerow-coverage").contains("\"complete\":true"));
    let lines = query(&reader, "*/hosts/*/load1 since=1h", "&format=ndjson&numbers=true").text();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines[0]["number"].is_u64() && lines.last().unwrap()["event"] == "coverage", "{lines:?}");
    let arrow = query(&reader, "*/hosts/*/load1 since=1h", "&format=arrow");
    assert_eq!(arrow.status, 200);
    assert_eq!(arrow.body.get(..4), Some(&[0xff; 4][..]), "an IPC stream begins with its continuation mark");
    let bins = query(&reader, "*/hosts/*/load1 since=1h every=1m:mean,max", "").ok();
    assert_eq!(bins["coverage"]["answered"], 1);

    let series = reader.get("/api/v1/series?predicate=*/hosts&limit=3").ok();
    assert_eq!((series["series"].as_array().unwrap().len(), &series["more"]), (3, &json!(true)));
    let next = percent_encoded(series["next"].as_str().unwrap());
    let more = reader.get(&format!("/api/v1/series?predicate=*/hosts&limit=3&after={next}")).ok();
    assert!(more["series"][0]["path"].as_str() > series["next"].as_str(), "{more}");

    let clusters = reader.get(&format!("/api/v1/tree?farm={}", percent_encoded(&name))).ok();
    assert_eq!(clusters["level"], "cluster");
    let hosts =
        clusters["children"].as_array().unwrap().iter().find(|child| child["name"] == "hosts").unwrap();
    assert!(hosts["series"].as_u64() > Some(5) && hosts["nodes"] == 1, "{hosts}");
    assert_eq!(reader.get("/api/v1/tree").ok()["children"][0]["name"], json!(name));
    let completed =
        reader.get(&format!("/api/v1/complete?text={}", percent_encoded(&format!("{name}/ho")))).ok();
    assert_eq!(completed["candidates"][0]["label"], "hosts", "{completed}");

    for (path, status) in [
        ("/api/v1/query", 400),
        ("/api/v1/query?predicate=a%2F%5Bb", 400),
        ("/api/v1/query?predicate=*&format=xml", 400),
        ("/api/v1/series?limit=0", 400),
        ("/api/v1/tree?node=x", 400),
        ("/api/v1/farms?template=group%3D%22x", 400),
        ("/api/v1/farms/nobody", 404),
        ("/api/v1/none", 404),
        ("/api/v1/alarms/nobody/zz", 400),
        ("/api/v1/live/views", 400),
    ] {
        let answer = reader.get(path);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(answer.json()["error"]["message"].is_string(), "{path}");
    }
}

#[test]
fn samples_come_as_events_while_they_are_seen() {
    let sandbox = Sandbox::new();
    let (up, browser) = up(&sandbox);
    let script = sandbox.script("room", "#!/bin/sh\necho temperature 21.5 Cel\n");
    sandbox.configure_more(&format!(
        "[collector.room]\nmodule = \"script\"\ncommand = [\"{script}\"]\nformat = \"keyvalue\"\nperiod = \"200ms\""
    ));
    let path = format!("/api/v1/live?predicate={}", percent_encoded("*/room/*/temperature last"));
    let samples: Vec<Value> = browser
        .reader()
        .events(&path)
        .filter(|(name, _)| name == "sample")
        .map(|(_, sample)| sample)
        .take(3)
        .collect();
    assert_eq!((&samples[2]["value"], &samples[2]["unit"]), (&json!(21.5), &json!("Cel")));
    assert!(samples[2]["time"].as_i64() > samples[0]["time"].as_i64());
    drop(up);
}

#[test]
fn a_program_alone_serves_a_mesh_that_it_found_and_says_when_there_is_none() {
    let sandbox = Sandbox::new();
    let page = sandbox.path("page");
    let address = format!("127.0.0.1:{}", sandbox.port());
    let lookup = sandbox.url(1);
    let words = [
        "web",
        "--data",
        page.to_str().unwrap(),
        "--listen",
        &address,
        "--lookup",
        &lookup,
        "--allow-host",
        "mesh.example",
    ];
    let mut web = sandbox.start("web", &words);
    web.prints("Ctrl-C stops", PATIENCE);
    let browser = by_link(&web);
    let nothing = browser.get("/api/v1/farms");
    assert_eq!((nothing.status, nothing.json()["error"]["code"].as_str()), (503, Some("no_lookup")));
    assert_eq!(browser.get("/").status, 200, "the page says it");
    assert_eq!(browser.send("GET", "/", &[("host", "mesh.example")], b"").status, 200);

    let _up = sandbox.up();
    wait_until("the farm, on the page's server", PATIENCE, || {
        let answer = browser.get("/api/v1/farms");
        answer.status == 200 && answer.json()["farms"].as_array().is_some_and(|farms| farms.len() == 1)
    });
    let (status, took) = web.stop(Signal::TERM);
    assert!(status.success(), "{}", web.stderr());
    println!("stopped after {took:?}");
}

#[test]
fn saved_views_are_files_that_are_edited_by_hand() {
    let sandbox = Sandbox::new();
    let (_up, browser) = up(&sandbox);
    let view =
        json!({"title": "CPU", "page": "explore", "state": {"p": "*/hosts/*/cpu_busy", "from": "-1h"}});
    let kept = browser.change("PUT", "/api/v1/views/my%20cpu", &view).ok();
    assert!(kept["saved"].as_i64() > Some(0));
    let file = sandbox.path("mesh/web/views/my cpu.json");
    let edited = fs::read_to_string(&file).unwrap().replace("\"CPU\"", "\"All CPUs\"");
    fs::write(&file, edited).unwrap();
    fs::write(sandbox.path("mesh/web/views/broken.json"), "{").unwrap();
    let views = browser.reader().get("/api/v1/views").ok()["views"].clone();
    assert!(views[0]["error"].as_str().unwrap().contains("broken.json"), "{views}");
    assert_eq!((&views[1]["title"], &views[1]["state"]), (&json!("All CPUs"), &view["state"]));
    assert_eq!(browser.get("/api/v1/views/my%20cpu").ok()["title"], "All CPUs");
    for name in ["..%2F..%2Fmesh", "%2e%2e", "a%00b"] {
        assert_eq!(browser.change("PUT", &format!("/api/v1/views/{name}"), &view).status, 400, "{name}");
    }
    browser.ask("DELETE", "/api/v1/views/my%20cpu", &[], b"").ok();
    assert!(!file.exists());
    assert_eq!(browser.get("/api/v1/views/my%20cpu").status, 404);
}

#[test]
fn the_description_of_the_api_is_there_for_programs_and_for_people() {
    let sandbox = Sandbox::new();
    let (_up, browser) = up(&sandbox);
    let document = browser.get("/api/v1/openapi.json").ok();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(document["paths"]["/api/v1/query"]["get"]["parameters"].is_array());
    let page = browser.get("/api");
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(page.text().contains(path.as_str()), "{path}");
    }
}
