//! The journal: all batches of one commit as one blob, so that what is not sealed yet survives.
//!
//! A row is written once, read only after a crash, and deleted when everything in it is sealed: its form is plain, not small.

use crate::bytes::{Damaged, Source, put_bytes, put_varint, put_zigzag};
use crate::codec::texts;
use hedgerow_model::batch::MAX_BATCH_SAMPLES;
use hedgerow_model::{Batch, ColumnType, Columns, Epoch, Numbered, Numbers, SeriesId, Times};
use std::sync::Arc;

/// What rows are written with.
pub(crate) const CODEC: u8 = 2;
/// Of files of version 1: without generations.
const CODEC_1: u8 = 1;
const MAX_BATCHES: usize = 1 << 24;

/// Encodes batches in normal form with consecutive numbers; the first number stands in the row.
pub(crate) fn encode(batches: &[Arc<Numbered>]) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, batches.len() as u64);
    let mut time = 0;
    for batch in batches.iter().map(|numbered| &numbered.batch) {
        put_varint(&mut out, batch.len() as u64);
        let now = if batch.is_empty() { time } else { batch.times.at(0) };
        put_zigzag(&mut out, now.wrapping_sub(time));
        time = now;
        out.push(batch.generation);
        encode_series(&batch.series, &mut out);
        encode_values(&batch.values, &mut out);
        texts::encode_marks(&batch.marks, &mut out);
    }
    out
}

/// Decodes a row whose first number is `first`.
pub(crate) fn decode(codec: u8, blob: &[u8], epoch: Epoch, first: u64) -> Result<Vec<Numbered>, Damaged> {
    if codec != CODEC && codec != CODEC_1 {
        return Err(Damaged("unknown codec of a journal row"));
    }
    let mut source = Source::new(blob);
    let mut batches = Vec::new();
    let mut number = first;
    let mut time = 0_i64;
    for _ in 0..source.count(MAX_BATCHES)? {
        let count = source.count(MAX_BATCH_SAMPLES)?;
        time = time.wrapping_add(source.zigzag()?);
        let generation = if codec == CODEC_1 { 0 } else { source.byte()? };
        let series = decode_series(&mut source, count)?;
        let values = decode_values(&mut source, count)?;
        let marks = texts::decode_marks(&mut source, count)?;
        let batch = Batch { series, times: Times::One(time), values, marks, generation };
        batches.push(Numbered { epoch, numbers: Numbers::From(number), batch });
        number = number.checked_add(count as u64).ok_or(Damaged("number beyond 64 bits"))?;
    }
    if source.is_empty() { Ok(batches) } else { Err(Damaged("bytes after the last batch")) }
}

/// Ascending ids as runs: ids left out before it, length.
fn encode_series(series: &[SeriesId], out: &mut Vec<u8>) {
    let mut next = 0;
    let mut rest = series;
    while let Some(first) = rest.first() {
        let length = rest.iter().zip(first.0..).take_while(|(id, expected)| id.0 == *expected).count();
        put_varint(out, u64::from(first.0 - next));
        put_varint(out, length as u64);
        next = first.0 + length as u32;
        rest = &rest[length..];
    }
}

fn decode_series(source: &mut Source<'_>, count: usize) -> Result<Vec<SeriesId>, Damaged> {
    let mut series = Vec::with_capacity(count);
    let mut next = 0_u32;
    while series.len() < count {
        let first = next.checked_add(source.u32()?).ok_or(Damaged("series id beyond 32 bits"))?;
        let length = source.count(count - series.len())?;
        next = first.checked_add(length as u32).ok_or(Damaged("series id beyond 32 bits"))?;
        if length == 0 {
            return Err(Damaged("empty run of series"));
        }
        series.extend((first..next).map(SeriesId));
    }
    Ok(series)
}

fn encode_values(values: &Columns, out: &mut Vec<u8>) {
    put_varint(out, values.runs().len() as u64);
    for (column, length) in values.runs() {
        out.push(*column as u8);
        put_varint(out, u64::from(*length));
    }
    values.f64s().iter().for_each(|value| out.extend_from_slice(&value.to_bits().to_le_bytes()));
    values.i64s().iter().for_each(|value| put_zigzag(out, *value));
    values.texts().iter().for_each(|text| put_bytes(out, text.as_bytes()));
    texts::encode_sparse(values.state_texts(), out);
}

fn decode_values(source: &mut Source<'_>, count: usize) -> Result<Columns, Damaged> {
    let mut runs = Vec::new();
    let mut lengths = [0_usize; 3];
    let mut left = count;
    for _ in 0..source.count(count)? {
        let (column, at) = match source.byte()? {
            0 => (ColumnType::F64, 0),
            1 => (ColumnType::I64, 1),
            2 => (ColumnType::Text, 2),
            _ => return Err(Damaged("unknown type of a column")),
        };
        let length = source.count(left)?;
        left -= length;
        lengths[at] += length;
        runs.push((column, length as u32));
    }
    let [floats, integers, texts] = lengths;
    if left > 0 {
        return Err(Damaged("fewer values than samples"));
    }
    let f64s = (0..floats).map(|_| source.u64_le().map(f64::from_bits)).collect::<Result<_, _>>()?;
    let i64s = (0..integers).map(|_| source.zigzag()).collect::<Result<_, _>>()?;
    let texts = (0..texts).map(|_| source.text().map(Arc::from)).collect::<Result<_, _>>()?;
    let state_texts = texts::decode_sparse(source, integers)?;
    Columns::from_parts(runs, f64s, i64s, texts, state_texts).map_err(|_| Damaged("columns that disagree"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hedgerow_model::{BatchBuilder, Mark, Value};

    #[test]
    fn a_commit_comes_back() {
        let epoch = Epoch { start: 3, random: 9 };
        let mut builder = BatchBuilder::new();
        builder.push(SeriesId(1), 1000, Value::F64(-0.0), None);
        builder.push(SeriesId(2), 1000, Value::counter(u64::MAX), Some(Mark::Wrap64));
        builder.push(SeriesId(7), 1000, Value::State(2, Some("down".into())), None);
        builder.push(SeriesId(8), 1000, Value::Text("x".into()), None);
        let batch = builder.build();
        let second = Batch { times: Times::One(-5), generation: 3, ..batch.select(&[0, 3]) };
        let rows: Vec<Arc<Numbered>> = [(10, batch), (14, second)]
            .into_iter()
            .map(|(first, batch)| Arc::new(Numbered { epoch, numbers: Numbers::From(first), batch }))
            .collect();
        let blob = encode(&rows);
        let back: Vec<Arc<Numbered>> =
            decode(CODEC, &blob, epoch, 10).unwrap().into_iter().map(Arc::new).collect();
        assert_eq!(back, rows);
        for cut in 0..blob.len() {
            assert!(decode(CODEC, &blob[..cut], epoch, 10).is_err(), "cut at {cut}");
        }
    }
}
