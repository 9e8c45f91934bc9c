//! Names and values out of a reply, in place: where nearly all bytes and nearly all time of a reply are. As strict as the
//! library's decoder, which does it with a reference count per field; tests hold the two against each other.

use crate::wire::Malformed;
use async_snmp::ber::tag;
use async_snmp::{Oid, Value, VarBind};
use bytes::Bytes;
use std::ops::Range;

/// No length takes more bytes.
const LONGEST_LENGTH: usize = 8;
/// Names of more bytes are not plain.
const PLAIN_NAME: usize = 31;
/// In a byte of a name: its number goes on in the next.
const MORE: u8 = 0x80;
/// Low bits of a tag that would go on in the next byte; SNMP has none such.
const LONG_TAG: u8 = 0x1f;

/// The content of a list of varbinds.
pub(crate) fn read(list: &Bytes) -> Result<Vec<VarBind>, Malformed> {
    let mut count = 0;
    let mut at = 0;
    while at < list.len() {
        expect(list, &mut at, tag::universal::SEQUENCE)?;
        count += 1;
    }
    let mut varbinds = Vec::with_capacity(count);
    let mut at = 0;
    while at < list.len() {
        let pair = expect(list, &mut at, tag::universal::SEQUENCE)?;
        let bytes = list.get(..pair.end).ok_or(Malformed)?;
        let mut within = pair.start;
        let name = expect(bytes, &mut within, tag::universal::OBJECT_IDENTIFIER)?;
        let oid = oid(bytes.get(name).ok_or(Malformed)?)?;
        let (kind, content) = next(bytes, &mut within)?;
        if within != pair.end {
            return Err(Malformed);
        }
        varbinds.push(VarBind { oid, value: value(list, kind, content)? });
    }
    Ok(varbinds)
}

fn value(list: &Bytes, kind: u8, content: Range<usize>) -> Result<Value, Malformed> {
    let bytes = list.get(content.clone()).ok_or(Malformed)?;
    let empty = |value| if bytes.is_empty() { Ok(value) } else { Err(Malformed) };
    Ok(match kind {
        tag::universal::INTEGER => Value::Integer(i32::try_from(signed(bytes)?).map_err(|_| Malformed)?),
        tag::universal::OCTET_STRING => Value::OctetString(list.slice(content)),
        tag::universal::NULL => empty(Value::Null)?,
        tag::universal::OBJECT_IDENTIFIER => Value::ObjectIdentifier(oid(bytes)?),
        tag::application::IP_ADDRESS => Value::IpAddress(bytes.try_into().map_err(|_| Malformed)?),
        tag::application::COUNTER32 => Value::Counter32(unsigned32(bytes)?),
        tag::application::GAUGE32 => Value::Gauge32(unsigned32(bytes)?),
        tag::application::TIMETICKS => Value::TimeTicks(unsigned32(bytes)?),
        tag::application::UINTEGER32 => Value::UInteger32(unsigned32(bytes)?),
        tag::application::COUNTER64 => Value::Counter64(unsigned(bytes)?),
        tag::application::OPAQUE => Value::Opaque(list.slice(content)),
        tag::application::NSAP => Value::Nsap(list.slice(content)),
        tag::context::NO_SUCH_OBJECT => empty(Value::NoSuchObject)?,
        tag::context::NO_SUCH_INSTANCE => empty(Value::NoSuchInstance)?,
        tag::context::END_OF_MIB_VIEW => empty(Value::EndOfMibView)?,
        tag::universal::OCTET_STRING_CONSTRUCTED => return Err(Malformed),
        tag => Value::Unknown { tag, data: list.slice(content) },
    })
}

fn oid(bytes: &[u8]) -> Result<Oid, Malformed> {
    match plain_oid(bytes) {
        Some(oid) => Ok(oid),
        None if bytes.is_empty() => Err(Malformed),
        None => Ok(Oid::from_ber(bytes)?),
    }
}

/// A name as nearly all are, in two thirds of the time. What is long or odd is the library's to judge.
fn plain_oid(bytes: &[u8]) -> Option<Oid> {
    let mut arcs = [0; PLAIN_NAME + 1];
    let (mut many, mut arc) = (1, 0_u32);
    if bytes.len() > PLAIN_NAME || bytes.last()? & MORE != 0 {
        return None;
    }
    for byte in bytes {
        if arc > u32::MAX >> 7 {
            return None;
        }
        arc = arc << 7 | u32::from(byte & !MORE);
        if byte & MORE == 0 {
            *arcs.get_mut(many)? = arc;
            many += 1;
            arc = 0;
        }
    }
    // The first two are in one.
    let first = (arcs[1] / 40).min(2);
    (arcs[0], arcs[1]) = (first, arcs[1] - first * 40);
    Some(Oid::from_slice(arcs.get(..many)?))
}

fn signed(bytes: &[u8]) -> Result<i64, Malformed> {
    let first = *bytes.first().filter(|_| bytes.len() <= 8).ok_or(Malformed)?;
    let sign = if first & 0x80 == 0 { 0 } else { -1 };
    Ok(bytes.iter().fold(sign, |value, byte| value << 8 | i64::from(*byte)))
}

/// Some agents leave out the zero before a high first bit; what they mean is clear, for no such value is negative.
fn unsigned(bytes: &[u8]) -> Result<u64, Malformed> {
    match bytes {
        [] => Err(Malformed),
        [0, rest @ ..] if rest.len() <= 8 => {
            Ok(rest.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
        }
        _ if bytes.len() <= 8 => Ok(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))),
        _ => Err(Malformed),
    }
}

fn unsigned32(bytes: &[u8]) -> Result<u32, Malformed> {
    u32::try_from(unsigned(bytes)?).map_err(|_| Malformed)
}

/// The content of the next element, which must have this tag; `at` moves behind it.
fn expect(bytes: &[u8], at: &mut usize, wanted: u8) -> Result<Range<usize>, Malformed> {
    let (tag, content) = next(bytes, at)?;
    if tag == wanted { Ok(content) } else { Err(Malformed) }
}

/// Tag and content of the next element; `at` moves behind it.
fn next(bytes: &[u8], at: &mut usize) -> Result<(u8, Range<usize>), Malformed> {
    let &[tag, first, ref rest @ ..] = bytes.get(*at..).ok_or(Malformed)? else { return Err(Malformed) };
    if tag & LONG_TAG == LONG_TAG {
        return Err(Malformed);
    }
    let (length, start) = match usize::from(first) {
        short @ 0..0x80 => (short, *at + 2),
        long => {
            let many = long & 0x7f;
            if !(1..=LONGEST_LENGTH).contains(&many) {
                return Err(Malformed);
            }
            let length = rest
                .get(..many)
                .ok_or(Malformed)?
                .iter()
                .fold(0, |length, byte| length << 8 | u64::from(*byte));
            (usize::try_from(length).map_err(|_| Malformed)?, *at + 2 + many)
        }
    };
    let end = start.checked_add(length).filter(|end| *end <= bytes.len()).ok_or(Malformed)?;
    *at = end;
    Ok((tag, start..end))
}
