//! A simulated device: interfaces with counters that move, and what can happen to it (a reboot, re-numbering, a row gone).
//!
//! Reads no clock: it is told how much time has passed, so that what it says can be known beforehand.

use crate::mib::{Column, Mib, What};
use crate::value::{Oid, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What a device is like at first.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceConfig {
    /// sysName.
    pub name: String,
    /// Number of interfaces. Row `n` (from 0) is called `Gi0/n+1` and has ifIndex `n+1` until re-numbered.
    pub rows: u32,
    /// sysUpTime at the start.
    pub uptime: Duration,
    /// What counters begin with, beside a small number that differs from one to the next.
    pub counters_from: u64,
    /// Factor for how fast counters grow: in row `n`, (`n+1`) × 100 + a number of the counter's own, a second.
    pub rate: u64,
    /// One cell of the interfaces in so many is missing; 0: none. Indexes and names are never missing.
    pub one_hole_in: u32,
    /// Names that are missing, with all below them.
    pub absent: Vec<Oid>,
    /// Names that are there beside the others, or say something else.
    pub extra: BTreeMap<Oid, Value>,
}

impl Default for DeviceConfig {
    fn default() -> Self {
        Self {
            name: "sim".to_owned(),
            rows: 20,
            uptime: Duration::from_hours(1),
            counters_from: 0,
            rate: 1,
            one_hole_in: 0,
            absent: Vec::new(),
            extra: BTreeMap::new(),
        }
    }
}

impl DeviceConfig {
    /// Whether a device of this configuration has the same names.
    fn is_shaped_as(&self, other: &Self) -> bool {
        let shape = |config: &Self| (config.rows, config.one_hole_in);
        shape(self) == shape(other) && self.absent == other.absent && self.extra == other.extra
    }
}

/// A device.
#[derive(Debug, Clone)]
pub struct Device {
    config: DeviceConfig,
    seed: u64,
    mib: Arc<Mib>,
    rows: Vec<Row>,
    passed: Duration,
    booted: Duration,
    uptime_at_boot: Duration,
    turns: u32,
}

#[derive(Debug, Clone)]
struct Row {
    id: u32,
    name: Option<String>,
    alias: Option<String>,
    up: bool,
    /// Whether the counters began with 0 at `since`, and no longer with what is configured.
    reset: bool,
    since: Duration,
    /// ifCounterDiscontinuityTime.
    discontinuity: u32,
}

impl Device {
    /// Makes one; `like` may lend its names, where they are the same.
    pub fn new(config: DeviceConfig, seed: u64, like: Option<&Self>) -> Self {
        let row = |id| Row {
            id,
            name: None,
            alias: None,
            up: true,
            reset: false,
            since: Duration::ZERO,
            discontinuity: 0,
        };
        let lent = like.filter(|like| like.is_as_configured() && like.config.is_shaped_as(&config));
        let mut device = Self {
            seed,
            mib: lent.map_or_else(
                || Arc::new(Mib::new(&[], |_, _| true, &[], &BTreeMap::new())),
                |like| like.mib.clone(),
            ),
            rows: (0..config.rows).map(row).collect(),
            passed: Duration::ZERO,
            booted: Duration::ZERO,
            uptime_at_boot: config.uptime,
            turns: 0,
            config,
        };
        if lent.is_none() {
            device.name_anew();
        }
        device
    }

    /// What it was made from, and what was set since.
    pub fn config(&self) -> &DeviceConfig {
        &self.config
    }

    /// Time passes.
    pub fn advance(&mut self, by: Duration) {
        self.passed += by;
    }

    /// It starts anew: sysUpTime and all counters begin with 0.
    pub fn reboot(&mut self) {
        self.booted = self.passed;
        self.uptime_at_boot = Duration::ZERO;
        for row in &mut self.rows {
            (row.reset, row.since, row.discontinuity) = (true, self.passed, 0);
        }
    }

    /// The counters of this row begin with 0, as ifCounterDiscontinuityTime tells.
    pub fn discontinue(&mut self, row: u32) {
        let (now, ticks) = (self.passed, self.uptime());
        if let Some(row) = self.row(row) {
            (row.reset, row.since, row.discontinuity) = (true, now, ticks);
        }
    }

    /// Every row gets the ifIndex of the next one, the last that of the first. Names and counters stay with their rows.
    pub fn renumber(&mut self) {
        self.turns += 1;
        self.name_anew();
    }

    /// A row goes.
    pub fn remove_row(&mut self, row: u32) {
        self.rows.retain(|known| known.id != row);
        self.name_anew();
    }

    /// A row that went comes back, or a new one comes; its counters begin with 0.
    pub fn add_row(&mut self, id: u32) {
        let (since, discontinuity) = (self.passed, self.uptime());
        if self.row(id).is_none() {
            self.rows.push(Row { id, name: None, alias: None, up: true, reset: true, since, discontinuity });
            self.rows.sort_by_key(|row| row.id);
            self.name_anew();
        }
    }

    /// ifName and ifDescr of a row.
    pub fn set_row_name(&mut self, row: u32, name: &str) {
        if let Some(row) = self.row(row) {
            row.name = Some(name.to_owned());
        }
    }

    /// ifAlias of a row.
    pub fn set_alias(&mut self, row: u32, alias: &str) {
        if let Some(row) = self.row(row) {
            row.alias = Some(alias.to_owned());
        }
    }

    /// ifOperStatus of a row.
    pub fn set_up(&mut self, row: u32, up: bool) {
        if let Some(row) = self.row(row) {
            row.up = up;
        }
    }

    /// From now on this name says this, whether it was there or not.
    pub fn set(&mut self, name: Oid, value: Value) {
        self.config.extra.insert(name, value);
        self.name_anew();
    }

    /// From now on this name, and all below it, is missing.
    pub fn remove(&mut self, name: Oid) {
        self.config.extra.retain(|known, _| !known.starts_with(&name));
        self.config.absent.push(name);
        self.name_anew();
    }

    /// What it says of exactly this name.
    pub fn get(&self, name: &[u32]) -> Option<Value> {
        self.mib.get(name).map(|what| self.value(what))
    }

    /// The first name behind this one, with its value. Version 1 knows no Counter64, and passes over it.
    pub fn next(&self, name: &[u32], v1: bool) -> Option<(Oid, Value)> {
        let mut known = self.mib.after(name).iter().map(|(name, what)| (name.clone(), self.value(what)));
        known.find(|(_, value)| !(v1 && matches!(value, Value::Counter64(_))))
    }

    pub(crate) fn mib(&self) -> &Mib {
        &self.mib
    }

    fn is_as_configured(&self) -> bool {
        self.turns == 0 && self.rows.len() == self.config.rows as usize
    }

    fn row(&mut self, id: u32) -> Option<&mut Row> {
        self.rows.iter_mut().find(|row| row.id == id)
    }

    fn uptime(&self) -> u32 {
        ticks(self.uptime_at_boot + (self.passed - self.booted))
    }

    fn index(&self, row: &Row) -> u32 {
        let rows = self.rows.iter().map(|row| row.id + 1).max().unwrap_or(1);
        (row.id + self.turns) % rows + 1
    }

    fn name_anew(&mut self) {
        let indexes: Vec<u32> = self.rows.iter().map(|row| self.index(row)).collect();
        let one_in = u64::from(self.config.one_hole_in);
        let is_hole = |row: usize, column: Column| {
            let named = matches!(column, Column::Index | Column::Name | Column::Descr);
            let id = self.rows.get(row).map_or(0, |row| row.id);
            !named && one_in > 0 && mix(u64::from(id) << 16 | column.number()).is_multiple_of(one_in)
        };
        self.mib = Arc::new(Mib::new(&indexes, is_hole, &self.config.absent, &self.config.extra));
    }

    fn value(&self, what: &What) -> Value {
        match what {
            What::Fixed(value) => value.clone(),
            What::UpTime => Value::TimeTicks(self.uptime()),
            What::Name => Value::text(&self.config.name),
            What::Rows => Value::Integer(i32::try_from(self.rows.len()).unwrap_or(i32::MAX)),
            What::Cell(row, column) => {
                self.rows.get(*row).map_or(Value::NoSuchInstance, |row| self.cell(row, *column))
            }
        }
    }

    fn cell(&self, row: &Row, column: Column) -> Value {
        let number = row.id + 1;
        let name = |prefix: &str| match &row.name {
            Some(name) => Value::text(name),
            None => Value::text(format!("{prefix}0/{number}")),
        };
        let [_, a, b, c] = number.to_be_bytes();
        match column {
            Column::Index => Value::Integer(i32::try_from(self.index(row)).unwrap_or(i32::MAX)),
            Column::Descr => name("GigabitEthernet"),
            Column::Type => Value::Integer(6),
            Column::Mtu => Value::Integer(1500),
            Column::Speed => Value::Gauge32(1_000_000_000),
            Column::Mac => Value::Octets(vec![2, 0, 0, a, b, c]),
            Column::Admin => Value::Integer(1),
            Column::Oper => Value::Integer(if row.up { 1 } else { 2 }),
            Column::LastChange => Value::TimeTicks(0),
            #[expect(clippy::cast_possible_truncation, reason = "a Counter32 is the low half")]
            Column::Low(counter) => Value::Counter32(self.counter(row, counter) as u32),
            Column::High(counter) => Value::Counter64(self.counter(row, counter)),
            Column::Name => name("Gi"),
            Column::TrapEnable | Column::Connector => Value::Integer(1),
            Column::HighSpeed => Value::Gauge32(1000),
            Column::Promiscuous => Value::Integer(2),
            Column::Alias => Value::text(row.alias.as_deref().unwrap_or_default()),
            Column::Discontinuity => Value::TimeTicks(row.discontinuity),
        }
    }

    fn counter(&self, row: &Row, counter: u8) -> u64 {
        let (id, counter) = (u64::from(row.id), u64::from(counter));
        let own = mix(self.seed ^ (id << 8 | counter)) % 1_000_000;
        let from = if row.reset { 0 } else { self.config.counters_from.wrapping_add(own) };
        let rate = ((id + 1) * 100 + counter).saturating_mul(self.config.rate);
        let grown = (self.passed - row.since).as_millis().saturating_mul(u128::from(rate)) / 1000;
        #[expect(clippy::cast_possible_truncation, reason = "a Counter64 wraps")]
        from.wrapping_add(grown as u64)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "TimeTicks wrap")]
fn ticks(time: Duration) -> u32 {
    (time.as_millis() / 10) as u32
}

/// A number that looks random, always the same for the same one (splitmix64).
pub fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
