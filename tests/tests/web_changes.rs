//! Promise: who opened the link may do what the command may: upload and deploy a filter, read what it logs, acknowledge, silence and
//! close what it raises, and take it back; and who did not, may not.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use hedgerow_e2e::{Browser, PATIENCE, Sandbox, wait_for, wait_until};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

fn fill(file: &Path, value: &str) {
    let new = file.with_extension("new");
    fs::write(&new, format!("fill {value}\n")).unwrap();
    fs::rename(new, file).unwrap();
}

/// A mesh with a gauge `*/level/*/fill` that is what a file says.
fn site() -> (Sandbox, hedgerow_e2e::Process, Browser, PathBuf) {
    let sandbox = Sandbox::new();
    let file = sandbox.path("scripts").join("fill");
    fill(&file, "0.1");
    let up = sandbox.up();
    sandbox.configure_more(&format!(
        "[collector.level]\nmodule = \"script\"\ncommand = [\"/bin/cat\", \"{}\"]\nformat = \"keyvalue\"\nperiod = \"200ms\"\n",
        file.display()
    ));
    let said = up.stdout();
    let link = said.split_whitespace().find(|word| word.contains("/#session=")).unwrap();
    let browser = Browser::by_link(link);
    (sandbox, up, browser, file)
}

fn deployment(browser: &Browser, name: &str) -> Option<Value> {
    let told = browser.reader().get("/api/v1/filters").ok();
    told["deployments"].as_array().unwrap().iter().find(|one| one["name"] == name).cloned()
}

fn alarms(browser: &Browser) -> Vec<Value> {
    browser.reader().get("/api/v1/alarms").ok()["alarms"].as_array().unwrap().clone()
}

