//! A profile as it is used: checked, with OIDs in numbers.

use hedgerow_model::{Kind, Name};
use hedgerow_snmp::Oid;
use std::collections::BTreeMap;

/// What is asked of one sort of device.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Its name, unique: `interfaces`.
    pub name: String,
    /// For people.
    pub description: String,
    /// Which devices it is for.
    pub detect: Detect,
    /// Objects that exist once.
    pub scalars: Vec<Object>,
    /// Objects that exist once a row.
    pub tables: Vec<Table>,
    /// Notifications that are understood.
    pub traps: Vec<Trap>,
    /// Objects that are only named, for `hedgerow snmp walk` and for traps: OID and the MIB's name.
    pub names: Vec<(Oid, String)>,
}

/// When a profile applies, unless the configuration names profiles: where any of these is true.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Detect {
    /// sysObjectID is one of these or below one.
    pub sys_object_id: Vec<Oid>,
    /// The agent has something below one of these.
    pub serves: Vec<Oid>,
}

/// One measured object: a scalar, or a column of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// The MIB's name: `ifHCInOctets`.
    pub name: String,
    /// The object (scalars without the trailing 0).
    pub oid: Oid,
    /// Read instead where the agent has not got `oid` (of a column: for each row): `ifInOctets`.
    pub instead: Option<Oid>,
    /// What it is called here.
    pub parameter: Name,
    /// What sort of value it is.
    pub kind: Kind,
    /// Its unit (UCUM), after scaling.
    pub unit: String,
    /// How the agent's number becomes one in that unit.
    pub scale: Scale,
    /// Of a state: the words for its codes. Others are shown as the number.
    pub words: BTreeMap<i64, String>,
    /// How bytes become text.
    pub text: TextForm,
    /// Numbers of the agent's that say that there is no value, as -2 for unknown.
    pub missing: Vec<i64>,
    /// For people.
    pub description: String,
    /// Only rows in which each of these templates gives one of the values.
    pub only: Vec<(Template, Vec<String>)>,
    /// Of a counter: by how much it can grow in a second at most, where the row says so.
    pub fastest: Option<Fastest>,
}

/// value × factor × the value of `times` ÷ the value of `over` × 10^(Σ (power − origin) × step).
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    /// Mostly 1; then integers stay integers.
    pub factor: f64,
    /// Another column or a look-up of the row, as `hrStorageAllocationUnits`.
    pub times: Option<Source>,
    /// The whole, where the value is to be a share of it, as `hrStorageSize`. Where it is not above 0 there is no value.
    pub over: Option<Source>,
    /// Columns that hold exponents, as `entPhySensorPrecision`.
    pub powers: Vec<Power>,
}

impl Default for Scale {
    fn default() -> Self {
        Self { factor: 1.0, times: None, over: None, powers: Vec::new() }
    }
}

/// A power of ten that a column says.
#[derive(Debug, Clone, PartialEq)]
pub struct Power {
    /// Where it stands.
    pub of: Source,
    /// Subtracted from it first.
    pub origin: i32,
    /// Decimal places for each unit of it; negative divides.
    pub step: i32,
}

/// What a counter's speed follows from.
#[derive(Debug, Clone, PartialEq)]
pub struct Fastest {
    /// A column with a number, as `ifHighSpeed`.
    pub of: Source,
    /// The counter's units a second for each unit of it: 125000 for octets at Mbit/s. 0 in the column: unknown.
    pub factor: f64,
    /// What it follows from where the column says nothing.
    pub or: Option<Box<Fastest>>,
}

/// How the bytes of a text value are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TextForm {
    /// UTF-8 where it is that, else in hex; control characters go.
    #[default]
    Text,
    /// `00:1a:…`.
    Mac,
    /// An IPv4 or IPv6 address.
    Address,
    /// `0a 1b …`.
    Hex,
    /// An OID by its name where it is known.
    Oid,
    /// DateAndTime of RFC 2579, as RFC 3339.
    DateAndTime,
}

