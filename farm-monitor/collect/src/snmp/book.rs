//! The series of one target from run to run: which row is whose, what is declared, and when a row has ended.
//!
//! A series belongs to the name of its row and never to its number: where rows were numbered anew, values go on under
//! their names. What ends a row is only ever a table that was read whole: see [`Book::end_gone`].

use super::plan::{Plan, TablePlan};
use super::rows::{NamedRows, ReadRow, RowName};
use super::series::{Base, Out, Slot, value_of};
use super::sweep::{Cell, Column, Swept, SweptTable};
use hedgerow_model::{Labels, SeriesId};
use hedgerow_snmp_profile::index;
use hedgerow_snmp_profile::profile::{Object, Table};
use hedgerow_snmp_profile::row::{self, NoRow};
use std::collections::{BTreeMap, HashMap, HashSet};

/// So many whole sweeps in a row must miss a row before it has ended.
const GONE_SWEEPS: u32 = 2;
/// So many where the whole table is empty: that is more often an agent in trouble than a device without a port.
const EMPTY_SWEEPS: u32 = 5;
/// After so many rows others have their turn: a table may have tens of thousands.
const ROWS_AT_ONCE: usize = 256;
/// An agent that began less than this ago (in hundredths of a second) may still be filling its tables: nothing ends that
/// it had before.
pub(super) const SETTLING: u32 = 5 * 60 * 100;

/// All series of one target.
#[derive(Debug)]
pub(super) struct Book {
    base: Base,
    scalars: HashMap<(String, usize), Slot>,
    tables: HashMap<(String, usize), TableBook>,
    /// Series that have a slot: no other may write them.
    taken: HashSet<SeriesId>,
    /// More rows than these are not remembered of a table.
    max_rows: usize,
    /// How often the agent has restarted.
    restarts: u64,
}

#[derive(Debug, Default)]
struct TableBook {
    /// What its rows were called last.
    names: BTreeMap<Vec<u32>, RowName>,
    rows: HashMap<Labels, RowSeries>,
}

/// The series of a row.
#[derive(Debug)]
struct RowSeries {
    index: Vec<u32>,
    slots: Box<[Slot]>,
    description: String,
    /// Whole sweeps since it was seen.
    missing: u32,
    seen: bool,
    /// As [`Book::restarts`], when it was seen last.
    life: u64,
}

impl Book {
    pub fn new(base: Base, max_rows: usize) -> Self {
        let (scalars, tables) = (HashMap::new(), HashMap::new());
        Self { base, scalars, tables, taken: HashSet::new(), max_rows, restarts: 0 }
    }

    /// The agent has restarted: what it does not list now it may list when it has had time to.
    pub fn restarted(&mut self) {
        self.restarts += 1;
    }

    /// What the rows of a table were called last.
    pub fn names(&self, plan: &Plan, at: usize) -> &BTreeMap<Vec<u32>, RowName> {
        static NONE: BTreeMap<Vec<u32>, RowName> = BTreeMap::new();
        let book = plan.tables.get(at).and_then(|of| self.tables.get(&key(plan, of)));
        book.map_or(&NONE, |book| &book.names)
    }

    /// Whether a known row has another name now, or a known name another row.
    pub fn contradicts(&self, plan: &Plan, at: usize, named: &NamedRows) -> bool {
        let Some(book) = plan.tables.get(at).and_then(|of| self.tables.get(&key(plan, of))) else {
            return false;
        };
        named.rows.iter().any(|(index, name)| match book.names.get(index) {
            Some(before) => before.labels != name.labels,
            None => book.rows.get(&name.labels).is_some_and(|row| row.index != *index),
        })
    }

    /// Whether the table had no row when it was last read.
    pub fn was_empty(&self, plan: &Plan, at: usize) -> bool {
        let book = plan.tables.get(at).and_then(|of| self.tables.get(&key(plan, of)));
        book.is_some_and(|book| book.names.is_empty())
    }

