//! Promise: what asks a Prometheus can ask a mesh. It answers as a real Prometheus with the same samples does, to `promtool` and to
//! what Grafana sends; and it names the farms that did not answer.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use hedgerow_e2e::{
    Browser, Finished, PATIENCE, Process, Prometheus, Sandbox, json_lines, percent_encoded, wait_for,
    wait_until,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

const API: &str = "/prometheus/api/v1";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// Hundredths of seconds of this machine, as much as makes trouble.
const LOAD: &str = r#"#!/bin/sh
read up rest < /proc/uptime
n=$(echo "$up" | tr -d .)
echo "busy.time $n counter"
echo "huge $((9007199254740993 + n)) counter"
echo "falls $((n % 700)) counter"
echo "wave $((n % 1300 - 600)).25"
echo "depth[queue=short,vo=alice] $((n % 13))"
echo "depth[queue=long,vo=bob] $((n % 29))"
echo "fan true"
echo 'said "a text"'
"#;

struct Site {
    sandbox: Sandbox,
    _mesh: Process,
    browser: Browser,
}

impl Site {
    /// A mesh with a farm that runs [`LOAD`] twice a second; a reader without a session.
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let mesh = sandbox.up();
        let script = sandbox.script("load", LOAD);
        sandbox.configure_more(&format!(
            "[collector.load]\nmodule = \"script\"\ncommand = [\"{script}\"]\nformat = \"keyvalue\"\nperiod = \"500ms\"\n"
        ));
        let host = format!("127.0.0.1:{}", sandbox.base_port());
        let browser = Browser { host, session: None };
        wait_until("the mesh", PATIENCE, || browser.get(&format!("{API}/query?query=1")).status == 200);
        Self { sandbox, _mesh: mesh, browser }
    }

    fn url(&self) -> String {
        format!("http://{}/prometheus", self.browser.host)
    }

    fn get(&self, question: &str) -> Value {
        self.browser.get(&format!("{API}/{question}")).ok()
    }

    fn post(&self, page: &str, form: &[(&str, &str)]) -> hedgerow_e2e::Answer {
        let form: Vec<String> = form
            .iter()
            .map(|(key, value)| format!("{}={}", percent_encoded(key), percent_encoded(value)))
            .collect();
        self.browser.ask("POST", &format!("{API}/{page}"), &[FORM], form.join("&").as_bytes())
    }

    /// What an expression gives now.
    fn query(&self, expression: &str) -> Vec<Value> {
        let answer = self.get(&format!("query?query={}", percent_encoded(expression)));
        answer["data"]["result"].as_array().unwrap().clone()
    }

    fn wait_for_samples(&self, count: u32) {
        wait_until("enough samples", PATIENCE, || {
            let counted = self.query("count_over_time(wave{job='load'}[1h])");
            counted
                .first()
                .is_some_and(|one| one["value"][1].as_str().unwrap().parse::<u32>().unwrap() >= count)
        });
    }
}

/// The samples of the farms as OpenMetrics, read by another way, and the time of the newest; ms.
fn samples(sandbox: &Sandbox) -> (String, i64) {
    let asked = sandbox.client(&["query", "*", "--since", "1h", "--json"]).ok();
    let mut text = String::new();
    let mut newest = 0;
    let underscored = |name: &str| -> String {
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
    };
    // Of one time the last one counts; create-blocks wants each series together and in order.
    let mut all: BTreeMap<String, BTreeMap<i64, String>> = BTreeMap::new();
    for sample in json_lines(&asked.stdout) {
        let of = |key: &str| sample[key].as_str().unwrap().to_owned();
        let mut labels = vec![
            ("job".to_owned(), of("cluster")),
            ("instance".to_owned(), of("node")),
            ("farm".to_owned(), of("farm")),
        ];
        for (key, value) in sample["labels"].as_object().into_iter().flatten() {
            labels.push((underscored(key), value.as_str().unwrap().to_owned()));
        }
        let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value:?}")).collect();
        let value = match (&sample["value"], &sample["special"]) {
            (Value::Number(number), _) => number.to_string(),
            (Value::Null, Value::String(special)) => special.clone(),
            _ => continue,
        };
        let time = sample["time"].as_i64().unwrap();
        newest = newest.max(time);
        let series = format!("{}{{{}}}", underscored(&of("parameter")), labels.join(","));
        all.entry(series).or_default().insert(time, value);
    }
    for (series, samples) in all {
        for (time, value) in samples {
            writeln!(text, "{series} {value} {}.{:03}", time / 1000, time % 1000).unwrap();
        }
    }
    (text + "# EOF\n", newest)
}

