//! Requests as they are read, replies as they are written (RFC 1157, 1901, 3416).

use crate::ber::{self, Reader};
use crate::value::{Oid, Value};

/// The number that version 1 has in a message.
pub const V1: i64 = 0;
/// The number that version 2c has in a message.
pub const V2C: i64 = 1;
/// Tag of a reply.
pub const RESPONSE: u8 = 0xa2;
/// Tag of a version 2 notification.
pub const TRAP: u8 = 0xa7;

pub const TOO_BIG: i32 = 1;
pub const NO_SUCH_NAME: i32 = 2;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    Get,
    GetNext,
    GetBulk,
    /// Anything else: not answered but with an error.
    Other,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    pub version: i64,
    pub community: Vec<u8>,
    pub ask: Ask,
    pub id: i64,
    /// Of GETBULK; else the error status, which means nothing in a request.
    pub non_repeaters: i64,
    pub max_repetitions: i64,
    pub names: Vec<Oid>,
}

impl Request {
    /// Reads one; `None` where it is not well-formed.
    pub fn read(datagram: &[u8]) -> Option<Self> {
        let mut message = Reader(Reader(datagram).content(0x30)?);
        let version = message.integer()?;
        let community = message.content(0x04)?.to_vec();
        let (tag, content) = message.any()?;
        let ask = match tag {
            0xa0 => Ask::Get,
            0xa1 => Ask::GetNext,
            0xa5 => Ask::GetBulk,
            0xa3 | 0xa6 => Ask::Other,
            _ => return None,
        };
        let mut pdu = Reader(content);
        let id = pdu.integer()?;
        let non_repeaters = pdu.integer()?;
        let max_repetitions = pdu.integer()?;
        let mut list = Reader(pdu.content(0x30)?);
        let mut names = Vec::new();
        while !list.0.is_empty() {
            let mut varbind = Reader(list.content(0x30)?);
            names.push(Oid::from(varbind.oid()?));
            varbind.any()?;
        }
        Some(Self { version, community, ask, id, non_repeaters, max_repetitions, names })
    }
}

/// A reply.
#[derive(Debug, Clone)]
pub struct Reply {
    pub version: i64,
    pub community: Vec<u8>,
    pub tag: u8,
    pub id: i64,
    pub status: i32,
    pub index: i32,
    pub varbinds: Vec<(Oid, Value)>,
}

impl Reply {
    /// To this request, with nothing in it yet.
    pub fn to(request: &Request) -> Self {
        Self {
            version: request.version,
            community: request.community.clone(),
            tag: RESPONSE,
            id: request.id,
            status: 0,
            index: 0,
            varbinds: Vec::new(),
        }
    }

    /// As it is sent.
    pub fn write(&self) -> Vec<u8> {
        let mut list = Vec::with_capacity(1500);
        for (name, value) in &self.varbinds {
            put_varbind(&mut list, name, value);
        }
        let mut pdu = Vec::with_capacity(list.len() + 32);
        for number in [self.id, i64::from(self.status), i64::from(self.index)] {
            ber::put_signed(&mut pdu, 0x02, number);
        }
        ber::put(&mut pdu, 0x30, &list);
        let mut message = Vec::with_capacity(pdu.len() + 32);
        ber::put_signed(&mut message, 0x02, self.version);
        ber::put(&mut message, 0x04, &self.community);
        ber::put(&mut message, self.tag, &pdu);
        let mut out = Vec::with_capacity(message.len() + 8);
        ber::put(&mut out, 0x30, &message);
        out
    }

    /// How long it would be with varbinds of so many bytes.
    pub fn size_with(&self, varbinds: usize) -> usize {
        let mut fixed = Vec::with_capacity(32);
        for number in [self.id, i64::from(self.status), i64::from(self.index)] {
            ber::put_signed(&mut fixed, 0x02, number);
        }
        let pdu = ber::size(fixed.len() + ber::size(varbinds));
        ber::size(3 + ber::size(self.community.len()) + pdu)
    }
}

/// Appends one.
pub fn put_varbind(out: &mut Vec<u8>, name: &Oid, value: &Value) {
    let mut varbind = Vec::with_capacity(48);
    ber::put_oid(&mut varbind, 0x06, name);
    value.put(&mut varbind);
    ber::put(out, 0x30, &varbind);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_told_is_the_size_written() {
        for many in [0, 1, 3, 5, 20, 2000] {
            let varbinds = vec![(Oid::from([1, 3, 6, 1, 300]), Value::Counter64(1 << 40)); many];
            let mut list = Vec::new();
            varbinds.iter().for_each(|(name, value)| put_varbind(&mut list, name, value));
            let reply = Reply {
                version: V2C,
                community: b"public".to_vec(),
                tag: RESPONSE,
                id: 70_000,
                status: 0,
                index: 0,
                varbinds,
            };
            assert_eq!(reply.write().len(), reply.size_with(list.len()));
        }
    }

    #[test]
    fn what_is_no_request_is_not_read() {
        // snmpget -v2c -c public, sysUpTime.0, as it stands on the wire.
        let request =
            b"\x30\x29\x02\x01\x01\x04\x06public\xa0\x1c\x02\x04\x12\x34\x56\x78\x02\x01\x00\x02\x01\x00\
                        \x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x03\x00\x05\x00";
        let read = Request::read(request).unwrap();
        assert_eq!((read.version, read.ask, read.id), (V2C, Ask::Get, 0x1234_5678));
        assert_eq!(read.names, [Oid::from([1, 3, 6, 1, 2, 1, 1, 3, 0])]);
        for cut in 0..request.len() {
            assert!(Request::read(&request[..cut]).is_none());
        }
        for at in 0..request.len() {
            let mut mutated = request.to_vec();
            mutated[at] ^= 0xff;
            let _ = Request::read(&mutated);
        }
    }
}
