//! A lane: a stretch of names that is walked from its start to its end. What is wanted of the tables is cut into lanes
//! without a gap between them, so that all lanes walked to their ends are all there is, however they were cut.
//!
//! Knows names only; asks nothing and keeps no values.

use super::{Absent, Wanted};
use hedgerow_snmp::Oid;

/// One stretch: the names behind `cursor`, up to `end`.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    /// Place of the table in [`Wanted::tables`].
    pub table: usize,
    /// Lanes of one table and one part are asked together, so that rows come together.
    pub part: usize,
    /// Place of its column in the table.
    pub column: usize,
    /// What was read last; asked is what comes behind it.
    pub cursor: Oid,
    /// The last name of the stretch; none: the end of the column.
    pub end: Option<Oid>,
    /// How many more values are expected, with the one that tells the end.
    pub expected: u32,
    /// How many values have come.
    pub read: u32,
    /// How it stands.
    pub state: State,
    /// In how small requests it must go, after errors.
    pub care: Care,
    /// Whether something was left out, so that its columns cannot be whole.
    pub gaps: u32,
    /// What the agent said instead of a value, where it did.
    pub says: Option<Absent>,
}

/// How a lane stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// May be asked on.
    Ready,
    /// In a request in flight.
    Asked,
    /// Its next name makes the agent fail; to be stepped over once its neighbours have told what rows there are.
    Stuck,
    /// Walked to its end.
    Whole,
    /// Given up before.
    Part,
}

/// How carefully something must be asked, after errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Care {
    /// Most names of a request that it is in.
    pub names: usize,
    /// Most repetitions.
    pub repetitions: u32,
    /// Errors since the last answer.
    pub errors: u32,
    /// A request with it got no answer once.
    pub timed_out: bool,
}

impl Care {
    /// Without any.
    pub const NONE: Self = Self { names: usize::MAX, repetitions: u32::MAX, errors: 0, timed_out: false };

    /// Whether it must go apart from what has none.
    pub fn is_some(self) -> bool {
        self.names != usize::MAX
    }

    /// An answer came: half as careful.
    pub fn relax(&mut self, names: usize, repetitions: u32) {
        (self.timed_out, self.errors) = (false, 0);
        self.names = if self.names >= names { Self::NONE.names } else { self.names.saturating_mul(2) };
        self.repetitions = match self.repetitions >= repetitions {
            true => Self::NONE.repetitions,
            false => self.repetitions.saturating_mul(2),
        };
    }
}

/// Whether a name belongs to a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In it; `true`: as its last name.
    In(bool),
    /// Behind it, and so is all else.
    Behind,
    /// Behind its whole column.
    Outside,
    /// Not behind what was asked.
    NotIncreasing,
}

impl Lane {
    /// Where `name` stands.
    pub fn place(&self, wanted: &Wanted, name: &Oid) -> Place {
        if *name <= self.cursor {
            return Place::NotIncreasing;
        }
        let columns = wanted.tables.get(self.table).map_or(&[][..], Vec::as_slice);
        if !columns.get(self.column).is_some_and(|column| name.starts_with(column)) {
            return Place::Outside;
        }
        match &self.end {
            Some(end) if name > end => Place::Behind,
            end => Place::In(end.as_ref() == Some(name)),
        }
    }

    /// Whether it will be asked again, or is.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Ready | State::Asked | State::Stuck)
    }
}
