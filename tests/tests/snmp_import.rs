//! Promise: a configuration of prometheus-snmp-exporter is taken over, and measures what the exporter measures.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use hedgerow_e2e::{Access, PATIENCE, Process, Sandbox, SnmpCollector, Snmpd, root, wait_for};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

const MODULES: [&str; 2] = ["if_mib", "hr_and_ip"];
/// Gauges that move are read again until they stood still for once; so often at most.
const ROUNDS: usize = 12;

/// Metric and labels.
type Metric = (String, BTreeMap<String, String>);

/// What the exporter says of the agent now; nothing while it is not there.
fn scrape(exporter: &str, module: &str, agent: &str) -> Option<BTreeMap<Metric, f64>> {
    let mut stream = TcpStream::connect(exporter).ok()?;
    write!(stream, "GET /snmp?module={module}&target={agent} HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    assert!(head.contains(" 200 "), "{answer}");
    let lines = body.lines().filter(|line| !line.starts_with('#') && !line.starts_with("snmp_scrape"));
    Some(lines.map(metric).collect())
}

/// `name{label="value"} 1`; the values here have no quotes.
fn metric(line: &str) -> (Metric, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.trim_end_matches('}').split("\",").filter_map(|label| label.split_once("=\""));
    let labels =
        labels.map(|(name, value)| (name.to_owned(), value.trim_end_matches('"').to_owned())).collect();
    ((name.to_owned(), labels), value.parse().unwrap())
}

#[test]
fn an_imported_configuration_measures_what_the_exporter_measures() {
    let sandbox = Sandbox::new();
    let agent = Snmpd::start(&sandbox, "import", "");
    let fixture = root().join("tests/fixtures/snmp_exporter.yml");
    let exporter = format!("127.0.0.1:{}", sandbox.port());
    let mut command = sandbox.program(Path::new("prometheus-snmp-exporter"));
    command.arg(format!("--config.file={}", fixture.display()));
    command.arg(format!("--web.listen-address={exporter}"));
    let _exporter = Process::start(command, &sandbox.path("logs"), "exporter");
    let look =
        |module: &str| wait_for("the exporter", PATIENCE, || scrape(&exporter, module, agent.address()));

    let folder = sandbox.path("imported/profiles");
    std::fs::create_dir_all(&folder).unwrap();
    let words = ["profile", "import", fixture.to_str().unwrap(), "--into", folder.to_str().unwrap()];
    println!("{}", sandbox.run(&words).ok().told());
    let access = Access::V2c("public");
    let file = sandbox.path("imported/farm.toml");
    for module in MODULES {
        let collector = SnmpCollector::new("net", &access, &[("agent", agent.address())]).profiles(&[module]);
        std::fs::write(&file, access.credentials(&sandbox) + collector.toml()).unwrap();
        let mut open = BTreeSet::new();
        for round in 1..=ROUNDS {
            let before = look(module);
            let run = sandbox.run(&["collect", "--config", file.to_str().unwrap(), "--json"]).ok();
            let after = look(module);
            let samples: Vec<Value> = hedgerow_e2e::json_lines(&run.stdout);
            assert!(before.len() > 5, "{before:?}");
            open = before
                .keys()
                .filter(|metric| !agrees(&samples, metric, before[*metric], after[*metric]))
                .cloned()
                .collect();
            if open.is_empty() {
                println!("{module}: {} metrics agree in round {round}", before.len());
                break;
            }
        }
        assert!(open.is_empty(), "{module}: {open:?}");
    }
}

/// Whether one sample of this metric lies between two readings of the exporter. The item is one of the exporter's labels: the
/// index stands beside a name only where the name is not unique.
fn agrees(samples: &[Value], (name, labels): &Metric, before: f64, after: f64) -> bool {
    let of_metric = samples.iter().filter(|sample| sample["parameter"] == name.as_str());
    let of_row = of_metric.filter(|sample| match sample["labels"]["item"].as_str() {
        Some(item) => labels.values().any(|label| label == item),
        None => labels.is_empty(),
    });
    let values: Vec<f64> = of_row.filter_map(|sample| sample["value"].as_f64()).collect();
    matches!(values[..], [value] if (before.min(after)..=before.max(after)).contains(&value))
}
