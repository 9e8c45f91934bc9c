//! Names and values as they stand in a message.

use crate::ber;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

/// An object identifier. Cheap to clone; ordered as SNMP orders.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid(Arc<[u32]>);

impl Oid {
    /// This with `more` behind it.
    pub fn child(&self, more: &[u32]) -> Self {
        Self([&self.0, more].concat().into())
    }
}

impl<T: Into<Arc<[u32]>>> From<T> for Oid {
    fn from(arcs: T) -> Self {
        Self(arcs.into())
    }
}

impl Deref for Oid {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        &self.0
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, arc) in self.0.iter().enumerate() {
            let dot = if at == 0 { "" } else { "." };
            write!(f, "{dot}{arc}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Oid {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let arcs: Result<Vec<u32>, _> = text.trim_start_matches('.').split('.').map(str::parse).collect();
        arcs.map(Self::from)
            .map_err(|_| format!("`{text}` is no object identifier: expected numbers with dots"))
    }
}

/// A value, or what stands in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the standard's")]
pub enum Value {
    Integer(i32),
    Octets(Vec<u8>),
    Null,
    ObjectId(Oid),
    IpAddress([u8; 4]),
    Counter32(u32),
    Gauge32(u32),
    TimeTicks(u32),
    Opaque(Vec<u8>),
    Counter64(u64),
    NoSuchObject,
    NoSuchInstance,
    EndOfMibView,
}

impl Value {
    /// Text as octets.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Octets(text.into().into_bytes())
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Integer(number) => ber::put_signed(out, 0x02, i64::from(*number)),
            Self::Octets(bytes) => ber::put(out, 0x04, bytes),
            Self::Null => ber::put(out, 0x05, &[]),
            Self::ObjectId(oid) => ber::put_oid(out, 0x06, oid),
            Self::IpAddress(bytes) => ber::put(out, 0x40, bytes),
            Self::Counter32(number) => ber::put_unsigned(out, 0x41, u64::from(*number)),
            Self::Gauge32(number) => ber::put_unsigned(out, 0x42, u64::from(*number)),
            Self::TimeTicks(number) => ber::put_unsigned(out, 0x43, u64::from(*number)),
            Self::Opaque(bytes) => ber::put(out, 0x44, bytes),
            Self::Counter64(number) => ber::put_unsigned(out, 0x46, *number),
            Self::NoSuchObject => ber::put(out, 0x80, &[]),
            Self::NoSuchInstance => ber::put(out, 0x81, &[]),
            Self::EndOfMibView => ber::put(out, 0x82, &[]),
        }
    }
}
