//! Samples one by one, for programs that want them so. Inside, and at every busy place, they stay in columns.

use crate::series_table::SeriesTable;
use hedgerow_model::predicate::Aggregate;
use hedgerow_model::{Columns, Epoch, Mark, Numbered, SeriesDef, SeriesId, UnixMillis, Value};
use std::sync::Arc;
use std::time::Duration;

/// One value of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The farm's name, as shown.
    pub farm: Arc<str>,
    /// The series.
    pub series: Arc<SeriesDef>,
    /// When it was taken.
    pub time: UnixMillis,
    /// What was seen. Of a counter the integer is the bits of a u64; a state comes with its text.
    pub value: Value,
    /// Its number within the epoch; `None`: derived, not stored.
    pub number: Option<u64>,
    /// The epoch of the number.
    pub epoch: Epoch,
    /// What was seen at this sample of a counter, if anything.
    pub mark: Option<Mark>,
    /// It was skipped once and fetched afterwards: later ones came before it.
    pub late: bool,
}

/// Samples in columns.
#[derive(Debug, Clone)]
pub struct Samples {
    /// The farm's name, as shown.
    pub farm: Arc<str>,
    /// The samples and their numbers. The ids of series are those of `series`.
    pub numbered: Numbered,
    /// What the ids mean.
    pub series: SeriesTable,
    /// They were skipped once and fetched afterwards.
    pub late: bool,
}

impl Samples {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.numbered.batch.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.numbered.batch.is_empty()
    }

    /// The samples one by one.
    pub fn iter(&self) -> impl Iterator<Item = Sample> + '_ {
        let batch = &self.numbered.batch;
        let mut marks = batch.marks.iter().peekable();
        let positions = batch.series.iter().zip(batch.values.iter()).enumerate();
        positions.filter_map(move |(at, (series, value))| {
            let mark = marks.next_if(|(position, _)| *position as usize == at).map(|(_, mark)| *mark);
            Some(Sample {
                farm: Arc::clone(&self.farm),
                series: self.series.get(*series)?,
                time: batch.times.at(at),
                value,
                number: self.numbered.numbers.at(at),
                epoch: self.numbered.epoch,
                mark,
                late: self.late,
            })
        })
    }
}

/// Closed bins, all of one start.
#[derive(Debug, Clone)]
pub struct BinSet {
    /// The farm's name, as shown.
    pub farm: Arc<str>,
    /// The start of the bins.
    pub start: UnixMillis,
    /// How wide they are.
    pub width: Duration,
    /// One bin a series. The ids are those of `table`.
    pub series: Vec<SeriesId>,
    /// In the order asked; each has a value for each series.
    pub columns: Vec<(Aggregate, Columns)>,
    /// Samples that came after the close of their bin, since the bins before.
    pub late: u64,
    /// What the ids mean.
    pub table: SeriesTable,
}
