//! One sweep over an agent: scalars and tables, read in as few requests as fit its replies.
//!
//! Sans-IO: gives requests, takes replies in any order. A value is kept under the index that its own name carries, so that
//! a hole in a column never moves what is below it.

use hedgerow_snmp::{AskError, Oid, Reply, Request, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is to be read; made once per target and choice of profiles.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Instances, as `1.3.6.1.2.1.1.3.0`.
    pub scalars: Vec<Oid>,
    /// Tables: columns that share their rows.
    pub tables: Vec<Vec<Oid>>,
}

/// Bounds of a sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Requests in flight at once.
    pub window: usize,
    /// Most names in a request.
    pub max_names: usize,
    /// Most rows of a table; more is a [`Problem`], and nothing after is read.
    pub max_rows: usize,
    /// How long replies are meant to be, at most.
    pub reply_bytes: usize,
    /// Whether GETBULK may be used.
    pub bulk: bool,
}

/// What earlier sweeps have learned of this agent and these [`Wanted`]: how many rows, how long its replies are, how much
/// it bears, what it has not got. Opaque; begins empty. Wrong knowledge costs requests, never values.
#[derive(Debug, Clone, Default)]
pub struct Known {}

/// Which request an answer belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// A sweep under way.
#[derive(Debug)]
pub struct Sweep {
    swept: Swept,
    known: Known,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Swept {
    /// As [`Wanted::scalars`].
    pub scalars: Vec<Cell>,
    /// As [`Wanted::tables`].
    pub tables: Vec<SweptTable>,
    /// What went wrong, each once.
    pub problems: Vec<Problem>,
}

/// What is known of one instance.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Its value.
    Is(Value),
    /// The agent says that it has none.
    Absent(Absent),
    /// Not read: see [`Swept::problems`].
    Unread,
}

/// How an agent says that something is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Absent {
    /// `noSuchObject`, or `noSuchName` of v1.
    Object,
    /// `noSuchInstance`.
    Instance,
    /// `endOfMibView`, or a walk that leaves its column at once.
    End,
}

/// One table as read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SweptTable {
    /// By index; in each row a cell for each column, in their order.
    pub rows: BTreeMap<Vec<u32>, Vec<Option<Value>>>,
    /// For each column, how far it was read.
    pub columns: Vec<Column>,
}

/// How far a column was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Column {
    /// To its end: a row without a value has none.
    Whole,
    /// The agent has nothing of it.
    Absent(Absent),
    /// Not to its end: a row without a value may have one.
    #[default]
    Part,
}

/// What went wrong in a sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// A request got no answer, and what it asked for is unread.
    Asking {
        /// The first name it asked for.
        at: Oid,
        /// Why.
        error: AskError,
    },
    /// A name did not increase: the agent's table is not sorted, or it runs in a circle.
    NotIncreasing {
        /// The column.
        column: Oid,
        /// What was asked behind.
        after: Oid,
        /// What came.
        came: Oid,
    },
    /// More rows than are taken.
    Endless {
        /// The column.
        column: Oid,
        /// How many were read.
        rows: usize,
    },
}

impl Sweep {
    /// Begins one.
    pub fn new(wanted: Arc<Wanted>, known: Known, limits: Limits) -> Self {
        let _ = (wanted, limits);
        Self { swept: Swept::default(), known }
    }

    /// The next request, where one may be sent now.
    pub fn next_request(&mut self) -> Option<(Ticket, Request)> {
        None
    }

    /// What came of one.
    pub fn answered(&mut self, ticket: Ticket, answer: Result<Reply, AskError>) {
        let _ = (ticket, answer);
    }

    /// Whether all is read, or cannot be.
    pub fn is_done(&self) -> bool {
        true
    }

    /// What was read until now, whole or not.
    pub fn finish(self) -> (Swept, Known) {
        (self.swept, self.known)
    }
}
