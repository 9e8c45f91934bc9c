//! Which entries answer a request, and where the answer has to end so that it stays within its bound of samples.
//!
//! All groups are walked together in number order, entry by entry; blocks are not touched. So the answer can end at any
//! number, and the next one begins there.

use super::{BadWithGap, GroupView, ReadRequest};
use crate::blocks::{TIMES_COLUMNS, TimesRow};
use crate::error::{CacheError, Tried};
use crate::head::{Bad, Piece};
use crate::times::Entry;
use hedgerow_model::{Gap, GapReason, GapScope, SeriesId};
use rusqlite::{Connection, params};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What to read of one group, in number order.
#[derive(Debug)]
pub(super) enum Part {
    /// A sealed chunk.
    Stored(Chunk),
    /// The unsealed.
    Head(Vec<Piece>),
}

/// A sealed chunk with its entries.
#[derive(Debug)]
pub(super) struct Chunk {
    pub row: TimesRow,
    pub entries: Vec<Entry>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Plan {
    /// The last number of the answer.
    pub through: u64,
    /// For each group its parts.
    pub parts: Vec<Vec<Part>>,
    /// How many samples they have.
    pub samples: usize,
}

/// A chunk on the walk: its entries are read when the walk reaches it.
struct Walk {
    group: usize,
    row: Option<TimesRow>,
    entries: Vec<Entry>,
    steps: Vec<Step>,
    next: usize,
}

/// An entry on the walk: its first number, and how many samples of it are wanted.
#[derive(Clone, Copy)]
struct Step {
    first: u64,
    samples: usize,
}

/// Walks the entries of all groups up to `through`.
pub(super) fn plan(
    db: &Connection,
    request: &ReadRequest<'_>,
    mut through: u64,
    views: &[GroupView],
    bad: &mut Vec<BadWithGap>,
) -> Result<Plan, CacheError> {
    let in_time = |time| request.times.as_ref().is_none_or(|times| times.contains(&time));
    let mut walks: Vec<Walk> = Vec::new();
    let mut heap: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    for (group, view) in views.iter().enumerate() {
        for row in rows(db, request, through, view)? {
            heap.push(Reverse((row.first, walks.len())));
            walks.push(Walk { group, row: Some(row), entries: Vec::new(), steps: Vec::new(), next: 0 });
        }
        if let Some(first) = view.pieces.first() {
            heap.push(Reverse((first.first(), walks.len())));
            let samples = |piece: &Piece| if in_time(piece.time()) { wanted_in(piece, view) } else { 0 };
            let steps =
                view.pieces.iter().map(|piece| Step { first: piece.first(), samples: samples(piece) });
            walks.push(Walk { group, row: None, entries: Vec::new(), steps: steps.collect(), next: 0 });
        }
    }
    let mut samples = 0;
    while let Some(Reverse((number, at))) = heap.pop() {
        if number > through {
            break;
        }
        let walk = &mut walks[at];
        if let Some(row) = walk.row.filter(|_| walk.steps.is_empty()) {
            let view = &views[walk.group];
            match row.entries(db).tried("reading times")? {
                Ok(entries) => walk.entries = entries,
                Err(_) => {
                    bad.push((Bad::Times(row.id), lost(request, &row, view)));
                    continue;
                }
            }
            walk.next = walk.entries.partition_point(|entry| entry.last() <= request.after);
            let present = |entry: &Entry| {
                view.wanted.iter().filter(|(rank, _)| entry.present.place(*rank).is_some()).count()
            };
            let samples = |entry: &Entry| if in_time(entry.time) { present(entry) } else { 0 };
            walk.steps = walk.entries.iter().map(|e| Step { first: e.first, samples: samples(e) }).collect();
        }
        let Some(step) = walk.steps.get(walk.next) else { continue };
        if step.first > number {
            // Only now its first entry in the range is known: back into the queue with that number.
            heap.push(Reverse((step.first, at)));
            continue;
        }
        if samples > 0 && samples + step.samples > request.max_samples {
            through = step.first - 1;
            break;
        }
        samples += step.samples;
        walk.next += 1;
        if let Some(step) = walk.steps.get(walk.next) {
            heap.push(Reverse((step.first, at)));
        }
    }
    let mut parts: Vec<Vec<Part>> = views.iter().map(|_| Vec::new()).collect();
    for walk in walks.into_iter().filter(|walk| walk.next > 0) {
        parts[walk.group].push(match walk.row {
            Some(row) => Part::Stored(Chunk { row, entries: walk.entries }),
            None => Part::Head(views[walk.group].pieces[..walk.next].to_vec()),
        });
    }
    Ok(Plan { through, parts, samples })
}

/// The group's chunks that may have something, in number order.
pub(super) fn rows(
    db: &Connection,
    request: &ReadRequest<'_>,
    through: u64,
    view: &GroupView,
) -> Result<Vec<TimesRow>, CacheError> {
    // Numbers from head_first on are in the copy of the head.
    let before = i64::try_from(view.head_first.saturating_sub(1).min(through)).unwrap_or(i64::MAX);
    let after = i64::try_from(request.after).unwrap_or(i64::MAX);
    let times = request.times.clone().unwrap_or(i64::MIN..i64::MAX);
    let sql = format!(
        "SELECT {TIMES_COLUMNS} FROM times WHERE grp = ?1 AND epoch = ?2 AND last > ?3 AND first <= ?4
         AND t_max >= ?5 AND t_min < ?6 ORDER BY last"
    );
    db.prepare_cached(&sql)
        .and_then(|mut query| {
            query
                .query_map(
                    params![view.group, request.epoch.start, after, before, times.start, times.end],
                    TimesRow::read,
                )?
                .collect()
        })
        .tried("looking for chunks")
}

/// How many of the wanted series a piece has.
fn wanted_in(piece: &Piece, view: &GroupView) -> usize {
    // By the shorter list.
    if view.wanted.len() * 8 < piece.series().len() {
        return view.wanted.iter().filter(|(_, series)| piece.series().binary_search(series).is_ok()).count();
    }
    let wanted = |series: &SeriesId| view.wanted.binary_search_by_key(series, |(_, wanted)| *wanted).is_ok();
    piece.series().iter().filter(|series| wanted(series)).count()
}

pub(super) fn lost(request: &ReadRequest<'_>, row: &TimesRow, view: &GroupView) -> Gap {
    Gap {
        epoch: request.epoch,
        scope: GapScope::Cluster(view.cluster.clone()),
        from: row.first,
        to: Some(row.last),
        count: Some(row.count),
        reason: GapReason::Corruption,
    }
}
