//! The pool and the schedule together, in a simulated world: targets that answer, hang, or change their mind.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::schedule::{Schedule, spread};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// How a target behaves when a run starts at this moment: how long it takes; `None`: it hangs.
type Behaviour = Box<dyn Fn(Moment) -> Option<Duration>>;

struct Simulated {
    facts: Facts,
    behaves: Behaviour,
    due: u64,
    answered: u64,
    skipped: u64,
    running: Option<(Moment, Moment, bool)>,
    most_running: usize,
}

/// Runs schedule and pool against simulated targets and checks the bounds at each step.
struct World {
    schedule: Schedule,
    pool: Pool,
    spec: PoolSpec,
    targets: Vec<Simulated>,
    /// Those that run.
    running: BTreeSet<usize>,
    now: Moment,
    starts: Vec<usize>,
}

/// A pool in which it soon gets tight.
fn small() -> PoolSpec {
    PoolSpec { global: 64, per_module: BTreeMap::new(), per_target: 2 }
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn key_of(at: usize) -> TargetKey {
    TargetKey(at as u64)
}

fn at_of(key: TargetKey) -> usize {
    usize::try_from(key.0).unwrap()
}

impl World {
    fn new(spec: PoolSpec) -> Self {
        let pool = Pool::new(spec.clone());
        let (schedule, targets, starts) = (Schedule::default(), Vec::new(), Vec::new());
        Self { schedule, pool, spec, targets, running: BTreeSet::new(), now: Duration::ZERO, starts }
    }

    fn add(
        &mut self,
        collector: u32,
        module: &str,
        address: &str,
        period: Duration,
        behaves: Behaviour,
    ) -> usize {
        let at = self.targets.len();
        let facts = Facts {
            collector,
            module: module.into(),
            address: Some(address.into()),
            period,
            deadline: period * 4 / 5,
        };
        self.pool.add(key_of(at), facts.clone());
        let hash = spread(&collector.to_string(), address, &at.to_string());
        self.schedule.add(key_of(at), hash, period, self.now);
        self.targets.push(Simulated {
            facts,
            behaves,
            due: 0,
            answered: 0,
            skipped: 0,
            running: None,
            most_running: 0,
        });
        at
    }

    fn run_until(&mut self, end: Moment) {
        loop {
            for tick in self.schedule.due(self.now) {
                let target = &mut self.targets[at_of(tick.key)];
                target.due += 1 + tick.missed;
                target.skipped += tick.missed;
                if self.pool.tick(tick.key, self.now) != TickFate::Queued {
                    target.skipped += 1;
                }
            }
            self.settle();
            let running = self.running.iter().filter_map(|at| self.targets[*at].running);
            let ends = running.map(|(_, ends, _)| ends).min();
            let next =
                [ends, self.schedule.next(), self.pool.next_wake(self.now)].into_iter().flatten().min();
            match next {
                Some(next) if next <= end => self.now = next,
                _ => break,
            }
        }
        self.now = end;
    }

    fn settle(&mut self) {
        for at in self.running.clone() {
            let target = &mut self.targets[at];
            if let Some((started, ends, answers)) = target.running
                && ends <= self.now
            {
                target.running = None;
                self.running.remove(&at);
                target.answered += u64::from(answers);
                let end = if answers { RunEnd::Answered } else { RunEnd::Silent };
                self.pool.finished(key_of(at), self.now - started, end);
            }
        }
        loop {
            let effects = self.pool.advance(self.now);
            if effects.is_empty() {
                break;
            }
            for effect in effects {
                self.take(effect);
            }
            self.check();
        }
    }

    fn take(&mut self, effect: Effect) {
        match effect {
            Effect::Start(key) => {
                self.starts.push(at_of(key));
                let target = &mut self.targets[at_of(key)];
                assert_eq!(target.running, None, "a target runs once at a time");
                let takes = (target.behaves)(self.now).filter(|takes| *takes < target.facts.deadline);
                let ends = self.now + takes.unwrap_or(target.facts.deadline);
                target.running = Some((self.now, ends, takes.is_some()));
                self.running.insert(at_of(key));
            }
            Effect::Cut(key) => {
                let target = &mut self.targets[at_of(key)];
                let (started, ..) = target.running.take().expect("only what runs can be cut");
                self.running.remove(&at_of(key));
                self.pool.finished(key, self.now - started, RunEnd::Cut);
            }
        }
    }

    fn check(&mut self) {
        let running: Vec<usize> = self.running.iter().copied().collect();
        assert_eq!(running.len(), self.pool.busy());
        assert!(running.len() <= self.spec.global.max(1));
        let (mut modules, mut addresses) = (BTreeMap::new(), BTreeMap::new());
        for facts in running.iter().map(|at| &self.targets[*at].facts) {
            *modules.entry(&*facts.module).or_insert(0) += 1;
            *addresses.entry(&facts.address).or_insert(0) += 1;
        }
        for (module, bound) in &self.spec.per_module {
            let count = modules.get(&**module).copied().unwrap_or(0);
            assert!(count <= (*bound).max(1), "bound of {module}");
        }
        for (address, count) in addresses {
            assert!(count <= self.spec.per_target.max(1), "bound of {address:?}");
        }
        let on_probation = running.iter().filter(|at| self.pool.lane(key_of(**at)) == Some(Lane::Probation));
        assert!(on_probation.count() <= (self.spec.global / 8).max(1), "probation holds its share at most");
        for at in running {
            self.targets[at].most_running = 1;
        }
    }

    /// The worst share of its ticks that any of these kept.
    fn worst_kept(&self, targets: &[usize]) -> f64 {
        let kept = |at: &usize| self.targets[*at].answered as f64 / self.targets[*at].due as f64;
        targets.iter().map(kept).fold(1.0, f64::min)
    }
}

fn answers(after: Duration) -> Behaviour {
    Box::new(move |_| Some(after))
}

fn hangs() -> Behaviour {
    Box::new(|_| None)
}

/// `hung` targets of one collector beside `healthy` ones, of the same or of another, for 30 periods of 10 s.
fn beside_hung(spec: PoolSpec, hung: usize, healthy: usize, same_collector: bool, takes: Duration) -> World {
    let period = Duration::from_secs(10);
    let mut world = World::new(spec);
    for n in 0..hung {
        world.add(0, "script", &format!("hung{n}"), period, hangs());
    }
    world.run_until(Duration::from_secs(3));
    for n in 0..healthy {
        world.add(u32::from(!same_collector), "script", &format!("good{n}"), period, answers(takes));
    }
    world.run_until(Duration::from_secs(303));
    world
}

#[test]
fn any_number_of_hung_targets_costs_only_their_own_samples() {
    for hung in [84, 800] {
        for same in [true, false] {
            let world = beside_hung(small(), hung, 50, same, ms(20));
            let healthy: Vec<usize> = (hung..hung + 50).collect();
            for at in &healthy {
                let target = &world.targets[*at];
                assert!(target.due >= 30);
                let running = u64::from(target.running.is_some());
                // More than the first round can try within a period: who is fresh cannot be told from the hung.
                let lost = u64::from(hung == 800 && same);
                let kept = target.answered + running + lost;
                assert!(kept >= target.due, "{hung} hung, same collector: {same}, target {at}");
                assert!(target.skipped <= lost);
            }
            assert!((0..hung).all(|at| world.targets[at].most_running == 1), "every hung one is tried");
        }
    }
}

#[test]
fn slow_targets_are_not_taken_for_hung_ones_for_long() {
    // As slow as it gets before the bound itself is too small: 50 × 3 s in 10 s are 15 of 64 slots.
    let world = beside_hung(small(), 84, 50, true, Duration::from_secs(3));
    let healthy: Vec<usize> = (84..134).collect();
    assert!(world.worst_kept(&healthy) >= 0.9, "{}", world.worst_kept(&healthy));
}

#[test]
fn targets_that_always_answered_and_hang_all_at_once_cost_nobody_a_tick() {
    let period = Duration::from_secs(10);
    let mut world = World::new(small());
    for n in 0..1000 {
        let hangs_later: Behaviour = Box::new(|now| (now.as_secs() < 100).then_some(ms(5)));
        world.add(0, "snmp", &format!("later{n}"), period, hangs_later);
    }
    for n in 0..50 {
        world.add(0, "snmp", &format!("good{n}"), period, answers(ms(20)));
    }
    world.run_until(Duration::from_secs(600));
    let healthy: Vec<usize> = (1000..1050).collect();
    assert!((world.worst_kept(&healthy) - 1.0).abs() < f64::EPSILON, "{}", world.worst_kept(&healthy));
}

#[test]
fn the_shares_hold_in_a_modules_own_bound_too() {
    let spec = PoolSpec { per_module: BTreeMap::from([("script".into(), 8)]), ..small() };
    let world = beside_hung(spec, 84, 50, true, ms(20));
    let healthy: Vec<usize> = (84..134).collect();
    assert!(world.worst_kept(&healthy) >= 0.96, "{}", world.worst_kept(&healthy));
}

#[test]
fn a_target_that_answers_again_is_trusted_again_and_soon() {
    let period = Duration::from_secs(10);
    let mut world = World::new(small());
    for n in 0..84 {
        let hangs_for_a_while: Behaviour =
            Box::new(|now| (!(100..1000).contains(&now.as_secs())).then_some(ms(20)));
        world.add(0, "snmp", &format!("a{n}"), period, hangs_for_a_while);
    }
    world.run_until(Duration::from_secs(999));
    assert_eq!(world.pool.on_probation(), 84);
    let before: Vec<u64> = world.targets.iter().map(|target| target.answered).collect();
    // The longest rest is 16 ticks.
    world.run_until(Duration::from_secs(1000 + 170));
    assert_eq!(world.pool.on_probation(), 0);
    assert!(world.targets.iter().zip(before).all(|(target, before)| target.answered > before));
}

#[test]
fn collectors_take_turns() {
    let mut world = World::new(PoolSpec { global: 2, ..small() });
    for n in 0..20 {
        world.add(7, "m", &format!("many{n}"), Duration::from_secs(100), answers(ms(10)));
    }
    let few = world.add(8, "m", "few", Duration::from_secs(100), answers(ms(10)));
    for at in 0..=few {
        world.pool.tick(key_of(at), world.now);
    }
    world.schedule = Schedule::default();
    world.run_until(Duration::from_secs(1));
    assert_eq!(world.starts.len(), 21);
    assert!(world.starts[..3].contains(&few), "{:?}", world.starts);
}

#[test]
fn a_busy_address_holds_up_nobody_else() {
    let spec = PoolSpec { global: 8, per_target: 1, ..small() };
    let mut world = World::new(spec);
    for _ in 0..3 {
        world.add(0, "m", "busy", Duration::from_secs(10), answers(Duration::from_secs(2)));
    }
    let other = world.add(0, "m", "other", Duration::from_secs(10), answers(ms(10)));
    world.run_until(Duration::from_secs(200));
    assert!((world.worst_kept(&[other]) - 1.0).abs() < f64::EPSILON);
    assert!(world.worst_kept(&[0, 1, 2]) >= 0.9, "one after the other they all get through");
}

#[test]
fn removed_targets_leave_the_queue_or_are_cut() {
    let mut pool = Pool::new(PoolSpec { global: 1, ..small() });
    let facts = |address: &str| Facts {
        collector: 0,
        module: "m".into(),
        address: Some(address.into()),
        period: ms(1000),
        deadline: ms(800),
    };
    for n in 0..3 {
        pool.add(TargetKey(n), facts("same"));
        pool.tick(TargetKey(n), Duration::ZERO);
    }
    assert_eq!(pool.advance(Duration::ZERO), [Effect::Start(TargetKey(0))]);
    assert!(!pool.remove(TargetKey(1)), "it waited only");
    assert_eq!(pool.queued(), 1);
    assert!(pool.remove(TargetKey(0)), "it runs");
    assert_eq!(pool.advance(Duration::ZERO), [Effect::Cut(TargetKey(0))]);
    assert_eq!(pool.advance(Duration::ZERO), [], "the slot is held until the run has ended");
    assert_eq!(pool.finished(TargetKey(0), ms(1), RunEnd::Cut), After::Removed);
    assert_eq!(pool.advance(Duration::ZERO), [Effect::Start(TargetKey(2))]);
}

/// Runs on, and checks that each of `targets` is started in each of the next `times` spans.
fn each_is_asked_in_every(world: &mut World, span: Duration, times: u32, targets: &[usize]) {
    for _ in 0..times {
        let before = world.starts.len();
        world.run_until(world.now + span);
        for at in targets {
            assert!(world.starts[before..].contains(at), "target {at} not by {:?}", world.now);
        }
    }
}

#[test]
fn trusted_targets_that_want_more_than_their_modules_bound_starve_nobody() {
    let mut one = PoolSpec { per_module: BTreeMap::from([("b".into(), 1)]), ..small() };
    for bound in [1, 2] {
        one.per_module.insert("b".into(), bound);
        let mut world = World::new(one.clone());
        for n in 0..3 * bound {
            world.add(0, "b", &format!("busy{n}"), Duration::from_secs(2), answers(ms(1100)));
        }
        // These keep the pool's own count of starts in step with the module's.
        for n in 0..7 {
            world.add(1, "a", &format!("other{n}"), ms(1100), answers(ms(5)));
        }
        world.run_until(Duration::from_secs(10));
        let busy: Vec<usize> = (0..3 * bound).collect();
        let late = [
            world.add(0, "b", "hung", Duration::from_secs(1), hangs()),
            world.add(0, "b", "also hung", Duration::from_secs(100), hangs()),
            world.add(0, "b", "good", Duration::from_secs(1), answers(ms(10))),
        ];
        each_is_asked_in_every(&mut world, Duration::from_secs(30), 1, &late);
        let before: u64 = busy.iter().map(|at| world.targets[*at].answered).sum();
        each_is_asked_in_every(&mut world, Duration::from_secs(400), 2, &late);
        let answered = busy.iter().map(|at| world.targets[*at].answered).sum::<u64>() - before;
        let possible = 800_000 / 1100 * bound as u64;
        assert!(answered > possible * 3 / 4, "{answered} of {possible} with {bound}");
    }
}

#[test]
fn who_needs_two_busy_bounds_at_once_gets_both() {
    let per_module = BTreeMap::from([("b".into(), 1)]);
    let mut world = World::new(PoolSpec { per_target: 1, per_module, ..small() });
    for n in 0..3 {
        // The module is never free, nor is the address, and never do both become free at one moment.
        world.add(0, "b", &format!("busy{n}"), Duration::from_secs(2), answers(ms(1000)));
        world.add(1, "a", "q", Duration::from_secs(2), answers(ms(1001)));
    }
    world.run_until(Duration::from_secs(10));
    let both = [
        world.add(2, "b", "q", Duration::from_secs(3), answers(ms(20))),
        world.add(2, "b", "q", Duration::from_secs(3), hangs()),
    ];
    each_is_asked_in_every(&mut world, Duration::from_secs(60), 1, &both);
    each_is_asked_in_every(&mut world, Duration::from_secs(400), 3, &both);
}

#[test]
fn those_that_share_a_busy_address_take_turns_whatever_their_collector() {
    let mut world = World::new(PoolSpec { per_target: 1, ..small() });
    for collector in 0..4 {
        world.add(collector, "m", "q", Duration::from_secs(2), answers(ms(1000)));
    }
    world.run_until(Duration::from_secs(400));
    let answered: Vec<u64> = world.targets.iter().map(|target| target.answered).collect();
    assert!(answered.iter().all(|count| (80..=120).contains(count)), "{answered:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bounds_hold_and_every_target_is_asked(
        global in 1_usize..20,
        per_target in 1_usize..3,
        module_bound in 1_usize..6,
        // (collector, module, address, period in 100 ms, takes in 10 ms; above 200 it hangs)
        targets in prop::collection::vec((0_u32..4, 0_usize..2, 0_usize..12, 5_u64..30, 0_u64..300), 1..40),
        removed in 0_usize..40,
    ) {
        let spec = PoolSpec { global, per_target, per_module: BTreeMap::from([("b".into(), module_bound)]) };
        let mut world = World::new(spec);
        for (collector, module, address, period, takes) in targets {
            let behaves = if takes > 200 { hangs() } else { answers(ms(takes * 10)) };
            world.add(collector, ["a", "b"][module], &format!("addr{address}"), ms(period * 100), behaves);
        }
        world.run_until(Duration::from_secs(20));
        if removed < world.targets.len() {
            world.schedule.remove(key_of(removed));
            world.pool.remove(key_of(removed));
        }
        world.run_until(Duration::from_secs(300));
        for (at, target) in world.targets.iter().enumerate() {
            prop_assert!(target.most_running == 1 || at == removed, "target {} was never asked", at);
        }
        // All stop: nothing may be left behind.
        world.schedule = Schedule::default();
        world.run_until(Duration::from_secs(2000));
        prop_assert_eq!((world.pool.busy(), world.pool.queued()), (0, 0));
    }
}
