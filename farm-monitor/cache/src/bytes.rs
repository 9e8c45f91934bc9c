//! Bytes written and read one after the other: the alphabet of every blob in the file.
//!
//! Reading must never panic nor ask for memory that the bytes don't pay for: what it gets may be damaged.

/// What a blob holds is not what its format says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("damaged: {0}")]
pub struct Damaged(pub &'static str);

/// Appends an unsigned integer, seven bits a byte, low bits first, the high bit set on all bytes but the last.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed integer as the varint of its zigzag form.
pub(crate) fn put_zigzag(out: &mut Vec<u8>, value: i64) {
    put_varint(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

/// Appends the length and the bytes of `bytes`.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// What is left to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    rest: &'a [u8],
}

impl<'a> Source<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// All that is left.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Damaged> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Damaged("ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Damaged> {
        let (first, rest) = self.rest.split_first().ok_or(Damaged("ends too early"))?;
        self.rest = rest;
        Ok(*first)
    }

    pub(crate) fn varint(&mut self) -> Result<u64, Damaged> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Damaged("varint of more than ten bytes"))
    }

    pub(crate) fn zigzag(&mut self) -> Result<i64, Damaged> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    /// A varint that counts things of which each takes part in at most `limit`.
    pub(crate) fn count(&mut self, limit: usize) -> Result<usize, Damaged> {
        usize::try_from(self.varint()?).ok().filter(|n| *n <= limit).ok_or(Damaged("count beyond its bound"))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Damaged> {
        u32::try_from(self.varint()?).map_err(|_| Damaged("number beyond 32 bits"))
    }

    pub(crate) fn u64_le(&mut self) -> Result<u64, Damaged> {
        let bytes = self.take(8)?;
        bytes.try_into().map(u64::from_le_bytes).map_err(|_| Damaged("ends too early"))
    }

    /// A length and that many bytes.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Damaged> {
        let length = usize::try_from(self.varint()?).map_err(|_| Damaged("length beyond memory"))?;
        self.take(length)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Damaged> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Damaged("text is not UTF-8"))
    }
}

/// Writes bits, the lowest bit of a byte first.
#[derive(Debug)]
pub(crate) struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    held: u128,
    bits: u32,
}

impl<'a> BitWriter<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, held: 0, bits: 0 }
    }

    /// Appends the low `width` (at most 64) bits of `value`; its higher bits must be 0.
    pub(crate) fn put(&mut self, value: u64, width: u32) {
        self.held |= u128::from(value) << self.bits;
        self.bits += width;
        if self.bits >= 64 {
            self.out.extend_from_slice(&(self.held as u64).to_le_bytes());
            self.held >>= 64;
            self.bits -= 64;
        }
    }

    /// Fills the last byte with zeros.
    pub(crate) fn finish(self) {
        let bytes = (self.held as u64).to_le_bytes();
        self.out.extend_from_slice(&bytes[..self.bits.div_ceil(8) as usize]);
    }
}

/// Reads bits, the lowest bit of a byte first.
#[derive(Debug)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    held: u128,
    bits: u32,
}

impl<'a> BitReader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, held: 0, bits: 0 }
    }

    /// The next `width` (at most 64) bits.
    pub(crate) fn get(&mut self, width: u32) -> Result<u64, Damaged> {
        if self.bits < width {
            if let Some((word, rest)) = self.bytes.split_first_chunk::<8>() {
                self.held |= u128::from(u64::from_le_bytes(*word)) << self.bits;
                self.bits += 64;
                self.bytes = rest;
            } else {
                for byte in std::mem::take(&mut self.bytes) {
                    self.held |= u128::from(*byte) << self.bits;
                    self.bits += 8;
                }
            }
            if self.bits < width {
                return Err(Damaged("ends too early"));
            }
        }
        let value = if width == 64 { self.held as u64 } else { self.held as u64 & ((1 << width) - 1) };
        self.held >>= width;
        self.bits -= width;
        Ok(value)
    }
}