/// Equal but for what rounding makes; order is of no meaning.
fn near(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| near(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| near(value, other)))
        }
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::String(a), Value::String(b)) if a != b => match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(a), Ok(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-3),
            _ => false,
        },
        (a, b) => a == b,
    }
}

fn sorted(mut answer: Value) -> Value {
    if let Some(all) = answer["data"]["result"].as_array_mut() {
        all.sort_by_key(|one| one["metric"].to_string());
    }
    answer["data"].take()
}

/// Of the samples of a farm: each is asked at one time and at several.
const QUESTIONS: [&str; 40] = [
    "{job='load'}",
    "wave",
    "wave offset 3s",
    "busy_time",
    "fan",
    "said",
    "depth{queue=~'s.*'}",
    "depth{vo!='bob'}",
    "{__name__=~'depth|wave',job='load'}",
    "wave[5s]",
    "rate(busy_time[8s])",
    "irate(busy_time[8s])",
    "increase(falls[10s])",
    "resets(falls[10s])",
    "delta(wave[6s])",
    "deriv(wave[6s])",
    "changes(depth[10s])",
    "avg_over_time(wave[7s])",
    "quantile_over_time(0.9, depth[10s])",
    "stddev_over_time(depth[10s])",
    "max_over_time(rate(busy_time[3s])[8s:1s])",
    "sum by (farm, job)(depth)",
    "sum without (vo)(depth)",
    "topk(1, depth)",
    "count by (job)({job=~'.+'})",
    "quantile(0.5, {job='load'})",
    "depth > 10",
    "depth > bool 10",
    "depth / ignoring(queue, vo) group_left wave",
    "depth and on(vo) depth{vo='bob'}",
    "wave or depth",
    "sum(rate(cpu_user[30s])) by (item)",
    "load1",
    "time() - timestamp(wave)",
    "label_replace(depth, 'short', '$1', 'queue', '(.).*')",
    "histogram_quantile(0.9, depth)",
    "absent(nothing{job='load'})",
    "scalar(wave) + 1",
    "avg_over_time(nothing[5m])",
    "sum(wave,",
];

#[test]
fn a_real_prometheus_with_the_same_samples_answers_the_same() {
    let site = Site::new();
    site.wait_for_samples(40);
    let (samples, newest) = samples(&site.sandbox);
    let prometheus = Prometheus::with_samples(&site.sandbox, &samples);
    // What comes from now on is only here: so nothing is asked that looks behind the newest of both.
    let at = newest - 1000;
    let seconds = |time: i64| format!("{}.{:03}", time / 1000, time % 1000);
    let mut different = Vec::new();
    for question in QUESTIONS {
        let query = percent_encoded(question);
        let instant = format!("query?query={query}&time={}", seconds(at));
        let range =
            format!("query_range?query={query}&start={}&end={}&step=1.7", seconds(at - 15_000), seconds(at));
        for asked in [instant, range] {
            let ours = site.browser.get(&format!("{API}/{asked}"));
            let (status, theirs) = prometheus.answer(&asked);
            let (ours_status, ours) = (ours.status, ours.json());
            assert_eq!(ours["warnings"], Value::Null, "{ours}");
            let same = ours_status == status && ours["errorType"] == theirs["errorType"];
            let (ours, theirs) = (sorted(ours), sorted(theirs));
            if !same || !near(&ours, &theirs) {
                different.push(format!(
                    "{question}\n  {asked}\n  ours   {ours_status} {ours}\n  theirs {status} {theirs}"
                ));
            }
        }
    }
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
    let lists =
        ["labels", "label/__name__/values", "label/job/values", "label/queue/values", "series?match[]=depth"];
    let window = format!("start={}&end={}", seconds(at - 600_000), seconds(newest));
    for asked in lists {
        let asked = format!("{asked}{}{window}", if asked.contains('?') { '&' } else { '?' });
        let (ours, theirs) = (site.get(&asked)["data"].take(), prometheus.answer(&asked).1["data"].take());
        assert_eq!(ours, theirs, "{asked}");
    }
}

