//! Which row is which: the rows of a table as one sweep read them get their labels.
//!
//! A name is made only from what this sweep read. Where a column that a name may depend on was not read to its end, a row
//! without its value there is left out: its name is not known, and another would be wrong.

use super::plan::{Place, Plan, TablePlan, Where};
use super::sweep::{Column, Swept, SweptTable};
use hedgerow_model::{Labels, labels};
use hedgerow_snmp::Value;
use hedgerow_snmp_profile::index::{self, PartValue};
use hedgerow_snmp_profile::number::{Number, number};
use hedgerow_snmp_profile::profile::{Object, Source, Table};
use hedgerow_snmp_profile::row::{self, Row};
use hedgerow_snmp_profile::text::text;
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};

/// A look-up's key may hang on look-ups; so deep at most.
const MAX_DEPTH: u32 = 4;

/// The rows of a table that have a name.
#[derive(Debug, Default)]
pub(super) struct NamedRows {
    /// By index.
    pub rows: BTreeMap<Vec<u32>, RowName>,
    /// Rows whose name was not read.
    pub nameless: usize,
    /// Rows that cannot have a name, or the name of which another row has; and why, of the first.
    pub refused: Vec<String>,
}

/// What a row is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RowName {
    /// Before `#` and the index were added.
    pub base: String,
    /// Its identity.
    pub labels: Labels,
    /// What its series are described by; `None` where that was not read.
    pub description: Option<String>,
}

/// A row as a sweep read it.
pub(super) struct ReadRow<'a> {
    pub table: &'a Table,
    plan: &'a TablePlan,
    swept: &'a Swept,
    read: &'a SweptTable,
    index: &'a [u32],
    cells: &'a [Option<Value>],
    parts: Vec<PartValue>,
    /// Something that was looked for may be there, but was not read.
    unread: Cell<bool>,
    depth: Cell<u32>,
}

impl<'a> ReadRow<'a> {
    /// The row at `index` of the table at `at`.
    ///
    /// # Errors
    /// The index does not fit the profile, in words.
    pub fn new(
        (plan, table, at): (&'a TablePlan, &'a Table, usize),
        swept: &'a Swept,
        (index, cells): (&'a [u32], &'a [Option<Value>]),
    ) -> Result<Self, String> {
        static NONE: SweptTable = SweptTable { rows: BTreeMap::new(), columns: Vec::new() };
        let parts = if plan.parts {
            index::decode(&table.index, index)
                .map_err(|error| format!("its index {} {error}", index::dotted(index)))?
        } else {
            Vec::new()
        };
        let read = swept.tables.get(at).unwrap_or(&NONE);
        let (unread, depth) = (Cell::new(false), Cell::new(0));
        Ok(Self { table, plan, swept, read, index, cells, parts, unread, depth })
    }

    /// Whether something that was looked for since the last time was not read.
    pub fn missed(&self) -> bool {
        self.unread.take()
    }

    /// The value of a measured column, or of what is read instead; and which of both it is.
    pub fn measured(&self, column: usize) -> Option<(usize, &'a Value)> {
        let (at, instead) = *self.plan.columns.get(column)?;
        let of = |at: usize| Some((at, self.own(at)?));
        // What was not read may be there: nothing stands in for it.
        let unread = self.read.columns.get(at) == Some(&Column::Part);
        of(at).or_else(|| of(instead.filter(|_| !unread)?))
    }

    /// When the row's counters last jumped, in the agent's sysUpTime.
    pub fn discontinuity(&self) -> Option<u32> {
        match self.own(self.plan.discontinuity?)? {
            Value::TimeTicks(ticks) => Some(*ticks),
            _ => None,
        }
    }

    fn own(&self, at: usize) -> Option<&'a Value> {
        let cell = self.cells.get(at).and_then(Option::as_ref);
        if cell.is_none() && self.read.columns.get(at) == Some(&Column::Part) {
            self.unread.set(true);
        }
        cell
    }

    fn other(&self, table: usize, column: usize, index: &[u32]) -> Option<&'a Value> {
        let read = self.swept.tables.get(table)?;
        let cell = read.rows.get(index).and_then(|cells| cells.get(column)?.as_ref());
        if cell.is_none() && read.columns.get(column) == Some(&Column::Part) {
            self.unread.set(true);
        }
        cell
    }

    /// The value of a look-up.
    fn looked_up(&self, lookup: &hedgerow_snmp_profile::profile::Lookup, there: Where) -> Option<&'a Value> {
        match there {
            Where::Own(at) => self.own(at),
            Where::Other { table, column } => {
                if self.depth.get() >= MAX_DEPTH {
                    return None;
                }
                self.depth.set(self.depth.get() + 1);
                let key = lookup.key.as_ref().and_then(|key| key.text(self));
                self.depth.set(self.depth.get() - 1);
                self.other(table, column, &index::key(&key?)?)
            }
        }
    }
}