#[test]
fn a_filter_is_uploaded_deployed_and_removed_and_its_alarm_acknowledged() {
    let (_sandbox, _up, browser, file) = site();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../filters/prebuilt/threshold-alarm.wasm");
    let wasm = [("content-type", "application/wasm")];
    let upload = |bytes: &[u8]| browser.ask("POST", "/api/v1/components", &wasm, bytes);
    assert_eq!(upload(b"#!/bin/sh").status, 400);
    let broken = upload(b"\0asm\x01\0\0\0");
    assert_eq!(
        (broken.status, &broken.json()["error"]["code"]),
        (422, &json!("refused_filter")),
        "{}",
        broken.text()
    );
    let uploaded = upload(&fs::read(shipped).unwrap()).ok();
    let digest = uploaded["digest"].as_str().unwrap();
    assert_eq!(digest.len(), 64);

    let describe = |parameters: Value| {
        browser.change(
            "POST",
            "/api/v1/components/describe",
            &json!({"component": digest, "parameters": parameters}),
        )
    };
    let said = describe(json!({"above": 0.9})).ok();
    assert_eq!((&said["name"], &said["capabilities"]), (&json!("threshold-alarm"), &json!(["alarms"])));
    assert_eq!(said["schema"]["properties"]["above"]["type"], "number");
    assert!(said["complaint"].is_null());
    for parameters in [json!({"above": "much"}), json!({})] {
        let complained = describe(parameters.clone()).ok();
        assert!(complained["complaint"].as_str().unwrap().contains("above"), "{parameters}: {complained}");
        assert_eq!(
            complained["schema"]["properties"]["above"]["type"], "number",
            "a form can be made all the same"
        );
    }

    let wanted = json!({
        "component": digest, "parameters": {"above": 0.9, "on": ["*/level/*/fill"]}, "grants": ["alarms"],
    });
    let path = "/api/v1/filters/too-full";
    assert_eq!(browser.reader().change("PUT", path, &wanted).status, 401);
    let mut ungranted = wanted.clone();
    ungranted["grants"] = json!([]);
    assert_eq!(browser.change("PUT", path, &ungranted).status, 409);
    assert!(deployment(&browser, "too-full").is_none());
    assert_eq!(browser.change("PUT", path, &wanted).ok()["taken"], 2);
    wait_until("the filter runs", PATIENCE, || {
        deployment(&browser, "too-full").is_some_and(|one| one["farms"][0]["state"] == "running")
    });
    browser.reader().get(&format!("{path}/logs")).ok();

    fill(&file, "0.95");
    let alarm = wait_for("an alarm", PATIENCE, || {
        alarms(&browser).into_iter().find(|alarm| alarm["level"] != "unknown")
    });
    let at = format!("/api/v1/alarms/{}/{}", alarm["farm"].as_str().unwrap(), alarm["id"].as_str().unwrap());
    let why = browser.reader().get(&at).ok();
    assert_eq!((&why["filter"], &why["parameters"]["above"]), (&json!("threshold-alarm"), &json!(0.9)));
    let comment = json!({"comment": "disk ordered"});
    assert_eq!(browser.reader().change("POST", &format!("{at}/acknowledge"), &comment).status, 401);
    assert!(alarms(&browser)[0]["acknowledged"].is_null(), "nobody has seen it yet");
    let seen = browser.change("POST", &format!("{at}/acknowledge"), &comment).ok();
    assert_eq!(seen["acknowledged"]["comment"], "disk ordered");
    assert_eq!(alarms(&browser)[0]["acknowledged"]["comment"], "disk ordered");
    browser.change("POST", &format!("{at}/unacknowledge"), &json!({})).ok();
    assert_eq!(
        browser.change("POST", &format!("{at}/close"), &json!({"comment": "x"})).status,
        409,
        "its filter runs"
    );

    let until = alarm["since"].as_i64().unwrap() + 3_600_000;
    let silence = json!({"path": "*/level/*/fill", "until": until, "comment": "being moved"});
    let silenced = browser.change("POST", "/api/v1/silences", &silence).ok();
    assert_eq!((&silenced["silences"][0]["covers"], &silenced["refused"]), (&json!(1), &json!([])));
    let (farm, number) = (alarm["farm"].as_str().unwrap(), &silenced["silences"][0]["id"]);
    browser.ask("DELETE", &format!("/api/v1/silences/{farm}/{number}"), &[], b"").ok();
    assert_eq!(browser.ask("DELETE", &format!("/api/v1/silences/{farm}/99"), &[], b"").status, 404);

    browser.ask("DELETE", path, &[], b"").ok();
    wait_until("the deployment is gone", PATIENCE, || deployment(&browser, "too-full").is_none());
    assert_eq!(browser.ask("DELETE", path, &[], b"").status, 404);
    // Nobody says any more how it is: a person may close it.
    wait_until("the alarm is unknown", PATIENCE, || {
        alarms(&browser).iter().all(|alarm| alarm["level"] == "unknown")
    });
    browser.change("POST", &format!("{at}/close"), &json!({"comment": "filter is gone"})).ok();
    assert!(alarms(&browser).is_empty());
}

#[test]
fn what_is_sent_wrongly_is_refused_with_what_was_expected() {
    let (_sandbox, _up, browser, _) = site();
    let component = json!({"component": "threshold"});
    for (method, path, body, status) in [
        ("PUT", "/api/v1/filters/x", json!({}), 400),
        ("PUT", "/api/v1/filters/x", json!({"component": "nothing"}), 404),
        ("PUT", "/api/v1/filters/x", json!({"component": "00".repeat(32)}), 404),
        ("PUT", "/api/v1/filters/x", json!({"component": "threshold", "grants": ["root"]}), 400),
        ("PUT", "/api/v1/filters/x", json!({"component": "threshold", "until": 1}), 400),
        ("PUT", "/api/v1/filters/x", json!({"component": "threshold", "template": "group=\"x"}), 400),
        ("PUT", "/api/v1/filters/x", component.clone(), 422),
        ("POST", "/api/v1/filters/x/retry", json!({}), 404),
        ("POST", "/api/v1/silences", json!({"until": 1, "deployment": "{"}), 400),
        ("POST", "/api/v1/alarms/nobody/00/acknowledge", json!({}), 404),
        ("POST", "/api/v1/alarms/nobody/0/acknowledge", json!({}), 400),
        ("POST", "/api/v1/mesh", json!({}), 405),
    ] {
        let answer = browser.change(method, path, &body);
        assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.text());
        assert!(answer.json()["error"]["message"].as_str().unwrap().len() > 10);
    }
    let large = json!({"title": "x".repeat(300 * 1024), "page": "mesh", "state": {}});
    assert_eq!(browser.change("PUT", "/api/v1/views/large", &large).status, 413);
}
