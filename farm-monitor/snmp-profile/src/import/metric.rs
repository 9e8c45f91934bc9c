//! One metric of a module.

use super::is_set;
use crate::profile::{IndexForm, IndexPart, Object, Scale, TextForm};
use crate::yaml::Node;
use hedgerow_model::{Kind, Name};
use hedgerow_snmp::Oid;
use std::collections::BTreeMap;

/// A metric, as far as it can be carried over.
pub(super) struct Metric {
    pub line: usize,
    pub object: Object,
    pub index: Vec<IndexPart>,
    pub lookups: Vec<MetricLookup>,
}

/// A label that is looked up.
pub(super) struct MetricLookup {
    pub line: usize,
    pub name: String,
    pub labels: Vec<String>,
    pub oid: Oid,
    pub text: TextForm,
    /// Whether it is text, and not a number that leads to another look-up.
    pub is_text: bool,
}

/// Reads a metric; where it cannot be carried over, a note says why.
pub(super) fn read(node: &Node, notes: &mut Vec<String>) -> Option<Metric> {
    let text = |key: &str| node.get(key).map_or("", Node::text);
    let (line, name) = (node.line, text("name"));
    let mut note = |said: &str| notes.push(format!("line {line}: {name}: {said}"));
    for (key, _) in node.map() {
        let known = [
            "name",
            "oid",
            "type",
            "help",
            "indexes",
            "lookups",
            "enum_values",
            "scale",
            "offset",
            "regex_extracts",
        ];
        if !known.contains(&key.as_str()) {
            note(&format!("`{key}` is not carried over"));
        }
    }
    let Some(oid) = oid(text("oid")) else {
        note(&format!("left out: `{}` is no OID", text("oid")));
        return None;
    };
    let Ok(parameter) = Name::new(name) else {
        note("left out: it has no name");
        return None;
    };
    if !matches!(text("offset"), "" | "0" | "0.0") {
        note("left out: an `offset` is not known here, and without it the value is wrong");
        return None;
    }
    let (mut kind, form) = kind(text("type"), &mut note)?;
    let mut words = words(node.get("enum_values"), &mut note);
    if kind == Kind::Gauge && !words.is_empty() {
        kind = Kind::State;
    }
    if node.get("regex_extracts").is_some_and(is_set) {
        note("`regex_extracts` are not carried over: the whole text is kept");
        kind = Kind::Text;
    }
    if kind != Kind::State {
        words.clear();
    }
    let Some(factor) = scale(text("scale")) else {
        note(&format!("left out: `scale: {}` is no number other than 0", text("scale")));
        return None;
    };
    let scaled = factor != 1.0;
    if scaled && kind == Kind::Counter {
        note("a counter that is scaled cannot be told to have wrapped");
    }
    if scaled && matches!(kind, Kind::State | Kind::Text) {
        note("`scale` is for numbers");
    }
    let factor = if matches!(kind, Kind::State | Kind::Text) { 1.0 } else { factor };
    let help =
        text("help").strip_suffix(text("oid")).map_or(text("help"), |help| help.trim_end_matches([' ', '-']));
    let index = index(node, &mut note)?;
    let oid = if index.is_empty() && oid.arcs().last() == Some(&0) { oid.parent()? } else { oid };
    let object = Object {
        name: name.to_owned(),
        oid,
        instead: None,
        parameter,
        kind,
        unit: String::new(),
        scale: Scale { factor, ..Scale::default() },
        words,
        text: if kind == Kind::Text { form } else { TextForm::Text },
        missing: Vec::new(),
        description: help.to_owned(),
        only: Vec::new(),
        fastest: None,
    };
    let lookups = lookups(node, &mut note);
    Some(Metric { line, object, index, lookups })
}

fn oid(text: &str) -> Option<Oid> {
    Oid::parse(text).ok().filter(|oid| {
        oid.len() >= 2 && oid.len() <= crate::index::MAX_INDEX && oid.arcs().first() <= Some(&2)
    })
}

fn scale(text: &str) -> Option<f64> {
    if text.is_empty() {
        return Some(1.0);
    }
    text.parse().ok().filter(|number: &f64| number.is_finite() && *number != 0.0)
}

