//! Messages on the wire, by the library's codec in its strict setting: what is not well-formed has no value.
//!
//! None of the library's leniencies is on. Each could turn a damaged reply into a wrong value: bytes behind the message,
//! numbers cut to 32 bits, an empty Counter64 read as 0, an empty name, a string cut at its frame, an exception with
//! content. What is not minimal but means one thing only (a length in the long form, leading zeros) is let pass.

use crate::ask::Request;
use crate::varbinds;
use crate::wrong::Wrong;
use async_snmp::ber::{Decoder, EncodeBuf, tag};
use async_snmp::message::RawV3Message;
use async_snmp::varbind::encode_null_varbinds;
use async_snmp::{DecodeConfig, VarBind};
use bytes::Bytes;

/// The longest message that fits a datagram.
pub(crate) const LONGEST: usize = 65_507;
/// What stands in the version field.
pub(crate) const V1: i32 = 0;
/// What stands in the version field.
pub(crate) const V2C: i32 = 1;
/// What stands in the version field.
pub(crate) const V3: i32 = 3;

/// Not a well-formed message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl From<Box<async_snmp::Error>> for Malformed {
    fn from(_: Box<async_snmp::Error>) -> Self {
        Self
    }
}

/// A message, read as far as is needed to know whose reply it is.
pub(crate) enum Opened {
    /// v1 or v2c.
    Community(Community),
    /// v3, before any security.
    V3(RawV3Message),
}

/// A message of v1 or v2c whose values have not been read.
pub(crate) struct Community {
    pub version: i32,
    pub community: Bytes,
    pub pdu: PduStart,
}

/// A PDU, read up to its id.
pub(crate) struct PduStart {
    pub tag: u8,
    /// None: a trap of v1, which has none.
    pub id: Option<i32>,
    rest: Decoder<'static>,
}

/// The rest of a PDU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Body {
    pub status: i32,
    pub index: i32,
    pub varbinds: Vec<VarBind>,
}

/// Reads as far as the id.
pub(crate) fn open(datagram: Bytes) -> Result<Opened, Malformed> {
    let mut outer = strict(datagram.clone());
    let mut message = outer.read_sequence()?;
    if !outer.is_empty() {
        return Err(Malformed);
    }
    let version = message.read_integer()?;
    match version {
        V1 | V2C => {
            let community = message.read_octet_string()?;
            let pdu = PduStart::read(&mut message)?;
            if !message.is_empty() {
                return Err(Malformed);
            }
            Ok(Opened::Community(Community { version, community, pdu }))
        }
        V3 => {
            let raw = RawV3Message::decode(datagram, DecodeConfig::STRICT)?;
            if raw.anomalies.is_empty() { Ok(Opened::V3(raw.value)) } else { Err(Malformed) }
        }
        _ => Err(Malformed),
    }
}

impl Opened {
    /// The id of the request that it answers. v3's is that of the message; what is in it comes with its security.
    pub fn answers(&self) -> Result<i32, Wrong> {
        match self {
            Self::Community(message) if !message.pdu.is_response() => Err(Wrong::NotAReply),
            Self::Community(message) => message.pdu.id.ok_or(Wrong::NotAReply),
            Self::V3(message) => Ok(message.msg_id()),
        }
    }
}

impl PduStart {
    /// Reads up to the id.
    pub fn read(decoder: &mut Decoder<'static>) -> Result<Self, Malformed> {
        let tag = decoder.peek_tag().ok_or(Malformed)?;
        let mut rest = decoder.read_constructed(tag)?;
        let id = match tag {
            tag::pdu::TRAP_V1 => None,
            _ => Some(rest.read_integer()?),
        };
        Ok(Self { tag, id, rest })
    }

    /// Whether this is a Response.
    pub fn is_response(&self) -> bool {
        self.tag == tag::pdu::RESPONSE
    }

    /// Whether this is a Report.
    pub fn is_report(&self) -> bool {
        self.tag == tag::pdu::REPORT
    }

    /// Reads the rest of a response or a report.
    pub fn body(mut self) -> Result<Body, Malformed> {
        let status = self.rest.read_integer()?;
        let index = self.rest.read_integer()?;
        let varbinds = varbinds::read(self.rest.read_sequence()?.as_bytes())?;
        let is_whole = self.rest.is_empty() && status >= 0 && index >= 0;
        if is_whole { Ok(Body { status, index, varbinds }) } else { Err(Malformed) }
    }
}

/// A decoder without leniency.
pub(crate) fn strict(data: Bytes) -> Decoder<'static> {
    Decoder::new(data).with_decode_config(DecodeConfig::STRICT)
}

/// A message of v1 or v2c.
pub(crate) fn community_message(
    version: i32,
    community: &str,
    request: &Request,
    id: i32,
) -> async_snmp::Result<Vec<u8>> {
    let mut buf = EncodeBuf::with_capacity(64 + community.len() + request.oids().len() * 24);
    buf.push_sequence(|buf| {
        push_pdu(buf, request, id)?;
        buf.push_octet_string(community.as_bytes())?;
        buf.push_integer(version);
        Ok(())
    })?;
    Ok(buf.finish_vec())
}

/// The PDU of a request.
pub(crate) fn push_pdu(buf: &mut EncodeBuf, request: &Request, id: i32) -> async_snmp::Result<()> {
    let (tag, first, second) = match request {
        Request::Get(_) => (tag::pdu::GET_REQUEST, 0, 0),
        Request::GetNext(_) => (tag::pdu::GET_NEXT_REQUEST, 0, 0),
        Request::GetBulk { non_repeaters, max_repetitions, .. } => {
            let number = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
            (tag::pdu::GET_BULK_REQUEST, number(*non_repeaters), number(*max_repetitions))
        }
    };
    buf.push_constructed(tag, |buf| {
        encode_null_varbinds(buf, request.oids())?;
        buf.push_integer(second);
        buf.push_integer(first);
        buf.push_integer(id);
        Ok(())
    })
}

/// Whether an answer may have these names: Get the same in the same order, GetNext as many, GetBulk at most as many as
/// were asked for.
pub(crate) fn shape_fits(request: &Request, varbinds: &[VarBind]) -> bool {
    match request {
        Request::Get(oids) => {
            oids.len() == varbinds.len()
                && oids.iter().zip(varbinds).all(|(oid, varbind)| *oid == varbind.oid)
        }
        Request::GetNext(oids) => oids.len() == varbinds.len(),
        Request::GetBulk { .. } => varbinds.len() <= most(request),
    }
}

/// How many names an answer may have.
pub(crate) fn most(request: &Request) -> usize {
    match request {
        Request::Get(oids) | Request::GetNext(oids) => oids.len(),
        Request::GetBulk { non_repeaters, max_repetitions, oids } => {
            let once = oids.len().min(*non_repeaters as usize);
            let repeated = (oids.len() - once).saturating_mul(*max_repetitions as usize);
            once.saturating_add(repeated)
        }
    }
}
