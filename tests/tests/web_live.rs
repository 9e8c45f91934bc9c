//! Promise: a page looks at the mesh over one WebSocket: many views at once, each told whole at first; what is wrong with one is said
//! of that one; a page elsewhere cannot listen.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use hedgerow_e2e::{Browser, Sandbox};
use serde_json::json;

#[test]
fn views_are_opened_told_and_closed_over_one_socket() {
    let sandbox = Sandbox::new();
    let up = sandbox.up();
    let said = up.stdout();
    let link = said.split_whitespace().find(|word| word.contains("/#session=")).unwrap();
    let browser = Browser::by_link(link).reader();
    let path = "/api/v1/live/views";
    assert!(browser.socket(path, "http://evil.example").is_err_and(|line| line.contains(" 403 ")));
    let mut socket = browser.socket(path, &format!("http://{}", browser.host)).unwrap();

    socket.say(&json!({"open": 1, "view": {"kind": "mesh"}}));
    socket.say(&json!({"open": 2, "view": {"kind": "latest", "predicate": "*/hosts/*/load*"}}));
    socket.say(&json!({"open": 3, "view": {"kind": "pie"}}));
    socket.say(&json!({"open": 1, "view": {"kind": "mesh"}}));
    socket.say(&json!("nonsense"));
    let (mut farms, mut values, mut errors) = (false, false, Vec::new());
    while !(farms && values && errors.len() >= 3) {
        let told = socket.hear().unwrap();
        if told["error"].is_string() {
            errors.push(told);
        } else if told["view"] == 1 {
            farms |= told["frame"]["farms"].as_array().is_some_and(|farms| !farms.is_empty());
        } else {
            values |= told["frame"]["values"]["v"].as_array().is_some_and(|values| !values.is_empty());
        }
    }
    assert!(
        errors.iter().any(|told| told["view"] == 3 && told["error"].as_str().unwrap().contains("pie")),
        "{errors:?}"
    );
    assert!(errors.iter().any(|told| told["view"] == 1), "a number that is taken: {errors:?}");
    assert!(errors.iter().any(|told| told["view"].is_null()), "{errors:?}");

    // Closed and opened again it begins with the whole.
    socket.say(&json!({"close": 1}));
    socket.say(&json!({"open": 9, "view": {"kind": "mesh"}}));
    let first = loop {
        let told = socket.hear().unwrap();
        if told["view"] == 9 {
            break told;
        }
    };
    assert_eq!(first["frame"]["full"], true, "{first}");
    drop(up);
    assert!(
        std::iter::from_fn(|| socket.hear()).take(1_000).count() < 1_000,
        "it was closed with the server"
    );
}
