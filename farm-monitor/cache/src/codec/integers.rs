//! Streams of 64-bit integers: constant, or differences of order 0, 1 or 2, bit-packed in frames of 64.

use crate::bytes::{BitReader, BitWriter, Damaged, Source, put_zigzag};

const FRAME: usize = 64;
const CONSTANT: u8 = 0;

/// Appends `values`; their count is not written. No values: no bytes.
pub(crate) fn encode(values: &[i64], out: &mut Vec<u8>) {
    let Some(first) = values.first() else { return };
    if values.iter().all(|v| v == first) {
        out.push(CONSTANT);
        put_zigzag(out, *first);
        return;
    }
    let once = differences(values);
    let twice = differences(&once);
    let (order, residuals) = [values, &once[..], &twice[..]]
        .into_iter()
        .enumerate()
        .min_by_key(|(order, residuals)| 4 * order + cost(residuals))
        .unwrap_or((0, values));
    out.push(1 + order as u8);
    for seed in [values, &once[..]].iter().take(order) {
        // Order 2 needs the first value and the first difference.
        put_zigzag(out, seed.first().copied().unwrap_or(0));
    }
    for frame in residuals.chunks(FRAME) {
        let (min, width) = bounds(frame);
        put_zigzag(out, min);
        out.push(width as u8);
        let mut bits = BitWriter::new(out);
        for value in frame {
            bits.put(value.wrapping_sub(min).cast_unsigned(), width);
        }
        bits.finish();
    }
}

/// Reads `count` values.
pub(crate) fn decode(source: &mut Source<'_>, count: usize) -> Result<Vec<i64>, Damaged> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let method = source.byte()?;
    if method == CONSTANT {
        return Ok(vec![source.zigzag()?; count]);
    }
    if method > 3 {
        return Err(Damaged("unknown method of an integer stream"));
    }
    let order = usize::from(method - 1);
    let first = if order > 0 { source.zigzag()? } else { 0 };
    let step = if order > 1 { source.zigzag()? } else { 0 };
    let mut values = Vec::with_capacity(count);
    let mut left = count.saturating_sub(order);
    while left > 0 {
        let frame = left.min(FRAME);
        let min = source.zigzag()?;
        let width = u32::from(source.byte()?);
        if width > 64 {
            return Err(Damaged("frame wider than 64 bits"));
        }
        let mut bits = BitReader::new(source.take((frame * width as usize).div_ceil(8))?);
        for _ in 0..frame {
            values.push(min.wrapping_add(bits.get(width)?.cast_signed()));
        }
        left -= frame;
    }
    if order == 2 {
        sum(step, &mut values);
    }
    if order > 0 {
        sum(first, &mut values);
    }
    values.truncate(count);
    Ok(values)
}

/// Undoes [`differences`]: puts `first` before the running sum.
fn sum(first: i64, values: &mut Vec<i64>) {
    let mut value = first;
    for slot in values.iter_mut() {
        let next = value.wrapping_add(*slot);
        *slot = value;
        value = next;
    }
    values.push(value);
}

fn differences(values: &[i64]) -> Vec<i64> {
    values.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect()
}

fn bounds(frame: &[i64]) -> (i64, u32) {
    let min = frame.iter().copied().min().unwrap_or(0);
    let max = frame.iter().copied().max().unwrap_or(0);
    (min, 64 - max.wrapping_sub(min).leading_zeros())
}

/// About how many bytes the frames take.
fn cost(residuals: &[i64]) -> usize {
    residuals
        .chunks(FRAME)
        .map(|frame| {
            let (min, width) = bounds(frame);
            let zigzag = ((min << 1) ^ (min >> 63)).cast_unsigned();
            1 + (64 - zigzag.leading_zeros() as usize).div_ceil(7).max(1)
                + (frame.len() * width as usize).div_ceil(8)
        })
        .sum()
}
