//! What stands behind an operand: its range, and when it is seen.

use super::{Deep, Parsed, Parser, SUBQUERY_STEP_MS};
use crate::lex::{MAX_MS, Word};
use crate::syntax::{At, Expr, Subquery, Type, When};

impl Parser<'_> {
    /// Sets when something is seen; once.
    pub(super) fn seen(
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

    pub(super) fn duration(&mut self, expected: &str) -> Parsed<i64> {
        match *self.peek() {
            Word::Duration(duration) => {
                self.at += 1;
                Ok(duration)
            }
            _ => Err(self.unexpected(expected)),
        }
    }

    pub(super) fn moment(&mut self) -> Parsed<At> {
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
    pub(super) fn range(&mut self, (expr, deep): Deep, parenthesis: bool, at: usize) -> Parsed<Deep> {
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
}
