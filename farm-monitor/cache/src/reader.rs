//! Reading: history from the file and the head together, nothing double and nothing missing, while the writer goes on.
//!
//! A reader first copies what it needs of the head, then takes a snapshot of the file. What is sealed in between stands in
//! both; of each group, what the copy has is taken from the copy. Readers never wait for a commit.

mod last;
mod order;
mod plan;
mod pool;
mod summary;

use crate::blocks;
use crate::checkpoint::{self, Checkpoint};
use crate::error::{CacheError, Tried};
use crate::head::{Bad, Head, Piece};
use crate::rows::{self, EpochEnd, EpochInfo};
use crate::writer::Shared;
use hedgerow_model::batch::MAX_BATCH_SAMPLES;
use hedgerow_model::{
    Batch, Columns, Epoch, Gap, GapReason, GapScope, LifeMark, Mark, Name, Numbered, Numbers, SeriesId,
    Times, UnixMillis, Value,
};
use plan::{Chunk, Part, Plan};
pub(crate) use pool::Pool;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

pub use last::LastSample;
pub use order::OrderedAnswer;
pub use summary::{Bin, Summary, SummaryRequest};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct ReadRequest<'a> {
    /// Which series; unknown ones have no samples.
    pub series: &'a [SeriesId],
    /// Of which epoch.
    pub epoch: Epoch,
    /// Numbers above this one,
    pub after: u64,
    /// up to and including this one.
    pub through: u64,
    /// Only samples with such a time.
    pub times: Option<Range<UnixMillis>>,
    /// About the most samples in the answer: it ends at the last whole entry (at most 1024 samples) before that. At least one
    /// entry is always given, so that reading goes on.
    pub max_samples: usize,
}

/// What there is. Complete for numbers above `after` up to `through`: what is missing there is in `gaps`.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadAnswer {
    /// Up to where the answer is complete; the next request begins after it.
    pub through: u64,
    /// Series after series; within a series in number order.
    pub batches: Vec<Numbered>,
    /// Marks of life of these series that stand after a number `after <= n <= through`; one at the seam of two answers
    /// may come with both.
    pub life: Vec<LifeMark>,
    /// Gap records that touch the range and may concern these series.
    pub gaps: Vec<Gap>,
}

/// Reads the cache; cheap to clone. Its calls block: they are for threads that may.
#[derive(Clone)]
pub struct Reader {
    pub(crate) shared: Arc<Shared>,
    pub(crate) pool: Arc<Pool>,
}

/// The part of a request that one group answers, as it stood when the head was copied.
#[derive(Debug)]
pub(crate) struct GroupView {
    pub group: u32,
    pub cluster: Name,
    /// Ascending by rank.
    pub wanted: Vec<(u16, SeriesId)>,
    /// The unsealed, within the numbers asked for.
    pub pieces: Vec<Piece>,
    /// Numbers from this one on are taken from `pieces`, not from the file.
    pub head_first: u64,
}

