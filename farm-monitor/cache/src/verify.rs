//! The proof that a cache file accounts for every number: each number of each epoch is there once, or missing and counted by
//! a gap record.

use crate::blocks::{self, TIMES_COLUMNS, TimesRow};
use crate::error::{CacheError, Tried};
use crate::rows::{self, EpochInfo};
use crate::schema::{self, RANK_BITS};
use hedgerow_model::{Epoch, GapReason, SeriesId};
use rusqlite::Connection;
use std::collections::HashMap;
use std::path::Path;

/// Most numbers of one epoch that can be proven: one bit each.
const MAX_NUMBERS: u64 = 1 << 36;
/// Most ranges named in a proof.
const MAX_RANGES: usize = 100;

/// What was found of one epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochProof {
    /// The epoch, with its last committed number.
    pub info: EpochInfo,
    /// Samples in blocks.
    pub sealed: u64,
    /// Samples only in the journal.
    pub journal: u64,
    /// Numbers up to the last that are nowhere.
    pub missing: u64,
    /// How many samples the gap records say are missing.
    pub told: u64,
    /// Missing numbers within no gap record, as ranges; the first hundred.
    pub uncovered: Vec<(u64, u64)>,
    /// Numbers that are there more than once, or beyond the last.
    pub doubles: u64,
    /// Blocks, times and journal rows that cannot be read and have no gap record yet.
    pub damaged: u64,
}

impl EpochProof {
    /// Whether the epoch is accounted for: nothing double, and exactly what is missing is told.
    pub fn holds(&self) -> bool {
        self.doubles == 0 && self.uncovered.is_empty() && self.missing == self.told && self.damaged == 0
    }
}

/// Examines the file at `path`, every block of it, as of its last commit. It may be open elsewhere.
///
/// # Errors
/// Where the file cannot be read.
pub fn verify(path: &Path) -> Result<Vec<EpochProof>, CacheError> {
    let mut db = schema::open_reader(path)?;
    let tx = db.transaction().tried("beginning to verify")?;
    let groups = groups(&tx)?;
    rows::epochs(&tx)?.into_iter().map(|info| epoch(&tx, info, &groups)).collect()
}

type Groups = HashMap<u32, Vec<SeriesId>>;

fn groups(db: &Connection) -> Result<Groups, CacheError> {
    let listed: Vec<(u32, usize, Vec<u8>)> = db
        .prepare("SELECT id, version, members FROM grp")
        .and_then(|mut query| {
            query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
        })
        .tried("reading groups")?;
    let damaged = |source| CacheError::Damaged { what: "reading the members of a group", source };
    listed
        .into_iter()
        .map(|(id, version, blob)| Ok((id, rows::decode_members(&blob, version).map_err(damaged)?)))
        .collect()
}

/// Which numbers were seen.
struct Seen {
    bits: Vec<u64>,
    last: u64,
    doubles: u64,
}

impl Seen {
    fn mark(&mut self, number: u64) -> u64 {
        let (word, bit) = ((number / 64) as usize, 1_u64 << (number % 64));
        match self.bits.get_mut(word).filter(|word| (1..=self.last).contains(&number) && **word & bit == 0) {
            Some(word) => {
                *word |= bit;
                1
            }
            None => {
                self.doubles += 1;
                0
            }
        }
    }

    fn has(&self, number: u64) -> bool {
        self.bits.get((number / 64) as usize).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }
}

