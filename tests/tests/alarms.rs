//! Promise: an alarm that a filter raised is there, whatever is killed; people see it from anywhere, say that they have it, and
//! silence it for a time; it gets worse, becomes unknown with the reason, comes back and clears, and says why.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use hedgerow_e2e::{PATIENCE, Sandbox, json_lines, wait_for, wait_until};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// A farm with a gauge `*/level/*/fill` that is what a file says, and the shipped filter with alarms.
struct Site {
    sandbox: Sandbox,
    fill: PathBuf,
}

impl Site {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let fill = sandbox.path("scripts").join("fill");
        let site = Self { fill, sandbox };
        site.fill("0.1");
        site
    }

    fn configuration(&self) -> String {
        format!(
            "[collector.level]\nmodule = \"script\"\ncommand = [\"/bin/cat\", \"{}\"]\nformat = \"keyvalue\"\nperiod = \"200ms\"\n",
            self.fill.display()
        )
    }

    fn fill(&self, value: &str) {
        let new = self.fill.with_extension("new");
        fs::write(&new, format!("fill {value}\n")).unwrap();
        fs::rename(new, &self.fill).unwrap();
    }

    fn deploy(&self, more: &[&str]) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../filters/prebuilt/threshold-alarm.wasm");
        let mut words =
            vec!["filter", "deploy", file.to_str().unwrap(), "--as", "too-full", "--set", "above=0.9"];
        words.extend(["--on", "*/level/*/fill", "--grant", "alarms", "--wait", "60s"]);
        words.extend(more);
        self.sandbox.client(&words).ok();
    }

    fn alarms(&self, more: &[&str]) -> Vec<Value> {
        let mut words = vec!["alarm", "list", "--json"];
        words.extend(more);
        json_lines(&self.sandbox.client(&words).stdout)
    }

    /// Waits until the only open alarm is so, and gives it.
    fn comes_to(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, PATIENCE, || {
            let mut open = self.alarms(&[]);
            let one = open.pop().filter(|_| open.is_empty())?;
            holds(&one).then_some(one)
        })
    }

    fn of_level(&self, level: &str) -> Value {
        self.comes_to(&format!("an alarm of level {level}"), |alarm| alarm["level"] == level)
    }

    fn alarm(&self, words: &[&str]) -> String {
        let mut all = vec!["alarm"];
        all.extend(words);
        self.sandbox.client(&all).ok().stdout
    }
}

#[test]
fn an_alarm_is_raised_seen_acknowledged_silenced_survives_a_kill_gets_worse_and_clears() {
    let site = Site::new();
    let mut up = site.sandbox.up();
    site.sandbox.configure_more(&site.configuration());
    site.deploy(&[]);
    assert!(site.alarms(&[]).is_empty());
    let mut watch = site.sandbox.start_client("watch", &["watch", "*/level/*/fill", "--alarms", "--json"]);
    site.fill("0.95");
    let raised = site.of_level("warning");
    let id = raised["id"].as_str().unwrap().to_owned();
    assert_eq!((&raised["deployment"], &raised["value"]), (&Value::from("too-full"), &Value::from(0.95)));
    assert!(raised["paths"][0].as_str().unwrap().ends_with("/fill"), "{raised}");
    watch.prints(
        &format!("\"event\":\"alarm\",\"farm\":\"{}\",\"id\":\"{id}\"", raised["farm"].as_str().unwrap()),
        PATIENCE,
    );

    let refused = site.sandbox.client(&["alarm", "close", &id, "--comment", "enough"]);
    assert!(refused.code() == 1 && refused.stderr.contains("its filter runs"), "{}", refused.told());

    let said = site.alarm(&["ack", &id[..6], "--comment", "disk ordered", "--by", "ann"]);
    assert!(said.contains("acknowledged by ann, until it clears or gets worse"), "{said}");
    let said = site.alarm(&["silence", "--path", "*/level", "--until", "1h", "--comment", "moved"]);
    assert!(said.contains("it covers 1 open alarm now"), "{said}");
    let all = site.sandbox.client(&["alarm", "silence", "--until", "1h"]);
    assert!(all.code() == 2 && all.stderr.contains("--path '*'"), "{}", all.told());
    let twice = site.alarm(&["silence", "--path", "*", "--until", "1h"]);
    assert!(twice.contains("it covers 1 open alarm now, 0 of them newly"), "{twice}");
    site.alarm(&["silence", "--end", "2"]);
    let listed = site.alarm(&["list"]);
    assert!(listed.contains("acknowledged by ann: disk ordered; silence 1"), "{listed}");

    up.kill();
    up = site.sandbox.up();
    let after = site.of_level("warning");
    let kept = |alarm: &Value| [alarm["id"].clone(), alarm["acknowledged"].clone(), alarm["since"].clone()];
    assert_eq!(kept(&after), kept(&site.alarms(&[])[0]));
    assert_eq!(
        (after["id"].as_str().unwrap(), &after["acknowledged"]["by"]),
        (id.as_str(), &Value::from("ann"))
    );
    assert_eq!(after["since"], raised["since"]);
    site.alarm(&["silence", "--end", "1"]);
    assert!(site.alarm(&["silence", "list"]).is_empty());

    // It begins anew, and calls the same thing worse.
    site.deploy(&["--set", "severity=critical", "--fresh"]);
    let worse = site.of_level("critical");
    assert_eq!(
        (&worse["id"], &worse["acknowledged"], &worse["silence"]),
        (&raised["id"], &Value::Null, &Value::Null)
    );

    let why = json_lines(&site.alarm(&["why", &id, "--json"]));
    let levels: Vec<_> = why[0]["steps"].as_array().unwrap().iter().map(|step| step["to"].clone()).collect();
    assert_eq!(
        (levels.first(), levels.last()),
        (Some(&"warning".into()), Some(&"critical".into())),
        "{levels:?}"
    );
    assert_eq!(why[0]["parameters"]["above"], 0.9);
    assert_eq!(why[0]["filter"], "threshold-alarm");
    assert!(why[1..].iter().any(|sample| sample["value"] == 0.95), "the samples that led to it: {why:?}");

    site.fill("0.2");
    wait_until("it is cleared", PATIENCE, || site.alarms(&[]).is_empty());
    let over = site.alarms(&["--all"]);
    assert_eq!((&over[0]["id"], &over[0]["level"]), (&raised["id"], &Value::from("ok")));
    let refused = site.sandbox.client(&["alarm", "ack", &id]);
    assert!(refused.code() == 1 && refused.stderr.contains("was cleared already"), "{}", refused.told());
    up.kill();
}

