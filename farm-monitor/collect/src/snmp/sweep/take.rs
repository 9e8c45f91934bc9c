//! What came of a request: replies are read name by name, errors make the next request smaller or single out who is to blame.

use super::known::{SMALL_BYTES, cell, learn};
use super::lane::{Care, Place, State};
use super::{Absent, Asked, Cell, Problem, ScalarState, Sweep};
use hedgerow_snmp::ask::{NO_SUCH_NAME, TOO_BIG};
use hedgerow_snmp::{AskError, Oid, Reply, Value, VarBind};

/// So many requests in a row without an answer end the sweep.
const MAX_SILENT: u32 = 3;
/// So many in all end it too, beside one in 16.
const MAX_SILENT_IN_ALL: usize = 8;
/// So many errors of one scalar or lane, and it is given up.
const MAX_ERRORS: u32 = 24;
/// So many instances of a column that make the agent fail are stepped over.
const MAX_GAPS: u32 = 24;

/// Something that a request asked for.
#[derive(Debug, Clone, Copy)]
enum Item {
    Scalar(usize),
    Lane(usize),
}

impl Asked {
    fn names(&self) -> usize {
        self.scalars.len() + self.lanes.len()
    }

    fn items(&self) -> Vec<Item> {
        let scalars = self.scalars.iter().map(|at| Item::Scalar(*at));
        scalars.chain(self.lanes.iter().map(|at| Item::Lane(*at))).collect()
    }

    /// Which item an error's index means, from 1.
    fn culprit(&self, index: usize) -> Option<Item> {
        match self.names() {
            1 => self.items().first().copied(),
            _ => self.items().get(index.checked_sub(1)?).copied(),
        }
    }
}

impl Sweep {
    /// Reads a reply.
    pub(super) fn take(&mut self, asked: Asked, reply: Reply) {
        let (came, scalars, lanes) = (reply.varbinds.len(), asked.scalars.len(), asked.lanes.len());
        self.heard(&reply);
        if came == 0 {
            let error = AskError::Status { status: TOO_BIG, word: "an empty reply", index: 0 };
            return self.too_big(&asked, &error);
        }
        let mut varbinds = reply.varbinds.into_iter();
        for &at in &asked.scalars {
            match varbinds.next() {
                Some(varbind) => self.take_scalar(at, varbind, asked.exactly),
                None => self.again(Item::Scalar(at)),
            }
        }
        for (place, varbind) in varbinds.enumerate() {
            if let Some(&at) = asked.lanes.get(place % lanes.max(1)) {
                self.take_name(at, varbind, place < lanes);
            }
        }
        for &at in &asked.lanes {
            self.rest(at, asked.names(), asked.repetitions);
        }
        let values = came.saturating_sub(scalars);
        if values > 0 && values < lanes * asked.repetitions as usize {
            self.cut_short(&asked, values, reply.bytes);
        }
    }

    /// An answer came: the agent is there, and replies of that length come through.
    fn heard(&mut self, reply: &Reply) {
        let course = &mut self.course;
        course.answered = true;
        course.silent.0 = 0;
        course.longest = course.longest.max(reply.bytes);
        if course.suspect.take().is_some_and(|suspect| course.longest < suspect) {
            self.known.suspect();
        }
        if self.known.around.is_none() || self.requests == 1 {
            let values: usize = reply.varbinds.iter().map(VarBind::encoded_size).sum();
            self.known.around = Some(reply.bytes.saturating_sub(values).min(SMALL_BYTES / 2));
        }
    }

    /// The agent gave less than was asked for.
    fn cut_short(&mut self, asked: &Asked, values: usize, bytes: usize) {
        let lanes = asked.lanes.len();
        let repetitions = u32::try_from(values / lanes).unwrap_or(u32::MAX);
        let course = &mut self.course;
        // At the end of a whole repetition, and short: it is the repetitions that it counts.
        if values.is_multiple_of(lanes) && (lanes > 1 || bytes < SMALL_BYTES / 2) {
            course.repetitions = Some(course.repetitions.map_or(repetitions, |most| most.max(repetitions)));
        } else {
            course.cut = Some(course.cut.map_or(bytes, |most| most.max(bytes)));
            self.known.cap = self.known.cap.or(course.cut);
        }
    }

