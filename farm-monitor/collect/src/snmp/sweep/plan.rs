//! What is asked next: how tables are cut into lanes, and which lanes and scalars share a request.
//!
//! Lanes of one table and part go together, so that the cells of a row come in one reply. The number of repetitions is the
//! one with which a reply brings the most values that are still missing.

use super::known::{GUESS_ROWS, Known, SMALL_BYTES, cell};
use super::lane::{Care, Lane, State};
use super::{Asked, Limits, ScalarState, Sweep, Wanted};
use hedgerow_snmp::{Oid, Request};

/// Most repetitions of a request.
const MAX_REPETITIONS: u32 = 512;
/// A part of a table is worth at least so many replies.
const LEAST_REPLIES: usize = 3;
/// So many numbers of repetitions are compared.
const MAX_CHOICES: usize = 6;
/// So many groups of lanes are looked at for one request.
const MAX_GROUPS: usize = 48;

/// Cuts what is wanted of the tables into lanes.
pub(super) fn lanes(wanted: &Wanted, known: &Known, limits: &Limits) -> Vec<Lane> {
    let mut lanes = Vec::with_capacity(wanted.tables.iter().map(Vec::len).sum());
    for (table, columns) in wanted.tables.iter().enumerate() {
        let Some(before) = known.tables.get(table) else { continue };
        let empty = known.is_empty(table);
        let asked = |at: usize| {
            let absent = before.columns.get(at).is_some_and(|column| column.absent.is_some());
            // Of a table without rows one column is asked each time, in turn: any row shows soon.
            let turn = empty && known.sweeps % columns.len() as u64 == at as u64;
            !absent || turn || known.rechecks(at)
        };
        let rows = |at: usize| before.columns.get(at).and_then(|column| column.rows);
        let bytes: usize = (0..columns.len())
            .filter(|at| asked(*at))
            .map(|at| {
                before.columns.get(at).map_or(0, |column| column.bytes() * rows(at).unwrap_or(0) as usize)
            })
            .sum();
        let replies = bytes / known.room(limits);
        let parts = (replies / LEAST_REPLIES).min(limits.window * 2).min(before.cuts.len() + 1);
        let cuts = if limits.window > 1 { cuts(&before.cuts, parts) } else { Vec::new() };
        for part in 0..=cuts.len() {
            for (at, column) in columns.iter().enumerate().filter(|(at, _)| asked(*at)) {
                let (from, to) = (part.checked_sub(1).and_then(|at| cuts.get(at)), cuts.get(part));
                let share = rows(at).map_or(GUESS_ROWS, |rows| rows / (cuts.len() as u32 + 1));
                lanes.push(Lane {
                    table,
                    part,
                    column: at,
                    cursor: from.map_or_else(|| column.clone(), |index| cell(column, index)),
                    end: to.map(|index| cell(column, index)),
                    expected: share + u32::from(to.is_none()),
                    read: 0,
                    state: State::Ready,
                    care: Care::NONE,
                    gaps: 0,
                    says: None,
                });
            }
        }
    }
    lanes
}

/// `parts - 1` of the places, evenly apart.
fn cuts(places: &[Vec<u32>], parts: usize) -> Vec<&[u32]> {
    (1..parts)
        .filter_map(|part| places.get(part * (places.len() + 1) / parts - 1))
        .map(Vec::as_slice)
        .collect()
}

/// Lanes that are asked together.
#[derive(Debug)]
struct Group {
    lanes: Vec<usize>,
    /// Of one repetition.
    bytes: usize,
    expected: u32,
    care: Care,
}

/// A choice of lanes for one request.
#[derive(Debug, Default)]
struct Choice {
    lanes: Vec<usize>,
    repetitions: u32,
    bytes: usize,
    /// How many bytes of it are expected to be of use.
    useful: usize,
}

impl Sweep {
    /// The next request, if there is something to ask for now.
    pub(super) fn plan(&mut self) -> Option<(Asked, Request)> {
        let room = self.room();
        let exactly = self.exactly(room);
        if !exactly.is_empty() {
            return self.get(exactly);
        }
        let most = self.limits.max_names.max(1);
        let (scalars, bytes) = self.ready_scalars(room, most);
        let groups = self.groups();
        let names = most.saturating_sub(scalars.len());
        if groups.is_empty() || names == 0 || bytes > room {
            return self.get(scalars);
        }
        let choice = self.choose(&groups, room - bytes, (names, scalars.len()));
        if choice.lanes.is_empty() { self.get(scalars) } else { Some(self.walk(scalars, choice, bytes)) }
    }

