//! The merge, in virtual time: single promises, and any history against the law written a second time.
#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use ed25519_dalek::SigningKey;
use hedgerow_model::registration::{Endpoint, Mesh};
use hedgerow_proto::lookup::held;
use proptest::prelude::*;

const S: fn(u64) -> Duration = Duration::from_secs;
const GRANTED: Duration = Duration::from_secs(30);

fn held_as(who: u8, key: u8, name: &str, serial: u64, state: LeaseState) -> Held {
    let registration = Registration {
        id: Id([who; 16]),
        mesh: Mesh { name: "m".into(), id: Id([9; 16]) },
        name: name.into(),
        kind: "farm".into(),
        groups: vec![],
        attributes: BTreeMap::new(),
        endpoints: vec![],
        apis: vec![],
        version: String::new(),
        description: String::new(),
        instance: Instance { start: 1, random: 1 },
        serial,
    };
    Held {
        registration: Some(signed::sign_registration(&registration, &SigningKey::from_bytes(&[key; 32]))),
        state: state.into(),
        lease_remaining_ms: 20_000,
        granted_ms: 30_000,
        ..Held::default()
    }
}

/// Signing takes long in a debug build: each is signed once.
pub(super) fn held_with(who: u8, serial: u64, granted: Duration) -> Held {
    type Kept = std::sync::Mutex<BTreeMap<(u8, u64), Held>>;
    static KEPT: std::sync::LazyLock<Kept> = std::sync::LazyLock::new(Kept::default);
    let fresh = || held_as(who, who, &format!("farm{who}"), serial, LeaseState::Live);
    let held = KEPT.lock().unwrap().entry((who, serial)).or_insert_with(fresh).clone();
    Held { granted_ms: u64::try_from(granted.as_millis()).unwrap(), ..held }
}

fn held(who: u8, serial: u64) -> Heard {
    Heard::Held(held_as(who, who, &format!("farm{who}"), serial, LeaseState::Live))
}

fn gone(who: u8, serial: u64, gone: Gone) -> Heard {
    Heard::Disappeared { id: Id([who; 16]), order: (Instance { start: 1, random: 1 }, serial), gone }
}

struct Play {
    merge: Merge,
    now: Instant,
}

impl Play {
    fn new(lookups: usize) -> Self {
        let mut play = Self { merge: Merge::new(Some(Id([9; 16]))), now: Instant::now() };
        for which in 0..lookups {
            play.hear(which, Heard::Reached { afresh: true });
            play.hear(which, Heard::SnapshotEnd(Some(Id([100 + u8::try_from(which).unwrap(); 16]))));
        }
        play
    }

    fn hear(&mut self, which: usize, heard: Heard) -> Vec<String> {
        let mut out = Vec::new();
        self.merge.hear(which, self.now, heard, &mut out);
        out.iter().map(word).collect()
    }

    /// Lets time pass, as the shell does: ticks when the merge asks for it.
    fn pass(&mut self, time: Duration) -> Vec<String> {
        let mut out = Vec::new();
        let end = self.now + time;
        while let Some(at) = self.merge.next().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.merge.tick(self.now, &mut out);
        }
        self.now = end;
        out.iter().map(word).collect()
    }
}

fn word(transition: &Transition) -> String {
    match transition {
        Transition::Appeared(service) => format!("+{}", service.shown),
        Transition::Renamed(service) => format!("~{}", service.shown),
        Transition::Changed(service, _) => format!("={} {}", service.shown, service.registration.serial),
        Transition::State(service) => format!("?{} {}", service.shown, service.state.as_str()),
        Transition::Disappeared(service, gone) => format!("-{} {}", service.shown, gone.as_str()),
        other => format!("{other:?}"),
    }
}