/// A table.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// For messages: `ifTable`.
    pub name: String,
    /// What is measured.
    pub columns: Vec<Object>,
    /// How the index (what follows a column's OID) is read, part by part; empty: one part, the whole of it.
    pub index: Vec<IndexPart>,
    /// Columns of this or other tables that names, scales and conditions are made from, by the name templates use. They
    /// are read, and not measured.
    pub lookups: BTreeMap<String, Lookup>,
    /// The label `item`: the first of these that gives a text. None gives any: the index, with dots. Rows of one table
    /// that would get the same get `#` and their index behind it, all of them. Empty: no `item`.
    pub item: Vec<Template>,
    /// Further labels; those that give nothing are left out.
    pub labels: Vec<(String, Template)>,
    /// What the series of a row are described by beside the object's description: the first that gives a text.
    pub row_description: Vec<Template>,
    /// A column (TimeTicks of sysUpTime) that says when the row's counters last jumped: ifCounterDiscontinuityTime.
    pub discontinuity: Option<Oid>,
    /// Only rows in which each of these gives one of the values.
    pub only: Vec<(Template, Vec<String>)>,
}

/// One part of an index (RFC 2578 §7.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexPart {
    /// What templates call it.
    pub name: String,
    /// How it is encoded.
    pub form: IndexForm,
    /// Of an integer: what templates show instead of the number.
    pub words: BTreeMap<i64, String>,
}

/// How a part of an index is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexForm {
    /// One number.
    Integer,
    /// A length, then so many bytes, as text.
    Text,
    /// Bytes to the end (IMPLIED), as text.
    TextToEnd,
    /// So many bytes without a length, in hex.
    Bytes(usize),
    /// Six bytes, as a hardware address.
    Mac,
    /// Four bytes, as an IPv4 address.
    Ipv4,
    /// InetAddressType and InetAddress (RFC 4001): a type, a length, and so many bytes.
    InetAddress,
    /// A length, then so many numbers, with dots.
    Oid,
    /// Numbers to the end, with dots.
    Rest,
}

/// A column that is read for its help.
#[derive(Debug, Clone, PartialEq)]
pub struct Lookup {
    /// The column.
    pub column: Oid,
    /// The index of the row in it. `None`: the measured row's own.
    pub key: Option<Template>,
    /// How bytes become text.
    pub text: TextForm,
    /// Words for codes.
    pub words: BTreeMap<i64, String>,
}

/// Where a number or a text is found: the name of a look-up, of a part of the index, or of a measured column (by the MIB's
/// name); `index`: the whole index, with dots. Its number and its text are the agent's own, before scaling; for a code that has
/// a word the text is the word.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source(pub String);

/// Text with `{NAME}` for sources. Gives nothing where one of them is missing or empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(pub Vec<Piece>);

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// As it stands.
    Text(String),
    /// What the source says.
    Of(Source),
}

/// A notification.
#[derive(Debug, Clone, PartialEq)]
pub struct Trap {
    /// snmpTrapOID.0; for v1 by the translation of RFC 3584.
    pub oid: Oid,
    /// The MIB's name: `linkDown`.
    pub name: String,
    /// For people.
    pub description: String,
    /// The state that it tells, where it tells one.
    pub state: Option<TrapState>,
}

/// What a notification says of a state.
#[derive(Debug, Clone, PartialEq)]
pub struct TrapState {
    /// What the state is called here.
    pub parameter: Name,
    /// The varbinds' objects whose values name the row: the first that is there; its last index part where it is none.
    pub item: Vec<Oid>,
    /// The code.
    pub code: TrapCode,
    /// Words for codes.
    pub words: BTreeMap<i64, String>,
}

/// Where the code of a trap's state comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrapCode {
    /// The trap itself says it.
    Fixed(i64),
    /// A varbind of this object.
    Of(Oid),
}
