#![allow(clippy::unwrap_used)]
use super::*;
use crate::admission::Entry;
use crate::leases::{LeaseId, LeaseState};
use crate::testing::{Author, template};
use crate::transitions::{Happened, Log, LogBounds, Transition};
use crate::watchers::{Pending, Watchers};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

const TERMS: [&str; 24] = [
    "id=01010101010101010101010101010101",
    "id=01*",
    "name=farm-1",
    "name=farm-?",
    "name=far*,x",
    "name=*1",
    "has:name",
    "kind=farm",
    "kind!=farm",
    "group=alice",
    "group=alice,bob",
    "group=b*",
    "version=0.*",
    "api=hedgerow.farm.v1",
    "country=CH",
    "country=C{H,Z}",
    "country=CH,\"\",F?",
    "country!=CH",
    "has:country",
    "!has:country",
    "cores=4..",
    "attr.kind=rack",
    "attr.kind=\"\"",
    "*",
];

fn entry() -> impl Strategy<Value = Option<Arc<Entry>>> {
    let text = |all: &'static [&'static str]| prop::sample::select(all).prop_map(str::to_owned);
    let attributes = [
        ("country", text(&["CH", "FR", "CZ", ""])),
        ("cores", text(&["2", "8", "many", "8"])),
        ("kind", text(&["rack", "", "x", "y"])),
    ]
    .map(|(key, value)| prop::option::of(value).prop_map(move |value| Some((key.to_owned(), value?))));
    let groups = prop::collection::vec(text(&["alice", "bob", "carol"]), 0..3);
    let entry =
        (1..3u8, text(&["farm-1", "farm-2", "x", "äx"]), text(&["farm", "lookup"]), groups, attributes);
    let entry = entry.prop_map(|(n, name, kind, groups, attributes)| {
        let mut author = Author::new(n);
        author.registration.name = name;
        author.registration.kind = kind;
        author.registration.groups = groups;
        author.registration.attributes = attributes.into_iter().flatten().collect();
        Arc::new(author.entry(1, 0))
    });
    prop::option::weighted(0.8, entry)
}

fn transition(number: u64, before: Option<Arc<Entry>>, after: Option<Arc<Entry>>) -> Arc<Transition> {
    let (lease, state) = (LeaseId(1), LeaseState::Live);
    Arc::new(Transition { number, happened: Happened::Body, before, after, lease, state })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn exactly_those_are_told_whose_template_matches_before_or_after(
        templates in prop::collection::vec(prop::collection::vec(prop::sample::select(&TERMS[..]), 0..4), 1..40),
        leaves in any::<u64>(),
        changes in prop::collection::vec((entry(), entry()), 1..10),
    ) {
        let (mut watchers, mut log) = (Watchers::new(100), Log::new(LogBounds::default()));
        let mut watching = Vec::new();
        for (n, terms) in templates.iter().enumerate() {
            let template = template(&terms.join(" "));
            let id = watchers.add(template.clone());
            if leaves >> (n % 64) & 1 == 1 && n % 3 == 0 {
                watchers.remove(id);
            } else {
                watching.push((id, template));
            }
        }
        for (number, (before, after)) in (1..).zip(changes) {
            let transition = transition(number, before, after);
            let mut woken = Vec::new();
            watchers.offer(&transition, &mut woken);
            log.push(Arc::clone(&transition), [None, None], &Arc::default());
            let mut expected = BTreeSet::new();
            for (id, template) in &watching {
                let seen = transition.seen_by(template);
                expected.extend(seen.map(|_| *id));
                let Pending::Transitions(told) = watchers.take(*id, 10, &log) else { panic!("lost") };
                let told: Vec<_> = told.into_iter().map(|(_, seen)| seen).collect();
                prop_assert_eq!(told, Vec::from_iter(seen));
            }
            prop_assert_eq!(woken.len(), expected.len(), "nobody twice");
            prop_assert_eq!(woken.into_iter().collect::<BTreeSet<_>>(), expected);
        }
        watching.iter().for_each(|(id, _)| watchers.remove(*id));
        let index = &watchers.index;
        prop_assert!(index.own.is_empty() && index.attributes.is_empty() && index.always.is_empty(), "{:?}", index);
    }
}

#[test]
fn a_change_asks_those_only_whom_it_may_concern() {
    let mut index = Index::default();
    let mut watchers = Watchers::new(1);
    for n in 0..990 {
        for text in [
            format!("name=other-{n}"),
            format!("kind=farm name=o{n}*"),
            format!("kind=farm group=g{n}"),
            format!("has:a{n} kind=farm"),
            format!("kind=farm country!=CH id={n:032x}"),
            format!("kind=farm rack={n}.. api=hedgerow.*"),
        ] {
            let template = template(&text);
            let id = watchers.add(template.clone());
            index.add(id, &template);
        }
    }
    let author = Author::new(1);
    let asked = |index: &Index| {
        let mut asked = 0;
        index.candidates(&author.entry(1, 0).registration, |_| asked += 1);
        asked
    };
    // Of the last kind, the prefix of the API is more telling than the rack's presence, and this farm has it.
    assert_eq!(asked(&index), 990);
    for n in 0..10 {
        let template = template(["name=farm-1", "country=CH group=alice"][n % 2]);
        let id = watchers.add(template.clone());
        index.add(id, &template);
    }
    assert_eq!(asked(&index), 1000);
}