#[test]
fn one_service_at_two_lookups_appears_once_and_changes_once() {
    let mut play = Play::new(2);
    assert_eq!(play.hear(0, held(1, 1)), ["+farm1"]);
    assert!(play.hear(1, held(1, 1)).is_empty());
    assert_eq!(play.hear(0, held(1, 2)), ["=farm1 2"]);
    assert!(play.hear(1, held(1, 2)).is_empty());
    let service = &play.merge.services(play.now)[0];
    assert_eq!(service.lookups, [Id([100; 16]), Id([101; 16])]);
}

#[test]
fn what_a_lookup_forgot_as_it_was_killed_is_gone_only_when_its_lease_has_run_out() {
    let mut play = Play::new(2);
    for (who, serial) in [(1, 1), (2, 2), (3, 1)] {
        play.hear(0, held(who, serial));
    }
    let mut told = play.hear(0, Heard::Lost);
    told.extend(play.hear(0, Heard::Reached { afresh: false }));
    told.extend(play.hear(0, Heard::Restarted));
    // Of the first and third it knows nothing, of the second only what it said before.
    let old = held_as(2, 2, "farm2", 1, LeaseState::Unconfirmed);
    told.extend(play.hear(0, Heard::Held(old)));
    told.extend(play.hear(0, Heard::SnapshotEnd(None)));
    assert!(!play.merge.may_resume(0), "its changes do not tell the end of what it forgot");
    // They register again, or do not.
    told.extend(play.pass(Duration::from_secs(10)));
    told.extend(play.hear(0, held(1, 1)));
    told.extend(play.hear(0, held(2, 2)));
    told.extend(play.pass(Duration::from_secs(19)));
    assert!(told.iter().all(|word| word.starts_with('?')), "{told:?}");
    assert_eq!(play.pass(Duration::from_secs(2)), ["-farm3 expired"]);
}

#[test]
fn what_was_cancelled_stays_gone_while_a_lookup_that_did_not_hear_of_it_is_started_again_and_again() {
    let mut play = Play::new(2);
    play.hear(0, held(1, 3));
    play.hear(1, held(1, 3));
    play.hear(1, Heard::Lost);
    assert_eq!(play.hear(0, gone(1, 3, Gone::Cancelled)), ["-farm1 cancelled"]);
    for _ in 0..9 {
        play.hear(1, Heard::Restarted);
        play.hear(1, Heard::Held(held_as(1, 1, "farm1", 3, LeaseState::Unconfirmed)));
        assert!(play.hear(1, Heard::SnapshotEnd(None)).is_empty());
        assert!(play.pass(Duration::from_secs(29)).is_empty());
    }
    assert!(play.hear(1, gone(1, 3, Gone::Expired)).is_empty());
}

#[test]
fn cancelled_anywhere_is_gone_and_stays_gone_where_a_lookup_has_not_heard() {
    let mut play = Play::new(2);
    play.hear(0, held(1, 3));
    play.hear(1, held(1, 3));
    assert_eq!(play.hear(1, gone(1, 3, Gone::Cancelled)), ["-farm1 cancelled"]);
    assert!(play.hear(0, held(1, 3)).is_empty(), "an old voucher does not raise it");
    assert!(play.hear(0, held(1, 2)).is_empty());
    assert_eq!(play.hear(0, held(1, 4)), ["+farm1"], "a newer one does");
}

#[test]
fn a_cancel_of_something_older_changes_nothing() {
    let mut play = Play::new(2);
    play.hear(0, held(1, 3));
    play.hear(1, held(1, 2));
    assert!(play.hear(1, gone(1, 2, Gone::Cancelled)).is_empty());
}

#[test]
fn expired_somewhere_is_gone_only_when_no_other_lookup_shows_it() {
    let mut play = Play::new(2);
    play.hear(0, held(1, 1));
    play.hear(1, held(1, 1));
    assert!(play.hear(0, gone(1, 1, Gone::Expired)).is_empty());
    assert_eq!(play.hear(1, gone(1, 1, Gone::Expired)), ["-farm1 expired"]);
    assert_eq!(play.hear(0, held(1, 1)), ["+farm1"], "after expiring it may come back as it was");
}

