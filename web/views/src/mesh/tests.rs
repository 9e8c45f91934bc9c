#![allow(clippy::unwrap_used)]

use super::*;
use crate::alarms::{AlarmBook, AlarmsFrame, AlarmsView, FARM_LOST};
use crate::testing::{from, id, lost, opened, service};
use crate::world::GONE_FOR;
use hedgerow_client::directory::Transition;
use hedgerow_client::proto::filter::{self as wire, AlarmLevel};
use hedgerow_client::{ClientError, MeshUpdate, Update};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A reader that does as the contract says.
#[derive(Debug, Default, PartialEq)]
struct Reader {
    farms: BTreeMap<String, Farm>,
    gone: BTreeMap<String, GoneFarm>,
    log: BTreeSet<u64>,
    lookups: Option<Vec<SeenLookup>>,
    coverage: Option<Coverage>,
    totals: Totals,
}

impl Reader {
    fn take(&mut self, frame: MeshFrame) {
        let frame: MeshFrame = serde_json::from_str(&serde_json::to_string(&frame).unwrap()).unwrap();
        if frame.full {
            *self = Self::default();
        }
        for farm in frame.farms {
            self.farms.insert(farm.id.clone(), farm);
        }
        for gone in frame.gone {
            self.farms.remove(&gone.id);
            self.gone.insert(gone.id.clone(), gone);
        }
        frame.back.iter().for_each(|id| drop(self.gone.remove(id)));
        for line in frame.log {
            assert!(self.log.insert(line.n), "line {} a second time", line.n);
        }
        self.lookups = frame.lookups.or(self.lookups.take());
        self.totals = frame.totals;
        if let Some(coverage) = frame.coverage {
            self.coverage = Some(Coverage { as_of: None, ..coverage });
        }
    }
}

#[derive(Debug, Default)]
struct Alarms {
    alarms: BTreeMap<String, crate::alarms::Alarm>,
    silences: Vec<crate::alarms::Silence>,
    coverage: Option<Coverage>,
}

impl Alarms {
    fn take(&mut self, frame: AlarmsFrame) {
        if frame.full {
            *self = Self::default();
        }
        self.alarms.extend(frame.alarms.into_iter().map(|alarm| (alarm.key.clone(), alarm)));
        frame.removed.iter().for_each(|key| drop(self.alarms.remove(key)));
        self.silences = frame.silences.unwrap_or(std::mem::take(&mut self.silences));
        if let Some(coverage) = frame.coverage {
            self.coverage = Some(Coverage { as_of: None, ..coverage });
        }
    }
}

fn alarm(n: u8, level: AlarmLevel, version: u64, cleared: bool) -> Update {
    Update::Alarm(Box::new(wire::Alarm {
        id: vec![n; 16].into(),
        deployment: "d".into(),
        key: format!("k{n}"),
        level: level.into(),
        version,
        cleared_ms: cleared.then_some(5),
        ..wire::Alarm::default()
    }))
}

#[derive(Debug, Clone)]
enum Step {
    Appeared(u8, bool),
    Changed(u8, bool),
    Disappeared(u8, Gone),
    Lookup(bool),
    Alarm(u8, u8, AlarmLevel, bool),
    Farm(u8, bool),
    Later(i64),
    Tell,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let farm = 1..4_u8;
    let gone = prop_oneof![Just(Gone::Cancelled), Just(Gone::Expired)];
    let level = prop_oneof![Just(AlarmLevel::Warning), Just(AlarmLevel::Critical)];
    let step = prop_oneof![
        3 => (farm.clone(), any::<bool>()).prop_map(|(farm, fits)| Step::Appeared(farm, fits)),
        2 => (farm.clone(), any::<bool>()).prop_map(|(farm, fits)| Step::Changed(farm, fits)),
        2 => (farm.clone(), gone).prop_map(|(farm, gone)| Step::Disappeared(farm, gone)),
        1 => any::<bool>().prop_map(Step::Lookup),
        2 => (farm.clone(), 1..4_u8, level, any::<bool>()).prop_map(|(f, n, l, c)| Step::Alarm(f, n, l, c)),
        2 => (farm, any::<bool>()).prop_map(|(farm, answers)| Step::Farm(farm, answers)),
        1 => prop_oneof![Just(10_i64), Just(GONE_FOR)].prop_map(Step::Later),
        3 => Just(Step::Tell),
    ];
    prop::collection::vec(step, 0..50)
}

