//! A notification.

use super::part::{code, name, oid, words_of};
use crate::profile::{Trap, TrapCode, TrapState};
use hedgerow_toml_tree::{Got, Section, Wrong};

/// One for each of its OIDs: what v1 sends is translated (RFC 3584) to another than v2c and v3 have, for some.
pub(super) fn traps(key: &str, mut section: Section<'_>) -> Vec<Trap> {
    let oids = section.one_or_more("oid", oid);
    if oids == Got::Absent {
        section.missing("oid", "the notification's number, as \"1.3.6.1.6.3.1.1.5.3\"");
    }
    let description = section.text("description", "text").or(String::new());
    let state = section.inner("state");
    let state = section.place("state").and_then(|_| self::state(state));
    section.finish();
    oids.or(Vec::new())
        .into_iter()
        .map(|oid| Trap { oid, name: key.to_owned(), description: description.clone(), state: state.clone() })
        .collect()
}

/// `{ parameter = "link", item = ["OID of ifName"], code = 2, words = { … } }`
fn state(mut section: Section<'_>) -> Option<TrapState> {
    let parameter = section.need("parameter", "what the state is called, as \"link\"", name);
    let item = section.one_or_more("item", oid).or(Vec::new());
    let fixed = section.read("code", code);
    let of = section.read("code_of", oid);
    let code = match (fixed, of) {
        (Got::Is(..), Got::Is(..)) => {
            let wrong = Wrong::new("has both `code` and `code_of`", "one of them");
            section.findings.error(section.at, &section.path, wrong);
            None
        }
        (Got::Is(code, _), _) => Some(TrapCode::Fixed(code)),
        (_, Got::Is(oid, _)) => Some(TrapCode::Of(oid)),
        (Got::Absent, Got::Absent) => {
            section.missing("code", "`code = 2`, or `code_of` with the OID of a varbind");
            None
        }
        _ => None,
    };
    let words = words_of(&mut section).unwrap_or_default();
    section.finish();
    Some(TrapState { parameter: parameter?, item, code: code?, words })
}