    fn take_scalar(&mut self, at: usize, varbind: VarBind, exactly: bool) {
        let (Some(scalar), Some(name), Some(cell)) =
            (self.scalars.get_mut(at), self.wanted.scalars.get(at), self.swept.scalars.get_mut(at))
        else {
            return;
        };
        let absent = absence(&varbind.value);
        let known = self.known.scalars.get_mut(at);
        if varbind.oid == *name && absent.is_none() {
            if let Some(known) = known {
                learn(&mut known.bytes, varbind.encoded_size());
                known.by_get = exactly && (known.by_get || scalar.state == ScalarState::Exactly);
            }
            *cell = Cell::Is(varbind.value);
            scalar.state = ScalarState::Done;
        } else if !exactly {
            // Not what comes behind the name before it; why, only its own name can tell.
            if let Some(known) = known {
                known.by_get = true;
            }
            scalar.state = ScalarState::Exactly;
        } else {
            if let (Some(why), true) = (absent, varbind.oid == *name) {
                *cell = Cell::Absent(why);
            }
            scalar.state = ScalarState::Done;
        }
    }

    /// Reads the next name of a lane.
    fn take_name(&mut self, at: usize, varbind: VarBind, measure: bool) {
        let Some(lane) = self.lanes.get_mut(at).filter(|lane| lane.state == State::Asked) else { return };
        let absent = absence(&varbind.value);
        if absent == Some(Absent::End) {
            return self.ended(at);
        }
        match (lane.place(&self.wanted, &varbind.oid), absent) {
            (Place::In(end), Some(_)) => {
                // No agent should say so here; at least it says behind what to ask on.
                lane.cursor = varbind.oid;
                lane.state = if end { State::Whole } else { State::Asked };
            }
            (_, Some(why)) => {
                lane.says = Some(why);
                lane.state = State::Part;
            }
            (Place::Behind, None) => lane.state = State::Whole,
            (Place::Outside, None) => self.ended(at),
            (Place::NotIncreasing, None) => {
                lane.state = State::Part;
                let (after, came) = (lane.cursor.clone(), varbind.oid);
                let column = column(&self.wanted.tables, lane.table, lane.column);
                self.problem(Problem::NotIncreasing { column, after, came });
            }
            (Place::In(end), None) => self.keep(at, end, varbind, measure),
        }
    }

    /// Keeps a value in the row that its own name says.
    fn keep(&mut self, at: usize, end: bool, varbind: VarBind, measure: bool) {
        let Some(lane) = self.lanes.get_mut(at) else { return };
        let (table, place) = (lane.table, lane.column);
        let columns = self.wanted.tables.get(table).map_or(&[][..], Vec::as_slice);
        let (Some(swept), Some(column)) = (self.swept.tables.get_mut(table), columns.get(place)) else {
            return;
        };
        if measure
            && let Some(known) =
                self.known.tables.get_mut(table).and_then(|known| known.columns.get_mut(place))
        {
            learn(&mut known.bytes, varbind.encoded_size());
        }
        lane.cursor = varbind.oid;
        let index = lane.cursor.arcs().get(column.len()..).unwrap_or_default();
        let room = swept.rows.len() < self.limits.max_rows;
        let row = match swept.rows.get_mut(index) {
            Some(row) => Some(row),
            None if room && !index.is_empty() => {
                Some(swept.rows.entry(index.to_vec()).or_insert_with(|| vec![None; columns.len()]))
            }
            None => None,
        };
        lane.read += 1;
        lane.expected = lane.expected.saturating_sub(1);
        if let Some(kept) = row.and_then(|row| row.get_mut(place)) {
            if kept.replace(varbind.value).is_none()
                && let Some(count) = self.counts.get_mut(table).and_then(|counts| counts.get_mut(place))
            {
                *count += 1;
            }
        } else if !room {
            return self.endless(table, column.clone());
        }
        if end {
            lane.state = State::Whole;
        }
    }

    /// A table with more rows than are taken: nothing more of it is asked for.
    fn endless(&mut self, table: usize, column: Oid) {
        for lane in self.lanes.iter_mut().filter(|lane| lane.table == table && lane.is_open()) {
            lane.state = State::Part;
        }
        self.problem(Problem::Endless { column, rows: self.limits.max_rows });
    }

    /// A lane came to the end of its column: behind it is nothing, and what was to be asked there need not be.
    fn ended(&mut self, at: usize) {
        let Some(lane) = self.lanes.get_mut(at) else { return };
        lane.state = State::Whole;
        let (table, column, part) = (lane.table, lane.column, lane.part);
        for later in &mut self.lanes {
            let behind = (later.table, later.column) == (table, column) && later.part > part;
            if behind && later.state == State::Ready && later.read == 0 {
                later.state = State::Whole;
            }
        }
    }

