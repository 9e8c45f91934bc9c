//! Promise: Prometheus finds every farm and lookup by a lookup, scrapes them, and follows who comes and goes.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use hedgerow_e2e::{
    PATIENCE, Process, Prometheus, Sandbox, http_get, percent_encoded, root, wait_for, wait_until,
};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;

/// Of each service its name, and whether it is up.
fn up(prometheus: &Prometheus) -> BTreeMap<String, bool> {
    let name = |labels: &Value| labels["instance"].as_str().unwrap().to_owned();
    prometheus.query("up").iter().map(|(labels, value)| (name(labels), *value == 1.0)).collect()
}

fn wait_for_up(prometheus: &Prometheus, names: &[&str]) {
    let expected: BTreeMap<String, bool> = names.iter().map(|name| ((*name).to_owned(), true)).collect();
    wait_until(&format!("exactly {names:?} up"), PATIENCE, || {
        // One whose target is gone stays for a moment in what was scraped, marked stale: not in the answer.
        let targets = prometheus.targets();
        up(prometheus) == expected && targets.len() == names.len()
    });
}

/// The first configuration of the page, at this sandbox's lookups and in a hurry.
fn configuration(sandbox: &Sandbox) -> String {
    let page = fs::read_to_string(root().join("docs/how-to/watch-with-prometheus.md")).unwrap();
    let (_, behind) = page.split_once("```yaml\n").unwrap();
    let (block, _) = behind.split_once("```").unwrap();
    let there =
        |text: &str, role: u16| text.replace(&format!("http://127.0.0.1:740{role}"), &sandbox.url(role));
    let block = there(&there(block, 1), 2);
    let hurried = block.replace("scrape_interval: 15s", "scrape_interval: 1s").replace("30s", "1s");
    assert!(!hurried.contains(":7401") && !hurried.contains("15s"), "{hurried}");
    hurried
}

fn another_farm(sandbox: &Sandbox, name: &str) -> Process {
    let data = sandbox.path(name);
    fs::create_dir(&data).unwrap();
    fs::write(
        data.join("farm.toml"),
        format!("[farm]\nname = \"{name}\"\nattributes = {{ country = \"CH\" }}\n"),
    )
    .unwrap();
    let (listen, lookups) = (format!("127.0.0.1:{}", sandbox.port()), sandbox.lookups());
    let words = ["farm", "--data", data.to_str().unwrap(), "--listen", &listen];
    let words = [&words[..], &["--lookup", &lookups[0], "--lookup", &lookups[1]]].concat();
    let mut farm = sandbox.start(name, &words);
    farm.prints("Ctrl-C stops", PATIENCE);
    farm
}

#[test]
fn prometheus_scrapes_every_role_and_follows_who_comes_and_goes() {
    let sandbox = Sandbox::new();
    let mut mesh = sandbox.up();
    let farm = sandbox.farm()["name"].as_str().unwrap().to_owned();
    let prometheus = Prometheus::start(&sandbox, &configuration(&sandbox));
    wait_for_up(&prometheus, &["lookup-1", "lookup-2", &farm]);

    let leases = wait_for("leases of both lookups", PATIENCE, || {
        let leases = prometheus.query("hedgerow_lookup_leases{state=\"live\"}");
        (leases.len() == 2).then_some(leases)
    });
    assert!(leases.iter().all(|(_, held)| *held == 3.0), "two lookups and a farm: {leases:?}");
    wait_until("the farm's ledger", PATIENCE, || {
        let passed = prometheus.query("hedgerow_farm_edge_passed_total{item=\"source:collector host\"}");
        passed.iter().any(|(labels, passed)| labels["instance"] == farm.as_str() && *passed > 0.0)
    });

    let mut later = another_farm(&sandbox, "later");
    wait_for_up(&prometheus, &["later", "lookup-1", "lookup-2", &farm]);
    let swiss = prometheus.query("up{country=\"CH\", kind=\"farm\"}");
    assert_eq!(swiss.len(), 1, "{swiss:?}");
    assert_eq!(swiss[0].0["service_id"].as_str().unwrap().len(), 32);

    later.stop(Signal::TERM);
    wait_for_up(&prometheus, &["lookup-1", "lookup-2", &farm]);

    // Nobody cancelled: all stay on the list while the whole mesh is away, and are scraped when it is back.
    mesh.kill();
    wait_until("all three to be down", PATIENCE, || {
        let up = up(&prometheus);
        up.len() == 3 && up.values().all(|up| !up)
    });
    let _mesh = sandbox.up();
    wait_for_up(&prometheus, &["lookup-1", "lookup-2", &farm]);
}

#[test]
fn what_roles_show_passes_prometheus_own_check_and_what_they_refuse_says_why() {
    let sandbox = Sandbox::new();
    let _mesh = sandbox.up();
    let page = |above: u16, path: &str| {
        wait_for("an answer", PATIENCE, || http_get(&format!("{}{path}", sandbox.url(above))))
    };
    wait_until("the farm's measurements of itself", PATIENCE, || {
        page(3, "/metrics").1.contains("hedgerow_farm_edge_samples_total")
    });
    for above in [1, 2, 3] {
        let (status, text) = page(above, "/metrics");
        assert_eq!(status, 200);
        assert!(text.contains("\nhedgerow_build_info{version="), "{text}");
        let file = sandbox.path("metrics.prom");
        fs::write(&file, &text).unwrap();
        let mut check = sandbox.program("/bin/sh".as_ref());
        check.args(["-c", "promtool check metrics < metrics.prom"]);
        let checked =
            Process::start(check, &sandbox.path("logs"), &sandbox.unique("promtool")).finished(PATIENCE).ok();
        assert_eq!(format!("{}{}", checked.stdout, checked.stderr), "", "role {above}:\n{text}");
    }
    assert_eq!(page(3, "/prometheus/sd").0, 404, "a farm has no list");
    let listed = |template: &str| page(1, &format!("/prometheus/sd?template={}", percent_encoded(template)));
    let (status, text) = listed("kind=farm country=\"\"");
    assert_eq!((status, text.trim()), (200, "[\n]"), "no farm without a country has one that is empty");
    let (status, text) = listed("!gpu");
    assert_eq!(status, 400);
    assert!(text.contains("template `!gpu`") && text.contains("expected"), "{text}");
    let (_, text) = listed("kind=farm");
    let groups: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(groups[0]["targets"][0], sandbox.url(3).trim_start_matches("http://"));
}