fn farm(n: u8, fits: bool) -> Service {
    service(n, if fits { &[("lat", "46.2"), ("lon", "6.1"), ("site", "a")] } else { &[("lat", "900")] })
}

proptest! {
    #[test]
    fn differences_make_what_full_frames_are(steps in steps()) {
        let world = Arc::new(Mutex::new(World::default()));
        let source = Arc::new(AlarmSource::of(AlarmBook::new(false)));
        let spec = MeshSpec { template: Some("site=a".into()) };
        let name = registration::Mesh { name: "m".into(), id: id(200) };
        let mut view = MeshView::new(&spec, &name, Arc::clone(&world), Arc::clone(&source)).unwrap();
        let mut list = AlarmsView::new(Arc::clone(&world), Arc::clone(&source));
        let (mut reader, mut alarms) = (Reader::default(), Alarms::default());
        reader.take(view.full_frame(0));
        alarms.take(list.full_frame(0));
        let (mut now, mut version) = (1, 0);
        for step in steps.iter().chain([&Step::Tell]) {
            now += 1;
            version += 1;
            let there = |n: u8| lock(&world).farms.contains_key(&id(n));
            match step {
                Step::Appeared(n, fits) if !there(*n) => {
                    lock(&world).hear(&Transition::Appeared(farm(*n, *fits)), now);
                }
                Step::Changed(n, fits) if there(*n) => {
                    let before = farm(*n, !fits).registration;
                    lock(&world).hear(&Transition::Changed(farm(*n, *fits), before), now);
                }
                Step::Disappeared(n, gone) if there(*n) => {
                    let service = lock(&world).farms[&id(*n)].service.clone();
                    lock(&world).hear(&Transition::Disappeared(service, *gone), now);
                }
                Step::Lookup(answers) => {
                    let url = "u".to_owned();
                    let transition = match answers {
                        true => Transition::LookupReached { url },
                        false => Transition::LookupLost { url, error: ClientError::NoLookup(vec![]) },
                    };
                    lock(&world).hear(&transition, now);
                }
                Step::Alarm(farm, n, level, cleared) => {
                    source.book().hear(&from(*farm, alarm(*n, *level, version, *cleared)), now);
                }
                Step::Farm(farm, answers) => {
                    source.book().hear(&from(*farm, if *answers { opened(1) } else { lost() }), now);
                }
                Step::Later(by) => now += by,
                Step::Tell => {
                    view.changed_frame(now).into_iter().for_each(|frame| reader.take(frame));
                    list.changed_frame(now).into_iter().for_each(|frame| alarms.take(frame));
                    let (mut fresh, mut all) = (Reader::default(), Alarms::default());
                    fresh.take(view.full_frame(now));
                    all.take(list.full_frame(now));
                    prop_assert_eq!(&reader, &fresh);
                    prop_assert_eq!(&alarms.alarms, &all.alarms);
                    prop_assert_eq!(&alarms.coverage, &all.coverage);
                    let totals = fresh.totals;
                    prop_assert_eq!(totals.farms as usize, fresh.farms.len());
                    prop_assert_eq!(totals.gone as usize, fresh.gone.len());
                }
                _ => {}
            }
        }
    }
}

fn parts() -> (Arc<Mutex<World>>, Arc<AlarmSource>, MeshView, AlarmsView) {
    let world = Arc::new(Mutex::new(World::default()));
    let source = Arc::new(AlarmSource::of(AlarmBook::new(false)));
    let name = registration::Mesh { name: "m".into(), id: id(200) };
    let view = MeshView::new(&MeshSpec::default(), &name, Arc::clone(&world), Arc::clone(&source)).unwrap();
    let list = AlarmsView::new(Arc::clone(&world), Arc::clone(&source));
    (world, source, view, list)
}

#[test]
fn a_lost_farm_is_a_critical_alarm_until_it_is_back_and_a_stopped_one_is_none() {
    let (world, _, view, list) = parts();
    for n in 1..3 {
        lock(&world).hear(&Transition::Appeared(farm(n, true)), 10);
    }
    lock(&world).hear(&Transition::Disappeared(farm(1, true), Gone::Expired), 20);
    lock(&world).hear(&Transition::Disappeared(farm(2, true), Gone::Cancelled), 21);
    let frame = view.full_frame(30);
    assert_eq!(frame.totals.alarms.critical, 1);
    let told: Vec<_> = frame.gone.iter().map(|gone| (gone.why.as_str(), gone.farm.level.as_str())).collect();
    assert_eq!(told, [("expired", "critical"), ("cancelled", "info")]);
    let alarms = list.full_frame(30).alarms;
    assert_eq!(alarms.len(), 1);
    assert_eq!(
        (alarms[0].name.as_str(), alarms[0].level.as_str(), alarms[0].since),
        (FARM_LOST, "critical", 20)
    );
    lock(&world).hear(&Transition::Appeared(farm(1, true)), 40);
    assert!(list.full_frame(41).alarms.is_empty());
    assert_eq!(view.full_frame(41).gone.len(), 1);
    assert!(view.full_frame(21 + GONE_FOR).gone.is_empty(), "an hour later nobody shows it");
}

