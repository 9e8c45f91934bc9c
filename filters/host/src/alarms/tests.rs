//! What an alarm does when its filter, its sources, or people speak or fall silent.
#![allow(clippy::unwrap_used)]

use super::book::MAX_CHANGES;
use super::*;
use hedgerow_model::predicate::PathPattern;
use hedgerow_model::{Epoch, Glob, Labels, Life, Name, Position};
use proptest::prelude::*;

const T: UnixMillis = 1_700_000_000_000;

fn behind(number: u64) -> Position {
    Position { epoch: Epoch { start: 1, random: 7 }, number }
}

fn at(number: u64) -> Place {
    behind(number).into()
}

fn series(node: &str) -> SeriesKey {
    let name = |text: &str| Name::new(text).unwrap();
    SeriesKey { cluster: name("hosts"), node: name(node), parameter: name("up"), labels: Labels::default() }
}

fn key(key: &str) -> AlarmKey {
    AlarmKey { deployment: "full".to_owned(), key: key.to_owned() }
}

fn raise(name: &str, level: Status, nodes: &[&str]) -> Said {
    Said::Raise(Raise {
        key: key(name),
        level,
        text: format!("{level}"),
        series: nodes.iter().map(|node| series(node)).collect(),
        value: Some(0.97),
        runbook: String::new(),
    })
}

fn clear(name: &str) -> Said {
    Said::Clear(key(name), "all well".to_owned())
}

/// A book, and ids that count.
struct Rig {
    book: AlarmBook,
    ids: u16,
    number: u64,
}

impl Rig {
    fn new() -> Self {
        Self { book: AlarmBook::new("site", Bounds::default()), ids: 0, number: 0 }
    }

    fn say(&mut self, said: Vec<Said>, now: UnixMillis) -> Vec<AlarmChange> {
        self.number += 1;
        self.say_at(self.number, said, now)
    }

    fn say_at(&mut self, number: u64, said: Vec<Said>, now: UnixMillis) -> Vec<AlarmChange> {
        let Self { book, ids, .. } = self;
        book.said("full", at(number), said, now, || {
            *ids += 1;
            Id([(*ids).to_be_bytes(); 8].concat().try_into().unwrap())
        })
    }

    fn only(&self) -> &Alarm {
        let all: Vec<&Alarm> = self.book.open().collect();
        assert_eq!(all.len(), 1);
        all[0]
    }

    fn acknowledge(&mut self, until: Option<UnixMillis>, now: UnixMillis) {
        let acknowledgement =
            Acknowledgement { by: "ann".to_owned(), comment: "on it".to_owned(), at: now, until };
        self.book.acknowledge(self.only().id, acknowledgement, now).unwrap();
    }
}

#[test]
fn an_alarm_is_raised_changed_confirmed_and_cleared_and_then_another_one() {
    let mut rig = Rig::new();
    let told = rig.say(vec![raise("a", Status::Warning, &["n1"])], T);
    let transition = told[0].transition.as_ref().unwrap();
    assert_eq!((transition.from, transition.to), (Status::Ok, Status::Warning));
    assert!(rig.say(vec![raise("a", Status::Warning, &["n1"])], T + 10).is_empty(), "confirmed, no news");
    assert_eq!((rig.only().confirmed, rig.only().changed, rig.only().since), (T + 10, T, T));
    let kept = rig.say(vec![raise("a", Status::Warning, &["n1"])], T + 70_010);
    assert_eq!(kept.len(), 1, "that it still stands is kept now and then");
    assert_eq!(kept[0].transition, None);
    let worse = rig.say(vec![raise("a", Status::Critical, &["n1"])], T + 80_000);
    assert_eq!(worse[0].transition.as_ref().unwrap().to, Status::Critical);
    let first = rig.only().id;
    let over = rig.say(vec![clear("a")], T + 90_000);
    assert_eq!((over[0].alarm.level, over[0].alarm.cleared), (Status::Ok, Some(T + 90_000)));
    assert!(rig.say(vec![clear("a")], T + 91_000).is_empty(), "there is none");
    rig.say(vec![raise("a", Status::Info, &["n1"])], T + 92_000);
    assert_ne!(rig.only().id, first);
    assert_eq!(rig.book.cleared().count(), 1);
}