impl Reader {
    /// The epochs of which something is known, oldest first; the current one is the last.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn epochs(&self) -> Result<Vec<EpochInfo>, CacheError> {
        let (current, last) = {
            let head = self.shared.head.lock();
            (head.epoch, head.last)
        };
        let mut epochs = rows::epochs(&*self.pool.get(&self.shared.path)?)?;
        for info in epochs.iter_mut().filter(|info| info.epoch == current && info.end == EpochEnd::Running) {
            info.last = last;
        }
        Ok(epochs)
    }

    /// Gap records that touch `after < number <= through` of `epoch` and may concern `series` (`None`: any), in number order.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn gaps(
        &self,
        epoch: Epoch,
        after: u64,
        through: u64,
        series: Option<&[SeriesId]>,
    ) -> Result<Vec<Gap>, CacheError> {
        let (views, pending) = {
            let head = self.shared.head.lock();
            (series.map(|series| view(&head, epoch, series, after, after).0), head.gaps.clone())
        };
        let mut gaps = rows::gaps(&*self.pool.get(&self.shared.path)?, epoch, after, through)?;
        add_pending(&mut gaps, pending);
        gaps.retain(|gap| {
            touches(gap, epoch, after, through) && views.as_ref().is_none_or(|v| concerns(gap, v))
        });
        Ok(gaps)
    }

    /// Samples, marks and gaps of some series in a range of numbers.
    ///
    /// # Errors
    /// Where the file cannot be read. A damaged block is no error but a gap.
    pub fn read(&self, request: &ReadRequest<'_>) -> Result<ReadAnswer, CacheError> {
        let prepared = Prepared::new(&self.shared.head.lock(), request);
        let mut db = self.pool.get(&self.shared.path)?;
        let tx = db.transaction().tried("beginning to read")?;
        let mut bad = Vec::new();
        let mut out = Out { epoch: request.epoch, ..Out::default() };
        let mut take = |series, number, time, value, mark| out.push(series, number, time, value, mark);
        let poured = pour(&tx, request, prepared.through, &prepared.views, &mut bad, &mut Ok, &mut take);
        if poured.is_err() {
            self.report(bad.iter().map(|(bad, _)| *bad));
        }
        let through = poured?;
        let (life, gaps) = prepared.finish(self, &tx, request, through, bad)?;
        let life = life.into_iter().map(|(_, mark)| mark).collect();
        Ok(ReadAnswer { through, batches: out.finish(), life, gaps })
    }

    /// How many samples of these series there are in a range of numbers: blocks are not touched.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn count(
        &self,
        series: &[SeriesId],
        epoch: Epoch,
        after: u64,
        through: u64,
    ) -> Result<u64, CacheError> {
        let request = ReadRequest { series, epoch, after, through, times: None, max_samples: usize::MAX };
        let prepared = Prepared::new(&self.shared.head.lock(), &request);
        let mut db = self.pool.get(&self.shared.path)?;
        let tx = db.transaction().tried("beginning to read")?;
        let mut bad = Vec::new();
        let plan = plan::plan(&tx, &request, prepared.through, &prepared.views, &mut bad)?;
        self.report(bad.iter().map(|(bad, _)| *bad));
        Ok(plan.samples as u64)
    }

    /// A number of `epoch` before which no sample has a time of `time` or later (at most a chunk too low): to answer a window
    /// of time it is enough to read from there. `None`: there is no such sample.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn first_number_at(&self, epoch: Epoch, time: UnixMillis) -> Result<Option<u64>, CacheError> {
        let unsealed = {
            let head = self.shared.head.lock();
            let part = head.unsealed.iter().find(|part| part.epoch == epoch);
            let pieces =
                part.into_iter().flat_map(|part| part.chunks.values()).flat_map(|chunk| &chunk.pieces);
            pieces.filter(|piece| piece.time() >= time).map(Piece::first).min()
        };
        let db = self.pool.get(&self.shared.path)?;
        let sealed: Option<u64> = db
            .prepare_cached("SELECT min(first) FROM times WHERE epoch = ?1 AND t_max >= ?2")
            .and_then(|mut query| query.query_row(params![epoch.start, time], |row| row.get(0)))
            .tried("looking for the first number of a time")?;
        Ok(sealed.into_iter().chain(unsealed).min())
    }

    /// What was committed last of a deployment's checkpoint. `None`: nothing, or it is damaged.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn checkpoint(&self, deployment: &str) -> Result<Option<Checkpoint>, CacheError> {
        checkpoint::read_one(&*self.pool.get(&self.shared.path)?, deployment)
    }

    fn report(&self, bad: impl Iterator<Item = Bad>) {
        let mut bad = bad.peekable();
        if bad.peek().is_some() {
            let mut head = self.shared.head.lock();
            bad.for_each(|bad| head.report(bad));
        }
    }
}

/// Copies what a request needs of the head.
pub(crate) fn view(
    head: &Head,
    epoch: Epoch,
    series: &[SeriesId],
    after: u64,
    through: u64,
) -> (Vec<GroupView>, Vec<(i64, LifeMark)>) {
    let mut groups: BTreeMap<u32, Vec<(u16, SeriesId)>> = BTreeMap::new();
    for id in series {
        if let Some((group, rank)) = head.groups.place_of(*id) {
            groups.entry(group).or_default().push((rank, *id));
        }
    }
    let part = head.unsealed.iter().find(|part| part.epoch == epoch);
    let views = groups.into_iter().map(|(group, mut wanted)| {
        wanted.sort_unstable();
        wanted.dedup();
        let chunk = part.and_then(|part| part.chunks.get(&group)).map_or(&[][..], |chunk| &chunk.pieces);
        let from = chunk.partition_point(|piece| piece.last() <= after);
        let to = chunk.partition_point(|piece| piece.first() <= through).max(from);
        GroupView {
            group,
            cluster: head.groups.get(group).cluster.clone(),
            wanted,
            pieces: chunk[from..to].to_vec(),
            head_first: chunk.first().map_or(u64::MAX, Piece::first),
        }
    });
    let life = if epoch == head.epoch { head.life.clone() } else { Vec::new() };
    (views.collect(), life)
}

