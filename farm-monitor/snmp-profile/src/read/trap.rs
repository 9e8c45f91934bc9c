//! A notification.

use super::part::{name, oid, words_of};
use crate::profile::{Trap, TrapCode, TrapState};
use crate::section::{Section, Wrong, text};
use crate::tree::{Node, Value};

pub(super) fn trap(key: &str, mut section: Section<'_>) -> Option<Trap> {
    let oid = section.need("oid", "the notification's number, as \"1.3.6.1.6.3.1.1.5.3\"", oid);
    let description = section.read("description", |node| text(node, "text")).unwrap_or_default();
    let state = if section.has("state") {
        let state = state(section.inner("state"));
        if state.is_none() {
            section.finish();
            return None;
        }
        state
    } else {
        section.entry("state");
        None
    };
    section.finish();
    Some(Trap { oid: oid?, name: key.to_owned(), description, state })
}

/// `{ parameter = "link", item = ["OID of ifName"], code = 2, words = { … } }`
fn state(mut section: Section<'_>) -> Option<TrapState> {
    let parameter = section.need("parameter", "what the state is called, as \"link\"", name);
    let item = section.list("item", oid).unwrap_or_default();
    let fixed = section.read("code", code);
    let of = section.read("code_of", oid);
    let code = match (fixed, of) {
        (Some(_), Some(_)) => {
            let wrong = Wrong::new("has both `code` and `code_of`", "one of them");
            section.findings.error(section.at, &section.path, wrong);
            None
        }
        (Some(code), None) => Some(TrapCode::Fixed(code)),
        (None, Some(oid)) => Some(TrapCode::Of(oid)),
        (None, None) if section.has("code") || section.has("code_of") => None,
        (None, None) => {
            let wrong = Wrong::new("`code` is missing", "`code = 2`, or `code_of` with the OID of a varbind");
            section.findings.error(section.at, &section.path, wrong);
            None
        }
    };
    let words = words_of(&mut section).unwrap_or_default();
    section.finish();
    Some(TrapState { parameter: parameter?, item, code: code?, words })
}

fn code(node: &Node) -> Result<i64, Wrong> {
    match &node.value {
        Value::Integer(number) => i64::try_from(*number)
            .map_err(|_| Wrong::new(format!("{number} is out of bounds"), "a whole number")),
        other => Err(Wrong::kind(other, "a whole number")),
    }
}
