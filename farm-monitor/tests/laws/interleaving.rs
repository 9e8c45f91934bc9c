//! Whatever happens in whatever order: who resumes from any token has each sample once, and none is missing.

use crate::ground::{Ground, Story};
use hedgerow_model::Epoch;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[derive(Debug, Clone)]
enum Step {
    /// So many series are heard, now.
    Give(usize),
    /// The same, with a time before the window.
    Late(usize),
    /// Everything goes stale.
    Silence,
    /// The subscriber reads all there is.
    Read,
    /// It takes a message.
    Take,
    /// It is cut, and goes on behind the token that stands so far from its last.
    Cut(usize),
    /// The farm is restarted, the subscriber goes on behind its last token.
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1..9_usize).prop_map(Step::Give),
        2 => (1..9_usize).prop_map(Step::Late),
        1 => Just(Step::Silence),
        2 => Just(Step::Read),
        3 => Just(Step::Take),
        3 => (0..6_usize).prop_map(Step::Cut),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..30)
}

/// What is asked, which series of `p0`, `p1`, … match, from which value, and whether history is asked for.
type Question = (&'static str, fn(usize) -> bool, f64, bool);

const QUESTIONS: [Question; 5] = [
    ("* since=1h", |_| true, 0.0, true),
    ("*", |_| true, 0.0, false),
    ("*/*/*/p{1,4,7} since=1h", |at| [1, 4, 7].contains(&at), 0.0, true),
    ("* where value >= 5 since=1h", |_| true, 5.0, true),
    ("*/*/*/p3 where value >= 8", |at| at == 3, 8.0, false),
];

/// The subscriber's side: what it keeps over cuts.
#[derive(Default)]
struct Kept {
    samples: BTreeMap<(Epoch, u64), f64>,
}

impl Kept {
    /// Keeps what the token that is `back` from the last covers, and gives the token.
    fn keep(&mut self, story: &Story, back: usize) -> Vec<u8> {
        story.assert_chain();
        assert_eq!(story.doubles, 0);
        let at = story.tokens.len().saturating_sub(1 + back);
        let (position, token) = &story.tokens[at];
        for ((epoch, number), value) in &story.samples {
            if (*epoch, *number) <= (position.epoch, position.number) {
                let value = crate::ground::text(value).parse().unwrap();
                assert!(self.samples.insert((*epoch, *number), value).is_none(), "{number} comes twice");
            }
        }
        token.clone()
    }
}

async fn run(steps: &[Step], (predicate, matches, least, history): Question, seed: usize) {
    let mut ground = Ground::new();
    ground.give(0, 1 + seed % 8);
    let mut expected: BTreeMap<(Epoch, u64), f64> = BTreeMap::new();
    let mut note = |ground: &Ground, round: u64, count: usize| {
        let first = ground.last() - count as u64;
        for at in (0..count).filter(|at| matches(*at) && round as f64 >= least) {
            expected.insert((ground.hub.epoch(), first + 1 + at as u64), round as f64);
        }
    };
    if history {
        note(&ground, 0, 1 + seed % 8);
    }
    let mut kept = Kept::default();
    // Its first token is there before anything else happens.
    let mut story = Some(Story::of(&ground, predicate, &[]).until_number(ground.last()).await);
    for (round, step) in (1..).zip(steps) {
        match step {
            Step::Give(count) => {
                ground.give(round, *count);
                note(&ground, round, *count);
            }
            Step::Late(count) => {
                ground.give_at(ground.now() - 7_200_000 + round as i64, round, *count);
                note(&ground, round, *count);
            }
            Step::Silence => ground.forget_for(Duration::from_secs(31)),
            Step::Read => story = Some(story.take().unwrap().until_number(ground.last()).await),
            Step::Take if story.as_ref().unwrap().proven() < ground.last() => {
                story.as_mut().unwrap().first_message().await;
            }
            Step::Take => {}
            Step::Cut(back) => {
                let token = kept.keep(&story.take().unwrap(), *back);
                story = Some(Story::of(&ground, predicate, &token));
                // A token to be cut at, next time.
                story.as_mut().unwrap().first_progress().await;
            }
            Step::Restart => {
                let token = kept.keep(&story.take().unwrap(), 0);
                ground = ground.restart().await;
                ground.give(round, 1);
                note(&ground, round, 1);
                story = Some(Story::of(&ground, predicate, &token));
                story.as_mut().unwrap().first_progress().await;
            }
        }
    }
    let story = story.take().unwrap().until_number(ground.last()).await;
    kept.keep(&story, 0);
    assert_eq!(kept.samples, expected, "{predicate}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn nothing_is_missing_and_nothing_double(steps in steps(), question in 0..QUESTIONS.len(), seed in 0..8_usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(&steps, QUESTIONS[question], seed));
    }
}

/// Also where an assertion fails.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The same with threads: one accepts, one ticks, and subscribers of several conditions come, are cut, and go on.
#[test]
fn nothing_is_missing_while_threads_race() {
    const BATCHES: u64 = 3000;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let _in = runtime.enter();
    let ground = Ground::new();
    let over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let _ended = SetOnDrop(&over);
        threads.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                ground.hub.tick();
                std::thread::yield_now();
            }
        });
        threads.spawn(|| {
            // Ever more series: conditions are matched with new ones while they are opened.
            for round in 0..BATCHES {
                ground.give(round, 1 + (round / 30) as usize);
            }
        });
        let total: u64 = (0..BATCHES).map(|round| 1 + round / 30).sum();
        let follow = |predicate: &'static str, part: u32| {
            let ground = &ground;
            async move {
                let mut kept = Kept::default();
                let mut token = Vec::new();
                while kept.samples.is_empty() || ground.last() < total {
                    let mut story = Story::of(ground, predicate, &token);
                    story.first_progress().await;
                    token = kept.keep(&story, 0);
                }
                let story = Story::of(ground, predicate, &token).until_number(total).await;
                kept.keep(&story, 0);
                if part == 1 {
                    let numbers: Vec<u64> = kept.samples.keys().map(|(_, number)| *number).collect();
                    assert!(
                        numbers.iter().copied().eq(1..=total),
                        "{predicate}: {} of {total}",
                        numbers.len()
                    );
                }
                kept.samples.len() as u64
            }
        };
        runtime.block_on(async {
            let (all, again, some, rest) = tokio::join!(
                follow("* since=1h", 1),
                follow("*/*/*/* since=1h", 1),
                follow("*/*/*/p{*0,*2,*4,*6,*8} since=1h", 2),
                follow("*/*/*/p{?,??} since=1h", 2),
            );
            assert_eq!((all, again, rest), (total, total, total));
            assert!(some < total);
        });
    });
    assert_eq!(ground.hub.subscribers(), 0);
}