    /// How many bytes of values the next reply is meant to bring.
    fn room(&self) -> usize {
        let room = self.known.room(&self.limits);
        let heard = self.course.answered || self.known.answers;
        if heard && self.course.suspect.is_none() { room } else { room.min(SMALL_BYTES - 60) }
    }

    /// Scalars to be asked for by their own names now.
    fn exactly(&self, room: usize) -> Vec<usize> {
        let (mut names, mut bytes, mut some) = (self.limits.max_names.max(1), 0, Vec::new());
        for (at, scalar) in self.scalars.iter().enumerate() {
            let apart = scalar.state == ScalarState::Ready && scalar.care.is_some();
            if scalar.state != ScalarState::Exactly && !apart {
                continue;
            }
            bytes += self.known.scalars.get(at).copied().unwrap_or_default().bytes();
            if !some.is_empty() && (bytes > room || some.len() >= names.min(scalar.care.names)) {
                break;
            }
            names = names.min(scalar.care.names);
            some.push(at);
        }
        some
    }

    /// Scalars that may go with lanes, and how long they are.
    fn ready_scalars(&self, room: usize, most: usize) -> (Vec<usize>, usize) {
        let (mut some, mut bytes) = (Vec::new(), 0);
        for (at, scalar) in self.scalars.iter().enumerate() {
            if scalar.state != ScalarState::Ready || scalar.care.is_some() {
                continue;
            }
            let more = self.known.scalars.get(at).copied().unwrap_or_default().bytes();
            if !some.is_empty() && (bytes + more > room || some.len() >= most) {
                break;
            }
            bytes += more;
            some.push(at);
        }
        (some, bytes)
    }

