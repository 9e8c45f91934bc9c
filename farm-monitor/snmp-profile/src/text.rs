//! How an agent's bytes become text. Never gives a control character; what is no text is shown in hex.

use crate::profile::TextForm;
use hedgerow_snmp::Value;
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The text of a value. `None` where it has none (noSuchObject and the like).
pub fn text(value: &Value, form: TextForm) -> Option<String> {
    Some(match value {
        Value::OctetString(bytes) | Value::Nsap(bytes) => of_bytes(bytes, form),
        Value::IpAddress(four) => Ipv4Addr::from(*four).to_string(),
        Value::ObjectIdentifier(oid) if form == TextForm::Oid => crate::Names::standard().show(oid),
        Value::ObjectIdentifier(oid) => oid.to_string(),
        other => crate::number::number(other)?.to_string(),
    })
}

/// Bytes in a form; where they are not of that form, in hex.
pub fn of_bytes(bytes: &[u8], form: TextForm) -> String {
    match form {
        TextForm::Text | TextForm::Oid => utf8(bytes),
        TextForm::Mac if matches!(bytes.len(), 6 | 8) => mac(bytes),
        // Some agents write the address out.
        TextForm::Mac => utf8(bytes),
        TextForm::Address => address(bytes).unwrap_or_else(|| hex(bytes)),
        TextForm::Hex => hex(bytes),
        TextForm::DateAndTime => date_and_time(bytes).unwrap_or_else(|| hex(bytes)),
    }
}

/// UTF-8 where it is that, else hex. Text holds no NUL but at its end; line ends become spaces, other control characters go.
pub fn utf8(bytes: &[u8]) -> String {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let bytes = bytes.get(..end).unwrap_or_default();
    let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0')) else {
        return hex(bytes);
    };
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\r' | '\n' | '\t' if shown.ends_with(' ') => {}
            '\r' | '\n' | '\t' => shown.push(' '),
            c if c.is_control() => {}
            c => shown.push(c),
        }
    }
    shown.trim().to_owned()
}

/// `0a 1b …`
pub fn hex(bytes: &[u8]) -> String {
    between(bytes, " ")
}

/// `00:1a:…`
pub fn mac(bytes: &[u8]) -> String {
    between(bytes, ":")
}

fn between(bytes: &[u8], separator: &str) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for (at, byte) in bytes.iter().enumerate() {
        let before = if at == 0 { "" } else { separator };
        let _ = write!(text, "{before}{byte:02x}");
    }
    text
}

fn address(bytes: &[u8]) -> Option<String> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string()),
        _ => None,
    }
}

/// DateAndTime of RFC 2579 as RFC 3339; without a zone where the agent says none.
fn date_and_time(bytes: &[u8]) -> Option<String> {
    let [y1, y2, month, day, hour, minute, second, tenth, zone @ ..] = bytes else { return None };
    let fits = (1..=12).contains(month)
        && (1..=31).contains(day)
        && *hour <= 23
        && *minute <= 59
        && *second <= 60
        && *tenth <= 9;
    if !fits {
        return None;
    }
    let year = u16::from_be_bytes([*y1, *y2]);
    let zone = match zone {
        [] => String::new(),
        [sign @ (b'+' | b'-'), hours @ 0..=14, minutes @ 0..=59] => {
            format!("{}{hours:02}:{minutes:02}", char::from(*sign))
        }
        _ => return None,
    };
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{tenth}{zone}"))
}

#[cfg(test)]
mod tests;
