//! Promise: whatever the API is asked, by its own description, with the session and without: it answers, and never by a fault of its own.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use hedgerow_e2e::{Browser, PATIENCE, Process, Sandbox, python, root};
use rustix::process::Signal;

/// What is asked takes some half a minute on an idle machine.
const LONG: std::time::Duration = PATIENCE.saturating_mul(6);

/// Beside faults of the server: bodies that are not as described, and changes without the session.
const CHECKS: &str = "not_a_server_error,status_code_conformance,response_schema_conformance,content_type_conformance,ignored_auth";

/// Streams that never end are asked elsewhere.
const ENDLESS: &str = "^/api/v1/live";

#[test]
fn what_nobody_thought_of_asking_is_answered_without_a_fault_of_the_server() {
    let sandbox = Sandbox::new();
    let mut up = sandbox.up();
    let said = up.stdout();
    let link = said.split_whitespace().find(|word| word.contains("/#session=")).unwrap();
    let browser = Browser::by_link(link);
    let mut ask = sandbox.program(&python());
    ask.env("PYTHONDONTWRITEBYTECODE", "1")
        .env("NO_COLOR", "1")
        .env("HYPOTHESIS_STORAGE_DIRECTORY", sandbox.path("hypothesis"));
    ask.args(["-m", "schemathesis.cli", "run"]).arg(format!("http://{}/api/v1/openapi.json", browser.host));
    ask.args(["--header", &format!("X-Hedgerow-Session: {}", browser.session.as_ref().unwrap())]);
    ask.env("SCHEMATHESIS_HOOKS", "api_hooks").env("PYTHONPATH", root().join("tests/python"));
    ask.args(["--checks", CHECKS, "--exclude-path-regex", ENDLESS]);
    // The same questions each time: what is found is found again.
    ask.args(["--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "25", "--workers", "2"]);
    ask.args(["--generation-deterministic", "--no-shrink", "--request-timeout", "40", "--warnings", "off"]);
    let asked = Process::start(ask, &sandbox.path("logs"), "schemathesis").finished(LONG);
    assert_eq!(asked.code(), 0, "{}", asked.told());
    assert!(asked.stdout.contains("Tested: "), "{}", asked.told());
    assert!(up.is_running());
    assert_eq!(browser.get("/api/v1/mesh").status, 200);
    let (status, _) = up.stop(Signal::TERM);
    assert!(status.success() && !up.stderr().contains("panicked"), "{}", up.stderr());
}