#[test]
fn a_farm_that_says_nothing_of_its_alarms_is_unknown_and_so_are_they() {
    let (world, source, view, list) = parts();
    lock(&world).hear(&Transition::Appeared(farm(1, true)), 10);
    assert_eq!(view.full_frame(11).farms[0].level, "unknown", "nothing was heard yet");
    source.book().hear(&MeshUpdate::Joined(farm(1, true)), 12);
    source.book().hear(&from(1, opened(1)), 12);
    assert_eq!(view.full_frame(13).farms[0].level, "ok");
    source.book().hear(&from(1, alarm(1, AlarmLevel::Warning, 1, false)), 14);
    source.book().hear(&from(1, alarm(1, AlarmLevel::Critical, 0, false)), 14);
    let shown = view.full_frame(15).farms.remove(0);
    assert_eq!(
        (shown.level.as_str(), shown.alarms.warning),
        ("warning", 1),
        "an older version changes nothing"
    );
    assert_eq!(shown.place, Some(Place { lat: 46.2, lon: 6.1 }));
    source.book().hear(&from(1, lost()), 16);
    assert_eq!(view.full_frame(17).farms[0].level, "unknown");
    let told = list.full_frame(17);
    assert_eq!(
        (told.alarms[0].level.as_str(), told.alarms[0].level_before.as_deref()),
        ("unknown", Some("warning"))
    );
    assert!(told.alarms[0].unknown_because.contains("does not answer"));
    assert!(!told.coverage.unwrap().complete);
}

#[test]
fn what_cleared_while_nobody_listened_leaves_with_the_next_list() {
    let (world, source, _, mut list) = parts();
    lock(&world).hear(&Transition::Appeared(farm(1, true)), 10);
    source.book().hear(&from(1, opened(1)), 10);
    for n in 1..3 {
        source.book().hear(&from(1, alarm(n, AlarmLevel::Warning, 1, false)), 11);
    }
    assert_eq!(list.changed_frame(12).unwrap().alarms.len(), 2);
    let asked_at = source.book().revision();
    source.book().hear(&from(1, alarm(3, AlarmLevel::Warning, 1, false)), 13);
    let Update::Alarm(first) = alarm(1, AlarmLevel::Warning, 1, false) else { panic!() };
    let lists = hedgerow_client::alarms::MeshAlarms {
        farms: vec![hedgerow_client::alarms::FarmAlarms {
            farm: "farm1".into(),
            service: farm(1, true),
            alarms: vec![*first],
            silences: vec![wire::Silence { id: 4, by: "me".into(), ..wire::Silence::default() }],
        }],
        ..hedgerow_client::alarms::MeshAlarms::default()
    };
    source.book().listed(lists, asked_at);
    let frame = list.changed_frame(14).unwrap();
    assert_eq!(frame.removed.len(), 1, "the second; the third was raised since");
    assert!(frame.removed[0].ends_with(&"02".repeat(16)));
    assert_eq!(frame.alarms.len(), 1);
    assert_eq!(frame.silences.unwrap()[0].by, "me");
}

#[test]
fn the_log_keeps_what_happened_and_not_what_was_there() {
    let (world, _, _, _) = parts();
    lock(&world).hear(&Transition::Appeared(farm(1, true)), 1);
    lock(&world).hear(&Transition::LookupReached { url: "u".into() }, 2);
    lock(&world).hear(&Transition::Appeared(farm(2, true)), 3);
    lock(&world).hear(&Transition::Disappeared(farm(1, true), Gone::Expired), 4);
    let log = lock(&world).log(0, u64::MAX);
    let told: Vec<_> = log.iter().map(|line| (line.what.as_str(), line.name.as_str())).collect();
    assert_eq!(told, [("lookup_reached", "u"), ("appeared", "farm2"), ("gone", "farm1")]);
}
