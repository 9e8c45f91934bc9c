//! The matching program of a glob: what its tokens are compiled to, and how a name is run through it.
//! Must never backtrack exponentially, whatever the program and the name.

use super::Token;

/// A compiled glob.
#[derive(Debug)]
pub(super) struct Program {
    steps: Vec<Step>,
    /// Where there are forks; without, matching needs no memory.
    ways: Option<Ways>,
}

/// A step of the matching program. Jumps only go forward.
#[derive(Debug)]
enum Step {
    Char(char),
    One,
    Run,
    Fork(Vec<usize>),
    Jump(usize),
}

impl Program {
    pub(super) fn new(tokens: &[Token]) -> Self {
        let mut steps = Vec::new();
        assemble(tokens, &mut steps);
        let forks = steps.iter().any(|step| matches!(step, Step::Fork(_)));
        let ways = forks.then(|| Ways::new(&steps));
        Self { steps, ways }
    }

    /// Whether the whole of `name` matches.
    pub(super) fn matches(&self, name: &str) -> bool {
        self.ways.as_ref().map_or_else(|| match_greedily(&self.steps, name), |ways| ways.matches(name))
    }
}

fn assemble(tokens: &[Token], program: &mut Vec<Step>) {
    for token in tokens {
        match token {
            Token::Text(text) => program.extend(text.chars().map(Step::Char)),
            Token::One => program.push(Step::One),
            Token::Run => program.push(Step::Run),
            Token::Alternatives(all) => {
                let fork = program.len();
                program.push(Step::Fork(Vec::new()));
                let mut starts = Vec::new();
                let mut jumps = Vec::new();
                for tokens in all {
                    starts.push(program.len());
                    assemble(tokens, program);
                    jumps.push(program.len());
                    program.push(Step::Jump(0));
                }
                let end = program.len();
                program[fork] = Step::Fork(starts);
                jumps.into_iter().for_each(|at| program[at] = Step::Jump(end));
            }
        }
    }
}

/// Matches a program without forks: on a mismatch the last `*` takes one more character; earlier ones never need to.
fn match_greedily(program: &[Step], name: &str) -> bool {
    let after =
        |at: usize| name.get(at..).and_then(|rest| rest.chars().next()).map(|c| (c, at + c.len_utf8()));
    let (mut step, mut at) = (0, 0);
    let mut retry = None;
    loop {
        match (program.get(step), after(at)) {
            (None, None) => return true,
            (Some(Step::Run), _) => {
                step += 1;
                retry = Some((step, at));
            }
            (Some(Step::One), Some((_, next))) => (step, at) = (step + 1, next),
            (Some(Step::Char(wanted)), Some((c, next))) if *wanted == c => (step, at) = (step + 1, next),
            (_, None) => return false,
            (_, Some(_)) => match retry.and_then(|(step, at)| Some((step, after(at)?.1))) {
                Some(again) => {
                    (step, at) = again;
                    retry = Some(again);
                }
                None => return false,
            },
        }
    }
}

/// A set of steps: a bit each, and one for the end of the program.
type Steps = Box<[u64]>;

/// Any program, made ready to follow all ways at once: sets of steps instead of steps, so that it costs a name's characters
/// times the program's words of 64 steps, and hardly more where many ways are open.
#[derive(Debug)]
struct Ways {
    /// The steps that take this character, in order of character.
    chars: Vec<(char, Steps)>,
    /// Those that take any, and go on.
    one: Steps,
    /// Those that take any, and stay.
    run: Steps,
    /// What is reached from each step without taking a character; empty: nothing.
    beyond: Vec<Steps>,
}

impl Ways {
    fn new(program: &[Step]) -> Self {
        let none: Steps = vec![0; program.len() / 64 + 1].into();
        let mut ways = Self {
            chars: Vec::new(),
            one: none.clone(),
            run: none.clone(),
            beyond: vec![[].into(); program.len() + 1],
        };
        // Backwards, because jumps only go forward.
        for (at, step) in program.iter().enumerate().rev() {
            let next = match step {
                Step::Char(c) => {
                    let place = ways.chars.binary_search_by_key(c, |(c, _)| *c);
                    let place = place.unwrap_or_else(|place| {
                        ways.chars.insert(place, (*c, none.clone()));
                        place
                    });
                    add(&mut ways.chars[place].1, at);
                    continue;
                }
                Step::One => {
                    add(&mut ways.one, at);
                    continue;
                }
                Step::Run => {
                    add(&mut ways.run, at);
                    &[at + 1][..]
                }
                Step::Fork(starts) => starts,
                Step::Jump(end) => &[*end],
            };
            let mut beyond = none.clone();
            next.iter().for_each(|next| ways.enter(*next, &mut beyond));
            ways.beyond[at] = beyond;
        }
        ways
    }

    /// Adds a step, and what is reached from it.
    fn enter(&self, step: usize, reached: &mut Steps) {
        add(reached, step);
        reached.iter_mut().zip(&*self.beyond[step]).for_each(|(word, beyond)| *word |= beyond);
    }

    fn matches(&self, name: &str) -> bool {
        let words = self.one.len();
        let [mut here, mut next, mut open]: [Steps; 3] = [(); 3].map(|()| vec![0; words].into());
        self.enter(0, &mut here);
        for c in name.chars() {
            let found = self.chars.binary_search_by_key(&c, |(c, _)| *c);
            let taking = found.ok().map(|at| &self.chars[at].1);
            let mut carried = 0;
            for word in 0..words {
                let on = here[word] & (self.one[word] | taking.map_or(0, |taking| taking[word]));
                open[word] = on << 1 | carried | here[word] & self.run[word];
                carried = on >> 63;
            }
            next.fill(0);
            for word in 0..words {
                // What is reached from one is not entered again.
                while let left @ 1.. = open[word] & !next[word] {
                    self.enter(word * 64 + left.trailing_zeros() as usize, &mut next);
                }
            }
            if next.iter().all(|word| *word == 0) {
                return false;
            }
            std::mem::swap(&mut here, &mut next);
        }
        let end = self.beyond.len() - 1;
        here[end / 64] >> (end % 64) & 1 == 1
    }
}

fn add(steps: &mut Steps, step: usize) {
    steps[step / 64] |= 1 << (step % 64);
}

#[cfg(test)]
impl Program {
    /// Whether both ways of matching agree, where both can be gone.
    pub(super) fn agrees_with_itself(&self, name: &str) -> bool {
        self.ways.is_some() || match_greedily(&self.steps, name) == Ways::new(&self.steps).matches(name)
    }
}
