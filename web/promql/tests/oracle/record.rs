//! Asks the real Prometheus.

use hedgerow_promql::Times;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command, Stdio};

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn seconds(time: i64) -> String {
    format!("{}.{:03}", time / 1000, time % 1000)
}

/// The part of an answer that counts.
fn told(answer: &str) -> Value {
    let answer: Value = serde_json::from_str(answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
    if answer["status"] == "success" { answer["data"]["result"].clone() } else { answer["errorType"].clone() }
}

pub(crate) fn ask(queries: &[&str], at: i64, times: &Times, samples: &str) -> BTreeMap<String, Value> {
    let folder = std::env::temp_dir().join(format!("hedgerow-oracle-{}", std::process::id()));
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    fs::create_dir_all(&folder).unwrap();
    fs::write(path("samples.om"), samples).unwrap();
    fs::write(path("prometheus.yml"), "").unwrap();
    run("promtool", &["tsdb", "create-blocks-from", "openmetrics", &path("samples.om"), &path("data")]);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let args = [
        format!("--config.file={}", path("prometheus.yml")),
        format!("--storage.tsdb.path={}", path("data")),
        "--storage.tsdb.retention.time=100y".to_owned(),
        format!("--web.listen-address=127.0.0.1:{port}"),
    ];
    let server =
        Command::new("prometheus").args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let _server = Server(server);
    let url = |page: &str| format!("http://127.0.0.1:{port}{page}");
    run(
        "curl",
        &["-s", "--retry", "100", "--retry-delay", "1", "--retry-all-errors", "-f", &url("/-/ready")],
    );
    let get = |page: &str, query: &str, more: &[(&str, String)]| {
        let mut args = vec!["-s".to_owned(), "-G".to_owned(), url(page)];
        for (key, value) in [("query", query.to_owned())].iter().chain(more) {
            args.extend(["--data-urlencode".to_owned(), format!("{key}={value}")]);
        }
        told(&run("curl", &args.iter().map(String::as_str).collect::<Vec<_>>()))
    };
    let answers = queries.iter().map(|query| {
        let instant = get("/api/v1/query", query, &[("time", seconds(at))]);
        let range =
            [("start", seconds(times.start)), ("end", seconds(times.end)), ("step", seconds(times.step))];
        let range = get("/api/v1/query_range", query, &range);
        ((*query).to_owned(), json!({"instant": instant, "range": range}))
    });
    let answers = answers.collect();
    let _ = fs::remove_dir_all(&folder);
    answers
}