impl Row for ReadRow<'_> {
    fn text(&self, source: &Source) -> Option<String> {
        match self.plan.sources.get(&source.0)? {
            Place::Index => Some(index::dotted(self.index)),
            Place::Part(at) => self.parts.get(*at).map(|part| part.text.clone()),
            Place::Column(at) => {
                let object: &Object = self.table.columns.get(*at)?;
                said(self.measured(*at)?.1, &object.words, object.text)
            }
            Place::Lookup(lookup, there) => said(self.looked_up(lookup, *there)?, &lookup.words, lookup.text),
        }
    }

    fn number(&self, source: &Source) -> Option<Number> {
        match self.plan.sources.get(&source.0)? {
            Place::Index => self.index.first().filter(|_| self.index.len() == 1).map(|n| whole(*n)),
            Place::Part(at) => self.parts.get(*at)?.number.map(whole),
            Place::Column(at) => number(self.measured(*at)?.1),
            Place::Lookup(lookup, there) => number(self.looked_up(lookup, *there)?),
        }
    }
}

fn whole(number: u32) -> Number {
    Number::Whole(number.into())
}

fn said(
    value: &Value,
    words: &BTreeMap<i64, String>,
    form: hedgerow_snmp_profile::profile::TextForm,
) -> Option<String> {
    let word = match value {
        Value::Integer(code) => words.get(&i64::from(*code)),
        _ => None,
    };
    word.cloned().or_else(|| text(value, form))
}

/// Names the rows of the table at `at`. `before`: the names that its rows had, for those of which nothing was read.
pub(super) fn name_rows(
    plan: &Plan,
    at: usize,
    swept: &Swept,
    before: &BTreeMap<Vec<u32>, RowName>,
) -> NamedRows {
    let mut named = NamedRows::default();
    let Some(of) = plan.tables.get(at) else { return named };
    let (Some(table), Some(read)) = (plan.table(of), swept.tables.get(at)) else { return named };
    let mut rows = Vec::new();
    for (index, cells) in &read.rows {
        match ReadRow::new((of, table, at), swept, (index, cells)) {
            Ok(row) => match name(&row) {
                Named::Row(name) => rows.push((index, name)),
                Named::Unread => named.nameless += 1,
                Named::NotOurs => {}
            },
            Err(why) => named.refused.push(why),
        }
    }
    let part = |at: &usize| read.columns.get(*at) == Some(&Column::Part);
    let others = if named.nameless > 0 || of.naming.iter().any(part) { before } else { &BTreeMap::new() };
    let doubles = doubles(&rows, others);
    let mut takers: HashMap<Labels, &Vec<u32>> = HashMap::new();
    for ((index, (base, mut pairs, description)), double) in rows.into_iter().zip(doubles) {
        if !table.item.is_empty() {
            let item = if double { format!("{base}#{}", index::dotted(index)) } else { base.clone() };
            pairs.push((labels::ITEM, item));
        }
        let as_before = before.get(index).map(|name| &name.labels).filter(|labels| are(labels, &pairs));
        let labels = match as_before.map_or_else(|| Labels::new(pairs), |labels| Ok(labels.clone())) {
            Ok(labels) => labels,
            Err(error) => {
                named.refused.push(format!("row {}: {error}", index::dotted(index)));
                continue;
            }
        };
        if let Some(taker) = takers.insert(labels.clone(), index) {
            let both = format!("rows {} and {}", index::dotted(taker), index::dotted(index));
            named.refused.push(format!("{both} have the same name"));
            named.rows.remove(taker);
            continue;
        }
        named.rows.insert(index.clone(), RowName { base, labels, description });
    }
    named
}

/// Whether the labels are these pairs.
fn are(labels: &Labels, pairs: &[(&str, String)]) -> bool {
    let is_among = |label: (&str, &str)| pairs.iter().any(|(key, value)| label == (*key, value));
    labels.len() == pairs.len() && labels.iter().all(is_among)
}

/// A name before it is known whether others have it: base, further labels, description.
type Raw<'a> = (String, Vec<(&'a str, String)>, Option<String>);

enum Named<'a> {
    Row(Raw<'a>),
    /// Something of its name was not read.
    Unread,
    /// The profile leaves it out.
    NotOurs,
}

fn name<'a>(row: &ReadRow<'a>) -> Named<'a> {
    let table = row.table;
    row.missed();
    let applies = row::applies(&table.only, row);
    if row.missed() {
        return Named::Unread;
    }
    if !applies {
        return Named::NotOurs;
    }
    let base = row::first(&table.item, row).unwrap_or_else(|| index::dotted(row.index));
    let pairs = table.labels.iter().filter_map(|(key, template)| Some((key.as_str(), template.text(row)?)));
    let pairs: Vec<(&str, String)> = pairs.collect();
    if row.missed() {
        return Named::Unread;
    }
    let description = row::first(&table.row_description, row).unwrap_or_default();
    let description = if row.missed() { None } else { Some(description) };
    Named::Row((base, pairs, description))
}

/// Of each row, whether another has its name. `others`: those that had a name before, and may have it still.
fn doubles(rows: &[(&Vec<u32>, Raw<'_>)], others: &BTreeMap<Vec<u32>, RowName>) -> Vec<bool> {
    let mut bases: HashMap<&str, usize> = HashMap::with_capacity(rows.len());
    for (_, (base, ..)) in rows {
        *bases.entry(base).or_insert(0) += 1;
    }
    if !others.is_empty() {
        let read: HashSet<&Vec<u32>> = rows.iter().map(|(index, _)| *index).collect();
        for (_, name) in others.iter().filter(|(index, _)| !read.contains(index)) {
            if let Some(many) = bases.get_mut(&*name.base) {
                *many += 1;
            }
        }
    }
    rows.iter().map(|(_, (base, ..))| bases.get(&**base).is_some_and(|rows| *rows > 1)).collect()
}

#[cfg(test)]
mod tests;