#[test]
fn what_a_replay_says_again_changes_nothing() {
    let mut rig = Rig::new();
    rig.say_at(5, vec![raise("a", Status::Critical, &["n1"]), clear("a")], T);
    assert_eq!(rig.book.open().count(), 0);
    assert!(rig.say_at(4, vec![raise("a", Status::Critical, &["n1"])], T + 1).is_empty());
    assert!(rig.say_at(5, vec![raise("a", Status::Critical, &["n1"]), clear("a")], T + 1).is_empty());
    assert_eq!((rig.book.open().count(), rig.book.cleared().count()), (0, 1));
    assert_eq!(rig.say_at(6, vec![raise("a", Status::Info, &["n1"])], T + 2).len(), 1);
}

#[test]
fn a_worse_level_voids_the_acknowledgement_and_a_better_one_does_not() {
    let mut rig = Rig::new();
    rig.say(vec![raise("a", Status::Warning, &["n1"])], T);
    rig.acknowledge(None, T + 1);
    rig.say(vec![raise("a", Status::Info, &["n1"])], T + 2);
    assert!(rig.only().acknowledged.is_some());
    rig.say(vec![raise("a", Status::Critical, &["n1"])], T + 3);
    assert_eq!(rig.only().acknowledged, None);
    rig.acknowledge(None, T + 4);
    // Unknown for a while, then as bad as before: nothing that the person had not seen.
    rig.book.deployment_stopped("full", "its deployment was stopped", T + 5);
    rig.say(vec![raise("a", Status::Critical, &["n1"])], T + 6);
    assert!(rig.only().acknowledged.is_some());
}

#[test]
fn acknowledgements_end_and_can_be_taken_back() {
    let mut rig = Rig::new();
    rig.say(vec![raise("a", Status::Warning, &["n1"])], T);
    rig.acknowledge(Some(T + 100), T);
    assert!(rig.book.tick(T + 99).is_empty());
    assert_eq!(rig.book.tick(T + 100).len(), 1);
    assert_eq!(rig.only().acknowledged, None);
    let id = rig.only().id;
    assert_eq!(rig.book.withdraw(id, T), Err(BookError::NotAcknowledged(id)));
    rig.acknowledge(None, T);
    assert!(rig.book.withdraw(id, T).unwrap().alarm.acknowledged.is_none());
    rig.say(vec![clear("a")], T + 200);
    assert_eq!(rig.book.withdraw(id, T), Err(BookError::Cleared(id)));
    assert_eq!(rig.book.withdraw(Id([9; 16]), T), Err(BookError::NoAlarm(Id([9; 16]))));
}

#[test]
fn an_alarm_whose_deployment_stops_is_unknown_until_it_runs_again() {
    let mut rig = Rig::new();
    rig.say(vec![raise("a", Status::Critical, &["n1"])], T);
    let told = rig.book.deployment_stopped("full", "quarantined: it trapped", T + 1);
    assert_eq!(told[0].transition.as_ref().unwrap().to, Status::Unknown);
    assert_eq!(rig.only().unknown.as_ref().unwrap().reason, "quarantined: it trapped");
    assert!(rig.book.deployment_stopped("full", "again", T + 2).is_empty());
    let back = rig.book.deployment_runs("full", true, T + 3);
    assert_eq!(back[0].alarm.level, Status::Critical);
    rig.book.deployment_runs("full", false, T + 5);
    assert_eq!(rig.only().level, Status::Unknown, "it has forgotten: it must speak first");
    rig.say_at(1, vec![clear("a")], T + 6);
    assert_eq!(rig.book.open().count(), 0, "a filter that begins anew has its own numbers");
}

