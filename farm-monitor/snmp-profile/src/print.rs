//! A profile as the file that reads as it.

use crate::profile::{
    Fastest, IndexForm, IndexPart, Lookup, Object, Profile, Scale, Source, Table, Template, TextForm, Trap,
    TrapCode,
};
use crate::read::{INDEX_FORMS, TEXT_FORMS, whole_index};
use hedgerow_model::Kind;
use hedgerow_snmp::Oid;
use hedgerow_toml_tree::toml_key;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// The file of a profile. Comments of the file that it was read from are not in it.
pub fn print(profile: &Profile) -> String {
    let mut out = Out::default();
    out.key("name", &quoted(&profile.name));
    out.text("description", &profile.description);
    let detect = [("sys_object_id", &profile.detect.sys_object_id), ("serves", &profile.detect.serves)];
    if detect.iter().any(|(_, oids)| !oids.is_empty()) {
        out.head("detect");
        for (key, oids) in detect.iter().filter(|(_, oids)| !oids.is_empty()) {
            out.key(key, &list(oids.iter().map(Oid::to_string)));
        }
    }
    objects(&mut out, "scalar", &profile.scalars);
    for table in &profile.tables {
        self::table(&mut out, table);
    }
    traps(&mut out, &profile.traps);
    if !profile.names.is_empty() {
        out.head("names");
        for (oid, name) in &profile.names {
            out.key(&toml_key(name), &quoted(&oid.to_string()));
        }
    }
    out.0
}

#[derive(Default)]
struct Out(String);

impl Out {
    fn head(&mut self, path: &str) {
        let _ = write!(self.0, "\n[{path}]\n");
    }

    fn key(&mut self, key: &str, value: &str) {
        let _ = writeln!(self.0, "{key} = {value}");
    }

