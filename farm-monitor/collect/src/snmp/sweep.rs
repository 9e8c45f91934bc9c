//! One sweep over an agent: scalars and tables, read in as few requests as fit its replies.
//!
//! Sans-IO: gives requests, takes replies in any order. A value is kept under the index that its own name carries, so that
//! a hole in a column never moves what is below it.
//!
//! What is wanted of tables is cut into [`lane`]s; [`plan`] packs lanes and scalars into requests, [`take`] reads replies
//! and errors, and [`known`] is what is remembered from sweep to sweep. A reply that tells nothing new makes the next
//! request smaller or ends what it asked for, so that every sweep comes to an end.

mod known;
mod lane;
mod plan;
mod take;
#[cfg(test)]
mod tests;

pub use known::{Known, RECHECK};

use hedgerow_snmp::{AskError, Oid, Reply, Request, Value};
use lane::{Care, Lane, State};
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

impl Default for Limits {
    fn default() -> Self {
        Self { window: 2, max_names: 60, max_rows: 20_000, reply_bytes: 1472, bulk: true }
    }
}

/// Most requests of one sweep; what is not read then is not read.
pub const MAX_REQUESTS: usize = 20_000;

/// Most [`Swept::problems`] that are kept.
pub const MAX_PROBLEMS: usize = 64;

/// Which request an answer belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// A sweep under way.
#[derive(Debug)]
pub struct Sweep {
    wanted: Arc<Wanted>,
    known: Known,
    limits: Limits,
    swept: Swept,
    scalars: Vec<Scalar>,
    lanes: Vec<Lane>,
    /// How many values each column has.
    counts: Vec<Vec<u32>>,
    asks: BTreeMap<Ticket, Asked>,
    requests: usize,
    course: Course,
}

/// How it goes with the agent.
#[derive(Debug, Default)]
struct Course {
    /// It has answered.
    answered: bool,
    /// It is not asked any more.
    stopped: bool,
    /// Requests without an answer: since the last answer, and in all.
    silent: (u32, u32),
    /// The longest reply.
    longest: usize,
    /// A request for so many bytes got no answer: perhaps too long for the way.
    suspect: Option<usize>,
    /// Replies that the agent ended itself: the longest of them, and whether at whole repetitions only.
    cut: Option<usize>,
    repetitions: Option<u32>,
}

/// A scalar under way.
#[derive(Debug, Clone, Copy)]
struct Scalar {
    state: ScalarState,
    care: Care,
}

/// How a scalar stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ScalarState {
    /// To be asked for, as what comes behind the name before it.
    Ready,
    /// To be asked for by its name.
    Exactly,
    Asked,
    Done,
}

/// What a request in flight asks for.
#[derive(Debug)]
struct Asked {
    scalars: Vec<usize>,
    lanes: Vec<usize>,
    repetitions: u32,
    exactly: bool,
    /// How long its reply was expected to be.
    bytes: usize,
    first: Oid,
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
    /// It took more than [`MAX_REQUESTS`].
    TooLong {
        /// How many requests.
        requests: usize,
    },
}

impl Sweep {
    /// Begins one.
    pub fn new(wanted: Arc<Wanted>, mut known: Known, limits: Limits) -> Self {
        known.begin(&wanted);
        let mut swept = Swept {
            scalars: vec![Cell::Unread; wanted.scalars.len()],
            tables: wanted
                .tables
                .iter()
                .map(|columns| SweptTable {
                    rows: BTreeMap::new(),
                    columns: vec![Column::Part; columns.len()],
                })
                .collect(),
            problems: Vec::new(),
        };
        let mut scalars = Vec::with_capacity(wanted.scalars.len());
        for (at, (known_scalar, cell)) in known.scalars.iter().zip(&mut swept.scalars).enumerate() {
            let state = match known_scalar.absent {
                Some(why) if !known.rechecks(at) => {
                    *cell = Cell::Absent(why);
                    ScalarState::Done
                }
                _ if known_scalar.by_get => ScalarState::Exactly,
                _ => ScalarState::Ready,
            };
            scalars.push(Scalar { state, care: Care::NONE });
        }
        let lanes = plan::lanes(&wanted, &known, &limits);
        let counts = wanted.tables.iter().map(|columns| vec![0; columns.len()]).collect();
        let (asks, course) = (BTreeMap::new(), Course::default());
        Self { wanted, known, limits, swept, scalars, lanes, counts, asks, requests: 0, course }
    }

