//! The sorted names of a device, and what stands behind each. Holds no values that move: devices of one shape share it.

use crate::value::{Oid, Value};
use std::collections::BTreeMap;

const SYSTEM: [u32; 7] = [1, 3, 6, 1, 2, 1, 1];
const INTERFACES: [u32; 7] = [1, 3, 6, 1, 2, 1, 2];
const IF_ENTRY: [u32; 9] = [1, 3, 6, 1, 2, 1, 2, 2, 1];
const IF_X_ENTRY: [u32; 10] = [1, 3, 6, 1, 2, 1, 31, 1, 1, 1];

/// What stands behind a name.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    Fixed(Value),
    UpTime,
    Name,
    Rows,
    /// A cell of the interfaces: the row's place in the device, and the column.
    Cell(usize, Column),
}

/// A column of the interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Column {
    Index,
    Descr,
    Type,
    Mtu,
    Speed,
    Mac,
    Admin,
    Oper,
    LastChange,
    /// The low 32 bits of a counter.
    Low(u8),
    /// All of it.
    High(u8),
    Name,
    TrapEnable,
    HighSpeed,
    Promiscuous,
    Connector,
    Alias,
    Discontinuity,
}

impl Column {
    /// A number of its own.
    pub fn number(self) -> u64 {
        let columns = IF_COLUMNS.iter().chain(&IF_X_COLUMNS);
        columns.zip(0..).find(|((_, column), _)| *column == self).map_or(u64::MAX, |(_, number)| number)
    }
}

/// Column numbers of ifEntry. A counter has the same number in [`Column::Low`] and [`Column::High`].
const IF_COLUMNS: [(u32, Column); 18] = [
    (1, Column::Index),
    (2, Column::Descr),
    (3, Column::Type),
    (4, Column::Mtu),
    (5, Column::Speed),
    (6, Column::Mac),
    (7, Column::Admin),
    (8, Column::Oper),
    (9, Column::LastChange),
    (10, Column::Low(0)),
    (11, Column::Low(1)),
    (13, Column::Low(8)),
    (14, Column::Low(9)),
    (15, Column::Low(10)),
    (16, Column::Low(4)),
    (17, Column::Low(5)),
    (19, Column::Low(11)),
    (20, Column::Low(12)),
];

/// Column numbers of ifXEntry.
const IF_X_COLUMNS: [(u32, Column); 19] = [
    (1, Column::Name),
    (2, Column::Low(2)),
    (3, Column::Low(3)),
    (4, Column::Low(6)),
    (5, Column::Low(7)),
    (6, Column::High(0)),
    (7, Column::High(1)),
    (8, Column::High(2)),
    (9, Column::High(3)),
    (10, Column::High(4)),
    (11, Column::High(5)),
    (12, Column::High(6)),
    (13, Column::High(7)),
    (14, Column::TrapEnable),
    (15, Column::HighSpeed),
    (16, Column::Promiscuous),
    (17, Column::Connector),
    (18, Column::Alias),
    (19, Column::Discontinuity),
];

/// Sorted names.
#[derive(Debug, Clone, PartialEq)]
pub struct Mib(Vec<(Oid, What)>);

impl Mib {
    /// `indexes`: ifIndex of each row. `is_hole` says of a row's place and a column whether it is left out; `absent` are
    /// names, and what is below them.
    pub fn new(
        indexes: &[u32],
        is_hole: impl Fn(usize, Column) -> bool,
        absent: &[Oid],
        extra: &BTreeMap<Oid, Value>,
    ) -> Self {
        let mut names: BTreeMap<Oid, What> = system();
        names.insert(Oid::from([&INTERFACES[..], &[1, 0]].concat()), What::Rows);
        let columns = IF_COLUMNS.iter().map(|(number, column)| (&IF_ENTRY[..], *number, *column));
        let x_columns = IF_X_COLUMNS.iter().map(|(number, column)| (&IF_X_ENTRY[..], *number, *column));
        let all: Vec<_> = columns.chain(x_columns).collect();
        for (row, index) in indexes.iter().enumerate() {
            for (entry, number, column) in all.iter().filter(|(_, _, column)| !is_hole(row, *column)) {
                names.insert(Oid::from([entry, &[*number, *index][..]].concat()), What::Cell(row, *column));
            }
        }
        names.retain(|name, _| !absent.iter().any(|prefix| name.starts_with(prefix)));
        names.extend(extra.iter().map(|(name, value)| (name.clone(), What::Fixed(value.clone()))));
        Self(names.into_iter().collect())
    }

    /// What stands behind exactly this name.
    pub fn get(&self, name: &[u32]) -> Option<&What> {
        let at = self.0.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        self.0.get(at).map(|(_, what)| what)
    }

    /// Whether there is an object of which this might be an instance: a name here is the same but for its last number.
    pub fn has_object_of(&self, name: &[u32]) -> bool {
        let at = self.0.partition_point(|(known, _)| **known < *name);
        let near = [at.checked_sub(1), Some(at)];
        near.into_iter().flatten().filter_map(|at| self.0.get(at)).any(|(known, _)| {
            known
                .split_last()
                .is_some_and(|(_, object)| name.len() > object.len() && name.starts_with(object))
        })
    }

    /// The entries behind this name, in order.
    pub fn after(&self, name: &[u32]) -> &[(Oid, What)] {
        let at = self.0.partition_point(|(known, _)| **known <= *name);
        self.0.get(at..).unwrap_or_default()
    }

    /// The first and the last entry of the column that this name is in: the names that are the same but for the last number.
    pub fn column_of(&self, name: &[u32]) -> Option<(&Oid, &Oid)> {
        let (_, object) = name.split_last()?;
        let from = self.0.partition_point(|(known, _)| **known < *object);
        let column = self.0.get(from..)?;
        let to = column.partition_point(|(known, _)| known.starts_with(object));
        let column = column.get(..to)?;
        Some((&column.first()?.0, &column.last()?.0))
    }
}

fn system() -> BTreeMap<Oid, What> {
    let object = |number: u32| Oid::from([&SYSTEM[..], &[number, 0]].concat());
    // Below the number that is reserved for examples in documentation.
    let kind = Oid::from([1, 3, 6, 1, 4, 1, 32473, 1, 1]);
    BTreeMap::from([
        (object(1), What::Fixed(Value::text("Simulated switch"))),
        (object(2), What::Fixed(Value::ObjectId(kind))),
        (object(3), What::UpTime),
        (object(4), What::Fixed(Value::text("nobody"))),
        (object(5), What::Name),
        (object(6), What::Fixed(Value::text("nowhere"))),
        (object(7), What::Fixed(Value::Integer(2))),
    ])
}
