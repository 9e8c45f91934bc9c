//! From text to a tree. Operators bind by their strength; every step says where it was when it didn't understand.

mod check;

use crate::fault::{ParseError, Place, What};
use crate::functions;
use crate::labels::{self, NAME};
use crate::lex::{MAX_MS, Word, words, wrong};
use crate::matcher::Matcher;
use crate::syntax::{
    Aggregate, Aggregator, At, Binary, Expr, Group, Keys, Matching, Op, Selector, Side, Subquery, Type, When,
};
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
    fn peek(&self) -> &Word {
        &self.words[self.at].0
    }

    /// The word behind the next.
    fn second(&self) -> &Word {
        &self.words[(self.at + 1).min(self.words.len() - 1)].0
    }

    fn place(&self) -> usize {
        self.words[self.at].1.start
    }

    fn next(&mut self) -> Word {
        let word = self.peek().clone();
        self.at = (self.at + 1).min(self.words.len() - 1);
        word
    }

    /// Takes this sign, if it is next.
    fn took(&mut self, sign: &str) -> bool {
        let here = matches!(self.peek(), Word::Sign(next) if *next == sign);
        self.at += usize::from(here);
        here
    }

    /// Takes this keyword, if it is next.
    fn took_word(&mut self, keyword: &str) -> bool {
        let here = self.is_word(keyword);
        self.at += usize::from(here);
        here
    }

    fn is_word(&self, keyword: &str) -> bool {
        matches!(self.peek(), Word::Name(name) if name.eq_ignore_ascii_case(keyword))
    }

    fn expect(&mut self, sign: &str, why: &str) -> Parsed<()> {
        if self.took(sign) { Ok(()) } else { Err(self.unexpected(why)) }
    }

    fn wrong(&self, byte: usize, what: impl Into<String>) -> ParseError {
        wrong(self.text, byte, what)
    }

    fn unsupported(&self, byte: usize, what: impl Into<String>, instead: &str) -> ParseError {
        let what = What::Unsupported { what: what.into(), instead: instead.to_owned() };
        ParseError { place: Place::of(self.text, byte), what }
    }

    fn unexpected(&self, expected: &str) -> ParseError {
        let place = self.words[self.at].1.clone();
        let found = match self.peek() {
            Word::End => "end of input".to_owned(),
            _ => format!("`{}`", &self.text[place.clone()]),
        };
        self.wrong(place.start, format!("unexpected {found}, expected {expected}"))
    }

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

    /// Sets when something is seen; once.
    fn seen(
        &self,
        mut operand: Deep,
        parenthesis: bool,
        at: usize,
        what: &str,
        set: impl FnOnce(&mut When) -> bool,
    ) -> Parsed<Deep> {
        let when = match &mut operand.0 {
            Expr::Instant(selector) | Expr::Range(selector, _) if !parenthesis => &mut selector.when,
            Expr::Subquery(subquery) if !parenthesis => &mut subquery.when,
            _ => {
                let before =
                    "must be preceded by an instant vector selector or range vector selector or a subquery";
                return Err(self.wrong(at, format!("{what} modifier {before}")));
            }
        };
        if set(when) {
            Ok(operand)
        } else {
            Err(self.wrong(at, format!("{what} may not be set multiple times")))
        }
    }

    fn duration(&mut self, expected: &str) -> Parsed<i64> {
        match *self.peek() {
            Word::Duration(duration) => {
                self.at += 1;
                Ok(duration)
            }
            _ => Err(self.unexpected(expected)),
        }
    }

    fn moment(&mut self) -> Parsed<At> {
        let at = self.place();
        let negative = self.took("-");
        let _ = negative || self.took("+");
        match self.next() {
            Word::Number(seconds) if (seconds * 1000.0).abs() < MAX_MS as f64 => {
                let time = (seconds * 1000.0).round() as i64;
                Ok(At::Time(if negative { -time } else { time }))
            }
            Word::Number(_) => Err(self.wrong(at, "timestamp out of bounds for @ modifier")),
            Word::Name(name) if name == "start" || name == "end" => {
                self.expect("(", "`()`")?;
                self.expect(")", "`)`")?;
                Ok(if name == "start" { At::Start } else { At::End })
            }
            _ => Err(self.wrong(at, "expected Unix seconds, start() or end() after @")),
        }
    }

    /// `5m]` or `1h:5m]`.
    fn range(&mut self, (expr, deep): Deep, parenthesis: bool, at: usize) -> Parsed<Deep> {
        let place = self.place();
        let range = self.duration("a duration such as 5m")?;
        if range <= 0 {
            return Err(self.wrong(place, "duration must be greater than 0"));
        }
        if self.took(":") {
            let place = self.place();
            let step = match self.peek() {
                Word::Sign("]") => SUBQUERY_STEP_MS,
                _ => self.duration("a duration such as 1m, or `]`")?,
            };
            self.expect("]", "`]`")?;
            if step <= 0 {
                return Err(self.wrong(place, "duration must be greater than 0"));
            }
            if expr.gives() != Type::Vector {
                let given = expr.gives().as_str();
                return Err(self
                    .wrong(at, format!("subquery is only allowed on instant vector, got {given} instead")));
            }
            let subquery = Subquery { expr, range, step, when: When::default() };
            return Ok((Expr::Subquery(Box::new(subquery)), deep + 1));
        }
        self.expect("]", "`]` or `:`")?;
        match expr {
            Expr::Instant(selector) if !parenthesis => {
                if selector.when.offset.is_some() {
                    return Err(self.wrong(at, "no offset modifiers allowed before range"));
                }
                if selector.when.at.is_some() {
                    return Err(self.wrong(at, "no @ modifiers allowed before range"));
                }
                Ok((Expr::Range(selector, range), deep))
            }
            _ => Err(self.wrong(at, "ranges only allowed for vector selectors")),
        }
    }

    fn primary(&mut self) -> Parsed<Deep> {
        let place = self.place();
        match self.peek().clone() {
            Word::Number(number) => {
                self.at += 1;
                Ok((Expr::Number(number), 1))
            }
            Word::Text(text) => {
                self.at += 1;
                Ok((Expr::Text(text), 1))
            }
            Word::Sign("(") => {
                self.at += 1;
                let expr = self.expression(0)?;
                self.expect(")", "an operator or `)`")?;
                Ok(expr)
            }
            Word::Sign("{") => self.selector(None),
            Word::Name(name) => self.named(&name),
            Word::Duration(_) => {
                let instead = "write the seconds as a number, as 300 for 5m";
                Err(self.unsupported(place, "a duration as a number", instead))
            }
            _ => Err(self.unexpected("an expression")),
        }
    }

    /// A number by its name, an aggregation, a call, or a selector.
    fn named(&mut self, name: &str) -> Parsed<Deep> {
        let place = self.place();
        let behind = self.second().clone();
        let called = behind == Word::Sign("(");
        let grouped = matches!(&behind, Word::Name(word)
            if ["by", "without"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword)));
        if (called || grouped)
            && let Some(op) = Aggregator::of(name)
        {
            self.at += 1;
            return self.aggregate(op, place);
        }
        if (called || grouped)
            && let Some(instead) = functions::instead(name)
        {
            return Err(self.unsupported(place, format!("`{name}`"), instead));
        }
        if called {
            let function = functions::find(name);
            let function =
                function.ok_or_else(|| self.wrong(place, format!("unknown function with name {name:?}")))?;
            self.at += 1;
            let (args, deep) = self.arguments()?;
            check::call(function, &args).map_err(|what| self.wrong(place, what))?;
            return Ok((Expr::Call(function, args), deep + 1));
        }
        let number = match name.to_ascii_lowercase().as_str() {
            "inf" => Some(f64::INFINITY),
            "nan" => Some(f64::NAN),
            _ => None,
        };
        if let Some(number) = number {
            self.at += 1;
            return Ok((Expr::Number(number), 1));
        }
        if ["on", "ignoring", "bool", "group_left", "group_right"].contains(&name) {
            return Err(self.unexpected("an expression"));
        }
        self.selector(Some(name))
    }

    /// `(expr, expr)`, and how deep the deepest is.
    fn arguments(&mut self) -> Parsed<(Vec<Expr>, usize)> {
        self.expect("(", "`(` before the arguments")?;
        let (mut args, mut deepest) = (Vec::new(), 0);
        if self.took(")") {
            return Ok((args, deepest));
        }
        loop {
            let (arg, deep) = self.expression(0)?;
            args.push(arg);
            deepest = deepest.max(deep);
            if self.took(")") {
                return Ok((args, deepest));
            }
            self.expect(",", "an operator, `,` or `)`")?;
        }
    }

    fn aggregate(&mut self, op: Aggregator, place: usize) -> Parsed<Deep> {
        let before = self.grouping()?;
        let (mut args, deep) = self.arguments()?;
        let by = match before {
            Some(by) => by,
            None => self.grouping()?.unwrap_or(Keys::Only(Vec::new())),
        };
        check::aggregate(op, &args).map_err(|what| self.wrong(place, what))?;
        let expr = args.pop();
        let expr = expr.ok_or_else(|| self.wrong(place, "no arguments for aggregate expression provided"))?;
        Ok((Expr::Aggregate(Box::new(Aggregate { op, param: args.pop(), expr, by })), deep + 1))
    }

    /// `by (…)` or `without (…)`.
    fn grouping(&mut self) -> Parsed<Option<Keys>> {
        if self.took_word("by") {
            return Ok(Some(Keys::Only(self.keys()?)));
        }
        Ok(if self.took_word("without") { Some(Keys::AllBut(self.keys()?)) } else { None })
    }

    fn selector(&mut self, name: Option<&str>) -> Parsed<Deep> {
        let place = self.place();
        let mut matchers = Vec::new();
        if let Some(name) = name {
            self.at += 1;
            matchers.extend(Matcher::new(NAME, "=", name.to_owned()));
        }
        if self.took("{") {
            while !self.took("}") {
                let at = self.place();
                let matcher = self.matcher()?;
                if matcher.key == NAME && name.is_some() {
                    return Err(self.wrong(at, "metric name must not be set twice"));
                }
                matchers.push(matcher);
                if !self.took(",") && self.peek() != &Word::Sign("}") {
                    if self.is_word("or") {
                        let instead = "write two selectors with `or` between them";
                        return Err(self.unsupported(self.place(), "`or` within braces", instead));
                    }
                    return Err(self.unexpected("`,` or `}`"));
                }
            }
        }
        if matchers.iter().all(|matcher| matcher.takes("")) {
            return Err(self.wrong(place, "vector selector must contain at least one non-empty matcher"));
        }
        let id = self.selectors;
        self.selectors += 1;
        Ok((Expr::Instant(Selector { id, matchers, when: When::default() }), 1))
    }

    /// `key="value"`.
    fn matcher(&mut self) -> Parsed<Matcher> {
        let at = self.place();
        let key = match self.peek().clone() {
            Word::Name(key) if labels::is_key(&key) => key,
            Word::Text(_) => return Err(self.quoted_key()),
            _ => return Err(self.unexpected("a label or `}`")),
        };
        self.at += 1;
        let op = ["=", "!=", "=~", "!~"].into_iter().find(|op| self.took(op));
        let op = op.ok_or_else(|| self.unexpected("one of `=` `!=` `=~` `!~`"))?;
        let Word::Text(value) = self.peek().clone() else {
            return Err(self.unexpected("a text in quotes"));
        };
        self.at += 1;
        Matcher::new(&key, op, value).map_err(|what| self.wrong(at, what))
    }
}
