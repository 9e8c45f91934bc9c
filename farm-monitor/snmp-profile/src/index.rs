//! The index of a row: the numbers behind a column's OID, read part by part (RFC 2578 §7.7).
//!
//! An index that does not fit is an error, never garbage: a row with a wrong name is worse than a row that is missing.

use crate::profile::{IndexForm, IndexPart};
use crate::text::{hex, mac, utf8};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Most numbers of an index: an OID has at most 128.
pub const MAX_INDEX: usize = 128;

/// What a part of an index says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartValue {
    /// As templates show it.
    pub text: String,
    /// Where it is one number, that.
    pub number: Option<u32>,
}

/// Why an index cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// It is empty or longer than any.
    #[error("has {0} numbers")]
    Length(usize),
    /// A part wants more numbers than are there.
    #[error("ends within `{0}`")]
    Short(String),
    /// Numbers are left when all parts are read.
    #[error("has {0} numbers more than its parts")]
    Long(usize),
    /// A part does not hold what it says it does.
    #[error("`{part}` {problem}")]
    Part {
        /// Its name.
        part: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// An index with dots.
pub fn dotted(index: &[u32]) -> String {
    index.iter().map(u32::to_string).collect::<Vec<_>>().join(".")
}

/// The index that a look-up's key says: numbers with dots, or bytes in hex with colons, as a hardware address.
pub fn key(text: &str) -> Option<Vec<u32>> {
    let numbers = |separator: char, radix: u32| -> Option<Vec<u32>> {
        // `from_str_radix` would take a sign.
        let plain = text.chars().all(|c| c == separator || c.is_digit(radix));
        plain.then(|| text.split(separator).map(|part| u32::from_str_radix(part, radix).ok()).collect())?
    };
    let read = if text.contains(':') {
        numbers(':', 16).filter(|bytes| bytes.iter().all(|byte| *byte <= 0xff))
    } else {
        numbers('.', 10)
    };
    read.filter(|index| index.len() <= MAX_INDEX)
}

/// Reads an index; one value for each of `parts`. Without parts any index is taken.
///
/// # Errors
/// It does not fit the parts exactly.
pub fn decode(parts: &[IndexPart], index: &[u32]) -> Result<Vec<PartValue>, IndexError> {
    if index.is_empty() || index.len() > MAX_INDEX {
        return Err(IndexError::Length(index.len()));
    }
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let mut rest = index;
    let mut values = Vec::with_capacity(parts.len());
    for part in parts {
        let mut reader = Reader { part: &part.name, rest };
        values.push(reader.part(part)?);
        rest = reader.rest;
    }
    if rest.is_empty() { Ok(values) } else { Err(IndexError::Long(rest.len())) }
}

struct Reader<'a> {
    part: &'a str,
    rest: &'a [u32],
}

impl<'a> Reader<'a> {
    fn part(&mut self, part: &IndexPart) -> Result<PartValue, IndexError> {
        let text = match part.form {
            IndexForm::Integer => {
                let number = self.one()?;
                let word = part.words.get(&i64::from(number));
                let text = word.cloned().unwrap_or_else(|| number.to_string());
                return Ok(PartValue { text, number: Some(number) });
            }
            IndexForm::Text => {
                let bytes = self.counted()?;
                utf8(&self.bytes(bytes)?)
            }
            IndexForm::TextToEnd => {
                let bytes = self.all_left()?;
                utf8(&self.bytes(bytes)?)
            }
            IndexForm::Bytes(many) => {
                let bytes = self.take(many)?;
                hex(&self.bytes(bytes)?)
            }
            IndexForm::Mac => {
                let bytes = self.take(6)?;
                mac(&self.bytes(bytes)?)
            }
            IndexForm::Ipv4 => self.ipv4()?.to_string(),
            IndexForm::InetAddress => self.address()?,
            IndexForm::Oid => dotted(self.counted()?),
            IndexForm::Rest => dotted(self.all_left()?),
        };
        Ok(PartValue { text, number: None })
    }

    fn take(&mut self, many: usize) -> Result<&'a [u32], IndexError> {
        let (taken, rest) =
            self.rest.split_at_checked(many).ok_or_else(|| IndexError::Short(self.part.to_owned()))?;
        self.rest = rest;
        Ok(taken)
    }

    fn one(&mut self) -> Result<u32, IndexError> {
        self.take(1)?.first().copied().ok_or_else(|| IndexError::Short(self.part.to_owned()))
    }

    /// A length, and so many numbers.
    fn counted(&mut self) -> Result<&'a [u32], IndexError> {
        let length = self.one()?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn all_left(&mut self) -> Result<&'a [u32], IndexError> {
        if self.rest.is_empty() {
            return Err(IndexError::Short(self.part.to_owned()));
        }
        Ok(std::mem::take(&mut self.rest))
    }

    fn bytes(&self, numbers: &[u32]) -> Result<Vec<u8>, IndexError> {
        let bytes = numbers.iter().map(|number| {
            u8::try_from(*number).map_err(|_| self.wrong(format!("holds {number}, which is no byte")))
        });
        bytes.collect()
    }

    fn ipv4(&mut self) -> Result<Ipv4Addr, IndexError> {
        let numbers = self.take(4)?;
        let bytes = self.bytes(numbers)?;
        let four =
            <[u8; 4]>::try_from(bytes.as_slice()).map_err(|_| self.wrong("is no address".to_owned()))?;
        Ok(Ipv4Addr::from(four))
    }

    /// InetAddressType, and InetAddress of RFC 4001.
    fn address(&mut self) -> Result<String, IndexError> {
        let kind = self.one()?;
        let numbers = self.counted()?;
        let bytes = self.bytes(numbers)?;
        let zoned = |length: usize| -> Option<(&[u8], u32)> {
            let (address, zone) = bytes.split_at_checked(length)?;
            Some((address, u32::from_be_bytes(zone.try_into().ok()?)))
        };
        let v4 = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).ok().map(|four| Ipv4Addr::from(four).to_string());
        let v6 = |bytes: &[u8]| <[u8; 16]>::try_from(bytes).ok().map(|many| Ipv6Addr::from(many).to_string());
        let text = match kind {
            0 => Some(hex(&bytes)),
            1 => v4(&bytes),
            2 => v6(&bytes),
            3 => zoned(4).and_then(|(address, zone)| Some(format!("{}%{zone}", v4(address)?))),
            4 => zoned(16).and_then(|(address, zone)| Some(format!("{}%{zone}", v6(address)?))),
            16 => Some(utf8(&bytes)),
            other => return Err(self.wrong(format!("has the address type {other}, which is none"))),
        };
        text.ok_or_else(|| {
            self.wrong(format!("has {} bytes, which the address type {kind} has not", bytes.len()))
        })
    }

    fn wrong(&self, problem: String) -> IndexError {
        IndexError::Part { part: self.part.to_owned(), problem }
    }
}

#[cfg(test)]
mod tests;
