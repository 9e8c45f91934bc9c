//! Texts by dictionary, texts of states as a sparse list, marks as a sparse list.

use super::integers;
use crate::bytes::{Damaged, Source, put_bytes, put_varint};
use hedgerow_model::Mark;
use std::collections::HashMap;
use std::sync::Arc;

/// Appends texts: the different ones in order of first use, then an integer stream of their places.
pub(crate) fn encode<'a>(texts: impl Iterator<Item = &'a Arc<str>>, out: &mut Vec<u8>) {
    let mut words: Vec<&str> = Vec::new();
    let mut places: HashMap<&str, i64> = HashMap::new();
    let mut used = Vec::new();
    for text in texts {
        let place = *places.entry(text).or_insert_with(|| {
            words.push(text);
            words.len() as i64 - 1
        });
        used.push(place);
    }
    put_varint(out, words.len() as u64);
    words.iter().for_each(|word| put_bytes(out, word.as_bytes()));
    integers::encode(&used, out);
}

/// Reads `count` texts.
pub(crate) fn decode(source: &mut Source<'_>, count: usize) -> Result<Vec<Arc<str>>, Damaged> {
    let different = source.count(count)?;
    let words: Vec<Arc<str>> =
        (0..different).map(|_| source.text().map(Arc::from)).collect::<Result<_, _>>()?;
    integers::decode(source, count)?
        .into_iter()
        .map(|place| usize::try_from(place).ok().and_then(|place| words.get(place)).cloned())
        .collect::<Option<_>>()
        .ok_or(Damaged("place beyond the dictionary"))
}

/// Appends a sparse list of texts: how many, an integer stream of distances (from the place after the one before), texts.
pub(crate) fn encode_sparse(list: &[(u32, Arc<str>)], out: &mut Vec<u8>) {
    put_varint(out, list.len() as u64);
    let mut next = 0;
    let distances: Vec<i64> = list
        .iter()
        .map(|(at, _)| {
            let distance = i64::from(*at) - next;
            next = i64::from(*at) + 1;
            distance
        })
        .collect();
    integers::encode(&distances, out);
    encode(list.iter().map(|(_, text)| text), out);
}

/// Reads what [`encode_sparse`] wrote.
pub(crate) fn decode_sparse(source: &mut Source<'_>, among: usize) -> Result<Vec<(u32, Arc<str>)>, Damaged> {
    let count = source.count(among)?;
    let distances = integers::decode(source, count)?;
    let texts = decode(source, count)?;
    let mut next = 0_i64;
    distances
        .into_iter()
        .zip(texts)
        .map(|(distance, text)| {
            let at = next.checked_add(distance).and_then(|at| u32::try_from(at).ok());
            let at = at.ok_or(Damaged("place of a text out of range"))?;
            next = i64::from(at) + 1;
            Ok((at, text))
        })
        .collect()
}

/// Appends a list of marks: how many, then distance and number of each.
pub(crate) fn encode_marks(marks: &[(u32, Mark)], out: &mut Vec<u8>) {
    put_varint(out, marks.len() as u64);
    let mut next = 0;
    for (at, mark) in marks {
        put_varint(out, u64::from(*at - next));
        out.push(*mark as u8);
        next = at + 1;
    }
}

/// Reads what [`encode_marks`] wrote.
pub(crate) fn decode_marks(source: &mut Source<'_>, among: usize) -> Result<Vec<(u32, Mark)>, Damaged> {
    let count = source.count(among)?;
    let mut marks = Vec::with_capacity(count);
    let mut next = 0_u64;
    for _ in 0..count {
        let at = next.saturating_add(source.varint()?);
        let place = u32::try_from(at).ok().filter(|at| (*at as usize) < among);
        let mark = Mark::from_number(source.byte()?);
        marks.push(place.zip(mark).ok_or(Damaged("mark unknown or out of range"))?);
        next = at + 1;
    }
    Ok(marks)
}
