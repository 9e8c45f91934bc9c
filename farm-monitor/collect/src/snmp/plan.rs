//! What profiles come to for one agent: what is to be read, and where each source of a row stands in it. Made once per
//! target and choice of profiles.
//!
//! A column and the columns that name its rows are wanted as one table, so that a row's name comes with its values.

use hedgerow_snmp::{Oid, Value};
use hedgerow_snmp_profile::Names;
use hedgerow_snmp_profile::profile::{Lookup, Profile, Table, Template};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::detect::OBJECT_ID;
use super::sweep::{Column, Swept, SweptTable, Wanted};

/// The profiles of one agent, laid out.
#[derive(Debug)]
pub(super) struct Plan {
    pub profiles: Vec<Arc<Profile>>,
    pub scalars: Vec<ScalarPlan>,
    pub tables: Vec<TablePlan>,
    /// Where sysObjectID stands among the wanted scalars.
    pub object_id: usize,
    /// All of it, with what is read instead.
    pub wanted: Arc<Wanted>,
    /// The MIBs' names of all objects, for messages.
    names: BTreeMap<Oid, String>,
}

/// One scalar of a profile.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScalarPlan {
    pub profile: usize,
    /// Place in the profile's scalars.
    pub object: usize,
    /// Places in [`Wanted::scalars`].
    pub at: usize,
    pub instead: Option<usize>,
}

/// One table of a profile. Its place in the plan is its place in [`Wanted::tables`], too.
#[derive(Debug)]
pub(super) struct TablePlan {
    pub profile: usize,
    /// Place in the profile's tables.
    pub table: usize,
    /// Of each measured column, its place among the wanted ones, and that of what is read instead.
    pub columns: Vec<(usize, Option<usize>)>,
    pub sources: BTreeMap<String, Place>,
    pub discontinuity: Option<usize>,
    /// Columns that names are made from: where one was not read whole, names may be missing.
    pub naming: BTreeSet<usize>,
    /// How many columns there are but for those that are read instead, which stand behind them.
    pub lean: usize,
    /// Other tables that look-ups of this one go to.
    pub others: BTreeSet<usize>,
    /// Whether sources need the index read part by part.
    pub parts: bool,
}

/// Where a source of a row is found.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// The whole index.
    Index,
    /// A part of it.
    Part(usize),
    /// A measured column: place in the profile's table.
    Column(usize),
    /// A look-up, and the place of its column: in the row itself, or in another table.
    Lookup(Lookup, Where),
}

/// The place of a look-up's column.
#[derive(Debug, Clone, Copy)]
pub(super) enum Where {
    Own(usize),
    Other { table: usize, column: usize },
}

impl Plan {
    pub fn new(profiles: Vec<Arc<Profile>>) -> Self {
        let mut wanted = Wanted::default();
        let mut scalars = Vec::new();
        let mut tables = Vec::new();
        for (profile, of) in profiles.iter().enumerate() {
            for (object, what) in of.scalars.iter().enumerate() {
                let at = place(&mut wanted.scalars, &what.oid.child(0));
                let instead = what.instead.as_ref().map(|oid| place(&mut wanted.scalars, &oid.child(0)));
                scalars.push(ScalarPlan { profile, object, at, instead });
            }
            for (table, what) in of.tables.iter().enumerate() {
                let (plan, columns) = own_columns(profile, table, what);
                tables.push(plan);
                wanted.tables.push(columns);
            }
        }
        let object_id = place(&mut wanted.scalars, &Oid::from_slice(&OBJECT_ID));
        let own: Vec<usize> = tables.iter().map(|plan: &TablePlan| plan.lean).collect();
        for plan in &mut tables {
            let Some(of) = profiles.get(plan.profile).and_then(|of| of.tables.get(plan.table)) else {
                continue;
            };
            for (name, lookup) in of.lookups.iter().filter(|(_, lookup)| lookup.key.is_some()) {
                let (table, column) = other_column(&mut wanted.tables, &own, &lookup.column);
                plan.others.insert(table);
                let there = Where::Other { table, column };
                plan.sources.insert(name.clone(), Place::Lookup(lookup.clone(), there));
            }
        }
        let names = names(&profiles);
        Self { profiles, scalars, tables, object_id, wanted: Arc::new(wanted), names }
    }

    /// What is wanted, without what is read instead in tables that need it not.
    pub fn lean(&self, needs_instead: &[bool]) -> Arc<Wanted> {
        let mut wanted = (*self.wanted).clone();
        for ((columns, plan), needs) in wanted.tables.iter_mut().zip(&self.tables).zip(needs_instead) {
            if !needs {
                columns.truncate(plan.lean);
            }
        }
        Arc::new(wanted)
    }

    /// These tables alone, and those that their look-ups go to; each stays in its place.
    pub fn only(&self, tables: &BTreeSet<usize>) -> Arc<Wanted> {
        let others = tables.iter().filter_map(|table| self.tables.get(*table)).flat_map(|plan| &plan.others);
        let all: BTreeSet<usize> = tables.iter().chain(others).copied().collect();
        let keep = |(at, columns): (usize, &Vec<Oid>)| {
            if all.contains(&at) { columns.clone() } else { Vec::new() }
        };
        let tables = self.wanted.tables.iter().enumerate().map(keep).collect();
        Arc::new(Wanted { scalars: Vec::new(), tables })
    }

