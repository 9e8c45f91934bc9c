//! Promise: what a caller may not do is refused in words that help, whatever it sends, and the role goes on.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use hedgerow_e2e::Sandbox;
use serde_json::Value;

#[test]
fn calls_that_must_not_be_are_refused_and_the_roles_go_on() {
    let sandbox = Sandbox::new();
    let mut up = sandbox.up();
    let token = sandbox.token();
    let report = sandbox.foreign().run("limits", &["limits", "--user-token", &token]);
    println!("{report:#}");
    let expect = |call: &str, code: &str, words: &[&str]| {
        let answer: &Value = &report[call];
        assert_eq!(answer["code"], code, "{call}: {answer}");
        for word in words {
            assert!(answer["details"].as_str().unwrap().contains(word), "{call}: `{word}` in {answer}");
        }
    };
    // The refusal names the role it takes, and where the token is; never the token.
    let place = sandbox.path("state/hedgerow/token").display().to_string();
    for call in ["register_without_token", "cancel_without_token", "renew_without_token"] {
        expect(call, "PERMISSION_DENIED", &["takes the role service", &place]);
    }
    expect("find_with_wrong_token", "UNAUTHENTICATED", &["token"]);
    expect("unknown_method", "UNIMPLEMENTED", &["Abolish"]);
    expect("farm_unknown_method", "UNIMPLEMENTED", &["Shout"]);
    expect("register_nothing_with_token", "INVALID_ARGUMENT", &[]);
    expect("oversized", "OUT_OF_RANGE", &[]);
    expect("farm_oversized", "OUT_OF_RANGE", &[]);
    assert_ne!(report["not_protobuf"]["code"], "OK", "{report}");
    assert_ne!(report["long_metadata"]["code"], "OK", "{report}");
    expect("foreign_mesh", "FAILED_PRECONDITION", &["mesh", "00000000000000000000000000000000"]);
    expect("farm_after", "OK", &[]);
    expect("lookup_after", "OK", &[]);
    assert!(!report.to_string().contains(&token), "no answer gives the token away");
    assert!(up.is_running());
}

#[test]
fn other_machines_are_not_served_before_there_is_trust() {
    let sandbox = Sandbox::new();
    let port = sandbox.base_port();
    let data = sandbox.path("site").display().to_string();
    for role in ["farm", "lookup"] {
        for address in [format!("0.0.0.0:{port}"), format!("192.0.2.1:{port}"), format!("[::]:{port}")] {
            let run = sandbox.run(&[role, "--data", &data, "--listen", &address]);
            let said = run.stderr.trim_end();
            println!("{said}");
            assert_eq!((run.code(), said.lines().count()), (1, 1), "{}", run.told());
            assert!(said.contains("loopback") && said.contains("later release"), "{said}");
        }
    }
}
