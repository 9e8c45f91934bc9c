//! Single values: OIDs, names, units, words, templates, parts of an index.

use crate::profile::{IndexForm, IndexPart, Piece, Source, Template, TextForm};
use hedgerow_model::{Kind, Name};
use hedgerow_snmp::Oid;
use hedgerow_toml_tree::{Findings, KeyPath, Node, Section, Value, Wrong, text};
use std::collections::BTreeMap;

/// Most numbers of an OID (RFC 2578 §3.5).
const MAX_OID: usize = 128;

/// An OID in numbers.
pub(super) fn oid(node: &Node) -> Result<Oid, Wrong> {
    let expected = "an OID in numbers, as \"1.3.6.1.2.1.1.3\"";
    let said = text(node, expected)?;
    let wrong = || {
        let wrong = Wrong::new(format!("`{said}` is no OID"), expected);
        let named = said.contains(|c: char| c.is_ascii_alphabetic());
        match crate::Names::standard().find(&said).filter(|_| named) {
            Some(oid) => wrong.note(format!("did you mean \"{oid}\"?")),
            None => wrong,
        }
    };
    let plain = said.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let oid = plain.then(|| Oid::parse(&said).ok()).flatten().ok_or_else(wrong)?;
    let root = oid.arcs().first().is_some_and(|first| *first <= 2);
    if root && (2..=MAX_OID).contains(&oid.len()) { Ok(oid) } else { Err(wrong()) }
}

/// A finite number other than 0.
#[expect(clippy::cast_precision_loss, reason = "factors are small")]
pub(super) fn factor(node: &Node) -> Result<f64, Wrong> {
    let expected = "a number other than 0, as 0.01 or 1024";
    let number = match &node.value {
        Value::Integer(number) => *number as f64,
        Value::Float(number) => *number,
        other => return Err(Wrong::kind(other, expected)),
    };
    if number.is_finite() && number != 0.0 {
        Ok(number)
    } else {
        Err(Wrong::new(format!("is {number}"), expected))
    }
}

/// A whole number.
pub(super) fn code(node: &Node) -> Result<i64, Wrong> {
    let expected = "a whole number";
    match &node.value {
        Value::Integer(number) => {
            i64::try_from(*number).map_err(|_| Wrong::new(format!("{number} is out of bounds"), expected))
        }
        other => Err(Wrong::kind(other, expected)),
    }
}

/// A small whole number.
pub(super) fn whole(node: &Node) -> Result<i32, Wrong> {
    let number = code(node)?;
    i32::try_from(number)
        .map_err(|_| Wrong::new(format!("{number} is out of bounds"), "a small whole number"))
}

/// What a series is called.
pub(super) fn name(node: &Node) -> Result<Name, Wrong> {
    let expected = "a name, as \"in_errors\"";
    Name::new(&text(node, expected)?).map_err(|error| Wrong::new(error.to_string(), expected))
}

pub(super) fn kind(node: &Node) -> Result<Kind, Wrong> {
    let words = Kind::ALL.map(Kind::as_str);
    word(node, &words, |said| Kind::ALL.into_iter().find(|kind| kind.as_str() == said))
}

pub(crate) const TEXT_FORMS: [(&str, TextForm); 6] = [
    ("text", TextForm::Text),
    ("mac", TextForm::Mac),
    ("address", TextForm::Address),
    ("hex", TextForm::Hex),
    ("oid", TextForm::Oid),
    ("date_and_time", TextForm::DateAndTime),
];

pub(super) fn text_form(node: &Node) -> Result<TextForm, Wrong> {
    let words = TEXT_FORMS.map(|(word, _)| word);
    word(node, &words, |said| TEXT_FORMS.into_iter().find(|(word, _)| *word == said).map(|(_, form)| form))
}

