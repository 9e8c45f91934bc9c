//! Promise: a filter can be tried at the farms before anybody deploys it: live for as long as the command runs, and over what is
//! stored, the same output every time. What it makes goes to the caller alone, and nothing of it outlives the call.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use hedgerow_client::filters::{Heard, Held, Hold, hold};
use hedgerow_client::{Mesh, MeshOptions, Template, UserToken};
use hedgerow_e2e::{PATIENCE, Sandbox, json_lines, root, wait_for, wait_until};
use rustix::process::Signal;
use serde_json::Value;
use std::time::Duration;

const ON: &str = "*/hosts/*/load1";

fn prebuilt(name: &str) -> String {
    root().join(format!("filters/prebuilt/{name}.wasm")).to_str().unwrap().to_owned()
}

/// A collector whose values, of several kinds, come ten times a second.
const OFTEN: &str = "[collector.often]\nmodule = \"script\"\ncommand = [\"echo\", \"low 0.1\\nhigh 0.9\\neven 1e-7\"]\nformat = \"keyvalue\"\nperiod = \"100ms\"";
const READ: &str = "*/often/*/{low,high,even}";

#[test]
fn a_run_prints_what_it_makes_and_ends_with_the_command() {
    let sandbox = Sandbox::new();
    let _up = sandbox.up();
    let file = prebuilt("threshold");
    let words = ["filter", "run", &file, "--set", "above=0.5", "--on", ON, "--as", "tried", "--json"];
    let mut run = sandbox.start_client("run", &words);
    let line = wait_for("a derived sample", PATIENCE, || {
        assert!(run.is_running(), "{}", run.stderr());
        json_lines(&run.stdout()).into_iter().next()
    });
    assert_eq!((&line["cluster"], &line["parameter"]), (&Value::from("tried"), &Value::from("load1_state")));
    assert!(line["text"] == "ok" || line["text"] == "past", "{line}");
    assert!(
        run.stderr().contains("threshold 1.0.0:") || run.stderr().contains("threshold 0.1.0:"),
        "{}",
        run.stderr()
    );
    assert!(run.stderr().contains(ON), "{}", run.stderr());
    let (status, _) = run.stop(Signal::INT);
    assert_eq!(status.code(), Some(0), "{}", run.stderr());
    let told = run.stderr();
    let (_, summary) = told.rsplit_once("\nthreshold ").unwrap_or_else(|| panic!("no summary: {told}"));
    for part in [" at ", "\n  read    ", "\n  made    ", "\n  cpu     ", "\n  memory  "] {
        assert!(summary.contains(part), "{part:?} is not in {told}");
    }
    assert!(!summary.contains("  made    0 samples"), "{told}");
    assert!(!sandbox.client(&["ls", "*/tried", "--json"]).stdout.contains("load1"), "nothing of it is kept");
    assert!(sandbox.client(&["filter", "list", "--json"]).stdout.is_empty(), "nothing is deployed");

    let wrong = sandbox.client(&["filter", "run", &file, "--on", ON]);
    assert_eq!(wrong.code(), 1);
    assert!(wrong.stderr.contains("`above` and `below`"), "{}", wrong.told());
    let unknown = sandbox.client(&["filter", "run", &file, "--set", "above=1", "--farm", "nowhere"]);
    assert!(unknown.code() == 1 && unknown.stderr.contains("no farm matches"), "{}", unknown.told());
}

