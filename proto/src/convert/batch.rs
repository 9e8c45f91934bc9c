//! Batches, between columns and columns: never sample by sample where a column can be moved whole.

use super::WireError;
use crate::common;
use hedgerow_model::batch::MAX_BATCH_SAMPLES;
use hedgerow_model::{Batch, ColumnType, Columns, Epoch, Mark, Numbered, Numbers, SeriesId, Times};
use std::sync::Arc;

/// Columns, for the wire.
pub fn columns_to_wire(columns: &Columns) -> common::Columns {
    let runs = columns.runs();
    let (state_text_at, state_text) =
        columns.state_texts().iter().map(|(at, text)| (*at, text.to_string())).unzip();
    common::Columns {
        runs: if runs.len() > 1 {
            runs.iter().map(|(c, n)| n << 2 | *c as u32).collect()
        } else {
            Vec::new()
        },
        f64: columns.f64s().to_vec(),
        i64: columns.i64s().to_vec(),
        text: columns.texts().iter().map(ToString::to_string).collect(),
        state_text_at,
        state_text,
    }
}

/// Columns from the wire.
///
/// # Errors
/// Where runs, columns and texts disagree.
pub fn columns_from_wire(wire: common::Columns) -> Result<Columns, WireError> {
    let runs = wire
        .runs
        .iter()
        .map(|run| match run & 3 {
            0 => Ok((ColumnType::F64, run >> 2)),
            1 => Ok((ColumnType::I64, run >> 2)),
            2 => Ok((ColumnType::Text, run >> 2)),
            _ => Err(WireError::new("runs", format!("type {}: expected 0, 1 or 2", run & 3))),
        })
        .collect::<Result<Vec<_>, _>>()?;
    if wire.state_text_at.len() != wire.state_text.len() {
        let problem = format!("{} indices for {} texts", wire.state_text_at.len(), wire.state_text.len());
        return Err(WireError::new("state_text", problem));
    }
    let texts = wire.text.into_iter().map(Arc::from).collect();
    let states = wire.state_text_at.into_iter().zip(wire.state_text.into_iter().map(Arc::from)).collect();
    Columns::from_parts(runs, wire.f64, wire.i64, texts, states)
        .map_err(|e| WireError::new("columns", e.to_string()))
}

/// A numbered batch, for the wire.
pub fn to_wire(numbered: &Numbered) -> common::Batch {
    let batch = &numbered.batch;
    let (first, skip) = match &numbered.numbers {
        Numbers::Derived => (0, Vec::new()),
        Numbers::From(first) => (*first, Vec::new()),
        Numbers::Each(numbers) => skips(numbers),
    };
    let one_series = batch.series.len() > 1 && batch.series.iter().all(|id| *id == batch.series[0]);
    let (time, time_delta) = match &batch.times {
        Times::One(time) => (*time, Vec::new()),
        Times::Each(times) => deltas(times),
    };
    common::Batch {
        epoch_start: numbered.epoch.start,
        first,
        skip,
        series: batch.series.iter().take(if one_series { 1 } else { usize::MAX }).map(|id| id.0).collect(),
        time,
        time_delta,
        values: Some(columns_to_wire(&batch.values)),
        mark_at: batch.marks.iter().map(|(at, _)| *at).collect(),
        mark: batch.marks.iter().map(|(_, mark)| *mark as i32).collect(),
        generation: u32::from(batch.generation),
    }
}

fn skips(numbers: &[u64]) -> (u64, Vec<i64>) {
    let first = numbers.first().copied().unwrap_or_default();
    let mut expected = first;
    let skip: Vec<i64> = numbers
        .iter()
        .map(|number| {
            let skipped = number.wrapping_sub(expected).cast_signed();
            expected = number.wrapping_add(1);
            skipped
        })
        .collect();
    (first, if skip.iter().all(|n| *n == 0) { Vec::new() } else { skip })
}

fn deltas(times: &[i64]) -> (i64, Vec<i64>) {
    let first = times.first().copied().unwrap_or_default();
    let mut before = first;
    let delta: Vec<i64> = times
        .iter()
        .map(|time| {
            let delta = time.wrapping_sub(before);
            before = *time;
            delta
        })
        .collect();
    (first, if delta.iter().all(|d| *d == 0) { Vec::new() } else { delta })
}

/// A batch from the wire. `epoch` gives the epoch of a start, as the stream has named it.
///
/// # Errors
/// Where its columns disagree, or the epoch was never named.
pub fn from_wire(
    wire: common::Batch,
    epoch: impl FnOnce(u64) -> Option<Epoch>,
) -> Result<Numbered, WireError> {
    let values =
        columns_from_wire(wire.values.unwrap_or_default()).map_err(|error| error.within("values"))?;
    let count = values.len();
    if count > MAX_BATCH_SAMPLES {
        return Err(WireError::new("values", format!("{count} samples: at most {MAX_BATCH_SAMPLES}")));
    }
    let series: Vec<SeriesId> = match wire.series[..] {
        [one] => vec![SeriesId(one); count],
        _ => wire.series.into_iter().map(SeriesId).collect(),
    };
    same_length("series", series.len(), count)?;
    let numbers = match (wire.first, wire.skip.is_empty()) {
        (0, _) => Numbers::Derived,
        (first, true) => Numbers::From(first),
        (first, false) => {
            same_length("skip", wire.skip.len(), count)?;
            let mut next = first;
            let each = wire.skip.iter().map(|skip| {
                let number = next.wrapping_add_signed(*skip);
                next = number.wrapping_add(1);
                number
            });
            Numbers::Each(each.collect())
        }
    };
    let times = if wire.time_delta.is_empty() {
        Times::One(wire.time)
    } else {
        same_length("time_delta", wire.time_delta.len(), count)?;
        let mut time = wire.time;
        Times::Each(
            wire.time_delta
                .iter()
                .map(|delta| {
                    time = time.wrapping_add(*delta);
                    time
                })
                .collect(),
        )
    };
    let marks = marks(&wire.mark_at, &wire.mark, count)?;
    let epoch = match &numbers {
        Numbers::Derived => Epoch { start: wire.epoch_start, random: 0 },
        _ => epoch(wire.epoch_start).ok_or_else(|| {
            WireError::new("epoch_start", format!("{}: not named by this stream", wire.epoch_start))
        })?,
    };
    let generation = u8::try_from(wire.generation).unwrap_or(u8::MAX);
    Ok(Numbered { epoch, numbers, batch: Batch { series, times, values, marks, generation } })
}

fn marks(at: &[u32], marks: &[i32], count: usize) -> Result<Vec<(u32, Mark)>, WireError> {
    same_length("mark", marks.len(), at.len())?;
    let mut next = 0;
    at.iter()
        .zip(marks)
        .map(|(at, mark)| {
            // A mark of a later version: something was seen here, so the increase is not to be trusted.
            let known = u8::try_from(*mark).ok().and_then(Mark::from_number).unwrap_or(Mark::Discontinuity);
            if *at < next || *at as usize >= count {
                return Err(WireError::new(
                    "mark_at",
                    format!("position {at}: out of range or out of order"),
                ));
            }
            next = at + 1;
            Ok((*at, known))
        })
        .collect()
}

fn same_length(field: &str, has: usize, expected: usize) -> Result<(), WireError> {
    if has == expected {
        return Ok(());
    }
    Err(WireError::new(field, format!("{has} entries: expected {expected}")))
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
