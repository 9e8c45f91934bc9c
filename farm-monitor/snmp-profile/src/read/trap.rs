//! A notification.

use super::part::{name, oid, words_of};
use crate::profile::{Trap, TrapCode, TrapState};
use crate::section::{Section, Wrong, code, text};

/// One for each of its OIDs: what v1 sends is translated (RFC 3584) to another than v2c and v3 have, for some.
pub(super) fn traps(key: &str, mut section: Section<'_>) -> Vec<Trap> {
    if !section.has("oid") {
        let wrong = Wrong::new("`oid` is missing", "the notification's number, as \"1.3.6.1.6.3.1.1.5.3\"");
        section.findings.error(section.at, &section.path, wrong);
    }
    let oids = section.list("oid", oid).unwrap_or_default();
    let description = section.read("description", |node| text(node, "text")).unwrap_or_default();
    let described = section.has("state");
    let state = section.inner("state");
    let state = described.then(|| self::state(state)).flatten();
    section.finish();
    oids.into_iter()
        .map(|oid| Trap { oid, name: key.to_owned(), description: description.clone(), state: state.clone() })
        .collect()
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