fn word<T>(node: &Node, words: &[&str], read: impl Fn(&str) -> Option<T>) -> Result<T, Wrong> {
    let expected = format!("one of {}", words.join(", "));
    let said = text(node, &expected)?;
    read(&said)
        .ok_or_else(|| Wrong::new(format!("`{said}` is none"), expected).near(&said, words.iter().copied()))
}

/// Units that people write for others.
const UNITS: [(&str, &str); 20] = [
    ("bytes", "By"),
    ("byte", "By"),
    ("octets", "By"),
    ("B", "By"),
    ("seconds", "s"),
    ("sec", "s"),
    ("ms", "s"),
    ("celsius", "Cel"),
    ("degC", "Cel"),
    ("°C", "Cel"),
    ("C", "Cel"),
    ("percent", "1"),
    ("%", "1"),
    ("volts", "V"),
    ("amperes", "A"),
    ("watts", "W"),
    ("hertz", "Hz"),
    ("rpm", "{rpm}"),
    ("bps", "By/s"),
    ("ticks", "s"),
];

pub(super) fn unit(node: &Node) -> Result<String, Wrong> {
    let expected = "a base unit of UCUM, as \"By\", \"s\", \"1\", \"Cel\" or \"\" for none";
    let said = text(node, expected)?;
    if let Some((_, right)) = UNITS.iter().find(|(wrong, _)| *wrong == said) {
        let wrong = Wrong::new(format!("`{said}` is no base unit"), expected);
        return Err(wrong.note(format!("did you mean \"{right}\"? `scale` brings the agent's number to it")));
    }
    if hedgerow_model::unit::is_unit(&said) {
        return Ok(said);
    }
    Err(Wrong::new(format!("`{said}` is no unit"), expected))
}

/// `{ 1 = "up", 2 = "down" }`
pub(super) fn words_of(section: &mut Section<'_>) -> Option<BTreeMap<i64, String>> {
    let findings = section.findings;
    let entries = section.inner("words").free();
    let many = entries.len();
    let mut words = BTreeMap::new();
    for (key, entry, path) in entries {
        let read = key
            .parse::<i64>()
            .map_err(|_| {
                (entry.key, Wrong::new(format!("`{key}` is no code"), "a whole number: { 1 = \"up\" }"))
            })
            .and_then(|code| {
                Ok((code, text(&entry.node, "a word").map_err(|wrong| (entry.node.at, wrong))?))
            });
        match read {
            Ok((_, word)) if words.values().any(|other| *other == word) => {
                let wrong = Wrong::new(format!("`{word}` stands for two codes"), "a word for each");
                findings.error(entry.node.at, &path, wrong);
            }
            Ok((code, word)) => {
                words.insert(code, word);
            }
            Err((at, wrong)) => findings.error(at, &path, wrong),
        }
    }
    (words.len() == many).then_some(words)
}

/// `{ifName}`, with `{{` and `}}` for the braces themselves.
pub(super) fn template(node: &Node) -> Result<Template, Wrong> {
    template_of(&text(node, TEMPLATE)?)
}

const TEMPLATE: &str = "a template, as \"{ifName}\"";

pub(crate) fn template_of(text: &str) -> Result<Template, Wrong> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        plain.push_str(before);
        if let Some(behind) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
            plain.push_str(from.get(..1).unwrap_or_default());
            rest = behind;
            continue;
        }
        let inner = from.strip_prefix('{').and_then(|from| from.split_once('}'));
        let Some((source, behind)) = inner.filter(|(source, _)| !source.is_empty() && !source.contains('{'))
        else {
            let problem = match from {
                from if from.starts_with("{}") => "`{}` names no source",
                from if from.starts_with('{') => "`{` has no `}`",
                _ => "`}` has no `{`",
            };
            return Err(Wrong::new(format!("`{text}`: {problem}"), TEMPLATE)
                .note("a brace itself is written twice: {{ and }}"));
        };
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        pieces.push(Piece::Of(Source(source.to_owned())));
        rest = behind;
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    if pieces.is_empty() {
        return Err(Wrong::new("is empty", TEMPLATE));
    }
    Ok(Template(pieces))
}