#[test]
fn what_grafana_asks_is_answered() {
    let site = Site::new();
    site.wait_for_samples(4);
    // Its check of health, then what it wants to know of the server.
    let health = site.post("query", &[("query", "1+1"), ("time", "1700000000")]).ok();
    assert_eq!(
        health,
        json!({"status": "success", "data": {"resultType": "scalar", "result": [1_700_000_000, "2"]}})
    );
    assert!(site.get("status/buildinfo")["data"]["version"].as_str().unwrap().starts_with("2."));
    let labels = site.post("labels", &[("match[]", "depth")]).ok();
    assert_eq!(labels["data"], json!(["__name__", "farm", "instance", "job", "queue", "vo"]));
    let values = site.get(&format!("label/vo/values?match[]={}", percent_encoded("{queue=\"long\"}")));
    assert_eq!(values["data"], json!(["bob"]));
    let names = site.get("label/__name__/values");
    assert!(names["data"].as_array().unwrap().contains(&json!("load1")), "{names}");
    assert!(!names["data"].as_array().unwrap().contains(&json!("said")), "texts are no metrics: {names}");
    let metadata = site.get("metadata");
    assert_eq!(metadata["data"]["busy_time"][0]["type"], "counter");
    assert_eq!(site.get("metadata?metric=uptime")["data"]["uptime"][0]["unit"], "s");
    let series = site.post("series", &[("match[]", "depth{vo=\"bob\"}"), ("match[]", "fan")]).ok();
    assert_eq!(series["data"].as_array().unwrap().len(), 2, "{series}");
    let now = site.query("time()")[0]
        .as_f64()
        .unwrap_or_else(|| site.get("query?query=time()")["data"]["result"][0].as_f64().unwrap());
    let (start, end) = (format!("{}", now - 60.0), format!("{now}"));
    let form = [("query", "sum(depth) by (vo)"), ("start", start.as_str()), ("end", &end), ("step", "1")];
    let range = site.post("query_range", &form).ok();
    assert_eq!(
        (&range["data"]["resultType"], range["data"]["result"].as_array().unwrap().len()),
        (&json!("matrix"), 2)
    );
    for (page, empty) in [
        ("rules", json!({"groups": []})),
        ("alerts", json!({"alerts": []})),
        ("query_exemplars?query=x", json!([])),
    ] {
        assert_eq!(site.get(page)["data"], empty);
    }
}

#[test]
fn what_is_refused_says_why_and_nothing_elsewhere_reads_it() {
    let site = Site::new();
    let refused = |answer: hedgerow_e2e::Answer, status: u16, kind: &str, said: &str| {
        let told = answer.json();
        assert_eq!(
            (answer.status, &told["status"], &told["errorType"]),
            (status, &json!("error"), &json!(kind)),
            "{told}"
        );
        assert!(told["error"].as_str().unwrap().contains(said), "{told}");
    };
    let get = |question: &str| site.browser.get(&format!("{API}/{question}"));
    refused(
        get("query?query=sum("),
        400,
        "bad_data",
        "invalid parameter \"query\": 1:5: parse error: unexpected end of input",
    );
    refused(get("query?query=limitk(1,x)"), 400, "bad_data", "not supported here: `limitk`; take `topk`");
    refused(get("query"), 400, "bad_data", "no expression found");
    refused(get("query?query=x&time=y"), 400, "bad_data", "cannot parse \"y\" to a valid timestamp");
    refused(get("query_range?query=x&start=0&end=1e6&step=1"), 400, "bad_data", "11,000 points");
    refused(
        get("query_range?query=x[5m]&start=0&end=1&step=1"),
        400,
        "bad_data",
        "invalid expression type \"range vector\"",
    );
    refused(get("query?query=max_over_time(vector(1)[100y:1ms])"), 422, "execution", "would take too much");
    refused(get("query?query=load1&timeout=0"), 503, "timeout", "timed out");
    refused(get("series"), 400, "bad_data", "no match[]");
    refused(get("label/a-b/values"), 400, "bad_data", "invalid label name");
    refused(get("nothing"), 404, "not_found", "no page \"nothing\"");
    let post =
        |headers: &[(&str, &str)]| site.browser.ask("POST", &format!("{API}/query"), headers, b"query=1");
    refused(
        post(&[("content-type", "text/plain")]),
        415,
        "bad_data",
        "expected Content-Type application/x-www-form-urlencoded",
    );
    refused(post(&[]), 415, "bad_data", "a body of no type");
    let own = post(&[FORM]);
    assert_eq!((own.status, own.header("access-control-allow-origin")), (200, ""));
    assert_eq!(post(&[FORM, ("origin", "http://evil.example")]).status, 403);
    let foreign = site.browser.send("GET", &format!("{API}/query?query=1"), &[("host", "evil.example")], b"");
    assert_eq!(foreign.status, 403);
}