#[test]
fn what_only_a_lost_lookup_vouched_for_is_unconfirmed_until_its_lease_runs_out() {
    let mut play = Play::new(2);
    play.hear(0, held(1, 1));
    play.hear(1, held(2, 1));
    assert_eq!(play.hear(0, Heard::Lost), ["?farm1 unconfirmed"]);
    assert!(play.pass(S(29)).is_empty());
    assert_eq!(play.pass(S(2)), ["-farm1 expired"]);
    assert_eq!(play.hear(1, Heard::Lost), ["?farm2 unconfirmed"]);
    play.pass(S(10));
    assert_eq!(play.hear(1, Heard::Reached { afresh: false }), ["?farm2 live"], "resumed: as it was");
    assert!(play.pass(S(100)).is_empty());
}

#[test]
fn a_reset_is_one_transition_per_real_change() {
    let mut play = Play::new(1);
    for who in 1..=3 {
        play.hear(0, held(who, 1));
    }
    let mut all = play.hear(0, Heard::Reached { afresh: true });
    all.extend(play.hear(0, held(1, 1)));
    all.extend(play.hear(0, held(2, 2)));
    all.extend(play.hear(0, held(4, 1)));
    all.extend(play.hear(0, Heard::SnapshotEnd(None)));
    assert_eq!(all, ["=farm2 2", "+farm4", "-farm3 expired"]);
}

#[test]
fn altered_registrations_are_refused_and_counted() {
    let mut play = Play::new(1);
    let mut altered = held_as(1, 1, "farm1", 1, LeaseState::Live);
    let signed = altered.registration.as_mut().unwrap();
    let mut body = signed.body.to_vec();
    let last = body.len() - 1;
    body[last] ^= 1;
    signed.body = body.into();
    assert!(play.hear(0, Heard::Held(altered)).is_empty());
    assert_eq!(play.merge.refused(), 1);
    play.hear(0, held(1, 1));
    let stolen = held_as(1, 2, "farm1", 9, LeaseState::Live);
    assert!(play.hear(0, Heard::Held(stolen)).is_empty(), "the same id under another key");
    assert_eq!(play.merge.refused(), 2);
    play.merge.mesh = Some(Id([1; 16]));
    assert!(play.hear(0, held(3, 1)).is_empty(), "another mesh");
    assert_eq!(play.merge.refused(), 3);
}

fn forged() -> Heard {
    Heard::Held(held_as(1, 2, "farm1", 9, LeaseState::Live))
}

#[test]
fn where_lookups_disagree_about_the_key_that_of_most_is_shown_and_the_other_named() {
    let mut play = Play::new(3);
    assert_eq!(play.hear(0, forged()), ["+farm1"]);
    assert_eq!(play.hear(1, held(1, 1)), ["?farm1 live"], "one against one: the first stays");
    assert_eq!(play.hear(2, held(1, 1)), ["=farm1 1"], "who was first does not pin a key");
    let service = &play.merge.services(play.now)[0];
    assert_eq!(service.lookups, [Id([101; 16]), Id([102; 16])]);
    assert_eq!((service.rivals.len(), service.rivals[0].registration.serial), (1, 9));
    assert_eq!(service.rivals[0].lookups, [Id([100; 16])]);
    let forger = Id([1; 16]);
    assert_eq!(play.merge.vouched_for().next().unwrap().0.serial, 1, "only what is shown is kept");
    play.hear(
        0,
        Heard::Disappeared { id: forger, order: (Instance { start: 1, random: 1 }, 9), gone: Gone::Expired },
    );
    assert!(play.merge.services(play.now)[0].rivals.is_empty());
}

