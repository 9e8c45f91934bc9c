//! Floating point columns, bit for bit: as scaled integers where they are short decimals, else XOR with the value before.

use super::integers;
use crate::bytes::{BitReader, BitWriter, Damaged, Source, put_varint};

/// Powers of ten that are exact and that decimals are tried with.
const POWERS: [f64; 13] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12];
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Appends `values` as decimals: exponent, exceptions, integers. `None` where too many of them are not decimals.
pub(crate) fn encode_decimal(values: &[f64]) -> Option<Vec<u8>> {
    let allowed = values.len() / 16 + 1;
    let mut exponent = 0;
    let mut odd = 0;
    for value in values {
        match (exponent..POWERS.len()).find(|e| scaled(*value, *e).is_some()) {
            Some(found) => exponent = found,
            None => odd += 1,
        }
        if odd > allowed {
            return None;
        }
    }
    let mut integers = Vec::with_capacity(values.len());
    let mut exceptions = Vec::new();
    let mut last = 0;
    for (at, value) in values.iter().enumerate() {
        match scaled(*value, exponent) {
            Some(integer) => last = integer,
            None => exceptions.push((at, value.to_bits())),
        }
        integers.push(last);
    }
    if exceptions.len() > allowed {
        return None;
    }
    let mut out = vec![exponent as u8];
    put_varint(&mut out, exceptions.len() as u64);
    let mut next = 0;
    for (at, bits) in exceptions {
        put_varint(&mut out, (at - next) as u64);
        out.extend_from_slice(&bits.to_le_bytes());
        next = at + 1;
    }
    integers::encode(&integers, &mut out);
    Some(out)
}

/// Reads what [`encode_decimal`] wrote.
pub(crate) fn decode_decimal(source: &mut Source<'_>, count: usize) -> Result<Vec<f64>, Damaged> {
    let power = *POWERS.get(usize::from(source.byte()?)).ok_or(Damaged("unknown exponent of decimals"))?;
    let odd = source.count(count)?;
    let mut exceptions = Vec::with_capacity(odd);
    let mut next = 0;
    for _ in 0..odd {
        let at = next + source.count(count)?;
        exceptions.push((at, f64::from_bits(source.u64_le()?)));
        next = at + 1;
    }
    #[expect(clippy::cast_precision_loss, reason = "the encoder keeps them below 2^53")]
    let mut values: Vec<f64> =
        integers::decode(source, count)?.into_iter().map(|integer| integer as f64 / power).collect();
    for (at, value) in exceptions {
        *values.get_mut(at).ok_or(Damaged("exception out of range"))? = value;
    }
    Ok(values)
}

/// `value` as an integer of 10^-exponent, if that gives back the same bits.
fn scaled(value: f64, exponent: usize) -> Option<i64> {
    let rounded = (value * POWERS[exponent]).round();
    // Through the integer, as the decoder does it: −0.0 is not a decimal.
    let integer = rounded as i64;
    #[expect(clippy::cast_precision_loss, reason = "checked to be below 2^53")]
    let back = integer as f64 / POWERS[exponent];
    (rounded.abs() < EXACT && back.to_bits() == value.to_bits()).then_some(integer)
}

/// Appends `values` as XORs. The first value has 64 bits; then 0: same; 10: the window as before, its bits;
/// 11: leading zeros (5 bits), length − 1 (6 bits), the bits.
pub(crate) fn encode_xor(values: &[f64]) -> Vec<u8> {
    let mut out = Vec::with_capacity(values.len() * 6);
    let mut bits = BitWriter::new(&mut out);
    let mut last = 0_u64;
    let (mut leading, mut length) = (0_u32, 0_u32);
    for (at, value) in values.iter().enumerate() {
        let now = value.to_bits();
        let xor = now ^ last;
        last = now;
        if at == 0 {
            bits.put(now, 64);
        } else if xor == 0 {
            bits.put(0, 1);
        } else {
            let lead = xor.leading_zeros().min(31);
            let needed = 64 - lead - xor.trailing_zeros();
            let trailing = 64 - leading - length;
            if length > 0 && lead >= leading && xor.trailing_zeros() >= trailing && length < needed + 11 {
                bits.put(0b01, 2);
                bits.put(xor >> trailing, length);
            } else {
                (leading, length) = (lead, needed);
                bits.put(0b11, 2);
                bits.put(u64::from(leading), 5);
                bits.put(u64::from(length - 1), 6);
                bits.put(xor >> (64 - leading - length), length);
            }
        }
    }
    bits.finish();
    out
}

/// Reads what [`encode_xor`] wrote.
pub(crate) fn decode_xor(bytes: &[u8], count: usize) -> Result<Vec<f64>, Damaged> {
    let mut bits = BitReader::new(bytes);
    let mut values = Vec::with_capacity(count);
    let mut last = 0_u64;
    let (mut leading, mut length) = (0_u32, 0_u32);
    for at in 0..count {
        if at == 0 {
            last = bits.get(64)?;
        } else if bits.get(1)? == 1 {
            if bits.get(1)? == 1 {
                leading = bits.get(5)? as u32;
                length = bits.get(6)? as u32 + 1;
            }
            if length == 0 || leading + length > 64 {
                return Err(Damaged("window of an XOR beyond 64 bits"));
            }
            last ^= bits.get(length)? << (64 - leading - length);
        }
        values.push(f64::from_bits(last));
    }
    Ok(values)
}
