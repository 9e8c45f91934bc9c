//! The next word, and what is said of one that was not expected.

use super::{Parsed, Parser};
use crate::fault::{ParseError, Place, What};
use crate::lex::{Word, wrong};

impl Parser<'_> {
    pub(super) fn peek(&self) -> &Word {
        &self.words[self.at].0
    }

    /// The word behind the next.
    pub(super) fn second(&self) -> &Word {
        &self.words[(self.at + 1).min(self.words.len() - 1)].0
    }

    pub(super) fn place(&self) -> usize {
        self.words[self.at].1.start
    }

    pub(super) fn next(&mut self) -> Word {
        let word = self.peek().clone();
        self.at = (self.at + 1).min(self.words.len() - 1);
        word
    }

    /// Takes this sign, if it is next.
    pub(super) fn took(&mut self, sign: &str) -> bool {
        let here = matches!(self.peek(), Word::Sign(next) if *next == sign);
        self.at += usize::from(here);
        here
    }

    /// Takes this keyword, if it is next.
    pub(super) fn took_word(&mut self, keyword: &str) -> bool {
        let here = self.is_word(keyword);
        self.at += usize::from(here);
        here
    }

    pub(super) fn is_word(&self, keyword: &str) -> bool {
        matches!(self.peek(), Word::Name(name) if name.eq_ignore_ascii_case(keyword))
    }

    pub(super) fn expect(&mut self, sign: &str, why: &str) -> Parsed<()> {
        if self.took(sign) { Ok(()) } else { Err(self.unexpected(why)) }
    }

    pub(super) fn wrong(&self, byte: usize, what: impl Into<String>) -> ParseError {
        wrong(self.text, byte, what)
    }

    pub(super) fn unsupported(&self, byte: usize, what: impl Into<String>, instead: &str) -> ParseError {
        let what = What::Unsupported { what: what.into(), instead: instead.to_owned() };
        ParseError { place: Place::of(self.text, byte), what }
    }

    pub(super) fn unexpected(&self, expected: &str) -> ParseError {
        let place = self.words[self.at].1.clone();
        let found = match self.peek() {
            Word::End => "end of input".to_owned(),
            _ => format!("`{}`", &self.text[place.clone()]),
        };
        self.wrong(place.start, format!("unexpected {found}, expected {expected}"))
    }
}