/// A run of service 1, and the address at which its lookup refuses a copy of it.
fn run_of(start: u64, copy: Option<&str>) -> Heard {
    let mut held = held_as(1, 1, "farm1", 1, LeaseState::Live);
    let mut registration = signed::open_registration(held.registration.as_ref().unwrap()).unwrap();
    registration.instance.start = start;
    registration.endpoints = vec![Endpoint { url: format!("http://run:{start}"), via_relay: None }];
    held.registration = Some(signed::sign_registration(&registration, &SigningKey::from_bytes(&[1; 32])));
    held.clone = copy.map(|url| held::Clone { urls: vec![url.to_owned()] });
    Heard::Held(held)
}

#[test]
fn a_copy_of_a_service_is_shown_with_its_address_while_any_lookup_tells_of_it() {
    let mut play = Play::new(2);
    let copy = |play: &Play| play.merge.services(play.now)[0].copy.clone();
    let at = |url: &str| Some(vec![url.to_owned()]);
    play.hear(0, run_of(1, None));
    assert_eq!(copy(&play), None);
    // The other lookup has no proof yet, and holds the copy, which is the newer run.
    assert_eq!(play.hear(1, run_of(2, None)), ["=farm1 1"]);
    assert_eq!(play.hear(0, run_of(1, Some("http://run:2"))), ["?farm1 live"]);
    assert_eq!(copy(&play), at("http://run:1"), "the one that is not shown");
    assert_eq!(play.hear(1, run_of(1, Some("http://run:2"))), ["=farm1 1"]);
    assert_eq!(copy(&play), at("http://run:2"));
    play.hear(0, run_of(1, None));
    assert_eq!(copy(&play), at("http://run:2"));
    assert_eq!(play.hear(1, run_of(1, None)), ["?farm1 live"]);
    assert_eq!(copy(&play), None);
    // Nothing is known of where it is.
    let Heard::Held(mut held) = run_of(1, None) else { unreachable!() };
    held.clone = Some(held::Clone::default());
    play.hear(0, Heard::Held(held));
    assert_eq!(copy(&play), Some(vec![]));
}

#[test]
fn the_key_under_which_a_service_was_known_before_outweighs_any_number_of_lookups() {
    let mut play = Play::new(4);
    let Heard::Held(known) = held(1, 1) else { unreachable!() };
    play.merge.pin(BTreeMap::from([(Id([1; 16]), known.registration.unwrap().public_key)]));
    assert_eq!(play.hear(0, forged()), ["+farm1"], "nobody says otherwise yet");
    assert_eq!(play.hear(1, forged()), Vec::<String>::new());
    assert_eq!(play.hear(2, held(1, 1)), ["=farm1 1"]);
    assert_eq!(play.hear(3, forged()), ["?farm1 live"]);
    assert_eq!(play.merge.services(play.now)[0].registration.serial, 1);
}

#[test]
fn a_name_that_stands_twice_is_told_apart_by_id() {
    let mut play = Play::new(1);
    let named = |who| Heard::Held(held_as(who, who, "cern", 1, LeaseState::Live));
    assert_eq!(play.hear(0, named(1)), ["+cern"]);
    assert_eq!(play.hear(0, named(2)), ["+cern~02020202", "~cern~01010101"]);
    assert_eq!(play.hear(0, gone(2, 1, Gone::Cancelled)), ["-cern~02020202 cancelled", "~cern"]);
}

#[test]
fn a_memory_of_one_that_went_is_forgotten() {
    let mut play = Play::new(1);
    play.hear(0, held(1, 1));
    play.hear(0, gone(1, 1, Gone::Cancelled));
    assert_eq!(play.merge.services.len(), 1);
    play.pass(REMEMBERED + S(1));
    assert!(play.merge.services.is_empty() && play.merge.names.is_empty());
}