    /// After a reply: what is not at its end may be asked on.
    fn rest(&mut self, at: usize, names: usize, repetitions: u32) {
        let Some(lane) = self.lanes.get_mut(at) else { return };
        if lane.state == State::Asked {
            lane.state = State::Ready;
            lane.care.relax(names, repetitions);
            if lane.expected == 0 {
                lane.expected = (lane.read / 4).max(2);
            }
        }
    }

    /// Reads an error.
    pub(super) fn fail(&mut self, asked: Asked, error: AskError) {
        let (status, index) = match error {
            AskError::TimedOut { .. } | AskError::Unreachable(_) => return self.silence(&asked, error),
            AskError::Refused(_) if !self.course.answered => {
                return self.stop(Problem::Asking { at: asked.first, error });
            }
            // It let us in before: what it refuses is one of these names.
            AskError::Refused(_) => return self.halve(&asked, &error),
            AskError::NotAskable(_) => return self.too_big(&asked, &error),
            AskError::Status { status, index, .. } => (status, index),
        };
        self.course.answered = true;
        self.course.silent.0 = 0;
        if status == TOO_BIG {
            return self.too_big(&asked, &error);
        }
        let Some(culprit) = asked.culprit(index) else { return self.halve(&asked, &error) };
        for item in asked.items() {
            self.again(item);
        }
        match culprit {
            Item::Scalar(at) if status == NO_SUCH_NAME && asked.exactly => {
                self.end_scalar(at, Some(Absent::Object));
            }
            Item::Lane(at) if status == NO_SUCH_NAME => self.ended(at),
            _ => self.blame(culprit, &asked, &error),
        }
    }

    /// Back to be asked for again.
    fn again(&mut self, item: Item) {
        match item {
            Item::Scalar(at) => {
                if let Some(scalar) = self.scalars.get_mut(at).filter(|s| s.state == ScalarState::Asked) {
                    let exactly = self.known.scalars.get(at).is_some_and(|known| known.by_get);
                    scalar.state = if exactly { ScalarState::Exactly } else { ScalarState::Ready };
                }
            }
            Item::Lane(at) => {
                if let Some(lane) = self.lanes.get_mut(at).filter(|lane| lane.state == State::Asked) {
                    lane.state = State::Ready;
                }
            }
        }
    }

    /// The agent says which name is to blame: it goes alone, and is given up where it fails alone.
    fn blame(&mut self, culprit: Item, asked: &Asked, error: &AskError) {
        if let (Item::Scalar(at), false) = (culprit, asked.exactly)
            && let (Some(scalar), Some(known)) = (self.scalars.get_mut(at), self.known.scalars.get_mut(at))
        {
            known.by_get = true;
            scalar.state = ScalarState::Exactly;
            return;
        }
        let alone = asked.names() == 1 && (asked.lanes.is_empty() || asked.repetitions == 1);
        match self.care(culprit) {
            Some(care) if !alone && care.errors < MAX_ERRORS => {
                care.errors += 1;
                care.names = 1;
                if asked.names() == 1 {
                    care.repetitions = (asked.repetitions / 2).max(1);
                }
            }
            _ => self.give_up(culprit, error),
        }
    }

    fn care(&mut self, item: Item) -> Option<&mut Care> {
        match item {
            Item::Scalar(at) => self.scalars.get_mut(at).map(|scalar| &mut scalar.care),
            Item::Lane(at) => self.lanes.get_mut(at).map(|lane| &mut lane.care),
        }
    }

    /// A scalar that fails alone stays unread; a lane tries to step over the instance.
    fn give_up(&mut self, item: Item, error: &AskError) {
        match item {
            Item::Scalar(at) => {
                self.end_scalar(at, None);
                if let Some(name) = self.wanted.scalars.get(at).cloned() {
                    self.problem(Problem::Asking { at: name, error: error.clone() });
                }
            }
            Item::Lane(at) => {
                let Some(lane) = self.lanes.get_mut(at) else { return };
                lane.gaps += 1;
                lane.care = Care { names: 1, repetitions: 1, ..Care::NONE };
                lane.state = if lane.gaps > MAX_GAPS { State::Part } else { State::Stuck };
                if lane.gaps == 1 {
                    let at = column(&self.wanted.tables, lane.table, lane.column);
                    self.problem(Problem::Asking { at, error: error.clone() });
                }
            }
        }
    }

