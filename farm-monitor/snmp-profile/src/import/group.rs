//! From single metrics to scalars and tables.

use super::metric::{Metric, MetricLookup};
use crate::profile::{IndexForm, IndexPart, Lookup, Object, Piece, Source, Table, Template};
use crate::read::whole_index;
use hedgerow_snmp::Oid;
use std::collections::{BTreeMap, BTreeSet};

/// Metrics by what they are columns of.
#[derive(Default)]
pub(super) struct Groups {
    names: BTreeSet<String>,
    scalars: Vec<Object>,
    tables: Vec<Group>,
}

/// The columns of one table with one index.
struct Group {
    entry: Oid,
    index: Vec<IndexPart>,
    columns: Vec<Object>,
    lookups: Vec<MetricLookup>,
}

impl Groups {
    pub fn add(&mut self, metric: Metric, notes: &mut Vec<String>) {
        let Metric { line, object, index, lookups } = metric;
        let name = object.name.clone();
        if !self.names.insert(name.clone()) {
            notes.push(format!("line {line}: {name}: left out: it stands there twice"));
            return;
        }
        if index.is_empty() {
            self.scalars.push(object);
            return;
        }
        if index.iter().any(|part| part.name == name) {
            notes.push(format!("line {line}: {name}: left out: it is the index itself, which every row has"));
            return;
        }
        let entry = object.oid.parent().unwrap_or_else(Oid::empty);
        let group = match self.tables.iter().position(|group| group.entry == entry && group.index == index) {
            Some(at) => at,
            None => {
                self.tables.push(Group { entry, index, columns: Vec::new(), lookups: Vec::new() });
                self.tables.len() - 1
            }
        };
        let Some(group) = self.tables.get_mut(group) else { return };
        for lookup in lookups {
            let known = group.lookups.iter().find(|other| other.name == lookup.name);
            match known {
                None => group.lookups.push(lookup),
                Some(known) if known.oid == lookup.oid && known.labels == lookup.labels => {}
                Some(_) => notes.push(format!(
                    "line {}: the look-up `{}` of {name} is left out: another column of the table has one of that name",
                    lookup.line, lookup.name
                )),
            }
        }
        group.columns.push(object);
    }

    pub fn into_objects(self, notes: &mut Vec<String>) -> (Vec<Object>, Vec<Table>) {
        let mut taken = BTreeSet::new();
        let tables = self.tables.into_iter().map(|group| group.into_table(&mut taken, notes)).collect();
        (self.scalars, tables)
    }
}

impl Group {
    fn into_table(self, taken: &mut BTreeSet<String>, notes: &mut Vec<String>) -> Table {
        let first = self.columns.first().map_or("", |column| column.name.as_str());
        let mut name = match self.entry.parent().map(|table| crate::Names::standard().show(&table)) {
            Some(name) if !name.contains('.') => name,
            _ => format!("{first}Table"),
        };
        while !taken.insert(name.clone()) {
            name.push('_');
        }
        let mut texts = Vec::new();
        let lookups = self.lookups(&name, &mut texts, notes);
        let of = |name: &str| Template(vec![Piece::Of(Source(name.to_owned()))]);
        let (alias, mut texts): (Vec<_>, Vec<_>) = texts.into_iter().partition(|name| ends(name, &["alias"]));
        // A name tells rows apart better than a description; among equals the file's order stands.
        texts.sort_by_key(|name| match name {
            name if ends(name, &["name"]) => 0,
            name if ends(name, &["descr", "desc", "description"]) => 1,
            _ => 2,
        });
        let item = match (texts.is_empty(), self.index.as_slice()) {
            (false, _) => texts.iter().map(|name| of(name)).collect(),
            (true, [IndexPart { form: IndexForm::Integer, words, .. }]) if words.is_empty() => {
                vec![whole_index()]
            }
            (true, parts) => vec![between(parts.iter().map(|part| part.name.as_str()), "/")],
        };
        let row_description = alias.iter().map(|name| of(name)).collect();
        let (index, columns) = (self.index, self.columns);
        let (labels, only, discontinuity) = (Vec::new(), Vec::new(), None);
        Table { name, columns, index, lookups, item, labels, row_description, discontinuity, only }
    }

    /// The look-ups, and which of them are text.
    fn lookups(
        &self,
        table: &str,
        texts: &mut Vec<String>,
        notes: &mut Vec<String>,
    ) -> BTreeMap<String, Lookup> {
        let mut lookups = BTreeMap::new();
        let own: Vec<_> = self.index.iter().map(|part| part.name.as_str()).collect();
        // What can be part of a key: numbers, and what is written as numbers.
        let mut keys: BTreeSet<String> = BTreeSet::new();
        for part in &self.index {
            let numbers =
                matches!(part.form, IndexForm::Integer | IndexForm::Ipv4 | IndexForm::Oid | IndexForm::Rest);
            if (numbers && part.words.is_empty()) || (part.form == IndexForm::Mac && own.len() == 1) {
                keys.insert(part.name.clone());
            }
        }
        for lookup in &self.lookups {
            let name = lookup.name.as_str();
            let mut leave_out = |why: &str| {
                notes.push(format!(
                    "line {}: the look-up `{name}` of {table} is left out: {why}",
                    lookup.line
                ));
            };
            let labels: Vec<_> = lookup.labels.iter().map(String::as_str).collect();
            let key = (labels != own).then(|| between(labels.iter().copied(), "."));
            let column = self.columns.iter().find(|column| column.name == name);
            if own.contains(&name) || name.is_empty() {
                leave_out("a part of the index has that name");
                continue;
            }
            if key.is_some() && (labels.is_empty() || !labels.iter().all(|label| keys.contains(*label))) {
                leave_out(&format!("`{}` does not lead to a row here", labels.join(", ")));
                continue;
            }
            match column {
                // The column itself is a source.
                Some(column) if column.oid == lookup.oid && key.is_none() => {}
                Some(_) => {
                    leave_out("a column has that name");
                    continue;
                }
                None => {
                    let (column, text, words) = (lookup.oid.clone(), lookup.text, BTreeMap::new());
                    lookups.insert(name.to_owned(), Lookup { column, key, text, words });
                }
            }
            if lookup.is_text {
                texts.push(name.to_owned());
            } else {
                keys.insert(name.to_owned());
            }
        }
        lookups
    }
}

fn ends(name: &str, with: &[&str]) -> bool {
    let name = name.to_ascii_lowercase();
    with.iter().any(|end| name.ends_with(end))
}

/// `{a}.{b}`
fn between<'a>(sources: impl Iterator<Item = &'a str>, separator: &str) -> Template {
    let mut pieces = Vec::new();
    for source in sources {
        if !pieces.is_empty() {
            pieces.push(Piece::Text(separator.to_owned()));
        }
        pieces.push(Piece::Of(Source(source.to_owned())));
    }
    Template(pieces)
}
