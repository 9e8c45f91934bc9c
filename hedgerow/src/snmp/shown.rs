//! One value of an agent, as a line: for people, or as JSON.

use super::Form;
use crate::output::json;
use crate::output::safe::clean;
use hedgerow_snmp::{Oid, Value};
use hedgerow_snmp_profile::Names;
use hedgerow_snmp_profile::text::hex;
use serde::Serialize;
use std::borrow::Cow;
use std::io;
use std::net::Ipv4Addr;

/// A value with what it is called.
pub struct Shown<'a> {
    names: &'a Names,
    form: Form,
    oid: &'a Oid,
    value: &'a Value,
}

#[derive(Serialize)]
struct Line<'a> {
    oid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    r#type: &'static str,
    value: Plain<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Plain<'a> {
    Integer(i32),
    Counter(u64),
    /// A real number; `None`: none that JSON has.
    Real(Option<f64>),
    Text(Cow<'a, str>),
    Null,
}

impl<'a> Shown<'a> {
    pub fn new(names: &'a Names, form: Form, oid: &'a Oid, value: &'a Value) -> Self {
        Self { names, form, oid, value }
    }

    /// As one line.
    pub fn line(&self) -> io::Result<Vec<u8>> {
        if self.form.json { json::line(&self.json()) } else { Ok(self.text().into_bytes()) }
    }

    fn text(&self) -> String {
        let name = if self.form.numeric { self.oid.to_string() } else { self.names.show(self.oid) };
        if self.value.is_exception() {
            return format!("{name} = {}", kind(self.value));
        }
        let value = match (self.plain(), self.word()) {
            (_, Some(word)) => word,
            (Plain::Integer(number), None) => number.to_string(),
            (Plain::Counter(number), None) => number.to_string(),
            (Plain::Text(text), None) => clean(&text).into_owned(),
            (Plain::Real(number), None) => {
                number.map_or("NaN or infinite".to_owned(), |number| number.to_string())
            }
            (Plain::Null, None) => self.hex().unwrap_or_default(),
        };
        let hex = if self.hex().is_some() { "Hex-" } else { "" };
        format!("{name} = {hex}{} {value}", kind(self.value)).trim_end().to_owned()
    }

    fn json(&self) -> Line<'a> {
        let name = self.names.show(self.oid);
        let oid = self.oid.to_string();
        let name = (name != oid).then_some(name);
        Line { oid, name, r#type: kind(self.value), value: self.plain(), text: self.word(), hex: self.hex() }
    }

    fn plain(&self) -> Plain<'a> {
        match self.value {
            Value::Integer(number) => Plain::Integer(*number),
            Value::Counter32(number) | Value::Gauge32(number) | Value::UInteger32(number) => {
                Plain::Counter((*number).into())
            }
            Value::TimeTicks(ticks) => Plain::Counter((*ticks).into()),
            Value::Counter64(number) => Plain::Counter(*number),
            Value::IpAddress(four) => Plain::Text(Ipv4Addr::from(*four).to_string().into()),
            Value::ObjectIdentifier(oid) => Plain::Text(oid.to_string().into()),
            Value::Opaque(_) if real(self.value).is_some() => {
                Plain::Real(real(self.value).filter(|number| number.is_finite()))
            }
            Value::OctetString(bytes) | Value::Nsap(bytes) | Value::Opaque(bytes) => {
                text(bytes).map_or(Plain::Null, |text| Plain::Text(text.into()))
            }
            _ => Plain::Null,
        }
    }

    /// What a person reads instead of the value, where that is another.
    fn word(&self) -> Option<String> {
        match self.value {
            Value::TimeTicks(ticks) => {
                let spent = crate::output::amount::age(i64::from(*ticks) * 10);
                (!self.form.json).then(|| format!("{ticks} ({spent})"))
            }
            _ if self.form.numeric => None,
            Value::Integer(code) => {
                let word = self.names.word(self.oid, (*code).into())?;
                Some(if self.form.json { word.to_owned() } else { format!("{word} ({code})") })
            }
            Value::ObjectIdentifier(oid) => {
                let shown = self.names.show(oid);
                (shown != oid.to_string()).then_some(shown)
            }
            _ => None,
        }
    }

    /// Bytes that are no text.
    fn hex(&self) -> Option<String> {
        match self.value {
            Value::OctetString(bytes) | Value::Nsap(bytes) | Value::Opaque(bytes)
                if text(bytes).is_none() && real(self.value).is_none() =>
            {
                Some(hex(bytes))
            }
            _ => None,
        }
    }
}

