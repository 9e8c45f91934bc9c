//! One measured object: a scalar, or a column.

use super::part::{code, factor, kind, name, oid, only_of, text_form, unit, whole, words_of};
use crate::profile::{Fastest, Object, Power, Scale, Source, TextForm};
use hedgerow_model::Kind;
use hedgerow_toml_tree::{Got, KeyPath, Node, Place, Section, Value, Wrong, text};

/// An object, and where it stands.
pub(super) struct ReadObject {
    pub object: Object,
    pub at: Place,
    pub path: KeyPath,
}

/// An object that exists once.
pub(super) fn scalar(key: &str, section: Section<'_>) -> Option<ReadObject> {
    let (at, path, findings) = (section.at, section.path.clone(), section.findings);
    let read = object(key, section)?;
    if read.object.oid.arcs().last() == Some(&0) {
        let wrong = Wrong::new("the OID ends in 0", "the object itself: the 0 of its only instance is added");
        findings.error(at, &path, wrong);
    }
    if let Some(source) = read.object.sources().next() {
        let problem = format!("`{}` is no source here: a scalar has no row", source.0);
        findings.error(at, &path, Wrong::new(problem, "a factor as `scale`, no `only` and no `fastest`"));
    }
    Some(read)
}

/// An object of a table; which sources exist is for the table to say.
pub(super) fn object(key: &str, mut section: Section<'_>) -> Option<ReadObject> {
    let object_name = section.text("name", "the MIB's name").or(key.to_owned());
    let number = section.need("oid", "the object's number, as \"1.3.6.1.2.1.1.3\"", oid);
    let instead = section.read("instead", oid).ok();
    let parameter = section.need("parameter", "what the series is called, as \"in_errors\"", name);
    let said = section.read("kind", kind);
    // Of a kind that cannot be read nothing follows for the other keys.
    let known = said != Got::Bad;
    let kind = said.or(Kind::Gauge);
    let unit = section.read("unit", unit).or(String::new());
    let scale = scale(&mut section);
    let words = words_of(&mut section).unwrap_or_default();
    let text_form = section.read("text", text_form).or(TextForm::default());
    let missing = section.one_or_more("missing", code).or(Vec::new());
    let description = section.text("description", "text").or(String::new());
    let only = only_of(&mut section);
    let fastest = fastest(&mut section, "fastest");
    let for_kinds: [(&str, &[Kind], &str); 6] = [
        ("missing", &[Kind::Gauge, Kind::State], "it lists numbers that are none"),
        ("words", &[Kind::State], "words stand for the codes of a state"),
        ("text", &[Kind::Text], "it says how the bytes of a text are shown"),
        ("unit", &[Kind::Gauge, Kind::Counter], "states and texts have no unit"),
        ("scale", &[Kind::Gauge, Kind::Counter], "only numbers are scaled"),
        ("fastest", &[Kind::Counter], "it says how fast a counter can grow"),
    ];
    for (key, kinds, why) in for_kinds {
        if let Some(at) = section.place(key).filter(|_| known && !kinds.contains(&kind)) {
            let kinds =
                kinds.iter().map(|kind| format!("`kind = \"{kind}\"`")).collect::<Vec<_>>().join(" or ");
            let wrong =
                Wrong::new(format!("is not for a {kind}"), format!("{kinds}, or no `{key}`")).note(why);
            section.findings.error(at, &section.path.child(key), wrong);
        }
    }
    let (at, path) = (section.at, section.path.clone());
    section.finish();
    let object = Object {
        name: object_name,
        oid: number?,
        instead,
        parameter: parameter?,
        kind,
        unit,
        scale,
        words,
        text: text_form,
        missing,
        description,
        only,
        fastest,
    };
    Some(ReadObject { object, at, path })
}

fn source(node: &Node) -> Result<Source, Wrong> {
    text(node, "the name of a look-up, of a part of the index, or of a column").map(Source)
}

/// `0.01`, or `{ factor = 1024, times = "hrStorageAllocationUnits", over = "…", powers = [{ of = "…", origin = 9, step = 3 }] }`
fn scale(section: &mut Section<'_>) -> Scale {
    if !matches!(section.entry("scale").map(|entry| &entry.node.value), Some(Value::Table(_))) {
        return Scale { factor: section.read("scale", factor).or(1.0), ..Scale::default() };
    }
    let mut scale = section.inner("scale");
    let factor = scale.read("factor", factor).or(1.0);
    let (times, over) = (scale.read("times", source).ok(), scale.read("over", source).ok());
    let (path, findings) = (scale.path.child("powers"), scale.findings);
    let powers = scale.one_or_more("powers", |node| {
        let Value::Table(table) = &node.value else {
            return Err(Wrong::kind(&node.value, "a table: { of = \"entPhySensorPrecision\", step = -1 }"));
        };
        let mut power = Section::new(table, node.at, path.clone(), findings);
        let of = power.need("of", "the column that says the power of ten", source);
        let origin = power.read("origin", whole).or(0);
        let step = power.read("step", whole).or(1);
        power.finish();
        Ok(of.map(|of| Power { of, origin, step }))
    });
    scale.finish();
    Scale { factor, times, over, powers: powers.or(Vec::new()).into_iter().flatten().collect() }
}

/// `{ of = "ifHighSpeed", factor = 125000, or = { of = "ifSpeed", factor = 0.125 } }`
fn fastest(section: &mut Section<'_>, key: &'static str) -> Option<Fastest> {
    let mut inner = section.inner(key);
    section.place(key)?;
    let of = inner.need("of", "the column that says the speed, as \"ifHighSpeed\"", source);
    let factor = inner.read("factor", factor).or(1.0);
    let or = fastest(&mut inner, "or").map(Box::new);
    inner.finish();
    Some(Fastest { of: of?, factor, or })
}
