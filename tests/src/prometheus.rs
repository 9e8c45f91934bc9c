//! A real Prometheus, with its configuration and its data in the sandbox.

use crate::http::{http_get, percent_encoded};
use crate::patience::{PATIENCE, wait_until};
use crate::process::Process;
use crate::sandbox::Sandbox;
use serde_json::Value;
use std::fs;

/// A running one.
#[derive(Debug)]
pub struct Prometheus {
    /// The process.
    pub process: Process,
    url: String,
}

impl Prometheus {
    /// One with this configuration, on a port of the sandbox.
    pub fn start(sandbox: &Sandbox, config: &str) -> Self {
        let folder = sandbox.path("prometheus");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("prometheus.yml");
        fs::write(&file, config).unwrap();
        let address = format!("127.0.0.1:{}", sandbox.port());
        let mut command = sandbox.program("prometheus".as_ref());
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.join("data").display()));
        command.arg(format!("--web.listen-address={address}"));
        let process = Process::start(command, &sandbox.path("logs"), "prometheus");
        let mut prometheus = Self { process, url: format!("http://{address}") };
        wait_until("Prometheus to be ready", PATIENCE, || {
            assert!(prometheus.process.is_running(), "it ended: {}", prometheus.process.stderr());
            http_get(&format!("{}/-/ready", prometheus.url)).is_some_and(|(status, _)| status == 200)
        });
        prometheus
    }

    /// The labels and the value of each series that this expression gives now.
    pub fn query(&self, expression: &str) -> Vec<(Value, f64)> {
        let answer = self.api(&format!("query?query={}", percent_encoded(expression)));
        let series = answer["result"].as_array().unwrap().iter();
        series
            .map(|one| (one["metric"].clone(), one["value"][1].as_str().unwrap().parse().unwrap()))
            .collect()
    }

    /// Its active targets, as its API tells them.
    pub fn targets(&self) -> Vec<Value> {
        self.api("targets?state=active")["activeTargets"].as_array().unwrap().clone()
    }

    /// One that knows only these samples, in the format of OpenMetrics.
    pub fn with_samples(sandbox: &Sandbox, samples: &str) -> Self {
        let (file, data) = (sandbox.path("samples.om"), sandbox.path("prometheus/data"));
        fs::create_dir_all(&data).unwrap();
        fs::write(&file, samples).unwrap();
        let mut promtool = sandbox.program("promtool".as_ref());
        promtool.args(["tsdb", "create-blocks-from", "openmetrics"]).args([&file, &data]);
        Process::start(promtool, &sandbox.path("logs"), "promtool-blocks").finished(PATIENCE).ok();
        Self::start(sandbox, "")
    }

    /// Its whole answer to a question of its API.
    pub fn answer(&self, question: &str) -> (u16, Value) {
        let (status, text) =
            http_get(&format!("{}/api/v1/{question}", self.url)).expect("Prometheus answers");
        (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
    }

    fn api(&self, question: &str) -> Value {
        let (status, mut answer) = self.answer(question);
        assert_eq!(status, 200, "{question}: {answer}");
        answer["data"].take()
    }
}