/// The kind that a type is, and how its bytes are shown.
fn kind(said: &str, note: &mut impl FnMut(&str)) -> Option<(Kind, TextForm)> {
    let text = |form| Some((Kind::Text, form));
    match said {
        "gauge" | "Float" | "Double" => Some((Kind::Gauge, TextForm::Text)),
        "counter" => Some((Kind::Counter, TextForm::Text)),
        "EnumAsInfo" | "EnumAsStateSet" => Some((Kind::State, TextForm::Text)),
        "DisplayString" => text(TextForm::Text),
        "OctetString" => text(TextForm::Hex),
        "PhysAddress48" => text(TextForm::Mac),
        "InetAddressIPv4" | "InetAddressIPv6" | "InetAddress" | "IpAddr" => text(TextForm::Address),
        "DateAndTime" | "ParseDateAndTime" | "NTPTimeStamp" => {
            note(&format!("{said} is a text here, not seconds since 1970"));
            text(if said == "DateAndTime" { TextForm::DateAndTime } else { TextForm::Text })
        }
        "Bits" => {
            note("Bits are one text in hex here, not a series for each");
            text(TextForm::Hex)
        }
        other => {
            note(&format!("left out: the type `{other}` is not known"));
            None
        }
    }
}

fn words(node: Option<&Node>, note: &mut impl FnMut(&str)) -> BTreeMap<i64, String> {
    let mut words = BTreeMap::new();
    for (code, word) in node.map_or(&[][..], Node::map) {
        match code.parse() {
            Ok(code) if !words.values().any(|other| other == word.text()) => {
                words.insert(code, word.text().to_owned());
            }
            _ => note(&format!(
                "the word `{}` for {code} is left out: it stands for another code too",
                word.text()
            )),
        }
    }
    words
}

/// The parts of the index; `None` where the rows could not be told apart.
fn index(node: &Node, note: &mut impl FnMut(&str)) -> Option<Vec<IndexPart>> {
    let nodes = node.get("indexes").map_or(&[][..], Node::list);
    let mut parts: Vec<IndexPart> = Vec::new();
    for (at, part) in nodes.iter().enumerate() {
        let text = |key: &str| part.get(key).map_or("", Node::text);
        let last = at + 1 == nodes.len();
        let size: Option<usize> = text("fixed_size").parse().ok().filter(|size| *size > 0);
        let to_end = text("implied") == "true";
        let form = match (text("type"), size) {
            ("gauge" | "EnumAsInfo" | "EnumAsStateSet", _) => Some(IndexForm::Integer),
            ("PhysAddress48", _) => Some(IndexForm::Mac),
            ("InetAddressIPv4", _) => Some(IndexForm::Ipv4),
            ("InetAddressIPv6", _) => Some(IndexForm::Bytes(16)),
            ("InetAddress", _) => Some(IndexForm::InetAddress),
            ("OctetString" | "DisplayString", Some(size)) => Some(IndexForm::Bytes(size)),
            ("OctetString" | "DisplayString", None) if to_end => Some(IndexForm::TextToEnd),
            ("OctetString" | "DisplayString", None) => Some(IndexForm::Text),
            // Its end is known only where it is the last.
            _ if last => {
                note(&format!(
                    "the index `{}` of type {} is shown as numbers",
                    text("labelname"),
                    text("type")
                ));
                Some(IndexForm::Rest)
            }
            _ => None,
        };
        let Some(form) = form else {
            note(&format!(
                "left out: the index `{}` of type {} cannot be read",
                text("labelname"),
                text("type")
            ));
            return None;
        };
        if matches!((text("type"), form), ("DisplayString", IndexForm::Bytes(_))) {
            note(&format!("the index `{}` is shown in hex", text("labelname")));
        }
        // `index` is the whole index.
        let name = match text("labelname") {
            "index" => "index_1".to_owned(),
            other => other.to_owned(),
        };
        if name.is_empty() || parts.iter().any(|part| part.name == name) {
            note(&format!("left out: two parts of its index are called `{name}`"));
            return None;
        }
        let words =
            if form == IndexForm::Integer { words(part.get("enum_values"), note) } else { BTreeMap::new() };
        parts.push(IndexPart { name, form, words });
    }
    Some(parts)
}

fn lookups(node: &Node, note: &mut impl FnMut(&str)) -> Vec<MetricLookup> {
    let mut lookups = Vec::new();
    for lookup in node.get("lookups").map_or(&[][..], Node::list) {
        let text = |key: &str| lookup.get(key).map_or("", Node::text);
        let name = text("labelname").to_owned();
        if text("oid").is_empty() {
            // Only says that a label is not wanted; here `item` says which is.
            continue;
        }
        let (Some(oid), Some((kind, form))) = (oid(text("oid")), kind(text("type"), note)) else {
            note(&format!("the look-up `{name}` is left out"));
            continue;
        };
        let labels =
            lookup.get("labels").map_or(&[][..], Node::list).iter().map(|label| label.text().to_owned());
        let is_text = kind == Kind::Text;
        lookups.push(MetricLookup {
            line: lookup.line,
            name,
            labels: labels.collect(),
            oid,
            text: form,
            is_text,
        });
    }
    lookups
}
