#![allow(clippy::unwrap_used)]
use super::app::{Frame, Slot, TOP, What};
use super::*;
use crate::output::clock::Zone;
use hedgerow_model::UnixMillis;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::style::Color;
use serde_json::{Value, json};

const NOW: UnixMillis = 1_795_172_302_000;
const MINUTE: i64 = 60_000;
/// What would move a cursor, colour what follows, turn the reading direction, or ring.
const HOSTILE: &str = "a\u{1b}[2J\u{202e}b\u{7}\r\n";

fn app() -> App {
    App::new(Looks { plain: false, colour: true }, Zone::new(true), PRESETS[0].clone(), 100)
}

fn farm(name: &str, state: &str, level: &str, why: Option<&str>) -> Value {
    let critical = u64::from(level == "critical");
    json!({
        "id": format!("{name}-id"), "name": name, "state": state, "level": level,
        "alarms": {"critical": critical, "warning": 0, "info": 0, "unknown": 0, "acknowledged": 0},
        "groups": [], "attributes": {"city": "Geneva", "country": "CH"}, "endpoints": ["http://127.0.0.1:7403"],
        "version": "0.1.0", "description": "", "lookups": [], "rivals": 0, "why": why, "since": NOW - 5 * MINUTE,
    })
}

fn coverage(missing: &Value) -> Value {
    let count = missing.as_array().unwrap().len();
    json!({"asked": 3, "answered": 3 - count, "missing": missing, "lookups_missing": [], "complete": count == 0})
}

/// Three farms, one of them lost, and one that does not answer.
fn mesh(app: &mut App) {
    let missing = json!([{"farm": "oslo", "why": "the farm does not answer: connection refused"}]);
    let lost = farm("gone", "live", "critical", Some("the farm is lost: its lease ran out"));
    let frame = json!({
        "full": true, "now": NOW, "mesh": {"name": "fens", "id": "00"},
        "farms": [
            farm("cern-t0", "live", "critical", None), farm("lyon", "live", "ok", None),
            farm("oslo", "suspect", "unknown", Some("the farm does not answer: connection refused")),
        ],
        "gone": [{"id": "gone-id", "name": "gone", "why": "expired", "t": NOW - 90_000, "farm": lost}],
        "log": [{"n": 1, "t": NOW - 90_000, "what": "gone", "kind": "farm", "name": "gone", "detail": "is lost: its lease ran out"}],
        "lookups": [
            {"url": "http://127.0.0.1:7401", "answers": true, "suspects": false},
            {"url": "http://127.0.0.1:7402", "answers": false, "why": "connection refused", "suspects": false},
        ],
        "coverage": coverage(&missing),
        "totals": {"farms": 3, "live": 2, "suspect": 1, "unconfirmed": 0, "stale": 0, "gone": 1,
                   "alarms": {"critical": 2, "warning": 1, "info": 0, "unknown": 0, "acknowledged": 1}},
    });
    app.take(Slot::Mesh, Frame::Mesh(serde_json::from_value(frame).unwrap()));
    let alarm = |key: &str, level: &str, text: &str, more: Value| {
        let mut alarm = json!({
            "key": key, "farm": "cern-t0", "farm_id": "cern-t0-id", "id": "3fa19c", "name": "disk", "deployment": "disk-full",
            "level": level, "text": text, "paths": ["cern-t0/hosts/n1/disk_used[/var]"], "since": NOW - 7 * MINUTE,
            "changed": NOW - MINUTE, "confirmed": NOW, "version": 1,
        });
        alarm.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        alarm
    };
    let seen = json!({"acknowledged": {"by": "ann", "comment": "disk ordered", "at": NOW - MINUTE}});
    let frame = json!({
        "full": true, "now": NOW, "coverage": coverage(&missing), "silences": [],
        "alarms": [
            alarm("a/1", "warning", "disk /var is 91 % full", seen),
            alarm("a/2", "critical", "disk / is 99 % full", json!({})),
        ],
    });
    app.take(Slot::Alarms, Frame::Alarms(serde_json::from_value(frame).unwrap()));
}

