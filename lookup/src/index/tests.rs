#![allow(clippy::unwrap_used)]
use super::*;
use crate::testing::Author;
use hedgerow_model::template::{Matcher, Operation, Template, Term};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Registrations in slots, as they are; the plain scan's side.
#[derive(Debug, Default)]
struct Plain(BTreeMap<u32, Registration>);

impl Registrations for Plain {
    fn registration(&self, slot: u32) -> Registration {
        self.0[&slot].clone()
    }
    fn id(&self, slot: u32) -> Id {
        self.0[&slot].id
    }
    fn slot(&self, id: Id) -> Option<u32> {
        self.0.iter().find(|(_, registration)| registration.id == id).map(|(slot, _)| *slot)
    }
    fn ordered(&self, after: Option<Id>) -> impl Iterator<Item = u32> {
        let mut all: Vec<_> = self.0.iter().map(|(slot, registration)| (registration.id, *slot)).collect();
        all.sort_unstable();
        all.into_iter().filter(move |(id, _)| after.is_none_or(|after| *id > after)).map(|(_, slot)| slot)
    }
}

const VALUES: [&str; 16] =
    ["", "a", "ab", "abc", "b", "B", "ä", "1", "1.0", "2", "10", "-3", "1e1", "a*", "x y", "abd"];
const GLOBS: [&str; 13] = ["", "a", "a*", "*", "?", "*b*", "ab?", "{a,b}", "1*", "\\*", "a\\*", "zz*", "ä"];
const BOUNDS: [Option<&str>; 5] = [None, Some("1"), Some("2"), Some("10"), Some("-5")];
const KEYS: [&str; 14] = [
    "id",
    "kind",
    "group",
    "name",
    "version",
    "api",
    "x",
    "y",
    "attr.x",
    "attr.kind",
    "attr.name",
    "xx",
    "attr.attr.x",
    "zzz",
];
const ATTRIBUTES: [&str; 7] = ["x", "y", "xx", "kind", "name", "attr.x", "a b"];

fn registration() -> impl Strategy<Value = (u8, Registration)> {
    let value = || prop::sample::select(&VALUES[..]).prop_map(str::to_owned);
    let name = || prop::sample::select(&VALUES[1..]).prop_map(str::to_owned);
    let names = || prop::collection::vec(name(), 0..4);
    let attributes = prop::collection::btree_map(prop::sample::select(&ATTRIBUTES[..]), value(), 0..5);
    (0..40u8, (name(), name(), value()), names(), names(), attributes).prop_map(
        |(n, (name, kind, version), groups, apis, attributes)| {
            let attributes = attributes.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            // Ids that begin alike.
            let id = Id([0xab, n / 16, n, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n]);
            let base = Author::new(1).registration;
            (n, Registration { id, name, kind, version, groups, apis, attributes, ..base })
        },
    )
}

fn term() -> impl Strategy<Value = Term> {
    let globs = || {
        let ids = prop::sample::select(vec![
            "ab00*",
            "ab0*",
            "AB*",
            "ab000000000000000000000000000000",
            "*0f",
            "g*",
        ]);
        let glob = prop_oneof![4 => prop::sample::select(&GLOBS[..]), 1 => ids].prop_map(str::to_owned);
        prop::collection::vec(glob, 1..4)
    };
    let bound = || prop::sample::select(&BOUNDS[..]).prop_map(|bound| bound.map(str::to_owned));
    let operation = prop_oneof![
        4 => globs().prop_map(Operation::Is),
        2 => globs().prop_map(Operation::IsNot),
        2 => (bound(), bound()).prop_map(|(low, high)| Operation::Range(low, high)),
        1 => Just(Operation::Present),
        1 => Just(Operation::Absent),
    ];
    (prop::sample::select(&KEYS[..]), operation)
        .prop_map(|(key, operation)| Term { key: key.to_owned(), operation })
        .prop_filter("a term", |term| Template { terms: vec![term.clone()] }.compile().is_ok())
}

fn template() -> impl Strategy<Value = Template> {
    prop::collection::vec(term(), 0..4).prop_map(|terms| Template { terms })
}

/// Puts each in its slot, so far apart; `None` takes out what is there.
fn fill(changes: Vec<(u8, Option<Registration>)>, apart: u32) -> (Index, Plain) {
    let (mut index, mut plain) = (Index::default(), Plain::default());
    for (n, registration) in changes {
        let slot = u32::from(n) * apart;
        let before = plain.0.remove(&slot);
        let entries = before.as_ref().map(Entries::of);
        let after = registration.as_ref().map(Entries::of);
        match (&entries, &after) {
            (None, None) => {}
            (None, Some(after)) => index.insert(slot, after),
            (Some(before), Some(after)) => index.change(slot, before, after),
            (Some(before), None) => index.remove(slot, before),
        }
        plain.0.extend(registration.map(|registration| (slot, registration)));
    }
    (index, plain)
}

