//! Connections that read: a bounded number, kept open between reads.

use crate::error::CacheError;
use crate::schema;
use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use std::ops::{Deref, DerefMut};
use std::path::Path;

/// See the module.
#[derive(Debug)]
pub(crate) struct Pool {
    state: Mutex<State>,
    returned: Condvar,
    bound: usize,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<Connection>,
    out: usize,
}

/// A connection on loan.
pub(crate) struct Loan<'a> {
    pool: &'a Pool,
    db: Option<Connection>,
}

impl Pool {
    /// A pool of at most `bound` connections.
    pub(crate) fn new(bound: usize) -> Self {
        Self { state: Mutex::default(), returned: Condvar::new(), bound: bound.max(1) }
    }

    /// A connection; waits while all are out.
    pub(crate) fn get(&self, path: &Path) -> Result<Loan<'_>, CacheError> {
        let mut state = self.state.lock();
        self.returned.wait_while(&mut state, |state| state.idle.is_empty() && state.out >= self.bound);
        state.out += 1;
        let idle = state.idle.pop();
        drop(state);
        // Made before the connection, so that the place is given back if that cannot be opened.
        let mut loan = Loan { pool: self, db: idle };
        if loan.db.is_none() {
            loan.db = Some(schema::open_reader(path)?);
        }
        Ok(loan)
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.state.lock();
        state.out -= 1;
        state.idle.extend(self.db.take());
        drop(state);
        self.pool.returned.notify_one();
    }
}

impl Deref for Loan<'_> {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        self.db.as_ref().expect("invariant: set by get, taken only by drop")
    }
}

impl DerefMut for Loan<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        self.db.as_mut().expect("invariant: set by get, taken only by drop")
    }
}
