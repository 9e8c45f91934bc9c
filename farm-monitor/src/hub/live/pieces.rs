//! Large batches in pieces: an item of a stream is as large as one message may be, whatever came in at once.

use hedgerow_model::{Batch, Columns, Numbered, Numbers, Times, Value};
use std::ops::Range;
use std::sync::Arc;

/// About the most bytes of one item: a message of 256 KiB is full, so none gets larger than the two together.
pub const PIECE_BYTES: usize = 128 * 1024;
/// The most samples of one item, so that telling of their series stays bounded, too.
pub const PIECE_SAMPLES: usize = 8192;

/// The batch, in pieces where it is large; a single sample is never split.
pub fn pieces(numbered: Arc<Numbered>) -> Vec<Arc<Numbered>> {
    let (values, len) = (&numbered.batch.values, numbered.batch.len());
    if len <= PIECE_SAMPLES && values.bytes() + 8 * len <= PIECE_BYTES {
        return vec![numbered];
    }
    let mut pieces = Vec::new();
    let (mut start, mut bytes, mut columns) = (0, 0, Columns::default());
    for (position, value) in values.iter().enumerate() {
        let more = 16
            + match &value {
                Value::Text(text) | Value::State(_, Some(text)) => text.len() + 24,
                _ => 0,
            };
        if position - start == PIECE_SAMPLES || (position > start && bytes + more > PIECE_BYTES) {
            pieces.push(piece(&numbered, start..position, std::mem::take(&mut columns)));
            (start, bytes) = (position, 0);
        }
        columns.push(value);
        bytes += more;
    }
    pieces.push(piece(&numbered, start..len, columns));
    pieces
}

fn piece(numbered: &Numbered, range: Range<usize>, values: Columns) -> Arc<Numbered> {
    let batch = &numbered.batch;
    let numbers = match &numbered.numbers {
        Numbers::From(first) => Numbers::From(first + range.start as u64),
        Numbers::Each(numbers) => Numbers::Each(numbers[range.clone()].to_vec()),
        Numbers::Derived => Numbers::Derived,
    };
    let times = match &batch.times {
        Times::One(time) => Times::One(*time),
        Times::Each(times) => Times::Each(times[range.clone()].to_vec()),
    };
    let inside = |at: u32| {
        let at = (at as usize).checked_sub(range.start)?;
        u32::try_from(at).ok().filter(|_| at < range.len())
    };
    let marks = batch.marks.iter().filter_map(|(at, mark)| Some((inside(*at)?, *mark))).collect();
    let series = batch.series[range.clone()].to_vec();
    let batch = Batch { series, times, values, marks, generation: batch.generation };
    Arc::new(Numbered { epoch: numbered.epoch, numbers, batch })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hedgerow_model::{BatchBuilder, Epoch, SeriesId};

    #[test]
    fn pieces_are_bounded_and_together_are_the_batch() {
        let mut builder = BatchBuilder::new();
        for id in 1..=100 {
            builder.push(SeriesId(id), 5, Value::Text("x".repeat(4096).into()), None);
        }
        for id in 101..=20_000 {
            builder.push(SeriesId(id), 5, Value::F64(f64::from(id)), None);
        }
        let epoch = Epoch { start: 1, random: 2 };
        let whole = Arc::new(Numbered { epoch, numbers: Numbers::From(7), batch: builder.build() });
        let parts = pieces(Arc::clone(&whole));
        let mut at = 0;
        for part in &parts {
            assert!(part.batch.values.bytes() <= PIECE_BYTES && part.batch.len() <= PIECE_SAMPLES);
            assert_eq!(part.numbers, Numbers::From(7 + at as u64));
            for (position, (id, _, value)) in part.batch.iter().enumerate() {
                assert_eq!(
                    (id, value),
                    (whole.batch.series[at + position], whole.batch.values.get(at + position))
                );
            }
            at += part.batch.len();
        }
        assert_eq!(at, 20_000);
        assert!(parts.len() >= 5);
    }
}
