//! Blocks: the values of one series, many samples together, as one codec byte and one blob.
//!
//! `docs/reference/cache-format.md` describes every bit. What is written here is read for years: a codec is never changed,
//! only a new number added. What comes out is bit for bit what went in.

pub(crate) mod floats;
pub(crate) mod integers;
pub(crate) mod texts;

use crate::bytes::{Damaged, Source, put_bytes, put_varint};
use hedgerow_model::{ColumnType, Columns, Mark};

/// Most samples in one block; what claims more is damaged.
pub(crate) const MAX_BLOCK_SAMPLES: usize = 65_536;

const F64_RAW: u8 = 1;
const F64_DECIMAL: u8 = 2;
const F64_XOR: u8 = 3;
const I64: u8 = 4;
const STATE: u8 = 5;
const TEXT: u8 = 6;
const SEGMENTS: u8 = 7;
/// Set beside the codec where the blob begins with marks.
const MARKS: u8 = 0x80;

/// The values of one series in the order of their numbers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Values {
    /// Their values.
    pub columns: Columns,
    /// Marks of counters, by ascending position.
    pub marks: Vec<(u32, Mark)>,
}

/// A block's values as they stand in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Which codec.
    pub codec: u8,
    /// The bytes.
    pub blob: Vec<u8>,
}

/// Encodes `values`, choosing what takes the fewest bytes.
pub fn encode(values: &Values) -> Encoded {
    let mut blob = Vec::new();
    let mut flag = 0;
    if !values.marks.is_empty() {
        flag = MARKS;
        texts::encode_marks(&values.marks, &mut blob);
    }
    let codec = match values.columns.runs() {
        [] | [_] => encode_segment(&values.columns, &mut blob),
        runs => {
            put_varint(&mut blob, runs.len() as u64);
            let mut from = 0;
            for (_, length) in runs {
                let positions: Vec<u32> = (from..from + length).collect();
                from += length;
                let mut segment = Vec::new();
                let codec = encode_segment(&values.columns.select(&positions), &mut segment);
                blob.push(codec);
                put_varint(&mut blob, u64::from(*length));
                put_bytes(&mut blob, &segment);
            }
            SEGMENTS
        }
    };
    Encoded { codec: codec | flag, blob }
}

/// Decodes `count` values.
///
/// # Errors
/// Where the bytes are not what the codec writes.
pub fn decode(codec: u8, blob: &[u8], count: usize) -> Result<Values, Damaged> {
    if count > MAX_BLOCK_SAMPLES {
        return Err(Damaged("count beyond its bound"));
    }
    let mut source = Source::new(blob);
    let marks = if codec & MARKS == 0 { Vec::new() } else { texts::decode_marks(&mut source, count)? };
    let mut parts = Parts::default();
    if codec & !MARKS == SEGMENTS {
        let mut left = count;
        for _ in 0..source.count(count)? {
            let (codec, length) = (source.byte()?, source.count(left)?);
            left -= length;
            parts.add(codec, &mut Source::new(source.bytes()?), length)?;
        }
        if left > 0 {
            return Err(Damaged("fewer samples than counted"));
        }
    } else {
        parts.add(codec & !MARKS, &mut source, count)?;
    }
    let columns = Columns::from_parts(parts.runs, parts.f64s, parts.i64s, parts.texts, parts.state_texts)
        .map_err(|_| Damaged("columns that disagree"))?;
    Ok(Values { columns, marks })
}

/// Columns of one type; returns the codec.
fn encode_segment(columns: &Columns, out: &mut Vec<u8>) -> u8 {
    match columns.runs().first() {
        None => I64,
        Some((ColumnType::F64, _)) => encode_f64(columns.f64s(), out),
        Some((ColumnType::I64, _)) => {
            integers::encode(columns.i64s(), out);
            if columns.state_texts().is_empty() {
                return I64;
            }
            texts::encode_sparse(columns.state_texts(), out);
            STATE
        }
        Some((ColumnType::Text, _)) => {
            texts::encode(columns.texts().iter(), out);
            TEXT
        }
    }
}

fn encode_f64(values: &[f64], out: &mut Vec<u8>) -> u8 {
    let decimal = floats::encode_decimal(values);
    // Decimals of up to 4 bytes a value are taken as they are; long ones may be beaten by XOR.
    let (codec, bytes) = match decimal {
        Some(decimal) if decimal.len() <= 16 + 4 * values.len() => (F64_DECIMAL, decimal),
        other => {
            let xor = floats::encode_xor(values);
            match other {
                Some(decimal) if decimal.len() <= xor.len() => (F64_DECIMAL, decimal),
                _ => (F64_XOR, xor),
            }
        }
    };
    if bytes.len() >= 8 * values.len() {
        values.iter().for_each(|value| out.extend_from_slice(&value.to_bits().to_le_bytes()));
        return F64_RAW;
    }
    out.extend_from_slice(&bytes);
    codec
}

#[derive(Default)]
struct Parts {
    runs: Vec<(ColumnType, u32)>,
    f64s: Vec<f64>,
    i64s: Vec<i64>,
    texts: Vec<std::sync::Arc<str>>,
    state_texts: Vec<(u32, std::sync::Arc<str>)>,
}

impl Parts {
    fn add(&mut self, codec: u8, source: &mut Source<'_>, count: usize) -> Result<(), Damaged> {
        let column = match codec {
            F64_RAW => {
                for _ in 0..count {
                    self.f64s.push(f64::from_bits(source.u64_le()?));
                }
                ColumnType::F64
            }
            F64_DECIMAL => {
                self.f64s.extend(floats::decode_decimal(source, count)?);
                ColumnType::F64
            }
            F64_XOR => {
                let rest = source.rest();
                self.f64s.extend(floats::decode_xor(rest, count)?);
                ColumnType::F64
            }
            I64 | STATE => {
                let base = self.i64s.len() as u32;
                self.i64s.extend(integers::decode(source, count)?);
                if codec == STATE {
                    let sparse = texts::decode_sparse(source, count)?;
                    self.state_texts
                        .extend(sparse.into_iter().map(|(at, text)| (base.saturating_add(at), text)));
                }
                ColumnType::I64
            }
            TEXT => {
                self.texts.extend(texts::decode(source, count)?);
                ColumnType::Text
            }
            _ => return Err(Damaged("unknown codec")),
        };
        self.runs.push((column, count as u32));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
