//! From text to a tree. Operators bind by their strength; every step says where it was when it didn't understand.

mod check;
mod cursor;
mod primary;
mod seen;

use crate::fault::ParseError;
use crate::labels;
use crate::lex::{Word, words, wrong};
use crate::syntax::{Binary, Expr, Group, Keys, Matching, Op, Side, Type};
use std::ops::Range;

/// Longest query, in bytes; a longer one is refused.
pub const MAX_QUERY_BYTES: usize = 16 * 1024;
/// How deep expressions may stand in each other, a chain of operators counted as such; deeper ones are refused.
pub const MAX_DEPTH: usize = 100;
/// How wide apart the steps of a subquery are that doesn't say it; Prometheus takes its evaluation interval.
pub const SUBQUERY_STEP_MS: i64 = 60_000;

/// Reads a query; and how many selectors it has.
pub(crate) fn parse(text: &str) -> Result<(Expr, usize), ParseError> {
    if text.len() > MAX_QUERY_BYTES {
        let what = format!("a query of {} bytes, at most {MAX_QUERY_BYTES} are read", text.len());
        return Err(wrong(text, 0, what));
    }
    let mut parser = Parser { text, words: words(text)?, at: 0, depth: 0, selectors: 0 };
    if parser.peek() == &Word::End {
        return Err(wrong(text, 0, "no expression found in input"));
    }
    let (expr, _) = parser.expression(0)?;
    if parser.peek() != &Word::End {
        return Err(parser.unexpected("an operator or the end"));
    }
    Ok((expr, parser.selectors))
}

struct Parser<'a> {
    text: &'a str,
    words: Vec<(Word, Range<usize>)>,
    at: usize,
    depth: usize,
    selectors: usize,
}

/// An expression, and how deep it is.
type Deep = (Expr, usize);
type Parsed<T> = Result<T, ParseError>;