#[test]
fn a_person_closes_only_what_no_filter_speaks_of_any_more_and_raised_again_it_is_another() {
    let mut rig = Rig::new();
    rig.say(vec![raise("a", Status::Critical, &["n1"])], T);
    let id = rig.only().id;
    assert_eq!(rig.book.close(id, "ann", "moved", T + 1), Err(BookError::FilterRuns(id)));
    rig.book.source(&series("n1"), Life::Stale, behind(5), "away", T + 2);
    assert_eq!(rig.only().level, Status::Unknown);
    assert_eq!(
        rig.book.close(id, "ann", "moved", T + 3),
        Err(BookError::FilterRuns(id)),
        "its source may return"
    );
    rig.book.deployment_stopped("full", "its deployment was removed", T + 4);
    rig.acknowledge(None, T + 4);
    assert_eq!((rig.book.open_of(Status::Unknown), rig.book.open_of(Status::Critical)), (1, 0));
    let AlarmChange { alarm, transition } = rig.book.close(id, "ann", "moved", T + 5).unwrap();
    assert_eq!((alarm.level, alarm.cleared, alarm.confirmed), (Status::Ok, Some(T + 5), T));
    assert_eq!((alarm.text.as_str(), &alarm.acknowledged), ("closed by ann: moved", &None));
    let transition = transition.unwrap();
    assert_eq!((transition.from, transition.to), (Status::Unknown, Status::Ok));
    assert_eq!(transition.text, "closed by ann: moved");
    assert_eq!((rig.book.open().count(), rig.book.cleared().count()), (0, 1));
    assert_eq!(rig.book.close(id, "ann", "moved", T + 6), Err(BookError::Cleared(id)));
    assert!(rig.book.deployment_runs("full", true, T + 7).is_empty());
    rig.say(vec![raise("a", Status::Critical, &["n1"])], T + 8);
    assert_ne!(rig.only().id, id);
}

#[test]
fn an_alarm_all_of_whose_sources_are_silent_is_unknown_and_comes_back_with_the_first() {
    let mut rig = Rig::new();
    rig.say(vec![raise("a", Status::Warning, &["n1", "n2"]), raise("b", Status::Info, &["n3"])], T);
    assert!(
        rig.book.source(&series("n1"), Life::Stale, behind(9), "missed 3 intervals of 10s", T + 1).is_empty()
    );
    let told = rig.book.source(&series("n2"), Life::Ended, behind(9), "gone", T + 2);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].alarm.unknown.as_ref().unwrap().reason, "all 2 of its sources are silent: gone");
    // The deployment's silence is told over that of the sources, and ends by itself.
    rig.book.deployment_stopped("full", "removed", T + 3);
    let about = |rig: &Rig| rig.book.open().find(|alarm| alarm.key == key("a")).unwrap().clone();
    assert_eq!(about(&rig).unknown.unwrap().reason, "removed");
    assert!(rig.book.source(&series("n1"), Life::Live, behind(9), "", T + 4).is_empty());
    rig.book.source(&series("n1"), Life::Stale, behind(9), "again", T + 5);
    rig.book.deployment_runs("full", true, T + 6);
    assert_eq!(about(&rig).unknown.unwrap().cause, UnknownCause::Source);
    let back = rig.book.source(&series("n1"), Life::Live, behind(9), "", T + 7);
    assert_eq!((back.len(), back[0].alarm.level), (1, Status::Warning));
}

#[test]
fn an_alarm_raised_because_its_source_fell_silent_stands() {
    let mut rig = Rig::new();
    rig.say_at(5, vec![raise("full", Status::Warning, &["n1"])], T);
    // It lags: the series fell silent behind number 7, and the filter has not come to that.
    let told = rig.book.source(&series("n1"), Life::Stale, behind(7), "gone", T + 1);
    assert_eq!(told[0].alarm.level, Status::Unknown);
    rig.say_at(7, vec![raise("lags", Status::Warning, &["n1"])], T + 2);
    let knowing = Place { position: behind(7), lives: 1 };
    rig.book.said("full", knowing, vec![raise("silent", Status::Critical, &["n1"])], T + 3, || Id([77; 16]));
    rig.book.deployment_stopped("full", "it restarts", T + 4);
    rig.book.deployment_runs("full", true, T + 5);
    rig.book.source(&series("n1"), Life::Ended, behind(7), "gone for good", T + 6);
    let levels: Vec<_> = rig.book.open().map(|alarm| (alarm.key.key.as_str(), alarm.level)).collect();
    assert_eq!(levels, [("full", Status::Unknown), ("lags", Status::Unknown), ("silent", Status::Critical)]);
}