    /// Whether there is a table that had rows, not long ago, and has none now.
    pub fn misses_all_of_a_table(&self, plan: &Plan) -> bool {
        let books = plan.tables.iter().filter_map(|of| self.tables.get(&key(plan, of)));
        books.into_iter().any(|book| book.names.is_empty() && !book.rows.is_empty())
    }

    /// Takes the scalars of a sweep.
    pub fn scalars(&mut self, out: &mut Out<'_>, plan: &Plan, swept: &Swept) {
        for of in &plan.scalars {
            let Some(profile) = plan.profiles.get(of.profile) else { continue };
            let Some(object) = profile.scalars.get(of.object) else { continue };
            let at = match (swept.scalars.get(of.at), of.instead) {
                // What was not read may be there: nothing stands in for it.
                (Some(Cell::Absent(_)), Some(instead)) => instead,
                _ => of.at,
            };
            let Some(Cell::Is(raw)) = swept.scalars.get(at) else { continue };
            let value = match value_of(object, raw, &NoRow) {
                Ok(Some(value)) => value,
                Ok(None) => continue,
                Err(why) => {
                    out.wrong(object, &|| format!("{}.0", object.name), &why);
                    continue;
                }
            };
            let slot = self.scalars.entry((profile.name.clone(), of.object)).or_default();
            let seen = out.seen(raw, value, None, None).from(at);
            slot.push(out, &self.base, &mut self.taken, object, (&Labels::none(), ""), seen);
        }
    }

    /// Takes a table of a sweep, under the names that its rows were found to have.
    pub async fn table(
        &mut self,
        out: &mut Out<'_>,
        plan: &Plan,
        at: usize,
        swept: &Swept,
        named: NamedRows,
    ) {
        let Some(of) = plan.tables.get(at) else { return };
        let (Some(table), Some(read)) = (plan.table(of), swept.tables.get(at)) else { return };
        let book = self.tables.entry(key(plan, of)).or_default();
        for row in book.rows.values_mut() {
            row.seen = false;
        }
        for (number, (index, name)) in named.rows.iter().enumerate() {
            if number % ROWS_AT_ONCE == ROWS_AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            let Some(cells) = read.rows.get(index) else { continue };
            let Ok(row) = ReadRow::new((of, table, at), swept, (index, cells)) else { continue };
            book.push(out, &self.base, &mut self.taken, &row, (index, name));
        }
        let life = self.restarts;
        for row in book.rows.values_mut().filter(|row| row.seen) {
            row.life = life;
        }
        let whole = !read.columns.is_empty() && !read.columns.contains(&Column::Part);
        if whole {
            book.names = named.rows;
            // Rows from before a restart have longer.
            let settling = out.up_time.is_some_and(|up_time| up_time < SETTLING);
            let may_end = |row: &RowSeries| !settling || row.life == life;
            book.end_gone(out, &mut self.taken, (table, read), may_end);
        } else {
            book.names.extend(named.rows);
        }
        book.forget_excess(&mut self.taken, self.max_rows);
    }

    /// Forgets what belongs to profiles that are no longer asked; their series become stale by themselves.
    pub fn keep_only(&mut self, plan: &Plan) {
        let asked = |name: &String| plan.profiles.iter().any(|profile| profile.name == *name);
        self.scalars.retain(|(name, _), _| asked(name));
        self.tables.retain(|(name, _), _| asked(name));
        let rows = self.tables.values().flat_map(|book| book.rows.values());
        let slots = rows.flat_map(|row| row.slots.iter()).chain(self.scalars.values());
        self.taken = slots.filter_map(|slot| slot.id).collect();
    }
}

fn key(plan: &Plan, of: &TablePlan) -> (String, usize) {
    let name = plan.profiles.get(of.profile).map_or("", |profile| &profile.name);
    (name.to_owned(), of.table)
}