#[test]
fn while_no_lookup_answers_services_are_stale_and_have_time_to_return_afterwards() {
    let mut play = Play::new(2);
    for who in 1..=3 {
        play.hear(0, held(who, 1));
        play.hear(1, held(who, 1));
    }
    for which in 0..2 {
        play.hear(which, Heard::Lost);
    }
    assert_eq!(play.pass(S(31)), ["?farm1 stale", "?farm2 stale", "?farm3 stale"], "not gone");
    assert!(play.pass(S(3_600)).is_empty());
    // One returns without its directory: whoever registers again within a term never looked gone.
    assert!(!play.merge.may_resume(0), "its changes alone would not say what it holds");
    play.hear(0, Heard::Reached { afresh: true });
    assert!(play.hear(0, Heard::SnapshotEnd(None)).is_empty());
    assert!(play.pass(S(19)).is_empty());
    assert_eq!(play.hear(0, held(1, 1)), ["?farm1 live"]);
    assert_eq!(play.hear(0, held(2, 2)), ["=farm2 2"]);
    play.hear(1, Heard::Reached { afresh: true });
    assert!(play.hear(1, Heard::SnapshotEnd(None)).is_empty());
    assert_eq!(play.pass(S(12)), ["-farm3 expired"]);
    assert!(play.pass(S(3_600)).is_empty());
}

#[test]
fn a_lookup_that_is_no_longer_known_counts_until_its_leases_have_run_out() {
    let mut play = Play::new(2);
    play.hear(0, held(1, 1));
    assert_eq!(play.hear(0, Heard::Removed), ["?farm1 unconfirmed"]);
    assert_eq!(play.pass(S(31)), ["-farm1 expired"]);
    assert_eq!(play.merge.lookups.len(), 1);
}

#[test]
fn a_lookup_with_two_addresses_counts_once() {
    let mut play = Play::new(2);
    for which in 0..2 {
        play.hear(which, Heard::Reached { afresh: true });
        play.hear(which, held(1, 1));
        play.hear(which, Heard::SnapshotEnd(Some(Id([7; 16]))));
    }
    assert_eq!(play.merge.services(play.now)[0].lookups, [Id([7; 16])]);
    assert!(play.hear(0, Heard::Lost).is_empty(), "it still answers at the other");
    assert_eq!(play.hear(1, gone(1, 1, Gone::Expired)), ["-farm1 expired"], "what the lost one said is void");
}

#[test]
fn a_lookup_that_goes_back_to_an_older_instance_is_followed() {
    let mut play = Play::new(2);
    play.hear(0, held(1, 1));
    assert_eq!(play.hear(0, held(1, 5)), ["=farm1 5"], "a copy takes its place");
    assert_eq!(play.hear(0, held(1, 1)), ["=farm1 1"], "and is found out");
    // The copy cancels, the original registers anew where it was cancelled.
    play.hear(0, held(1, 5));
    assert_eq!(play.hear(0, gone(1, 5, Gone::Cancelled)), ["-farm1 cancelled"]);
    assert!(play.hear(1, held(1, 1)).is_empty(), "who has not heard of the cancel is not believed");
    assert_eq!(play.hear(0, held(1, 1)), ["+farm1"]);
}

#[test]
fn what_was_known_last_is_stale_until_lookups_tell_otherwise() {
    let mut play = Play { merge: Merge::new(Some(Id([9; 16]))), now: Instant::now() };
    play.hear(0, Heard::Lost);
    let kept = [(1, "cern"), (2, "cern"), (3, "fnal")].map(|(who, name)| {
        let signed = held_as(who, who, name, 1, LeaseState::Live).registration.unwrap();
        (Arc::new(signed::open_registration(&signed).unwrap()), signed, GRANTED)
    });
    let mut out = Vec::new();
    play.merge.recall(kept.clone(), play.now, &mut out);
    let words: Vec<_> = out.iter().map(word).collect();
    assert_eq!(words, ["+cern~01010101", "+cern~02020202", "+fnal"]);
    assert!(play.merge.services(play.now).iter().all(|service| service.state == ServiceState::Stale));
    play.hear(0, Heard::Reached { afresh: true });
    let fnal = Heard::Held(held_as(3, 3, "fnal", 1, LeaseState::Live));
    assert_eq!(play.hear(0, fnal), ["?fnal live"]);
    assert!(play.hear(0, Heard::SnapshotEnd(None)).is_empty());
    assert_eq!(play.pass(S(31)), ["-cern~01010101 expired", "~cern", "-cern expired"]);
    let mut out = Vec::new();
    play.merge.recall(kept, play.now, &mut out);
    assert!(out.is_empty(), "never while a lookup answers");
}