    /// The next request, where one may be sent now.
    pub fn next_request(&mut self) -> Option<(Ticket, Request)> {
        let heard = self.course.answered || self.known.answers;
        let window = if heard { self.limits.window.max(1) } else { 1 };
        if self.course.stopped || self.asks.len() >= window {
            return None;
        }
        if self.requests >= MAX_REQUESTS {
            if self.asks.is_empty() {
                self.stop(Problem::TooLong { requests: self.requests });
            }
            return None;
        }
        let (asked, request) = self.plan()?;
        let ticket = Ticket(self.requests as u64);
        self.requests += 1;
        self.asks.insert(ticket, asked);
        Some((ticket, request))
    }

    /// What came of one.
    pub fn answered(&mut self, ticket: Ticket, answer: Result<Reply, AskError>) {
        let Some(asked) = self.asks.remove(&ticket).filter(|_| !self.course.stopped) else { return };
        match answer {
            Ok(reply) => self.take(asked, reply),
            Err(error) => self.fail(asked, error),
        }
        self.free_stuck();
    }

    /// The agent has answered something else just now: a request without an answer is no silence of all of it.
    pub fn is_there(&mut self) {
        self.course.answered = true;
    }

    /// Whether all is read, or cannot be.
    pub fn is_done(&self) -> bool {
        let idle = || {
            self.asks.is_empty()
                && !self.lanes.iter().any(Lane::is_open)
                && self.scalars.iter().all(|scalar| scalar.state == ScalarState::Done)
        };
        self.course.stopped || idle()
    }

    /// What was read until now, whole or not.
    pub fn finish(mut self) -> (Swept, Known) {
        for (at, table) in self.swept.tables.iter_mut().enumerate() {
            for (column, state) in table.columns.iter_mut().enumerate() {
                *state = judge(&self.lanes, &self.known, &self.counts, (at, column));
            }
        }
        self.learn();
        (self.swept, self.known)
    }

    fn stop(&mut self, problem: Problem) {
        self.problem(problem);
        self.course.stopped = true;
    }

    fn problem(&mut self, problem: Problem) {
        if self.swept.problems.len() < MAX_PROBLEMS && !self.swept.problems.contains(&problem) {
            self.swept.problems.push(problem);
        }
    }

    fn learn(&mut self) {
        let known = &mut self.known;
        known.end(self.course.longest);
        known.answers = self.course.answered;
        if let Some(bytes) = self.course.cut {
            known.cap = Some(bytes.max(self.course.longest));
        }
        if self.course.repetitions.is_some() {
            known.repetitions = self.course.repetitions;
        }
        for (cell, known) in self.swept.scalars.iter().zip(&mut known.scalars) {
            match cell {
                Cell::Is(_) => known.absent = None,
                Cell::Absent(why) => known.absent = Some(*why),
                Cell::Unread => {}
            }
        }
        for (at, (table, counts)) in self.swept.tables.iter().zip(&self.counts).enumerate() {
            known.learn_table(at, table, counts);
        }
    }
}

/// How far a column was read, by the lanes in which any of it is.
fn judge(lanes: &[Lane], known: &Known, counts: &[Vec<u32>], (table, column): (usize, usize)) -> Column {
    let mut covering = lanes.iter().filter(|lane| (lane.table, lane.column) == (table, column)).peekable();
    let absent =
        known.tables.get(table).and_then(|table| table.columns.get(column)).and_then(|known| known.absent);
    if covering.peek().is_none() {
        return absent.map_or(Column::Part, Column::Absent);
    }
    let count = counts.get(table).and_then(|counts| counts.get(column)).copied().unwrap_or(0);
    let mut says = None;
    let whole = covering.fold(true, |whole, lane| {
        says = says.or(lane.says);
        whole && lane.state == State::Whole && lane.gaps == 0
    });
    match (whole, count) {
        (true, 0) => Column::Absent(says.unwrap_or(Absent::End)),
        (true, _) => Column::Whole,
        (false, 0) => says.map_or(Column::Part, Column::Absent),
        (false, _) => Column::Part,
    }
}
