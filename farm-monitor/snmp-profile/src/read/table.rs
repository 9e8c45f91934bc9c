//! A table: its index, its look-ups, its labels, its columns.

use super::object::{self, ReadObject};
use super::part::{index_part, oid, only_of, source_or_template, template, text_form, words_of};
use crate::profile::{Lookup, Piece, Source, Table, Template, TextForm};
use hedgerow_toml_tree::{Entry, KeyPath, Node, Section, Value, Wrong, text};
use std::collections::BTreeMap;

/// Most labels beside `item`: a series has 16.
const MAX_LABELS: usize = 15;

/// A table, and where it stands.
pub(super) struct ReadTable {
    pub table: Table,
    pub columns: Vec<ReadObject>,
}

impl ReadTable {
    pub fn into_table(self) -> Table {
        Table { columns: self.columns.into_iter().map(|read| read.object).collect(), ..self.table }
    }
}

/// The source that is the whole index.
pub(crate) fn whole_index() -> Template {
    Template(vec![Piece::Of(Source("index".to_owned()))])
}

pub(super) fn table(name: &str, mut section: Section<'_>) -> Option<ReadTable> {
    let (path, findings) = (section.path.child("index"), section.findings);
    let index = section.one_or_more("index", |node| index_part(node, &path, findings)).or(Vec::new());
    let mut lookups = BTreeMap::new();
    for (name, entry, path) in section.inner("lookup").free() {
        if let Some(lookup) = lookup(entry, path, &section) {
            lookups.insert(name.to_owned(), lookup);
        }
    }
    let item = section.one_or_more("item", row_template).or(vec![whole_index()]);
    let row_description = section.one_or_more("row_description", row_template).or(Vec::new());
    let labels = labels(&mut section);
    let discontinuity = section.read("discontinuity", oid).ok();
    let only = only_of(&mut section);
    let mut columns = Vec::new();
    for (name, inner) in section.named("column") {
        columns.extend(object::object(name, inner));
    }
    if section.place("column").is_none() {
        let path = section.path.child("column");
        section.missing("column", &format!("a table for each: [{}.NAME]", path.shown()));
    }
    // A table may still be one row only: `only = { laIndex = "1" }`.
    let apart = !item.is_empty() || !labels.is_empty() || !only.is_empty();
    if let Some(at) = section.place("item").filter(|_| !apart) {
        let wrong = Wrong::new("nothing tells the rows apart", "`item`, or `labels`, or `only` for one row");
        findings.error(at, &section.path.child("item"), wrong);
    }
    let table = Table {
        name: name.to_owned(),
        columns: Vec::new(),
        index,
        lookups,
        item,
        labels,
        row_description,
        discontinuity,
        only,
    };
    super::check::sources(&table, &columns, &section);
    section.finish();
    Some(ReadTable { table, columns })
}

/// A template that can differ from row to row.
fn row_template(node: &Node) -> Result<Template, Wrong> {
    let read = template(node)?;
    if read.sources().next().is_some() {
        return Ok(read);
    }
    let said = text(node, "text")?;
    let wrong = Wrong::new(format!("`{said}` is the same in every row"), "a template, as \"{ifName}\"");
    Err(wrong.note(format!("did you mean \"{{{said}}}\"?")))
}

fn labels(section: &mut Section<'_>) -> Vec<(String, Template)> {
    let findings = section.findings;
    let mut labels = Vec::new();
    for (key, entry, path) in section.inner("labels").free() {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let wrong = if key == "item" {
            Some(Wrong::new("`item` is no further label", "the key `item` of the table"))
        } else if key.is_empty() || key.len() > 64 || !key.chars().all(allowed) {
            Some(Wrong::new(format!("`{key}` is no key of a label"), "1 to 64 letters, digits, `_` and `.`"))
        } else if labels.len() == MAX_LABELS {
            Some(Wrong::new("is one label too many", format!("at most {MAX_LABELS}")))
        } else {
            None
        };
        match (wrong, template(&entry.node)) {
            (Some(wrong), _) => findings.error(entry.key, &path, wrong),
            (None, Ok(template)) => labels.push((key.to_owned(), template)),
            (None, Err(wrong)) => findings.error(entry.node.at, &path, wrong),
        }
    }
    labels
}

/// An OID, or a table with more about it.
fn lookup(entry: &Entry, path: KeyPath, of: &Section<'_>) -> Option<Lookup> {
    let Value::Table(table) = &entry.node.value else {
        let column = oid(&entry.node).map_err(|wrong| of.findings.error(entry.node.at, &path, wrong)).ok()?;
        return Some(Lookup { column, key: None, text: TextForm::Text, words: BTreeMap::new() });
    };
    let mut section = Section::new(table, entry.key, path, of.findings);
    let column = section.need("oid", "the column's number", oid);
    let key = section.read("key", |node| source_or_template(&text(node, "a source, as \"ifIndex\"")?)).ok();
    let text = section.read("text", text_form).or(TextForm::Text);
    let words = words_of(&mut section).unwrap_or_default();
    section.finish();
    Some(Lookup { column: column?, key, text, words })
}