#[test]
fn it_is_unknown_with_the_reason_once_its_deployment_is_gone_over_a_restart_too() {
    let site = Site::new();
    let mut up = site.sandbox.up();
    site.sandbox.configure_more(&site.configuration());
    site.fill("0.95");
    site.deploy(&[]);
    site.of_level("warning");
    site.sandbox.client(&["filter", "remove", "too-full"]).ok();
    let unknown = site.of_level("unknown");
    assert_eq!(unknown["level_before"], "warning");
    assert!(!unknown["unknown_reason"].as_str().unwrap().is_empty());
    up.kill();
    up = site.sandbox.up();
    assert_eq!(site.of_level("unknown")["unknown_reason"], unknown["unknown_reason"]);
    let none = site.sandbox.client(&["alarm", "show", "0000"]);
    assert!(none.code() == 1 && none.stderr.contains("alarm list --all"), "{}", none.told());

    // Nobody speaks of it any more but people.
    let id = unknown["id"].as_str().unwrap();
    let said = site.alarm(&["close", "--deployment", "too-*", "--comment", "tank is gone", "--by", "ann"]);
    assert!(said.contains("is closed by ann: tank is gone"), "{said}");
    assert!(site.alarms(&[]).is_empty());
    up.kill();
    up = site.sandbox.up();
    assert!(site.alarms(&[]).is_empty());
    let over = site.alarms(&["--all"]);
    assert_eq!((over[0]["id"].as_str(), &over[0]["level"]), (Some(id), &Value::from("ok")));
    assert_eq!(over[0]["text"], "closed by ann: tank is gone");
    let refused = site.sandbox.client(&["alarm", "close", id, "--comment", "twice"]);
    assert!(refused.code() == 1 && refused.stderr.contains("was cleared already"), "{}", refused.told());
    up.kill();
}

#[test]
fn who_may_not_change_anything_is_told_what_it_takes_and_a_farm_that_is_away_is_named() {
    let site = Site::new();
    let _lookup = site.sandbox.first_lookup();
    let mut farm = site.sandbox.farm_alone();
    site.sandbox.configure_more(&site.configuration());
    site.fill("0.95");
    site.deploy(&[]);
    let id = site.of_level("warning")["id"].as_str().unwrap().to_owned();
    let url = site.sandbox.url(3);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let refused = runtime.block_on(async {
        let mut alarms = hedgerow_client::Caller::default().connect(&url).unwrap().alarms();
        let bytes: Vec<u8> =
            (0..16).map(|at| u8::from_str_radix(&id[2 * at..2 * at + 2], 16).unwrap()).collect();
        let request =
            hedgerow_proto::filter::AcknowledgeAlarmRequest { id: bytes.into(), ..Default::default() };
        alarms.acknowledge_alarm(request).await.unwrap_err()
    });
    assert!(refused.message().contains("takes the role operator"), "{refused}");
    farm.kill();
    let listed = site.sandbox.client(&["alarm", "list"]);
    assert_eq!(listed.code(), 3, "{}", listed.told());
    assert!(listed.stderr.contains("0 of 1 farms answered; missing:"), "{}", listed.told());
    assert!(!listed.told().contains("no alarm is open"), "{}", listed.told());
}

/// The newest value of one of the farm's own series.
fn of_the_farm(sandbox: &Sandbox, parameter: &str, item: Option<&str>) -> Option<f64> {
    let path = format!("*/hedgerow/*/{parameter}");
    let lines = json_lines(&sandbox.client(&["query", &path, "--since", "10m", "--json"]).stdout);
    let mut of_item = lines.iter().filter(|line| line["labels"]["item"].as_str() == item);
    of_item.next_back()?["value"].as_f64()
}