fn epoch(db: &Connection, info: EpochInfo, groups: &Groups) -> Result<EpochProof, CacheError> {
    let last = info.last.min(MAX_NUMBERS);
    let mut seen = Seen { bits: vec![0; (last / 64 + 1) as usize], last, doubles: 0 };
    let (sealed, bad_blocks) = blocks_of(db, info.epoch, groups, &mut seen).tried("verifying blocks")?;
    let (journal, bad_rows) = journal_of(db, info.epoch, groups, &mut seen).tried("verifying the journal")?;
    let mut covered: Vec<(u64, u64)> = Vec::new();
    let mut told = 0;
    for gap in rows::gaps(db, info.epoch, 0, u64::MAX)? {
        if gap.reason != GapReason::Crash {
            covered.push((gap.from, gap.to.unwrap_or(u64::MAX)));
            told += gap.count.unwrap_or(0);
        }
    }
    covered.sort_unstable();
    let mut proof = EpochProof {
        info,
        sealed,
        journal,
        missing: 0,
        told,
        uncovered: Vec::new(),
        doubles: seen.doubles,
        damaged: bad_blocks + bad_rows,
    };
    let (mut next, mut reach) = (0, 0);
    for number in 1..=last {
        while let Some((_, to)) = covered.get(next).filter(|(from, _)| *from <= number) {
            reach = reach.max(*to);
            next += 1;
        }
        if !seen.has(number) {
            proof.missing += 1;
            if number > reach {
                let room = proof.uncovered.len() < MAX_RANGES;
                match proof.uncovered.last_mut() {
                    Some((_, to)) if *to + 1 == number => *to = number,
                    _ if room => proof.uncovered.push((number, number)),
                    _ => {}
                }
            }
        }
    }
    Ok(proof)
}

fn blocks_of(
    db: &Connection,
    epoch: Epoch,
    groups: &Groups,
    seen: &mut Seen,
) -> rusqlite::Result<(u64, u64)> {
    let sql = format!("SELECT {TIMES_COLUMNS} FROM times WHERE epoch = ?1");
    let chunks: Vec<TimesRow> =
        db.prepare(&sql)?.query_map([epoch.start], TimesRow::read)?.collect::<Result<_, _>>()?;
    let (mut sealed, mut damaged) = (0, 0);
    for chunk in chunks {
        let (Ok(entries), Some(members)) = (chunk.entries(db)?, groups.get(&chunk.group)) else {
            damaged += 1;
            continue;
        };
        for (rank, series) in (0_u16..).zip(members.iter().take(chunk.version as usize)) {
            let numbers: Vec<u64> =
                entries.iter().filter_map(|e| e.present.place(rank).map(|place| e.first + place)).collect();
            match blocks::read_block(db, blocks::block_id(chunk.id, rank), *series, numbers.len())? {
                Some(Ok(_)) => sealed += numbers.into_iter().map(|number| seen.mark(number)).sum::<u64>(),
                Some(Err(_)) => damaged += 1,
                // Deleted: a gap record must cover its numbers.
                None => {}
            }
        }
    }
    // Blocks beside no times.
    let orphans: u64 = db.query_row(
        &format!("SELECT count(*) FROM block WHERE (id >> {RANK_BITS}) NOT IN (SELECT id FROM times)"),
        [],
        |row| row.get(0),
    )?;
    Ok((sealed, damaged + orphans))
}

fn journal_of(
    db: &Connection,
    epoch: Epoch,
    groups: &Groups,
    seen: &mut Seen,
) -> rusqlite::Result<(u64, u64)> {
    let sealed: HashMap<u32, u64> = db
        .prepare("SELECT grp, last FROM sealed WHERE epoch = ?1")?
        .query_map([epoch.start], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    // Series that the file knows as members, with the last number of theirs that is in a block.
    let through: HashMap<SeriesId, u64> = groups
        .iter()
        .filter_map(|(group, members)| sealed.get(group).map(|last| (members, *last)))
        .flat_map(|(members, last)| members.iter().map(move |series| (*series, last)))
        .collect();
    let (mut found, mut damaged) = (0, 0);
    blocks::read_journal(db, &[epoch], |row| {
        if row.epoch != epoch.start {
            return;
        }
        match row.batches {
            Err(_) => damaged += 1,
            Ok(batches) => {
                for batch in batches {
                    for (at, series) in batch.batch.series.iter().enumerate() {
                        let number = batch.numbers.at(at).unwrap_or(0);
                        if number > through.get(series).copied().unwrap_or(0) {
                            found += seen.mark(number);
                        }
                    }
                }
            }
        }
    })?;
    Ok((found, damaged))
}