#[derive(Debug, Clone)]
enum Step {
    Held(usize, u8, u64),
    Gone(usize, u8, u64, u8),
    Lost(usize),
    Back(usize),
    Reset(usize, Vec<(u8, u64)>),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let lookup = 0..3_usize;
    prop_oneof![
        4 => (lookup.clone(), 1..4_u8, 1..5_u64).prop_map(|(l, w, s)| Step::Held(l, w, s)),
        3 => (lookup.clone(), 1..4_u8, 1..5_u64, 0..3_u8).prop_map(|(l, w, s, c)| Step::Gone(l, w, s, c)),
        1 => lookup.clone().prop_map(Step::Lost),
        1 => lookup.clone().prop_map(Step::Back),
        1 => (lookup, proptest::collection::vec((1..4_u8, 1..5_u64), 0..3)).prop_map(|(l, a)| Step::Reset(l, a)),
        2 => (1..40_u64).prop_map(Step::Pass),
    ]
}

/// The law once more, as plainly as can be: per lookup and service what was said last.
#[derive(Default)]
struct Law {
    said: BTreeMap<(usize, u8), (u64, Option<Instant>)>,
    went: BTreeMap<u8, (u64, Instant, BTreeSet<usize>)>,
    /// What was there when it was last looked.
    seen: BTreeMap<u8, u64>,
    /// When silence ended; `None` within: it lasts.
    silence: Option<Option<Instant>>,
}

impl Law {
    fn current(&self, who: u8, serial: u64, now: Instant) -> bool {
        self.went.get(&who).is_none_or(|(went, until, _)| *until <= now || serial > *went)
    }

    /// The greatest serial that is vouched for; or what was there before, where nobody could have told its end.
    fn there(&self, who: u8, now: Instant) -> Option<u64> {
        let vouched = self.said.iter().filter(|((_, service), (serial, until))| {
            *service == who && until.is_none_or(|until| until > now) && self.current(who, *serial, now)
        });
        let vouched = vouched.map(|(_, (serial, _))| *serial).max();
        let silent = match self.silence {
            None => false,
            Some(None) => true,
            Some(Some(ended)) => ended + GRANTED > now,
        };
        let before = self.seen.get(&who).copied().filter(|serial| silent && self.current(who, *serial, now));
        vouched.or(before)
    }

    fn look(&mut self, now: Instant) {
        self.seen = (1..4).filter_map(|who| Some((who, self.there(who, now)?))).collect();
    }

    fn held(&mut self, l: usize, who: u8, serial: u64) {
        if self.went.get(&who).is_some_and(|(went, _, by)| serial <= *went && by.contains(&l)) {
            self.went.remove(&who);
        }
        self.said.insert((l, who), (serial, None));
    }

    /// `known`: whether the client has heard of the service at all; of one it never heard of there is nothing to end.
    fn went(&mut self, l: usize, who: u8, serial: u64, now: Instant, known: bool) {
        if known {
            let before = self.went.remove(&who).filter(|(_, until, _)| *until > now);
            let (most, _, mut by) = before.unwrap_or((0, now, BTreeSet::new()));
            if serial > most {
                by.clear();
            }
            if serial >= most {
                by.insert(l);
            }
            self.went.insert(who, (most.max(serial), now + REMEMBERED, by));
        }
    }

    fn reached(&mut self, reached: [bool; 3], now: Instant, any: bool) {
        if reached == [false; 3] {
            if any && self.silence != Some(None) {
                self.silence = Some(None);
            }
        } else if self.silence == Some(None) {
            self.silence = Some(Some(now));
        }
    }
}