    /// How many values of a table were missing where something could be read instead, and was not.
    pub fn holes(&self, at: usize, swept: &Swept) -> usize {
        let (Some(of), Some(read)) = (self.tables.get(at), swept.tables.get(at)) else { return 0 };
        let missing = |main: usize| {
            let whole = read.columns.get(main).is_some_and(|column| *column != Column::Part);
            let has = |cells: &&Vec<Option<Value>>| cells.get(main).is_some_and(Option::is_some);
            if whole { read.rows.values().filter(|cells| !has(cells)).count() } else { 0 }
        };
        of.columns.iter().filter(|(_, instead)| instead.is_some()).map(|(main, _)| missing(*main)).sum()
    }

    /// By table, whether anything was read instead of what was missing.
    pub fn needs_instead(&self, swept: &Swept) -> Vec<bool> {
        let needs = |(of, read): (&TablePlan, &SweptTable)| {
            let is = |cells: &[Option<Value>], at: usize| cells.get(at).is_some_and(Option::is_some);
            read.rows.values().any(|cells| {
                of.columns.iter().any(|(main, instead)| {
                    instead.is_some_and(|instead| !is(cells, *main) && is(cells, instead))
                })
            })
        };
        self.tables.iter().zip(&swept.tables).map(needs).collect()
    }

    /// The profile's table of a plan.
    pub fn table(&self, plan: &TablePlan) -> Option<&Table> {
        self.profiles.get(plan.profile)?.tables.get(plan.table)
    }

    /// `ifInOctets.3`, where it is known; else the numbers.
    pub fn name_of(&self, oid: &Oid) -> String {
        let arcs = oid.arcs();
        let known = (1..=arcs.len()).rev().find_map(|length| {
            let (object, index) = arcs.split_at_checked(length)?;
            Some((self.names.get(&Oid::from_slice(object))?, index))
        });
        match known {
            Some((name, index)) => index.iter().fold(name.clone(), |name, arc| format!("{name}.{arc}")),
            None => Names::standard().show(oid),
        }
    }
}

/// Where `oid` stands in `list`, put there if it is not yet.
fn place(list: &mut Vec<Oid>, oid: &Oid) -> usize {
    list.iter().position(|known| known == oid).unwrap_or_else(|| {
        list.push(oid.clone());
        list.len() - 1
    })
}

/// The columns of a table itself: measured ones first and those that name its rows behind them, so that where a reply
/// ends within a row, its name comes later than its values and not before.
fn own_columns(profile: usize, table: usize, of: &Table) -> (TablePlan, Vec<Oid>) {
    let mut columns = Vec::new();
    let mut sources = BTreeMap::from([("index".to_owned(), Place::Index)]);
    let measured: Vec<usize> = of.columns.iter().map(|object| place(&mut columns, &object.oid)).collect();
    for (at, object) in of.columns.iter().enumerate() {
        sources.insert(object.name.clone(), Place::Column(at));
    }
    let discontinuity = of.discontinuity.as_ref().map(|oid| place(&mut columns, oid));
    for (at, part) in of.index.iter().enumerate() {
        sources.insert(part.name.clone(), Place::Part(at));
    }
    for (name, lookup) in of.lookups.iter().filter(|(_, lookup)| lookup.key.is_none()) {
        let own = Where::Own(place(&mut columns, &lookup.column));
        sources.insert(name.clone(), Place::Lookup(lookup.clone(), own));
    }
    let templates = of.item.iter().chain(of.labels.iter().map(|(_, template)| template));
    let conditions = of.only.iter().map(|(template, _)| template);
    let keys = of.lookups.values().filter_map(|lookup| lookup.key.as_ref());
    let naming = templates.chain(conditions).chain(keys).flat_map(Template::sources);
    let naming = naming.filter_map(|source| match sources.get(&source.0)? {
        Place::Lookup(_, Where::Own(at)) => Some(*at),
        Place::Column(at) => measured.get(*at).copied(),
        _ => None,
    });
    let naming = naming.collect();
    let lean = columns.len();
    let instead = of.columns.iter().map(|object| Some(place(&mut columns, object.instead.as_ref()?)));
    let instead: Vec<Option<usize>> = instead.collect();
    let columns_of = measured.into_iter().zip(instead).collect();
    let others = BTreeSet::new();
    let parts = of.sources().any(|source| matches!(sources.get(&source.0), Some(Place::Part(_))));
    let plan = TablePlan {
        profile,
        table,
        columns: columns_of,
        sources,
        discontinuity,
        naming,
        lean,
        others,
        parts,
    };
    (plan, columns)
}

/// Where a column of another table is read: in a table that is wanted anyway (`own` says how much of those), or in one
/// made for it, together with its sisters.
fn other_column(tables: &mut Vec<Vec<Oid>>, own: &[usize], column: &Oid) -> (usize, usize) {
    for (table, columns) in tables.iter().enumerate() {
        let columns = columns.iter().take(own.get(table).copied().unwrap_or(usize::MAX));
        if let Some(at) = columns.into_iter().position(|known| known == column) {
            return (table, at);
        }
    }
    let made = tables.iter_mut().enumerate().skip(own.len());
    for (table, columns) in made {
        if columns.first().and_then(Oid::parent) == column.parent() {
            return (table, place(columns, column));
        }
    }
    tables.push(vec![column.clone()]);
    (tables.len() - 1, 0)
}

fn names(profiles: &[Arc<Profile>]) -> BTreeMap<Oid, String> {
    let mut names = BTreeMap::new();
    for profile in profiles {
        for table in &profile.tables {
            for (name, lookup) in &table.lookups {
                names.insert(lookup.column.clone(), name.clone());
            }
        }
        names.extend(profile.names.iter().cloned());
        let columns = profile.tables.iter().flat_map(|table| &table.columns);
        names.extend(
            profile.scalars.iter().chain(columns).map(|object| (object.oid.clone(), object.name.clone())),
        );
    }
    names
}