fn add_pending(gaps: &mut Vec<Gap>, pending: Vec<Gap>) {
    // Between the copy of the head and the snapshot it may have been committed.
    pending.into_iter().for_each(|gap| {
        if !gaps.contains(&gap) {
            gaps.push(gap);
        }
    });
}

fn touches(gap: &Gap, epoch: Epoch, after: u64, through: u64) -> bool {
    // A crash stands behind the last number: it belongs to a range that reaches up to it.
    let begins = if gap.to.is_none() { gap.from <= through.saturating_add(1) } else { gap.from <= through };
    gap.epoch == epoch && begins && gap.to.is_none_or(|to| to > after)
}

fn concerns(gap: &Gap, views: &[GroupView]) -> bool {
    match &gap.scope {
        GapScope::Farm => true,
        GapScope::Cluster(name) => views.iter().any(|view| view.cluster == *name),
        GapScope::Series(series) => {
            views.iter().any(|view| view.wanted.iter().any(|(_, wanted)| wanted == series))
        }
    }
}

type BadWithGap = (Bad, Gap);
/// Marks of life with the ids of their rows.
type Marks = Vec<(i64, LifeMark)>;

/// What a request needs of the head, as it stood when it was copied.
pub(crate) struct Prepared {
    views: Vec<GroupView>,
    /// The last number that there can be.
    through: u64,
    gaps: Vec<Gap>,
    life: Marks,
}

impl Prepared {
    fn new(head: &Head, request: &ReadRequest<'_>) -> Self {
        let through =
            if request.epoch == head.epoch { request.through.min(head.last) } else { request.through };
        let (views, life) = view(head, request.epoch, request.series, request.after, through);
        Self { views, through, gaps: head.gaps.clone(), life }
    }

    /// Marks and gaps beside an answer that is complete up to `through`; tells the writer what was `bad`.
    fn finish(
        self,
        reader: &Reader,
        db: &Connection,
        request: &ReadRequest<'_>,
        through: u64,
        bad: Vec<BadWithGap>,
    ) -> Result<(Marks, Vec<Gap>), CacheError> {
        reader.report(bad.iter().map(|(bad, _)| *bad));
        let mut gaps = rows::gaps(db, request.epoch, request.after, through)?;
        add_pending(&mut gaps, self.gaps);
        gaps.extend(bad.into_iter().map(|(_, gap)| gap));
        gaps.retain(|gap| touches(gap, request.epoch, request.after, through) && concerns(gap, &self.views));
        let mut life: BTreeMap<i64, LifeMark> =
            rows::life(db, request.epoch, request.after, through)?.into_iter().collect();
        life.extend(self.life);
        let mut wanted = request.series.to_vec();
        wanted.sort_unstable();
        life.retain(|_, mark| {
            (request.after..=through).contains(&mark.after) && wanted.binary_search(&mark.series).is_ok()
        });
        Ok((life.into_iter().collect(), gaps))
    }
}

/// Gives all samples of a request to `take`, series after series, up to a number that the bound of samples and then `cut`
/// decide; gives that number.
fn pour(
    db: &Connection,
    request: &ReadRequest<'_>,
    through: u64,
    views: &[GroupView],
    bad: &mut Vec<BadWithGap>,
    cut: &mut dyn FnMut(u64) -> Result<u64, CacheError>,
    take: &mut impl FnMut(SeriesId, u64, UnixMillis, Value, Option<Mark>),
) -> Result<u64, CacheError> {
    let Plan { through, parts, .. } = plan::plan(db, request, through, views, bad)?;
    let through = cut(through)?;
    let inside = |number: u64, time: UnixMillis| {
        request.after < number
            && number <= through
            && request.times.as_ref().is_none_or(|times| times.contains(&time))
    };
    for (view, parts) in views.iter().zip(&parts) {
        for (rank, series) in &view.wanted {
            let mut take = |number, time, value, mark| take(*series, number, time, value, mark);
            for part in parts {
                match part {
                    Part::Stored(chunk) => {
                        stored(db, request.epoch, chunk, *rank, *series, &inside, &mut take, bad)?
                    }
                    Part::Head(pieces) => unsealed(pieces, *series, &inside, &mut take),
                }
            }
        }
    }
    Ok(through)
}