/// The real number that Net-SNMP wraps in an Opaque.
fn real(value: &Value) -> Option<f64> {
    value.as_opaque_double().or_else(|| {
        let number = value.as_opaque_float()?;
        // The shortest digits that mean this number, and not those of its double.
        number.to_string().parse().ok()
    })
}

/// Bytes as text, where they are that: without control characters but for line ends and tabs, and NULs at the end.
fn text(bytes: &[u8]) -> Option<&str> {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let text = std::str::from_utf8(bytes.get(..end)?).ok()?;
    // Zeros only are an address or a mask, rather than an empty text.
    let plain = end > 0 || bytes.is_empty();
    let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    (plain && !text.chars().any(control)).then_some(text)
}

/// The words of RFC 2578, short.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "INTEGER",
        Value::OctetString(_) => "STRING",
        Value::Null => "NULL",
        Value::ObjectIdentifier(_) => "OID",
        Value::IpAddress(_) => "IpAddress",
        Value::Counter32(_) => "Counter32",
        Value::Gauge32(_) => "Gauge32",
        Value::UInteger32(_) => "UInteger32",
        Value::TimeTicks(_) => "TimeTicks",
        Value::Opaque(_) => "Opaque",
        Value::Nsap(_) => "NsapAddress",
        Value::Counter64(_) => "Counter64",
        Value::NoSuchObject => "noSuchObject",
        Value::NoSuchInstance => "noSuchInstance",
        Value::EndOfMibView => "endOfMibView",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shown(oid: &str, value: &Value, numeric: bool, json: bool) -> String {
        let oid = Oid::parse(oid).unwrap();
        let line = Shown::new(Names::standard(), Form { numeric, json }, &oid, value).line().unwrap();
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn values_have_names_types_and_words_and_no_control_characters() {
        let bytes = |bytes: &'static [u8]| Value::OctetString(bytes.into());
        let linux = Value::ObjectIdentifier(Oid::parse("1.3.6.1.2.1.2").unwrap());
        let status = "1.3.6.1.2.1.2.2.1.8.3";
        let rows: Vec<String> = [
            (status, Value::Integer(1)),
            (status, Value::Integer(99)),
            ("1.3.6.1.2.1.31.1.1.1.6.3", Value::Counter64(u64::MAX)),
            ("1.3.6.1.2.1.1.3.0", Value::TimeTicks(360_100)),
            ("1.3.6.1.2.1.1.1.0", bytes(b"a \"switch\"\r\n\xe2\x80\xaeb\0")),
            ("1.3.6.1.2.1.2.2.1.6.3", bytes(b"RT\x01\x1244")),
            ("1.3.6.1.2.1.2.2.1.6.1", bytes(b"")),
            ("1.3.6.1.2.1.1.2.0", linux),
            ("1.3.6.1.2.1.4.20.1.1.10.0.0.1", Value::IpAddress([10, 0, 0, 1])),
            ("1.3.6.1.4.1.99999.1", Value::Gauge32(7)),
            ("1.3.6.1.4.1.2021.10.1.6.1", Value::Opaque((&b"\x9f\x78\x04\x3f\x1e\xb8\x52"[..]).into())),
            ("1.3.6.1.4.1.99999.2", Value::Opaque((&b"\x9f\x78\x04\x7f\xc0\0\0"[..]).into())),
            ("1.3.6.1.2.1.1.9.0", Value::NoSuchInstance),
        ]
        .iter()
        .flat_map(|(oid, value)| {
            [(false, false), (true, false), (false, true)]
                .map(|(numeric, json)| shown(oid, value, numeric, json))
        })
        .collect();
        insta::assert_snapshot!(rows.join("\n"));
    }
}