fn series(s: u32, node: &str, parameter: &str, life: &str) -> Value {
    json!({"s": s, "farm": "cern-t0", "cluster": "hosts", "node": node, "parameter": parameter, "unit": "1",
           "path": format!("cern-t0/hosts/{node}/{parameter}"), "kind": "gauge", "as": "value", "life": life,
           "reason": if life == "live" { "" } else { "it does not answer" }, "interval": 10_000})
}

/// The farm `cern-t0`, with two nodes.
fn table(app: &mut App) {
    let frame = json!({
        "full": true, "now": NOW, "coverage": coverage(&json!([])),
        "series": [
            series(0, "n1", "up", "live"), series(1, "n1", "cpu_busy", "live"), series(2, "n2", "up", "live"),
            series(3, "n2", "cpu_busy", "stale"), series(4, "n1", "state", "live"),
        ],
        "values": {"s": [0, 1, 2, 3, 4], "t": [NOW, NOW - 2000, NOW, NOW - 8 * MINUTE, NOW],
                   "v": [1.0, 0.4567, 0.0, 0.25, "degraded"]},
    });
    app.take(Slot::Farm, Frame::Farm(serde_json::from_value(frame).unwrap()));
}

fn compared(app: &mut App) {
    let row = |s: u32, node: &str, v: f64| {
        let mut row = series(s, node, "cpu_busy", "live");
        row.as_object_mut()
            .unwrap()
            .extend([("t".to_owned(), json!(NOW - 1000)), ("v".to_owned(), json!(v))]);
        row
    };
    let frame = json!({
        "full": true, "now": NOW, "matched": 7, "unit": "1", "coverage": coverage(&json!([])),
        "rows": [row(0, "n1", 0.99), row(1, "n2", 0.5), row(2, "n3", 0.0001)],
    });
    app.take(Slot::Top, Frame::Top(serde_json::from_value(frame).unwrap()));
}

fn drawn(app: &mut App, (width, height): (u16, u16)) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    let paths = app.draw(&mut buffer, NOW);
    app.trends.show(&paths, NOW);
    buffer
}