fn changes(most: usize) -> impl Strategy<Value = Vec<(u8, Option<Registration>)>> {
    let change = (registration(), prop::bool::weighted(0.8));
    let change = change.prop_map(|((n, registration), add)| (n, add.then_some(registration)));
    prop::collection::vec(change, 0..most)
}

fn count_values(plain: &Plain, field: &Field, template: &Matcher) -> (u64, BTreeMap<String, u64>) {
    let mut counts = BTreeMap::new();
    let mut any = 0;
    for registration in plain.0.values().filter(|registration| template.matches(registration)) {
        let values: std::collections::BTreeSet<String> = match field {
            Field::Kind => [registration.kind.clone()].into(),
            Field::Group => registration.groups.iter().cloned().collect(),
            Field::Version => [registration.version.clone()].into_iter().filter(|v| !v.is_empty()).collect(),
            Field::Api => registration.apis.iter().cloned().collect(),
            Field::Attribute(key) => registration.attributes.get(key).cloned().into_iter().collect(),
            Field::Id | Field::Name => unreachable!(),
        };
        any += u64::from(!values.is_empty());
        values.into_iter().for_each(|value| *counts.entry(value).or_default() += 1);
    }
    (any, counts)
}

#[test]
fn a_value_is_looked_at_once_by_however_many_overlapping_patterns() {
    let base = Author::new(1).registration;
    let names = ["a", "ab", "abc", "b"];
    let changes =
        (0..).zip(names).map(|(n, name)| (n, Some(Registration { name: name.into(), ..base.clone() })));
    let (index, plain) = fill(changes.collect(), 70_000);
    for (globs, found) in
        [(&["ab*c", "a*", "ab*"][..], 3), (&["*a*", "*b*", "a*", "?*"], 4), (&["ab*", "b*"], 3)]
    {
        let operation = Operation::Is(globs.iter().map(|glob| (*glob).to_owned()).collect());
        let matcher = Template { terms: vec![Term { key: "name".into(), operation }] }.compile().unwrap();
        let condition = matcher.conditions().next().unwrap();
        assert_eq!(index.postings(condition, &plain).len(), found, "{globs:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_index_answers_what_a_plain_scan_does(
        changes in changes(120),
        apart in prop::sample::select(vec![1, 70_000u32]),
        templates in prop::collection::vec(template(), 1..20),
        after in prop::option::of(0..40u8),
    ) {
        let (index, plain) = fill(changes, apart);
        for template in templates {
            let matcher = template.compile().unwrap();
            let found = index.matching(&matcher, &plain);
            let after = after.map(|n| Id([0xab, n / 16, n, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n]));
            let mut expected: Vec<_> = plain.0.iter().filter(|(_, r)| matcher.matches(r)).map(|(s, r)| (r.id, *s)).collect();
            prop_assert_eq!(found.len(), expected.len() as u64, "{}", template);
            expected.sort_unstable();
            expected.retain(|(id, _)| after.is_none_or(|after| *id > after));
            let slots: Vec<_> = expected.into_iter().map(|(_, slot)| slot).collect();
            prop_assert_eq!(found.page(after, usize::MAX, &plain), &slots[..], "{}", template);
            prop_assert_eq!(found.page(after, 3, &plain), &slots[..slots.len().min(3)], "{}", template);
        }
    }

    #[test]
    fn facets_are_what_counting_gives(
        changes in changes(80),
        apart in prop::sample::select(vec![1, 70_000u32]),
        template in template(),
        limit in 1..5usize,
    ) {
        let (index, plain) = fill(changes, apart);
        let matcher = template.compile().unwrap();
        let facets = index.facets(index.matching(&matcher, &plain), FacetKeys::Every(64), limit, &plain);
        for facet in &facets {
            let (any, counts) = count_values(&plain, &facet.field, &matcher);
            prop_assert_eq!((facet.registrations, facet.distinct), (any, counts.len() as u64));
            let mut counts: Vec<_> = counts.into_iter().map(|(value, n)| (std::cmp::Reverse(n), value)).collect();
            counts.sort();
            counts.truncate(limit);
            let found = facet.values.iter().map(|count| (std::cmp::Reverse(count.registrations), count.value.clone()));
            prop_assert!(found.eq(counts), "{facet:?}");
        }
        let fields: Vec<_> = facets.iter().skip(4).map(|facet| &facet.field).collect();
        let has = |key: &&str| plain.0.values().any(|r| matcher.matches(r) && r.attributes.contains_key(*key));
        let expected = ATTRIBUTES.iter().filter(|key| has(key)).count();
        prop_assert_eq!(fields.len(), expected, "each attribute there is: {:?}", fields);
    }
}
