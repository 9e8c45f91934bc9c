//! The matching program of a glob: what its tokens are compiled to, and how a name is run through it.
//! Must never backtrack exponentially, whatever the program and the name.

use super::Token;

/// A compiled glob.
#[derive(Debug)]
pub(super) struct Program {
    steps: Vec<Step>,
    /// Whether there are forks; without, matching needs no memory.
    forks: bool,
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
        Self { steps, forks }
    }

    /// Whether the whole of `name` matches.
    pub(super) fn matches(&self, name: &str) -> bool {
        if self.forks { match_all_ways(&self.steps, name) } else { match_greedily(&self.steps, name) }
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

/// Matches any program by following all ways at once: steps times characters, never more.
fn match_all_ways(program: &[Step], name: &str) -> bool {
    let mut here = vec![false; program.len() + 1];
    let mut next = here.clone();
    here[0] = true;
    follow(program, &mut here);
    for c in name.chars() {
        next.fill(false);
        for (at, step) in program.iter().enumerate().filter(|(at, _)| here[*at]) {
            match step {
                Step::Char(wanted) if *wanted == c => next[at + 1] = true,
                Step::One => next[at + 1] = true,
                Step::Run => next[at] = true,
                _ => {}
            }
        }
        follow(program, &mut next);
        std::mem::swap(&mut here, &mut next);
    }
    here[program.len()]
}

/// Adds what is reached without taking a character. One pass is enough, because jumps only go forward.
fn follow(program: &[Step], reached: &mut [bool]) {
    for (at, step) in program.iter().enumerate() {
        if !reached[at] {
            continue;
        }
        match step {
            Step::Run => reached[at + 1] = true,
            Step::Fork(starts) => starts.iter().for_each(|start| reached[*start] = true),
            Step::Jump(end) => reached[*end] = true,
            Step::Char(_) | Step::One => {}
        }
    }
}

#[cfg(test)]
impl Program {
    /// Whether both ways of matching agree, where both can be gone.
    pub(super) fn agrees_with_itself(&self, name: &str) -> bool {
        self.forks || match_greedily(&self.steps, name) == match_all_ways(&self.steps, name)
    }
}
