//! Which slots match a template: the terms that name their values first, the rarest first; then globs and ranges, which
//! are asked of each value that can fit, or of each registration where only few are left.
//!
//! Everything here happens while the directory is locked. The worst is a glob without a beginning, or a range, over a
//! field with a million values: each is looked at once, which takes about a tenth of a second.

use super::postings::{Postings, union};
use super::{Index, Registrations, field_key, value_key};
use hedgerow_model::registration::Id;
use hedgerow_model::template::{Condition, Field, Matcher, Reach};
use roaring::RoaringBitmap;

/// To look at a registration costs about fifty values; at a value that has a known beginning, most are not looked at.
/// (Tests see all ways.)
const REGISTRATION_COST: u64 = if cfg!(test) { 4 } else { 500 };
/// Up to this many slots are kept as a list.
const MAX_LISTED: u64 = if cfg!(test) { 6 } else { 4096 };
/// Up to this many values a slot is searched in each; with more, in their union.
const MAX_SEARCHED: usize = if cfg!(test) { 2 } else { 16 };

/// Where fewer than one slot in this many matches, those are put in order, rather than looked for in the order of all.
const SPARSE: u64 = 256;

/// The slots of what matches.
#[derive(Debug)]
pub enum Matches {
    /// Every registration.
    All(u64),
    /// These.
    Listed(Vec<u32>),
    /// These, many.
    Bits(RoaringBitmap),
}