    fn end_scalar(&mut self, at: usize, absent: Option<Absent>) {
        if let (Some(scalar), Some(cell)) = (self.scalars.get_mut(at), self.swept.scalars.get_mut(at)) {
            scalar.state = ScalarState::Done;
            if let Some(why) = absent {
                *cell = Cell::Absent(why);
            }
        }
    }

    /// The answer would be too long, here or for the rest of the sweep: half as many repetitions, or names.
    fn too_big(&mut self, asked: &Asked, error: &AskError) {
        if asked.names() > 1 || asked.repetitions > 1 {
            self.known.lower(asked.bytes / 2);
        }
        self.halve(asked, error);
    }

    /// An error that may be anyone's: half as many repetitions, or names, until one is alone.
    fn halve(&mut self, asked: &Asked, error: &AskError) {
        let names = asked.names();
        for item in asked.items() {
            self.again(item);
            let Some(care) = self.care(item) else { continue };
            care.errors += 1;
            let spent = care.errors > MAX_ERRORS;
            if asked.repetitions > 1 && !asked.lanes.is_empty() {
                care.repetitions = care.repetitions.min(asked.repetitions / 2);
                care.names = care.names.min(names);
            } else if names > 1 {
                care.names = care.names.min(names / 2);
            } else {
                self.give_up(item, error);
                continue;
            }
            if spent {
                self.give_up(item, error);
            }
        }
    }

    /// No answer. What was asked for is asked for once more, by a small request; an agent that is silent is left alone.
    fn silence(&mut self, asked: &Asked, error: AskError) {
        self.course.silent.0 += 1;
        self.course.silent.1 += 1;
        let (row, all) = self.course.silent;
        let problem = |asked: &Asked| Problem::Asking { at: asked.first.clone(), error: error.clone() };
        if !self.course.answered
            || row >= MAX_SILENT
            || all as usize >= MAX_SILENT_IN_ALL + self.requests / 16
        {
            return self.stop(problem(asked));
        }
        if asked.bytes > SMALL_BYTES {
            self.course.suspect = Some(asked.bytes);
        }
        for item in asked.items() {
            self.again(item);
            let Some(care) = self.care(item) else { continue };
            if !care.timed_out {
                care.timed_out = true;
                continue;
            }
            match item {
                Item::Scalar(at) => self.end_scalar(at, None),
                Item::Lane(at) => {
                    if let Some(lane) = self.lanes.get_mut(at) {
                        lane.state = State::Part;
                    }
                }
            }
            self.problem(problem(asked));
        }
    }

    /// Steps over the instances that make the agent fail, once the rest of their tables is read.
    pub(super) fn free_stuck(&mut self) {
        for at in 0..self.lanes.len() {
            let Some(lane) = self.lanes.get(at).filter(|lane| lane.state == State::Stuck) else { continue };
            let table = lane.table;
            let busy = |lane: &super::Lane| matches!(lane.state, State::Ready | State::Asked);
            if self.lanes.iter().any(|other| other.table == table && busy(other)) {
                continue;
            }
            let columns = self.wanted.tables.get(table).map_or(&[][..], Vec::as_slice);
            let next = columns.get(lane.column).and_then(|column| {
                let index = lane.cursor.arcs().get(column.len()..).unwrap_or_default();
                let behind = (std::ops::Bound::Excluded(index), std::ops::Bound::Unbounded);
                let rows = &self.swept.tables.get(table)?.rows;
                let next = rows.range::<[u32], _>(behind).next().map(|(index, _)| cell(column, index))?;
                lane.end.as_ref().is_none_or(|end| next < *end).then_some(next)
            });
            if let Some(lane) = self.lanes.get_mut(at) {
                match next {
                    Some(next) => (lane.cursor, lane.state) = (next, State::Ready),
                    None => lane.state = State::Part,
                }
            }
        }
    }
}

fn column(tables: &[Vec<Oid>], table: usize, column: usize) -> Oid {
    tables.get(table).and_then(|columns| columns.get(column)).cloned().unwrap_or_else(Oid::empty)
}

/// What a value says that is none.
fn absence(value: &Value) -> Option<Absent> {
    match value {
        Value::NoSuchObject => Some(Absent::Object),
        Value::NoSuchInstance => Some(Absent::Instance),
        Value::EndOfMibView => Some(Absent::End),
        _ => None,
    }
}