#[test]
fn what_another_change_of_life_behind_the_same_number_caused_is_no_replay() {
    let mut rig = Rig::new();
    rig.say_at(5, vec![raise("a", Status::Critical, &["n1"])], T);
    let first = Place { position: behind(5), lives: 1 };
    assert_eq!(rig.book.said("full", first, vec![clear("a")], T + 1, || Id([9; 16])).len(), 1);
}

#[test]
fn a_silence_marks_what_it_matches_for_its_time_and_hides_nothing() {
    let mut rig = Rig::new();
    rig.say(vec![raise("disk-n1", Status::Warning, &["n1"]), raise("cpu-n2", Status::Info, &["n2"])], T);
    let silence = |id, until| Silence {
        id,
        deployment: Glob::any(),
        key: Glob::new("disk-*").unwrap(),
        path: Some(PathPattern::parse("*/hosts/n1").unwrap()),
        by: "ann".to_owned(),
        comment: "moved".to_owned(),
        from: T,
        until,
    };
    let (id, told) = rig.book.silence(silence(0, T + 100), T).unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].alarm.silenced, Some(id));
    let worse = rig.say(vec![raise("disk-n1", Status::Critical, &["n1"])], T + 1);
    assert_eq!((worse[0].alarm.silenced, worse[0].alarm.level), (Some(id), Status::Critical));
    assert_eq!(rig.book.tick(T + 100)[0].alarm.silenced, None);
    assert_eq!(rig.book.silence(silence(id, T + 200), T + 100), Err(BookError::NoSilence(id)));
    assert_eq!(rig.book.silence(silence(0, T), T), Err(BookError::EmptySilence));
    let (second, _) = rig.book.silence(silence(0, T + 900), T + 101).unwrap();
    assert_ne!(second, id);
    assert_eq!(rig.book.silence(silence(second, T), T + 102).unwrap().1[0].alarm.silenced, None);
}

#[test]
fn too_many_alarms_of_one_deployment_are_refused_and_counted() {
    let mut rig = Rig::new();
    rig.book = AlarmBook::new("site", Bounds { open_per_deployment: 2, ..Bounds::default() });
    let many: Vec<Said> = ["a", "b", "c"].iter().map(|key| raise(key, Status::Info, &["n1"])).collect();
    assert_eq!(rig.say(many, T).len(), 2);
    assert_eq!((rig.book.refused(), rig.book.open().count()), (1, 2));
    rig.say(vec![clear("a"), raise("c", Status::Info, &["n1"])], T + 1);
    assert_eq!(rig.book.open().count(), 2);
}

#[test]
fn who_raises_and_clears_without_end_is_held_to_so_many_changes_and_what_is_cleared_stays_so() {
    let mut rig = Rig::new();
    let turns = std::iter::repeat_with(|| [raise("a", Status::Info, &["n1"]), clear("a")]);
    let told = rig.say(turns.take(20_000).flatten().collect(), T);
    assert_eq!((told.len(), rig.book.refused()), (MAX_CHANGES, 20_000 - MAX_CHANGES as u64 / 2));
    assert_eq!(rig.book.open().count(), 0);
}

/// Something that happens.
#[derive(Debug, Clone)]
enum Step {
    Say(Vec<(bool, u8, u8)>),
    Stop,
    Run,
    Life(u8, bool),
    Acknowledge,
    Close,
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        proptest::collection::vec((any::<bool>(), 0..3_u8, 1..4_u8), 1..4).prop_map(Step::Say),
        Just(Step::Stop),
        Just(Step::Run),
        (0..3_u8, any::<bool>()).prop_map(|(node, live)| Step::Life(node, live)),
        Just(Step::Acknowledge),
        Just(Step::Close),
        (1..100_000_i64).prop_map(Step::Wait),
    ]
}