    /// A text, where there is one.
    fn text(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.key(key, &quoted(text));
        }
    }

    fn words(&mut self, words: &BTreeMap<i64, String>) {
        if !words.is_empty() {
            self.key("words", &self::words(words));
        }
    }

    fn only(&mut self, only: &[(Template, Vec<String>)]) {
        if !only.is_empty() {
            let of = only.iter().map(|(template, values)| {
                format!("{} = {}", toml_key(&template.to_string()), one_or_list(values.iter().cloned()))
            });
            self.key("only", &inline(of));
        }
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn list(texts: impl Iterator<Item = String>) -> String {
    format!("[{}]", texts.map(|text| quoted(&text)).collect::<Vec<_>>().join(", "))
}

fn one_or_list(texts: impl Iterator<Item = String>) -> String {
    let texts: Vec<_> = texts.collect();
    match texts.as_slice() {
        [one] => quoted(one),
        _ => list(texts.into_iter()),
    }
}

fn inline(entries: impl Iterator<Item = String>) -> String {
    format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
}

fn words(words: &BTreeMap<i64, String>) -> String {
    inline(words.iter().map(|(code, word)| format!("{code} = {}", quoted(word))))
}

fn number(number: f64) -> String {
    let text = format!("{number:?}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

/// A number as its own key: two objects may have one name, and then the key is the parameter.
fn objects(out: &mut Out, path: &str, objects: &[Object]) {
    let mut used = BTreeSet::new();
    for object in objects {
        let mut key = object.name.clone();
        if used.contains(&key) {
            key = object.parameter.to_string();
        }
        let mut again = 1;
        while used.contains(&key) {
            again += 1;
            key = format!("{}_{again}", &*object.parameter);
        }
        out.head(&format!("{path}.{}", toml_key(&key)));
        if key != object.name {
            out.key("name", &quoted(&object.name));
        }
        used.insert(key);
        self::object(out, object);
    }
}

fn object(out: &mut Out, object: &Object) {
    out.key("oid", &quoted(&object.oid.to_string()));
    if let Some(oid) = &object.instead {
        out.key("instead", &quoted(&oid.to_string()));
    }
    out.key("parameter", &quoted(&object.parameter));
    if object.kind != Kind::Gauge {
        out.text("kind", object.kind.as_str());
    }
    out.words(&object.words);
    text_form(out, object.text);
    out.text("unit", &object.unit);
    if !object.scale.is_plain() {
        out.key("scale", &scale(&object.scale));
    }
    if !object.missing.is_empty() {
        out.key("missing", &format!("{:?}", object.missing));
    }
    if let Some(fastest) = &object.fastest {
        out.key("fastest", &speed(fastest));
    }
    out.only(&object.only);
    out.text("description", &object.description);
}

fn speed(fastest: &Fastest) -> String {
    let or = fastest.or.as_ref().map(|or| format!(", or = {}", speed(or))).unwrap_or_default();
    format!("{{ of = {}, factor = {}{or} }}", quoted(&fastest.of.0), number(fastest.factor))
}

fn text_form(out: &mut Out, form: TextForm) {
    if let Some((word, _)) = TEXT_FORMS.iter().find(|(_, other)| *other == form && form != TextForm::Text) {
        out.text("text", word);
    }
}

fn scale(scale: &Scale) -> String {
    if scale.times.is_none() && scale.over.is_none() && scale.powers.is_empty() {
        return number(scale.factor);
    }
    let mut keys = Vec::new();
    if scale.factor != 1.0 {
        keys.push(format!("factor = {}", number(scale.factor)));
    }
    let source = |key: &str, source: &Option<Source>| {
        source.as_ref().map(|source| format!("{key} = {}", quoted(&source.0)))
    };
    keys.extend(source("times", &scale.times));
    keys.extend(source("over", &scale.over));
    if !scale.powers.is_empty() {
        let powers = scale.powers.iter().map(|power| {
            format!("{{ of = {}, origin = {}, step = {} }}", quoted(&power.of.0), power.origin, power.step)
        });
        keys.push(format!("powers = [{}]", powers.collect::<Vec<_>>().join(", ")));
    }
    inline(keys.into_iter())
}

fn table(out: &mut Out, table: &Table) {
    let path = format!("table.{}", toml_key(&table.name));
    out.head(&path);
    match table.index.as_slice() {
        [] => {}
        [one] => out.key("index", &part(one)),
        parts => out.key("index", &format!("[{}]", parts.iter().map(part).collect::<Vec<_>>().join(", "))),
    }
    if table.item != [whole_index()] {
        out.key("item", &one_or_list(table.item.iter().map(Template::to_string)));
    }
    if !table.row_description.is_empty() {
        out.key("row_description", &one_or_list(table.row_description.iter().map(Template::to_string)));
    }
    if !table.labels.is_empty() {
        let labels = table.labels.iter();
        out.key(
            "labels",
            &inline(labels.map(|(key, of)| format!("{} = {}", toml_key(key), quoted(&of.to_string())))),
        );
    }
    if let Some(oid) = &table.discontinuity {
        out.key("discontinuity", &quoted(&oid.to_string()));
    }
    out.only(&table.only);
    if !table.lookups.is_empty() {
        out.head(&format!("{path}.lookup"));
        for (name, lookup) in &table.lookups {
            out.key(&toml_key(name), &self::lookup(lookup));
        }
    }
    objects(out, &format!("{path}.column"), &table.columns);
}

fn part(part: &IndexPart) -> String {
    let form = match part.form {
        IndexForm::Bytes(many) => format!("bytes({many})"),
        other => {
            let known = INDEX_FORMS.iter().find(|(_, form)| *form == other);
            known.map_or_else(String::new, |(word, _)| (*word).to_owned())
        }
    };
    // A name with a colon would be read as a name and a form.
    if !part.words.is_empty() || part.name.contains(':') || part.name.trim() != part.name {
        let mut keys = vec![format!("name = {}", quoted(&part.name)), format!("form = {}", quoted(&form))];
        if !part.words.is_empty() {
            keys.push(format!("words = {}", words(&part.words)));
        }
        return inline(keys.into_iter());
    }
    if part.form == IndexForm::Integer {
        quoted(&part.name)
    } else {
        quoted(&format!("{}: {form}", part.name))
    }
}

fn lookup(lookup: &Lookup) -> String {
    let mut inner = Out::default();
    inner.key("oid", &quoted(&lookup.column.to_string()));
    if let Some(key) = &lookup.key {
        inner.key("key", &quoted(&key.to_string()));
    }
    text_form(&mut inner, lookup.text);
    inner.words(&lookup.words);
    let keys: Vec<_> = inner.0.lines().collect();
    match keys.as_slice() {
        [_] => quoted(&lookup.column.to_string()),
        _ => inline(keys.into_iter().map(str::to_owned)),
    }
}

fn traps(out: &mut Out, traps: &[Trap]) {
    let mut printed = BTreeSet::new();
    for trap in traps {
        if !printed.insert(&trap.name) {
            continue;
        }
        out.head(&format!("trap.{}", toml_key(&trap.name)));
        let same = traps.iter().filter(|other| other.name == trap.name);
        out.key("oid", &one_or_list(same.map(|trap| trap.oid.to_string())));
        out.text("description", &trap.description);
        if let Some(state) = &trap.state {
            out.head(&format!("trap.{}.state", toml_key(&trap.name)));
            out.key("parameter", &quoted(&state.parameter));
            if !state.item.is_empty() {
                out.key("item", &list(state.item.iter().map(Oid::to_string)));
            }
            match &state.code {
                TrapCode::Fixed(code) => out.key("code", &code.to_string()),
                TrapCode::Of(oid) => out.key("code_of", &quoted(&oid.to_string())),
            }
            out.words(&state.words);
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_printed_reads_as_the_same_profile() {
        for profile in crate::Library::shipped().iter() {
            let text = super::print(profile);
            match crate::read("printed.toml", &text) {
                Ok(read) => assert_eq!(read, **profile, "{text}"),
                Err(errors) => panic!("{errors}"),
            }
        }
        let odd = "name = \"odd\"\ndescription = \"a \\\"b\\\" \\\\ \\u001B\"\n[table.\"t t\"]\n\
            index = [{ name = \"a: b\", words = { 1 = \"x\" } }, \"m: mac\", \"k: bytes(3)\"]\nitem = []\n\
            labels = { l = \"{{{m}\" }\nonly = { \"{m} {k}\" = [\"1\", \"2\"], m = \"3\" }\n\
            [table.\"t t\".column.x]\noid = \"1.3.6\"\nparameter = \"p q\"\nscale = 1e-9\nmissing = [-1]\n\
            [table.\"t t\".column.y]\nname = \"x\"\noid = \"1.3.6\"\nparameter = \"r\"\nkind = \"text\"\ntext = \"mac\"\n";
        let profile = crate::read("x.toml", odd).unwrap();
        assert_eq!(crate::read("x.toml", &super::print(&profile)).unwrap(), profile);
    }
}