#[test]
fn a_backtest_gives_the_same_bytes_every_time_and_what_the_deployment_made() {
    let sandbox = Sandbox::new();
    let _up = sandbox.up();
    sandbox.configure_more(OFTEN);
    wait_until("samples", PATIENCE, || sandbox.client(&["query", READ, "--json"]).stdout.contains("low"));
    let file = prebuilt("threshold");
    let how = ["--set", "above=0.5", "--on", READ];
    sandbox.client(&[&["filter", "deploy", &file, "--as", "live"], &how[..]].concat()).ok();
    let made = || {
        let asked = sandbox.client(&["query", "*/live", "--since", "1h", "--json"]);
        lines(&asked.stdout)
    };
    let stored =
        wait_for("samples of the deployment", PATIENCE, || Some(made()).filter(|made| made.len() > 40));
    let time = |line: &String| serde_json::from_str::<Value>(line).unwrap()["time"].as_i64().unwrap();
    // Between two times, so that what was taken before has been accepted before, too.
    let mut times: Vec<i64> = stored.iter().map(time).collect();
    times.sort_unstable();
    times.dedup();
    let [.., before, last] = times[..] else { panic!("{times:?}") };
    let to = i64::midpoint(before, last);
    let end = to;
    let live: Vec<String> = stored.into_iter().filter(|line| time(line) < end).collect();
    let from = (to - 3_600_000).to_string();
    // In milliseconds there is no word for a time: RFC 3339 has it.
    let (from, to) = (rfc_3339(from.parse().unwrap()), rfc_3339(to));
    let backtest = |more: &[&str]| {
        let words = ["filter", "backtest", &file, "--as", "live", "--from", &from, "--to", &to, "--json"];
        sandbox.client(&[&words[..], &how, more].concat()).ok()
    };
    let first = backtest(&[]);
    assert!(first.stderr.contains("  read    ") && first.stderr.contains("  cpu     "), "{}", first.told());
    assert!(first.stderr.contains("nothing is stored of the time before this"), "{}", first.told());
    let tested = lines(&first.stdout);
    // Moments are those of the farm's heartbeat: a sample of a little later may have been accepted before it.
    let begun = live.iter().map(time).min().unwrap();
    let mut since: Vec<&String> = tested.iter().filter(|line| (begun..end).contains(&time(line))).collect();
    // A query answers series by series, a backtest in the order in which it was made.
    let parameter = |line: &String| serde_json::from_str::<Value>(line).unwrap()["parameter"].to_string();
    let mut live: Vec<&String> = live.iter().collect();
    since.sort_by_key(|line| parameter(line));
    live.sort_by_key(|line| parameter(line));
    assert!(live.len() > 30, "{}", live.len());
    assert_eq!(since, live, "the same bytes, from where the deployment began");

    let more = made().len();
    wait_until("more is stored", PATIENCE, || made().len() > more);
    assert_eq!(backtest(&[]).stdout, first.stdout);

    let back =
        sandbox.client(&["filter", "backtest", &file, "--from", "5m", "--to", "10m", "--set", "above=1"]);
    assert!(back.code() == 2 && back.stderr.contains("before --to"), "{}", back.told());
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn rfc_3339(ms: i64) -> String {
    let days = ms.div_euclid(86_400_000);
    let rest = ms.rem_euclid(86_400_000);
    // Civil from days, after the calendar's own rules: eras of 400 years that begin in March.
    let z = days + 719_468;
    let (era, of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hours, minutes, seconds) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z", rest % 1000)
}

async fn begun(mesh: &Mesh) -> Result<Held, String> {
    let found = mesh.farms(&Template::default()).await;
    let farm = mesh.to_change(&found.services[0]).unwrap();
    let component = std::fs::read(root().join("filters/fixtures/echo.wasm")).unwrap().into();
    let order = Hold { component, parameters: String::new(), name: String::new(), stored: None };
    let mut held = hold(&farm, &order).await.map_err(|error| error.to_string())?;
    match held.next().await {
        Ok(Some(Heard::Described(_))) => Ok(held),
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn runs_are_bounded_take_the_token_and_end_with_their_call() {
    let sandbox = Sandbox::new();
    let _up = sandbox.up();
    let token = UserToken::load(&sandbox.path("state/hedgerow/token")).unwrap();
    let lookups = sandbox.lookups();
    // With a thread of its own: what is held lives on while this one waits for a command.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let stranger = Mesh::connect(MeshOptions::at(lookups.clone())).await.unwrap();
        let refused = begun(&stranger).await.unwrap_err();
        assert!(refused.contains("takes the role author"), "{refused}");

        let mesh = Mesh::connect(MeshOptions { token, ..MeshOptions::at(lookups) }).await.unwrap();
        let mut all = Vec::new();
        let refused = loop {
            match begun(&mesh).await {
                Ok(held) => all.push(held),
                Err(refused) => break refused,
            }
        };
        assert_eq!(all.len(), 16, "{refused}");
        assert!(refused.contains("16 runs are held"), "{refused}");
        all.pop();
        let patience = tokio::time::Instant::now() + PATIENCE;
        while let Err(refused) = begun(&mesh).await {
            assert!(tokio::time::Instant::now() < patience, "{refused}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }

        // The command takes that place, and gives it back when it is interrupted.
        let echo = root().join("filters/fixtures/echo.wasm");
        let mut run = wait_for("a run of the command", PATIENCE, || {
            let mut run = sandbox.start_client("run", &["filter", "run", echo.to_str().unwrap(), "--json"]);
            wait_until("an answer", PATIENCE, || run.stderr().contains("echo 1.2.3") || !run.is_running());
            run.is_running().then_some(run)
        });
        let refused = begun(&mesh).await.unwrap_err();
        assert!(refused.contains("16 runs are held"), "{refused}");
        let (status, _) = run.stop(Signal::INT);
        assert_eq!(status.code(), Some(0), "{}", run.stderr());
        let patience = tokio::time::Instant::now() + PATIENCE;
        while let Err(refused) = begun(&mesh).await {
            assert!(tokio::time::Instant::now() < patience, "{refused}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
}