const NODES: [&str; 3] = ["n0", "n1", "n2"];
const LEVELS: [Status; 4] = [Status::Ok, Status::Info, Status::Warning, Status::Critical];

proptest! {
    /// Whatever happens: changes alone rebuild the book; what is kept and loaded is the same book; transitions chain; versions
    /// rise; an alarm leaves only by a clear or a close; unknown has a reason and a level to go back to; nobody acknowledges a worse level unseen.
    #[test]
    fn the_changes_are_the_book(steps in proptest::collection::vec(step(), 1..60)) {
        let mut rig = Rig::new();
        let (mut now, mut cleared) = (T, std::collections::BTreeSet::new());
        let mut told: std::collections::BTreeMap<Id, Alarm> = std::collections::BTreeMap::new();
        for step in steps {
            now += 1;
            let changes = match step {
                Step::Say(words) => {
                    let said = words.iter().map(|(up, which, level)| {
                        let name = NODES[usize::from(*which)];
                        if *up { raise(name, LEVELS[usize::from(*level)], &[name]) } else { clear(name) }
                    });
                    rig.say(said.collect(), now)
                }
                Step::Stop => rig.book.deployment_stopped("full", "stopped", now),
                Step::Run => rig.book.deployment_runs("full", true, now),
                Step::Life(node, live) => {
                    let number = rig.number;
                    let life = if live { Life::Live } else { Life::Stale };
                    rig.book.source(&series(NODES[usize::from(node)]), life, behind(number), "silent", now)
                }
                Step::Acknowledge => {
                    let id = rig.book.open().next().map(|alarm| alarm.id);
                    let ack = Acknowledgement { by: String::new(), comment: String::new(), at: now, until: Some(now + 500) };
                    id.and_then(|id| rig.book.acknowledge(id, ack, now).ok()).into_iter().collect()
                }
                Step::Close => {
                    let id = rig.book.open().next().map(|alarm| alarm.id);
                    id.and_then(|id| rig.book.close(id, "ann", "over", now).ok()).into_iter().collect()
                }
                Step::Wait(ms) => {
                    now += ms;
                    rig.book.tick(now)
                }
            };
            for AlarmChange { alarm, transition } in changes {
                prop_assert!(!cleared.contains(&alarm.id), "told after it was cleared");
                let before = told.get(&alarm.id);
                let level = before.map_or(Status::Ok, |before| before.level);
                prop_assert!(before.is_none_or(|before| before.version < alarm.version));
                prop_assert_eq!(level != alarm.level, transition.is_some());
                if let Some(transition) = transition {
                    prop_assert_eq!((transition.from, transition.to), (level, alarm.level));
                }
                prop_assert_eq!(alarm.level == Status::Unknown, alarm.unknown.is_some());
                if alarm.cleared.is_some() {
                    cleared.insert(alarm.id);
                }
                told.insert(alarm.id, alarm);
            }
            for open in rig.book.open() {
                let told = &told[&open.id];
                prop_assert_eq!(Alarm { confirmed: told.confirmed, cause: told.cause, value: told.value, ..open.clone() }, told.clone());
            }
            let standing = told.values().filter(|alarm| alarm.cleared.is_none()).count();
            prop_assert_eq!(standing, rig.book.open().count());
        }
        let mut again = AlarmBook::new("site", Bounds::default());
        let through: Vec<_> = rig.book.through().map(|(name, place)| (name.to_owned(), place)).collect();
        again.load(rig.book.open().chain(rig.book.cleared()).cloned().collect(), Vec::new(), through);
        prop_assert!(again.through().eq(rig.book.through()));
        prop_assert!(again.open().eq(rig.book.open()));
        prop_assert!(again.cleared().eq(rig.book.cleared()));
    }
}