#[expect(clippy::too_many_arguments, reason = "the loop's body, apart only for its length")]
fn stored(
    db: &Connection,
    epoch: Epoch,
    chunk: &Chunk,
    rank: u16,
    series: SeriesId,
    inside: &impl Fn(u64, UnixMillis) -> bool,
    take: &mut impl FnMut(u64, UnixMillis, Value, Option<Mark>),
    bad: &mut Vec<BadWithGap>,
) -> Result<(), CacheError> {
    let samples = || {
        let place = move |entry: &crate::times::Entry| {
            entry.present.place(rank).map(|at| (entry.first + at, entry.time))
        };
        chunk.entries.iter().filter_map(place)
    };
    if !samples().any(|(number, time)| inside(number, time)) {
        return Ok(());
    }
    let id = blocks::block_id(chunk.row.id, rank);
    let count = samples().count();
    match blocks::read_block(db, id, series, count).tried("reading a block")? {
        // It was found damaged before: its gap record is in the snapshot.
        None => {}
        Some(Err(_)) => {
            let numbers = samples().map(|(number, _)| number);
            let (from, to) = (numbers.clone().min().unwrap_or(1), numbers.max());
            let (scope, reason) = (GapScope::Series(series), GapReason::Corruption);
            bad.push((Bad::Block(id), Gap { epoch, scope, from, to, count: Some(count as u64), reason }));
        }
        Some(Ok(values)) => {
            let mut marks = values.marks.iter().peekable();
            for (at, ((number, time), value)) in (0_u32..).zip(samples().zip(values.columns.iter())) {
                let mark = marks.next_if(|(place, _)| *place == at).map(|(_, mark)| *mark);
                if inside(number, time) {
                    take(number, time, value, mark);
                }
            }
        }
    }
    Ok(())
}

fn unsealed(
    pieces: &[Piece],
    series: SeriesId,
    inside: &impl Fn(u64, UnixMillis) -> bool,
    take: &mut impl FnMut(u64, UnixMillis, Value, Option<Mark>),
) {
    for piece in pieces {
        let Ok(at) = piece.series().binary_search(&series) else { continue };
        let (number, time) = (piece.first() + at as u64, piece.time());
        if inside(number, time) {
            let batch = &piece.batch.batch;
            let position = piece.from + at as u32;
            let mark = batch.marks.binary_search_by_key(&position, |(place, _)| *place).ok();
            let value = batch.values.get(position as usize);
            take(number, time, value, mark.map(|at| batch.marks[at].1));
        }
    }
}

/// Samples on their way into batches.
struct Out {
    epoch: Epoch,
    done: Vec<Numbered>,
    series: Vec<SeriesId>,
    numbers: Vec<u64>,
    times: Vec<UnixMillis>,
    values: Columns,
    marks: Vec<(u32, Mark)>,
}

impl Default for Out {
    fn default() -> Self {
        Self {
            epoch: Epoch { start: 0, random: 0 },
            done: Vec::new(),
            series: Vec::new(),
            numbers: Vec::new(),
            times: Vec::new(),
            values: Columns::default(),
            marks: Vec::new(),
        }
    }
}

impl Out {
    fn push(&mut self, series: SeriesId, number: u64, time: UnixMillis, value: Value, mark: Option<Mark>) {
        if self.series.len() == MAX_BATCH_SAMPLES {
            self.close();
        }
        if let Some(mark) = mark {
            self.marks.push((self.series.len() as u32, mark));
        }
        self.series.push(series);
        self.numbers.push(number);
        self.times.push(time);
        self.values.push(value);
    }

    fn close(&mut self) {
        if self.series.is_empty() {
            return;
        }
        let batch = Batch {
            series: std::mem::take(&mut self.series),
            times: Times::Each(std::mem::take(&mut self.times)),
            values: std::mem::take(&mut self.values),
            marks: std::mem::take(&mut self.marks),
            generation: 0,
        };
        let numbers = Numbers::Each(std::mem::take(&mut self.numbers));
        self.done.push(Numbered { epoch: self.epoch, numbers, batch });
    }

    fn finish(mut self) -> Vec<Numbered> {
        self.close();
        self.done
    }
}