    /// The lanes that may be asked now, by table and part.
    fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        let mut before = None;
        for (at, lane) in self.lanes.iter().enumerate().filter(|(_, lane)| lane.state == State::Ready) {
            let bytes = self.lane_bytes(lane);
            let key = (lane.table, lane.part, lane.care.names, lane.care.repetitions);
            let full = groups.len() == MAX_GROUPS;
            match groups.last_mut() {
                Some(group) if before == Some(key) => {
                    group.lanes.push(at);
                    group.bytes += bytes;
                    group.expected = group.expected.max(lane.expected);
                }
                _ if full => break,
                _ => {
                    let (care, expected) = (lane.care, lane.expected);
                    groups.push(Group { lanes: vec![at], bytes, expected, care });
                }
            }
            before = Some(key);
        }
        groups
    }

    fn lane_bytes(&self, lane: &Lane) -> usize {
        let known = self.known.tables.get(lane.table).and_then(|table| table.columns.get(lane.column));
        known.copied().unwrap_or_default().bytes()
    }

    /// The best choice of lanes for one request.
    fn choose(&self, groups: &[Group], room: usize, names: (usize, usize)) -> Choice {
        let most = match self.limits.bulk {
            true => self.known.repetitions.unwrap_or(MAX_REPETITIONS).clamp(1, MAX_REPETITIONS),
            false => 1,
        };
        let mut tried: Vec<u32> = Vec::new();
        let mut best = Choice::default();
        for group in groups {
            let go = names.0.min(group.care.names).max(1);
            let lanes = group.lanes.iter().take(go).filter_map(|at| self.lanes.get(*at));
            let bytes = lanes.map(|lane| self.lane_bytes(lane)).sum();
            let fill = self.fill(room, bytes).min(most).min(group.care.repetitions);
            let repetitions = fill.min(group.expected).max(1);
            if tried.contains(&repetitions) {
                continue;
            }
            let choice = self.pack(groups, repetitions, room, names);
            if choice.useful > best.useful {
                best = choice;
            }
            tried.push(repetitions);
            if tried.len() == MAX_CHOICES {
                break;
            }
        }
        best
    }

    /// How many repetitions fill a reply. An agent that ends its replies by itself is asked for a little more than fits.
    fn fill(&self, room: usize, bytes: usize) -> u32 {
        let bytes = bytes.max(1);
        let fill = if self.known.cap.is_some() { room.div_ceil(bytes) } else { room / bytes };
        u32::try_from(fill).unwrap_or(u32::MAX).max(1)
    }

    /// The groups of most use at so many repetitions, as many as fit. `names`: how many may go, and with how many others.
    fn pack(&self, groups: &[Group], repetitions: u32, room: usize, names: (usize, usize)) -> Choice {
        let mut order: Vec<(u32, usize)> = Vec::with_capacity(groups.len());
        for (at, group) in
            groups.iter().enumerate().filter(|(_, group)| group.care.repetitions >= repetitions)
        {
            order.push((u32::MAX - group.expected.clamp(1, repetitions), at));
        }
        order.sort_unstable();
        let (mut names, others) = names;
        let mut choice = Choice { repetitions, ..Choice::default() };
        for group in order.iter().filter_map(|(_, at)| groups.get(*at)) {
            let names_now = names.min(group.care.names.saturating_sub(others));
            if names_now == 0 {
                continue;
            }
            let whole = group.bytes * repetitions as usize;
            let fits = choice.bytes + whole <= room && choice.lanes.len() + group.lanes.len() <= names_now;
            if !fits && !choice.lanes.is_empty() {
                continue;
            }
            for &at in &group.lanes {
                let Some(lane) = self.lanes.get(at) else { continue };
                let bytes = self.lane_bytes(lane);
                let over = choice.bytes + bytes * repetitions as usize > room && self.known.cap.is_none();
                if !choice.lanes.is_empty() && !fits && (over || choice.lanes.len() >= names_now) {
                    break;
                }
                choice.bytes += bytes * repetitions as usize;
                choice.useful += bytes * lane.expected.clamp(1, repetitions) as usize;
                choice.lanes.push(at);
            }
            names = names_now;
        }
        choice
    }

    /// A request for scalars by their own names.
    fn get(&mut self, scalars: Vec<usize>) -> Option<(Asked, Request)> {
        let names: Vec<Oid> = scalars.iter().filter_map(|at| self.wanted.scalars.get(*at)).cloned().collect();
        let first = names.first()?.clone();
        let bytes = self.mark_scalars(&scalars);
        Some((
            Asked { scalars, lanes: Vec::new(), repetitions: 1, exactly: true, bytes, first },
            Request::Get(names),
        ))
    }

    /// A request for what comes behind the cursors of lanes, with scalars before them.
    fn walk(&mut self, scalars: Vec<usize>, choice: Choice, scalar_bytes: usize) -> (Asked, Request) {
        let mut oids: Vec<Oid> = Vec::with_capacity(scalars.len() + choice.lanes.len());
        oids.extend(scalars.iter().filter_map(|at| self.wanted.scalars.get(*at)).map(before));
        for at in &choice.lanes {
            if let Some(lane) = self.lanes.get_mut(*at) {
                lane.state = State::Asked;
                oids.push(lane.cursor.clone());
            }
        }
        self.mark_scalars(&scalars);
        let asked = Asked {
            repetitions: choice.repetitions,
            exactly: false,
            bytes: scalar_bytes + choice.bytes,
            first: oids.first().cloned().unwrap_or_else(Oid::empty),
            lanes: choice.lanes,
            scalars,
        };
        let request = match self.limits.bulk {
            true => Request::GetBulk {
                non_repeaters: asked.scalars.len() as u32,
                max_repetitions: asked.repetitions,
                oids,
            },
            false => Request::GetNext(oids),
        };
        (asked, request)
    }

    fn mark_scalars(&mut self, scalars: &[usize]) -> usize {
        let mut bytes = 0;
        for at in scalars {
            if let Some(scalar) = self.scalars.get_mut(*at) {
                scalar.state = ScalarState::Asked;
            }
            bytes += self.known.scalars.get(*at).copied().unwrap_or_default().bytes();
        }
        bytes
    }
}

/// A name behind which an instance comes next: its object for instance 0, else the instance before it. Where something
/// stands between, it is asked for by its own name afterwards.
fn before(instance: &Oid) -> Oid {
    let mut arcs = instance.arcs().to_vec();
    match arcs.pop() {
        Some(0) | None => {}
        Some(last) => arcs.push(last - 1),
    }
    Oid::from_slice(&arcs)
}