impl Parser<'_> {
    /// An expression of operators that bind more tightly than `weaker`.
    fn expression(&mut self, weaker: u8) -> Parsed<Deep> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.too_deep());
        }
        let mut left = self.operand()?;
        while let Some(op) = self.operator().filter(|op| op.strength() > weaker) {
            let at = self.place();
            self.at += 1;
            let (as_bool, matching, said) = self.modifiers(op)?;
            // `^` binds to the right.
            let right = self.expression(op.strength() - u8::from(op == Op::Pow))?;
            let deep = 1 + left.1.max(right.1);
            if deep > MAX_DEPTH {
                return Err(self.too_deep());
            }
            let binary = Binary { op, left: left.0, right: right.0, as_bool, matching };
            check::binary(&binary, said).map_err(|what| self.wrong(at, what))?;
            left = (Expr::Binary(Box::new(binary)), deep);
        }
        self.depth -= 1;
        Ok(left)
    }

    fn too_deep(&self) -> ParseError {
        self.wrong(self.place(), format!("expressions stand more than {MAX_DEPTH} deep in each other"))
    }

    fn operator(&self) -> Option<Op> {
        match self.peek() {
            Word::Sign(sign) => Op::of(sign),
            Word::Name(name) => Op::of(name),
            _ => None,
        }
    }

    /// `bool`, `on (…)`, `ignoring (…)`, `group_left (…)`, `group_right (…)`; and whether any of the last four was said.
    fn modifiers(&mut self, op: Op) -> Parsed<(bool, Matching, bool)> {
        let at = self.place();
        let as_bool = self.took_word("bool");
        if as_bool && !op.compares() {
            return Err(self.wrong(at, "bool modifier can only be used on comparison operators"));
        }
        let mut matching = Matching { keys: Keys::AllBut(Vec::new()), group: None };
        let on = self.took_word("on");
        let said = on || self.took_word("ignoring");
        if said {
            let keys = self.keys()?;
            matching.keys = if on { Keys::Only(keys) } else { Keys::AllBut(keys) };
        }
        let at = self.place();
        let many = [("group_left", Side::Left), ("group_right", Side::Right)];
        let many = many.into_iter().find_map(|(keyword, side)| self.took_word(keyword).then_some(side));
        if let Some(many) = many {
            if !said {
                return Err(
                    self.wrong(at, "unexpected <group_left> or <group_right> without `on` or `ignoring`")
                );
            }
            if op.of_sets() {
                return Err(self.wrong(at, format!("no grouping allowed for {:?} operation", op.as_str())));
            }
            let listed = self.peek() == &Word::Sign("(");
            let include = if listed { self.keys()? } else { Vec::new() };
            if let (Keys::Only(keys), true) = (&matching.keys, on)
                && let Some(twice) = include.iter().find(|key| keys.contains(key))
            {
                let what = format!("label {twice:?} must not occur in ON and GROUP clause at once");
                return Err(self.wrong(at, what));
            }
            matching.group = Some(Group { many, include });
        }
        let fill = ["fill", "fill_left", "fill_right"].into_iter().find(|word| self.is_word(word));
        if let Some(fill) = fill.filter(|_| self.second() == &Word::Sign("(")) {
            let instead = "take `or` with a vector of the missing labels";
            return Err(self.unsupported(self.place(), format!("the modifier `{fill}`"), instead));
        }
        Ok((as_bool, matching, said))
    }

    /// `(key, key)`.
    fn keys(&mut self) -> Parsed<Vec<String>> {
        self.expect("(", "`(` before the labels")?;
        let mut keys = Vec::new();
        while !self.took(")") {
            match self.next() {
                Word::Name(key) if labels::is_key(&key) => keys.push(key),
                Word::Text(_) => {
                    self.at -= 1;
                    return Err(self.quoted_key());
                }
                _ => {
                    self.at -= 1;
                    return Err(self.unexpected("a label or `)`"));
                }
            }
            if !self.took(",") && self.peek() != &Word::Sign(")") {
                return Err(self.unexpected("`,` or `)`"));
            }
        }
        Ok(keys)
    }

    fn quoted_key(&self) -> ParseError {
        let instead = "what isn't of A-Z a-z 0-9 _ stands as `_` in names and label keys";
        self.unsupported(self.place(), "a quoted name", instead)
    }

    /// What stands between operators: with its sign before, its range and offset behind.
    fn operand(&mut self) -> Parsed<Deep> {
        let at = self.place();
        let minus = self.took("-");
        if minus || self.took("+") {
            // It binds as `*` does, so `-1 ^ 2` is `-(1 ^ 2)`.
            let (expr, deep) = self.expression(Op::Mul.strength())?;
            if !matches!(expr.gives(), Type::Scalar | Type::Vector) {
                let given = expr.gives().as_str();
                let what = "unary expression only allowed on expressions of type scalar or instant vector";
                return Err(self.wrong(at, format!("{what}, got {given:?}")));
            }
            return Ok(match expr {
                Expr::Number(number) if minus => (Expr::Number(-number), deep),
                expr if minus => (Expr::Minus(Box::new(expr)), deep + 1),
                expr => (expr, deep),
            });
        }
        let mut parenthesis = self.peek() == &Word::Sign("(");
        let mut operand = self.primary()?;
        loop {
            let at = self.place();
            operand = if self.took("[") {
                let range = self.range(operand, parenthesis, at)?;
                parenthesis = false;
                range
            } else if self.took_word("offset") {
                let negative = self.took("-");
                let _ = negative || self.took("+");
                let offset = self.duration("a duration such as 5m")?;
                let offset = if negative { -offset } else { offset };
                self.seen(operand, parenthesis, at, "offset", move |when| {
                    let twice = when.offset.is_some();
                    when.offset = Some(offset);
                    !twice
                })?
            } else if self.took("@") {
                let time = self.moment()?;
                self.seen(operand, parenthesis, at, "@ <timestamp>", move |when| {
                    let twice = when.at.is_some();
                    when.at = Some(time);
                    !twice
                })?
            } else {
                let new = ["smoothed", "anchored"].into_iter().find(|word| self.is_word(word));
                if let Some(new) = new {
                    let instead = "leave it out: rates are carried on to the ends of the range";
                    return Err(self.unsupported(at, format!("the modifier `{new}`"), instead));
                }
                return Ok(operand);
            };
        }
    }
}