impl TableBook {
    fn push(
        &mut self,
        out: &mut Out<'_>,
        base: &Base,
        taken: &mut HashSet<SeriesId>,
        row: &ReadRow<'_>,
        (index, name): (&Vec<u32>, &RowName),
    ) {
        let series = self.rows.entry(name.labels.clone()).or_insert_with(|| RowSeries {
            index: index.clone(),
            slots: row.table.columns.iter().map(|_| Slot::default()).collect(),
            description: String::new(),
            missing: 0,
            seen: false,
            life: 0,
        });
        let moved = series.index != *index;
        if moved {
            series.index.clone_from(index);
        }
        (series.missing, series.seen) = (0, true);
        if let Some(description) = name.description.as_ref().filter(|said| **said != series.description) {
            series.description.clone_from(description);
            series.slots.iter_mut().for_each(|slot| slot.redescribed = true);
        }
        let jumped = row.discontinuity();
        for (at, (object, slot)) in row.table.columns.iter().zip(&mut series.slots).enumerate() {
            slot.moved |= moved;
            let Some((from, raw)) = row.measured(at) else { continue };
            row.missed();
            if !row::applies(&object.only, row) {
                continue;
            }
            let value = match value_of(object, raw, row) {
                Ok(Some(value)) => value,
                Ok(None) => continue,
                // What it is scaled by was not read: that is told elsewhere.
                Err(_) if row.missed() => continue,
                Err(why) => {
                    out.wrong(object, &|| place_of(object, index, name), &why);
                    continue;
                }
            };
            let seen = out.seen(raw, value, jumped, object.most_in_a_second(row)).from(from);
            slot.push(out, base, taken, object, (&name.labels, &series.description), seen);
        }
    }

    /// Ends the rows that are gone, of those that may. The table was read whole.
    ///
    /// A row that has another name now is renamed at once: that was read twice. One that is not there any more must be
    /// missing in [`GONE_SWEEPS`], and in [`EMPTY_SWEEPS`] where no row is left.
    fn end_gone(
        &mut self,
        out: &mut Out<'_>,
        taken: &mut HashSet<SeriesId>,
        (table, read): (&Table, &SweptTable),
        may_end: impl Fn(&RowSeries) -> bool,
    ) {
        let patience = if read.rows.is_empty() { EMPTY_SWEEPS } else { GONE_SWEEPS };
        let names = &self.names;
        self.rows.retain(|_, row| {
            if row.seen || !may_end(row) {
                return true;
            }
            let reason = if let Some(now) = names.get(&row.index) {
                format!("renamed to {}", shown(&now.labels))
            } else if read.rows.contains_key(&row.index) {
                return true;
            } else {
                row.missing += 1;
                if row.missing < patience {
                    return true;
                }
                gone(table, &row.index)
            };
            out.end(row.release(taken), &reason);
            false
        });
    }

    /// Where a table is never read whole, what is not seen any more must not pile up.
    fn forget_excess(&mut self, taken: &mut HashSet<SeriesId>, max_rows: usize) {
        if self.rows.len() > 2 * max_rows {
            self.rows.retain(|_, row| {
                if !row.seen {
                    row.release(taken);
                }
                row.seen
            });
            let rows = &self.rows;
            self.names.retain(|_, name| rows.contains_key(&name.labels));
        }
    }
}

impl RowSeries {
    fn release(&self, taken: &mut HashSet<SeriesId>) -> Vec<SeriesId> {
        let ids: Vec<SeriesId> = self.slots.iter().filter_map(|slot| slot.id).collect();
        for id in &ids {
            taken.remove(id);
        }
        ids
    }
}

/// `ifInOctets.3 (Gi0/3)`
fn place_of(object: &Object, index: &[u32], name: &RowName) -> String {
    format!("{}.{} ({})", object.name, index::dotted(index), name.base)
}

fn gone(table: &Table, index: &[u32]) -> String {
    let part = match &*table.index {
        [part] => &part.name,
        _ => "row",
    };
    format!("row gone: {part} {} no longer in {}", index::dotted(index), table.name)
}

fn shown(labels: &Labels) -> String {
    match labels.get(hedgerow_model::labels::ITEM) {
        Some(item) => item.to_owned(),
        None => labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(","),
    }
}