fn known(play: &Play, who: u8) -> bool {
    play.merge.services.contains_key(&Id([who; 16]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn any_history_shows_what_the_law_says(steps in proptest::collection::vec(step(), 1..60)) {
        let mut play = Play::new(3);
        let mut law = Law::default();
        let mut reached = [true; 3];
        let mut shown: BTreeSet<String> = BTreeSet::new();
        for step in steps {
            let mut words = Vec::new();
            match step {
                Step::Held(l, who, serial) if reached[l] => {
                    words = play.hear(l, held(who, serial));
                    law.held(l, who, serial);
                }
                Step::Gone(l, who, serial, cause) if reached[l] => {
                    let cause = [Gone::Cancelled, Gone::Expired, Gone::Unmatched][usize::from(cause)];
                    let known = known(&play, who);
                    words = play.hear(l, gone(who, serial, cause));
                    law.said.remove(&(l, who));
                    if cause != Gone::Expired {
                        law.went(l, who, serial, play.now, known);
                    }
                }
                Step::Lost(l) if reached[l] => {
                    reached[l] = false;
                    law.reached(reached, play.now, !play.merge.services.is_empty());
                    let kept = play.now + GRANTED;
                    let whom: Vec<u8> = law.said.keys().filter(|(at, _)| *at == l).map(|(_, who)| *who).collect();
                    for (_, (_, until, _)) in law.went.iter_mut().filter(|(who, _)| whom.contains(who)) {
                        *until = if *until > play.now { (*until).max(kept) } else { *until };
                    }
                    words = play.hear(l, Heard::Lost);
                    let until = play.now + GRANTED;
                    law.said.iter_mut().filter(|((at, _), _)| *at == l).for_each(|(_, said)| said.1 = Some(until));
                }
                Step::Back(l) if !reached[l] && play.merge.may_resume(l) => {
                    reached[l] = true;
                    law.reached(reached, play.now, true);
                    words = play.hear(l, Heard::Reached { afresh: false });
                    law.said.iter_mut().filter(|((at, _), _)| *at == l).for_each(|(_, said)| said.1 = None);
                }
                Step::Reset(l, all) => {
                    // A snapshot names a service once.
                    let all: BTreeMap<u8, u64> = all.into_iter().collect();
                    reached[l] = true;
                    law.reached(reached, play.now, true);
                    words = play.hear(l, Heard::Reached { afresh: true });
                    for (who, serial) in &all {
                        words.extend(play.hear(l, held(*who, *serial)));
                    }
                    words.extend(play.hear(l, Heard::SnapshotEnd(None)));
                    law.said.retain(|(at, _), _| *at != l);
                    all.into_iter().for_each(|(who, serial)| law.held(l, who, serial));
                }
                Step::Pass(seconds) => {
                    // What was there last is what was there when the last of the leases ran out, not when it was last looked.
                    let (begun, end) = (play.now, play.now + S(seconds));
                    let runs_out = law.said.values().filter_map(|(_, until)| *until);
                    let moments: BTreeSet<Instant> = runs_out.filter(|at| *at > begun && *at <= end).collect();
                    moments.into_iter().for_each(|at| law.look(at));
                    words = play.pass(S(seconds));
                }
                _ => {}
            }
            for word in words {
                let (sign, rest) = word.split_at(1);
                let name = rest.split(' ').next().unwrap().to_owned();
                match sign {
                    "+" => prop_assert!(shown.insert(name), "{word}: appeared once"),
                    "-" => prop_assert!(shown.remove(&name), "{word}: disappeared once"),
                    _ => prop_assert!(shown.contains(&name), "{word}: changed while there"),
                }
            }
            law.look(play.now);
            for who in 1..4 {
                let there = law.seen.contains_key(&who);
                prop_assert_eq!(shown.contains(&format!("farm{who}")), there, "farm{}", who);
            }
        }
    }
}