#[test]
fn promtool_reads_a_mesh() {
    let site = Site::new();
    site.wait_for_samples(10);
    let promtool = |words: &[&str]| -> Finished {
        let mut command = site.sandbox.program("promtool".as_ref());
        command.args(words);
        Process::start(command, &site.sandbox.path("logs"), &site.sandbox.unique("promtool"))
            .finished(PATIENCE)
    };
    let url = site.url();
    let instant = promtool(&["query", "instant", &url, "sum(depth) by (vo)"]).ok();
    assert!(
        instant.stdout.contains("{vo=\"alice\"} =>") && instant.stdout.contains("{vo=\"bob\"} =>"),
        "{}",
        instant.stdout
    );
    assert!(promtool(&["query", "instant", &url, "1+1"]).ok().stdout.starts_with("scalar: 2 @["));
    let range = promtool(&["query", "range", "--step=1s", &url, "rate(busy_time[5s])"]).ok();
    assert!(
        range.stdout.contains("job=\"load\"") && range.stdout.matches("@[").count() >= 2,
        "{}",
        range.stdout
    );
    let series = promtool(&["query", "series", "--match=depth", &url]).ok();
    assert_eq!(series.stdout.matches("__name__=\"depth\"").count(), 2, "{}", series.stdout);
    let values = promtool(&["query", "labels", &url, "vo"]).ok();
    assert_eq!(values.stdout.split_whitespace().collect::<Vec<_>>(), ["alice", "bob"]);
    let wrong = promtool(&["query", "instant", &url, "sum("]);
    assert_ne!(wrong.code(), 0);
    assert!(wrong.stderr.contains("parse error"), "{}", wrong.stderr);
}

#[test]
fn what_is_stale_is_not_shown_though_it_is_young() {
    let site = Site::new();
    site.wait_for_samples(4);
    let without = fs::read_to_string(site.sandbox.farm_toml()).unwrap();
    site.sandbox.configure(without.split("[collector.load]").next().unwrap());
    wait_until("the series to be stale", PATIENCE, || site.query("wave").is_empty());
    let last = site.query("last_over_time(wave[5m])");
    assert_eq!(last.len(), 1, "what a range shows is still there: {last:?}");
}

#[test]
fn farms_that_do_not_answer_are_named() {
    let site = Site::new();
    let data = site.sandbox.path("other");
    fs::create_dir(&data).unwrap();
    let host = "[farm]\nname = \"other\"\n[collector.hosts]\nmodule = \"host\"\nperiod = \"1s\"\n";
    fs::write(data.join("farm.toml"), host).unwrap();
    let (listen, lookups) = (format!("127.0.0.1:{}", site.sandbox.port()), site.sandbox.lookups());
    let words = ["farm", "--data", data.to_str().unwrap(), "--listen", &listen];
    let words = [&words[..], &["--lookup", &lookups[0], "--lookup", &lookups[1]]].concat();
    let mut other = site.sandbox.start("other", &words);
    other.prints("Ctrl-C stops", PATIENCE);
    wait_until("both farms", PATIENCE, || site.query("count by (farm)(load1)").len() == 2);
    let only = site.get(&format!("query?query={}", percent_encoded("load1{farm=\"other\"}")));
    assert_eq!(only["data"]["result"].as_array().unwrap().len(), 1);
    other.kill();
    let told = wait_for("a warning", PATIENCE, || {
        let answer = site.get("query?query=load1");
        answer["warnings"].is_array().then_some(answer)
    });
    assert!(told["warnings"][0].as_str().unwrap().starts_with("farm other did not answer: "), "{told}");
    assert_eq!(told["data"]["result"].as_array().unwrap().len(), 1, "the others answer");
    for others in ["load1{farm!=\"other\"}", "load1{farm=~\"no.*\"}"] {
        let answer = site.get(&format!("query?query={}", percent_encoded(others)));
        assert_eq!(answer["warnings"], Value::Null, "a farm that isn't meant isn't missing");
    }
    assert!(site.get("labels")["warnings"][0].as_str().unwrap().contains("farm other"));
}