/// A template, or the bare name of a source.
pub(super) fn source_or_template(text: &str) -> Result<Template, Wrong> {
    if text.contains(['{', '}']) || text.is_empty() {
        return template_of(text);
    }
    Ok(Template(vec![Piece::Of(Source(text.to_owned()))]))
}

/// `only = { ifType = ["6", "161"] }`
pub(super) fn only_of(section: &mut Section<'_>) -> Vec<(Template, Vec<String>)> {
    let findings = section.findings;
    let mut only = Vec::new();
    for (key, entry, path) in section.inner("only").free() {
        match (source_or_template(key), texts(&entry.node)) {
            (Ok(template), Ok(values)) => only.push((template, values)),
            (Err(wrong), _) => findings.error(entry.key, &path, wrong),
            (_, Err(wrong)) => findings.error(entry.node.at, &path, wrong),
        }
    }
    only
}

fn texts(node: &Node) -> Result<Vec<String>, Wrong> {
    let expected = "text, or a list of texts: what the template gives in rows that are taken";
    let one = |node: &Node| match &node.value {
        Value::Integer(number) => Ok(number.to_string()),
        _ => text(node, expected),
    };
    let list = match &node.value {
        Value::List(items) => items.iter().map(one).collect::<Result<Vec<_>, _>>()?,
        _ => vec![one(node)?],
    };
    if list.is_empty() { Err(Wrong::new("is empty", expected)) } else { Ok(list) }
}

pub(crate) const INDEX_FORMS: [(&str, IndexForm); 8] = [
    ("integer", IndexForm::Integer),
    ("text", IndexForm::Text),
    ("text_to_end", IndexForm::TextToEnd),
    ("mac", IndexForm::Mac),
    ("ipv4", IndexForm::Ipv4),
    ("inet_address", IndexForm::InetAddress),
    ("oid", IndexForm::Oid),
    ("rest", IndexForm::Rest),
];

/// `"ifIndex"`, `"address: inet_address"`, `"key: bytes(6)"`, or a table with `name`, `form` and `words`.
pub(super) fn index_part(node: &Node, path: &KeyPath, findings: &Findings<'_>) -> Result<IndexPart, Wrong> {
    let expected = "the name of a part of the index, as \"ifIndex\" or \"address: inet_address\"";
    if let Value::Table(table) = &node.value {
        let mut section = Section::new(table, node.at, path.clone(), findings);
        let name = section.need("name", "what templates call it", |node| text(node, "text"));
        let form = section.read("form", |node| index_form(&text(node, "text")?));
        let words = words_of(&mut section);
        section.finish();
        let (name, words) = (name.unwrap_or_default(), words.unwrap_or_default());
        return Ok(IndexPart { name, form: form.or(IndexForm::Integer), words });
    }
    let said = text(node, expected)?;
    let (name, form) = match said.split_once(':') {
        Some((name, form)) => (name.trim(), index_form(form.trim())?),
        None => (said.trim(), IndexForm::Integer),
    };
    Ok(IndexPart { name: name.to_owned(), form, words: BTreeMap::new() })
}

fn index_form(said: &str) -> Result<IndexForm, Wrong> {
    let bytes = said.strip_prefix("bytes(").and_then(|rest| rest.strip_suffix(')'));
    if let Some(many) =
        bytes.and_then(|many| many.parse::<usize>().ok()).filter(|many| (1..=MAX_OID).contains(many))
    {
        return Ok(IndexForm::Bytes(many));
    }
    let words = INDEX_FORMS.map(|(word, _)| word);
    let found = INDEX_FORMS.into_iter().find(|(word, _)| *word == said).map(|(_, form)| form);
    found.ok_or_else(|| {
        let expected = format!("one of {}, bytes(N)", words.join(", "));
        Wrong::new(format!("`{said}` is no form of an index"), expected).near(said, words)
    })
}