fn text(buffer: &Buffer) -> String {
    let lines = buffer.content().chunks(usize::from(buffer.area.width));
    let lines = lines.map(|cells| cells.iter().map(ratatui::buffer::Cell::symbol).collect::<String>());
    lines.map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Presses keys; between them it is drawn, as it is for a person.
fn press(app: &mut App, keys: &str) {
    for key in keys.chars() {
        drawn(app, (100, 24));
        let code = match key {
            '\r' => KeyCode::Enter,
            '\u{1b}' => KeyCode::Esc,
            '\t' => KeyCode::Tab,
            '>' => KeyCode::Right,
            key => KeyCode::Char(key),
        };
        app.key(KeyEvent::new(code, KeyModifiers::NONE), NOW);
    }
}

fn picture(app: &mut App, size: (u16, u16)) -> String {
    text(&drawn(app, size))
}

#[test]
fn every_screen_of_a_mesh_that_is_partly_known() {
    let mut app = app();
    mesh(&mut app);
    insta::assert_snapshot!("farms", picture(&mut app, (100, 14)));
    insta::assert_snapshot!("farms_small", picture(&mut app, (40, 10)));
    press(&mut app, "2");
    insta::assert_snapshot!("alarms", picture(&mut app, (100, 14)));
    press(&mut app, "\r");
    insta::assert_snapshot!("alarm", picture(&mut app, (100, 24)));
    press(&mut app, "3");
    compared(&mut app);
    insta::assert_snapshot!("top", picture(&mut app, (100, 14)));
    press(&mut app, "4");
    insta::assert_snapshot!("lookups", picture(&mut app, (100, 14)));
}

#[test]
fn a_farm_is_opened_down_to_its_values() {
    let mut app = app();
    mesh(&mut app);
    press(&mut app, "j\r");
    assert_eq!(app.open_farm(), Some("cern-t0-id"), "behind the one that is lost, which is worse");
    assert!(app.wanted().iter().any(|(slot, spec)| {
        *slot == Slot::Farm && serde_json::to_string(spec).unwrap().contains("cern-t0/*/*/*")
    }));
    table(&mut app);
    insta::assert_snapshot!("farm", picture(&mut app, (100, 20)));
    insta::assert_snapshot!("farm_wide", picture(&mut app, (150, 20)));
    press(&mut app, "sj\r");
    insta::assert_snapshot!("node", picture(&mut app, (100, 14)));
    insta::assert_snapshot!("node_small", picture(&mut app, (40, 10)));
    // What is seen decides which lines of the last minutes are wanted.
    let charts: Vec<String> = app
        .wanted()
        .iter()
        .filter(|(slot, _)| matches!(slot, Slot::Trend(_)))
        .map(|(_, spec)| serde_json::to_string(spec).unwrap())
        .collect();
    assert!(charts.iter().any(|chart| chart.contains("hosts/n1/cpu_busy[]")), "{charts:?}");
    press(&mut app, "\u{1b}\u{1b}");
    assert_eq!(app.screen().what, What::Farms);
}

#[test]
fn what_is_not_known_is_said() {
    let mut app = app();
    insta::assert_snapshot!("loading", picture(&mut app, (60, 12)));
    let frame = |lookups: Value, coverage: Value| {
        let totals = json!({"farms": 0, "live": 0, "suspect": 0, "unconfirmed": 0, "stale": 0, "gone": 0,
            "alarms": {"critical": 0, "warning": 0, "info": 0, "unknown": 0, "acknowledged": 0}});
        let frame = json!({"full": true, "now": NOW, "mesh": {"name": "fens", "id": "00"}, "lookups": lookups,
            "coverage": coverage, "totals": totals});
        Frame::Mesh(serde_json::from_value(frame).unwrap())
    };
    let nobody = json!({"asked": 0, "answered": 0, "missing": [], "lookups_missing": [], "complete": true});
    let lookups = json!([{"url": "http://a", "answers": true, "suspects": false}]);
    app.take(Slot::Mesh, frame(lookups.clone(), nobody));
    insta::assert_snapshot!("empty", picture(&mut app, (60, 12)));
    let cut_off = json!({"asked": 0, "answered": 0, "missing": [], "complete": false, "stale_since_ms": NOW - 12_000,
        "lookups_missing": [{"url": "http://a", "why": "connection refused"}]});
    app.take(Slot::Mesh, frame(lookups, cut_off));
    assert!(picture(&mut app, (100, 12)).contains("no lookup has answered for 12s"));
    app.take(Slot::Mesh, Frame::Over("no room".to_owned()));
    assert!(picture(&mut app, (100, 12)).contains("this view has ended, and is opened again: no room"));
}

#[test]
fn names_cannot_do_anything_to_the_terminal() {
    let mut app = app();
    mesh(&mut app);
    let mut hostile = farm(HOSTILE, "live", "critical", Some(HOSTILE));
    hostile["attributes"] = json!({"city": HOSTILE});
    let frame = json!({"now": NOW, "mesh": {"name": HOSTILE, "id": "00"}, "farms": [hostile], "totals":
        serde_json::to_value(app.mesh.totals).unwrap()});
    app.take(Slot::Mesh, Frame::Mesh(serde_json::from_value(frame).unwrap()));
    app.complaint = Some(HOSTILE.to_owned());
    for keys in ["", "\r", "\u{1b}/\u{202e}", "\u{1b}\u{1b}2\r", "3"] {
        press(&mut app, keys);
        for size in [(40, 10), (100, 24), (200, 60)] {
            let buffer = drawn(&mut app, size);
            let bad = buffer
                .content()
                .iter()
                .find(|cell| cell.symbol().chars().any(crate::output::safe::is_unsafe));
            assert!(bad.is_none(), "{keys:?} {size:?}: {bad:?}");
        }
    }
    app.go(0);
    assert!(picture(&mut app, (200, 24)).contains("a\\u{1b}[2J\\u{202e}b\\u{7}\\r\\n"));
}

#[test]
fn it_draws_at_any_size_and_marks_without_colours() {
    let mut app = app();
    mesh(&mut app);
    for keys in ["", "\r", "\r", "2", "\r", "3", "4", "?"] {
        press(&mut app, keys);
        if app.open_farm().is_some() {
            table(&mut app);
        }
        for width in [0, 1, 9, 10, 11, 39, 80, 129, 130, 300] {
            for height in [0, 1, 3, 4, 5, 8, 12, 14, 80] {
                drawn(&mut app, (width, height));
            }
        }
    }
    app.go(0);
    let colours = |buffer: &Buffer| buffer.content().iter().filter(|cell| cell.fg != Color::Reset).count();
    assert!(colours(&drawn(&mut app, (100, 24))) > 0);
    app.looks = Looks { plain: true, colour: false };
    let plain = drawn(&mut app, (100, 24));
    assert_eq!(colours(&plain), 0);
    assert!(text(&plain).is_ascii(), "{}", text(&plain));
    assert!(text(&plain).contains("X critical"));
}

#[test]
fn keys_filter_sort_pause_and_compare() {
    let mut app = app();
    mesh(&mut app);
    press(&mut app, "/LYON\r");
    let shown = picture(&mut app, (100, 24));
    assert!(shown.contains("lyon") && !shown.contains("cern-t0"), "{shown}");
    press(&mut app, "\u{1b}s");
    assert!(picture(&mut app, (100, 24)).contains("by name"));
    // A row that is selected is followed wherever it goes.
    press(&mut app, "j");
    drawn(&mut app, (100, 24));
    let followed = app.screen().place.selected.clone();
    assert_eq!(followed.as_deref(), Some("gone-id"), "by name: cern-t0, gone, lyon, oslo");
    app.screen_mut().order = 0;
    drawn(&mut app, (100, 24));
    assert_eq!(app.screen().place.selected, followed);
    press(&mut app, "p");
    assert!(picture(&mut app, (100, 24)).contains("paused at 2026-11-20"));
    press(&mut app, "p3>");
    assert_eq!(app.question.predicate, PRESETS[1].predicate);
    press(&mut app, "e where\r");
    assert!(
        app.complaint.is_some() && app.typing.is_some(),
        "what cannot be read is said, and stays to be mended"
    );
    press(&mut app, "\u{1b}s");
    assert_eq!(app.top_spec().predicate, PRESETS[1].predicate);
    assert!(app.top_spec().ascending && app.tab == TOP);
    press(&mut app, "q");
    assert!(app.is_over);
}

#[test]
fn what_is_compared_leads_to_its_node() {
    let mut app = app();
    mesh(&mut app);
    press(&mut app, "3");
    compared(&mut app);
    press(&mut app, "j\r");
    assert_eq!(app.open_farm(), Some("cern-t0-id"));
    assert_eq!(app.screen().what, What::Node { cluster: "hosts".to_owned(), node: "n2".to_owned() });
    press(&mut app, "\u{1b}");
    assert_eq!(app.screen().what, What::Top);
}

#[test]
fn lines_of_the_last_minutes_break_where_nothing_is_known() {
    let mut app = app();
    let path = "cern-t0/hosts/n1/cpu_busy".to_owned();
    assert!(app.trends.show(std::slice::from_ref(&path), NOW));
    assert!(!app.trends.show(std::slice::from_ref(&path), NOW + MINUTE), "it is on its way");
    let (number, _) = app.trends.wanted().next().unwrap();
    let points: Vec<(i64, f64)> = (0..10).map(|at| (NOW - trend::SPAN + at * 10_000, at as f64)).collect();
    let (t, mean): (Vec<i64>, Vec<f64>) = points.into_iter().unzip();
    let counts = vec![1; t.len()];
    let frame = json!({
        "full": true, "now": NOW, "bin": 5000, "from": NOW - trend::SPAN, "to": null,
        "series": [series(0, "n1", "cpu_busy", "live")],
        "points": [{"s": 0, "t": t, "mean": mean, "count": counts}],
    });
    app.take(Slot::Trend(number), Frame::Trend(serde_json::from_value(frame).unwrap()));
    // A column every 10 s; ten points, then up to three intervals of which nothing new is known, then nothing.
    let bars = app.trends.bars(&path, 30, NOW, false);
    assert_eq!(bars.trim_end(), "▁▂▃▃▄▅▆▆▇███");
    assert_eq!(bars.chars().count(), 30);
    assert_eq!(app.trends.bars("a/b/c/d", 30, NOW, false), "");
    assert!(app.trends.bars(&path, 30, NOW, true).is_ascii());
}