#[test]
fn how_many_are_open_of_each_level_and_how_many_were_refused_is_series_of_the_farm() {
    let site = Site::new();
    let _up = site.sandbox.up();
    // More at once than may be open of one deployment: as when all of a site fails.
    let values: String = (0..1_010).map(|at| format!("f{at} 0.95\n")).collect();
    let file = site.sandbox.path("scripts").join("many");
    fs::write(&file, values).unwrap();
    site.sandbox.configure_more(&format!(
        "[collector.many]\nmodule = \"script\"\ncommand = [\"/bin/cat\", \"{}\"]\nformat = \"keyvalue\"\nperiod = \"1s\"\n",
        file.display()
    ));
    let words = [
        "filter",
        "deploy",
        "threshold-alarm",
        "--set",
        "above=0.9",
        "--on",
        "*/many/*/f*",
        "--grant",
        "alarms",
    ];
    site.sandbox.client(&[&words[..], &["--wait", "60s"]].concat()).ok();
    wait_until("the series says that 1000 are open", PATIENCE, || {
        of_the_farm(&site.sandbox, "alarms", Some("warning")) == Some(1_000.0)
    });
    wait_until("and how many were refused", PATIENCE, || {
        of_the_farm(&site.sandbox, "alarms_refused", None) == Some(10.0)
    });
    assert_eq!(of_the_farm(&site.sandbox, "alarms", Some("critical")), Some(0.0));
    let logs = site.sandbox.client(&["filter", "logs", "threshold-alarm"]).stdout;
    assert!(logs.contains("10 alarms are not raised"), "{logs}");
    site.sandbox.client(&["filter", "remove", "threshold-alarm"]).ok();
    wait_until("nobody can say any more", PATIENCE, || {
        of_the_farm(&site.sandbox, "alarms", Some("unknown")) == Some(1_000.0)
            && of_the_farm(&site.sandbox, "alarms", Some("warning")) == Some(0.0)
    });
}

#[test]
fn what_a_filter_asks_for_is_done_once_where_the_site_has_named_it_and_only_told_to_who_tries_it() {
    let site = Site::new();
    let mut up = site.sandbox.up();
    site.sandbox.configure_more(&site.configuration());
    let out = site.sandbox.path("scripts").join("out");
    let log = || site.sandbox.client(&["filter", "logs", "restarts"]).stdout;
    let how = [
        "--set",
        "above=0.9",
        "--set",
        "action=restart",
        "--set",
        "arguments=node,path",
        "--on",
        "*/level/*/fill",
    ];
    let deploy = [
        &["filter", "deploy", "threshold-action", "--as", "restarts", "--grant", "action:restart"][..],
        &how,
    ];
    // Off by default.
    let refused = site.sandbox.client(&deploy.concat());
    assert!(refused.told().contains("filters.grant"), "{}", refused.told());
    site.sandbox.configure_more(&format!(
        "[filters]\ngrant = [\"alarms\", \"actions\"]\n\n[action.restart]\n\
         command = [\"/bin/sh\", \"-c\", \"printf '%s %s\\\\n' \\\"$1\\\" \\\"$2\\\" >> {}\", \"restart\", \"{{node}}\", \"{{path}}\"]\n\
         arguments = {{ node = \"text\", path = \"text\" }}\n",
        out.display()
    ));
    wait_until("it runs", PATIENCE, || {
        site.sandbox
            .client(&["filter", "status", "restarts", "--json"])
            .stdout
            .contains("\"state\":\"running\"")
    });
    let tried = [&["filter", "run", "threshold-action", "--as", "tried", "--json"][..], &how].concat();
    let mut run = site.sandbox.start_client("run", &tried);
    run.prints("fill_state", PATIENCE);
    site.fill("0.95");
    wait_until("it is done", PATIENCE, || log().contains("action restart was run"));
    let done = fs::read_to_string(&out).unwrap();
    let (node, path) = done.trim_end().split_once(' ').unwrap();
    assert_eq!(path, format!("level/{node}/fill"), "{done}");
    wait_until("who tries it is told", PATIENCE, || run.stderr().contains(": asked for, not run"));
    assert!(run.stderr().contains(&format!("action restart {{\"node\":\"{node}\"")), "{}", run.stderr());
    let (status, _) = run.stop(rustix::process::Signal::INT);
    assert_eq!(status.code(), Some(0), "{}", run.stderr());
    assert!(run.stderr().contains("1 action asked for"), "{}", run.stderr());

    // Not again, whatever is killed; but the next time.
    up.kill();
    let _up = site.sandbox.up();
    site.fill("0.2");
    wait_until("it is over", PATIENCE, || {
        let states = site.sandbox.client(&["query", "*/restarts", "--since", "10m", "--json"]).stdout;
        json_lines(&states).last().is_some_and(|state| state["text"] == "ok")
    });
    assert_eq!(fs::read_to_string(&out).unwrap(), done);
    site.fill("0.97");
    wait_until("it is done again", PATIENCE, || fs::read_to_string(&out).unwrap() == done.repeat(2));
}