impl Index {
    /// The slots of what matches a template.
    pub fn matching(&self, template: &Matcher, held: &impl Registrations) -> Matches {
        let mut found = Matches::All(self.all.len());
        let is_named = |condition: &Condition<'_>| {
            condition.reaches().iter().all(|reach| !matches!(reach, Reach::Prefix(_)))
        };
        let (named, mut open): (Vec<_>, Vec<_>) = template.conditions().partition(is_named);
        let mut named: Vec<_> = named
            .into_iter()
            .map(|condition| (condition.is_negative(), self.postings(condition, held)))
            .collect();
        // What is left out of everything costs everything.
        named.sort_by_key(|(negative, all)| (*negative, all.iter().map(Postings::len).sum::<u64>()));
        for (negative, postings) in named {
            self.narrow(&mut found, &postings, negative);
        }
        open.sort_by_key(|condition| {
            let sure = condition.reaches().iter().map(|reach| beginning(*reach).len()).min();
            (condition.is_negative(), std::cmp::Reverse(sure))
        });
        for condition in open {
            if found.len() * REGISTRATION_COST <= self.registrations(condition.field()) {
                let slots = found.bits(&self.all);
                let slots = slots.iter().filter(|slot| template.matches(&held.registration(*slot)));
                return Matches::Listed(slots.collect());
            }
            self.narrow(&mut found, &self.postings(condition, held), condition.is_negative());
        }
        found
    }

    /// How many registrations have any value of a field; so many values there are at most, but of groups and APIs.
    fn registrations(&self, field: &Field) -> u64 {
        match field {
            Field::Id => self.all.len(),
            field => self.dictionary.get(&field_key(field)).map_or(0, |any| any.len()),
        }
    }

    /// Where the values are that fit a condition.
    pub(super) fn postings(&self, condition: Condition<'_>, held: &impl Registrations) -> Vec<Postings<'_>> {
        let mut all = Vec::new();
        if condition.field() == &Field::Id {
            for reach in outermost(condition) {
                match reach {
                    Reach::Any => all.push(Postings::Lots(&self.all)),
                    // The digits of an id are lower-case; others parse, and are equal to none.
                    Reach::Exact(text) => {
                        let id = text.parse::<Id>().ok().filter(|id| digits(*id) == text);
                        all.extend(id.and_then(|id| held.slot(id)).map(Postings::One));
                    }
                    Reach::Prefix(prefix) => all.extend(with_id(prefix, condition, held).map(Postings::One)),
                }
            }
            return all;
        }
        let field = field_key(condition.field());
        for reach in outermost(condition) {
            match reach {
                Reach::Any => all.extend(self.dictionary.get(&field)),
                Reach::Exact(value) => all.extend(self.dictionary.get(&value_key(&field, value))),
                Reach::Prefix(prefix) => {
                    self.dictionary.each(&value_key(&field, prefix), |text, postings| {
                        let value = std::str::from_utf8(&text[field.len() + 1..]);
                        if value.is_ok_and(|value| condition.fits(value)) {
                            all.push(postings);
                        }
                    });
                }
            }
        }
        all
    }

    /// Keeps what has one of these values, or has none of them.
    fn narrow(&self, found: &mut Matches, values: &[Postings<'_>], negative: bool) {
        let most = values.iter().map(Postings::len).sum::<u64>();
        match found {
            Matches::All(_) if negative => *found = Matches::Bits(&self.all - union(values)),
            Matches::All(_) if most <= MAX_LISTED => *found = Matches::Listed(union(values).iter().collect()),
            Matches::All(_) => *found = Matches::Bits(union(values)),
            Matches::Listed(slots) if values.len() <= MAX_SEARCHED => {
                slots.retain(|slot| values.iter().any(|value| value.contains(*slot)) != negative);
            }
            Matches::Listed(slots) => {
                let union = union(values);
                slots.retain(|slot| union.contains(*slot) != negative);
            }
            Matches::Bits(bits) if negative => *bits -= union(values),
            Matches::Bits(bits) => *bits &= union(values),
        }
    }
}

impl Matches {
    /// How many.
    pub fn len(&self) -> u64 {
        match self {
            Self::All(count) => *count,
            Self::Listed(slots) => slots.len() as u64,
            Self::Bits(bits) => bits.len(),
        }
    }

    /// The first `most` slots in the order of their ids, from behind `after`.
    pub fn page(&self, after: Option<Id>, most: usize, held: &impl Registrations) -> Vec<u32> {
        match self {
            Self::All(_) => held.ordered(after).take(most).collect(),
            Self::Bits(bits) if bits.len() <= u64::from(bits.max().unwrap_or(0)) / SPARSE => {
                Self::Listed(bits.iter().collect()).page(after, most, held)
            }
            Self::Bits(bits) => held.ordered(after).filter(|slot| bits.contains(*slot)).take(most).collect(),
            Self::Listed(slots) => {
                let behind = slots.iter().map(|slot| (held.id(*slot), *slot));
                let mut behind: Vec<_> =
                    behind.filter(|(id, _)| after.is_none_or(|after| *id > after)).collect();
                behind.sort_unstable();
                behind.into_iter().take(most).map(|(_, slot)| slot).collect()
            }
        }
    }

    /// As bits; `all` are those of every registration.
    pub(super) fn bits(self, all: &RoaringBitmap) -> RoaringBitmap {
        match self {
            Self::All(_) => all.clone(),
            Self::Listed(slots) => slots.into_iter().collect(),
            Self::Bits(bits) => bits,
        }
    }
}

/// Where to look for what fits, without what is within another: so a value is looked at once, whatever the patterns.
fn outermost(condition: Condition<'_>) -> Vec<Reach<'_>> {
    let mut reaches = condition.reaches();
    reaches.sort_unstable_by_key(|reach| (beginning(*reach), matches!(reach, Reach::Exact(_))));
    let mut last = None;
    reaches.retain(|reach| {
        let within = last.is_some_and(|last| beginning(*reach).starts_with(last));
        if let (Reach::Prefix(prefix), false) = (reach, within) {
            last = Some(*prefix);
        }
        !within
    });
    reaches
}

fn beginning(reach: Reach<'_>) -> &str {
    match reach {
        Reach::Any => "",
        Reach::Exact(text) | Reach::Prefix(text) => text,
    }
}

/// The slots of ids that begin like this and fit.
fn with_id(prefix: &str, condition: Condition<'_>, held: &impl Registrations) -> impl Iterator<Item = u32> {
    let possible =
        prefix.len() <= 32 && prefix.bytes().all(|c| c.is_ascii_digit() || matches!(c, b'a'..=b'f'));
    let first = format!("{prefix:0<32}").parse::<Id>().ok().filter(|_| possible);
    let before = first.and_then(|first| u128::from_be_bytes(first.0).checked_sub(1));
    let slots = first.map(|_| held.ordered(before.map(|before| Id(before.to_be_bytes()))));
    let ids = slots.into_iter().flatten().map(|slot| (slot, digits(held.id(slot))));
    let begun = ids.take_while(move |(_, id)| id.starts_with(prefix));
    begun.filter(move |(_, id)| condition.fits(id)).map(|(slot, _)| slot)
}

/// What `Display` says, faster: it is asked of a million.
fn digits(id: Id) -> String {
    let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
    id.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
