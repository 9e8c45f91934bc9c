//! What operators stand between: numbers, texts, calls, aggregations, selectors.

use super::{Deep, Parsed, Parser, check};
use crate::functions;
use crate::labels::{self, NAME};
use crate::lex::Word;
use crate::matcher::Matcher;
use crate::syntax::{Aggregate, Aggregator, Expr, Keys, Selector, When};

impl Parser<'_> {
    pub(super) fn primary(&mut self) -> Parsed<Deep> {
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
    pub(super) fn named(&mut self, name: &str) -> Parsed<Deep> {
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
    pub(super) fn arguments(&mut self) -> Parsed<(Vec<Expr>, usize)> {
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

    pub(super) fn aggregate(&mut self, op: Aggregator, place: usize) -> Parsed<Deep> {
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
    pub(super) fn grouping(&mut self) -> Parsed<Option<Keys>> {
        if self.took_word("by") {
            return Ok(Some(Keys::Only(self.keys()?)));
        }
        Ok(if self.took_word("without") { Some(Keys::AllBut(self.keys()?)) } else { None })
    }

    pub(super) fn selector(&mut self, name: Option<&str>) -> Parsed<Deep> {
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
    pub(super) fn matcher(&mut self) -> Parsed<Matcher> {
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
