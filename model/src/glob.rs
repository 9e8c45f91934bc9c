//! Globs: patterns over one name. `*` any run, `?` one character, `{a,b}` alternatives, `\` takes a meaning away.
//!
//! A glob is kept in one normal form (`**` is `*`, alternatives are sorted), so that globs written differently but
//! meaning the same are mostly equal. Matching never backtracks exponentially, whatever the pattern.

mod program;

use crate::syntax::{Cursor, Place, SyntaxError, write_literal};
use program::Program;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

/// Longest glob, in bytes of its normal form; a longer one is refused. An escaped name of 255 bytes fits.
pub const MAX_GLOB_BYTES: usize = 1024;
/// Most alternatives in one glob, over all its braces; more are refused.
pub const MAX_ALTERNATIVES: usize = 64;

/// A compiled pattern over one name; cheap to clone.
#[derive(Clone)]
pub struct Glob(Arc<Compiled>);

/// Why a text is not a glob: what, at which byte, and what was expected.
pub type GlobError = SyntaxError;

struct Compiled {
    text: String,
    tokens: Vec<Token>,
    program: Program,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Text(String),
    One,
    Run,
    Alternatives(Vec<Vec<Token>>),
}

impl Glob {
    /// Reads a glob that stands alone in its field: only `\ * ? { }`, and `,` within braces, have a meaning.
    ///
    /// # Errors
    /// An empty text, braces that nest or stay open, a stray `\` or `}`, control characters, or too much of it.
    pub fn new(text: &str) -> Result<Self, GlobError> {
        Self::parse(&mut Cursor::new(text), Place::Field)
    }

    /// The glob that matches every name.
    pub fn any() -> Self {
        static ANY: LazyLock<Glob> = LazyLock::new(|| Glob::compile(vec![Token::Run]));
        ANY.clone()
    }

    /// The glob that matches `name` only.
    pub fn exact(name: &str) -> Self {
        Self::compile(vec![Token::Text(name.to_owned())])
    }

    /// The glob as text that [`Glob::new`] reads back, in normal form.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Whether it matches every name.
    pub fn is_any(&self) -> bool {
        self.0.tokens == [Token::Run]
    }

    /// The only name it matches, where it has no wildcard.
    pub fn literal(&self) -> Option<&str> {
        match self.0.tokens.as_slice() {
            [Token::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// How everything that it matches begins; empty where nothing is known of that.
    pub fn prefix(&self) -> &str {
        match self.0.tokens.first() {
            Some(Token::Text(text)) => text,
            _ => "",
        }
    }

    /// Whether it matches the whole of `name`.
    pub fn matches(&self, name: &str) -> bool {
        match self.literal() {
            Some(text) => text == name,
            None => self.0.program.matches(name),
        }
    }

    /// Reads a glob up to what ends it at `place`.
    pub(crate) fn parse(cursor: &mut Cursor<'_>, place: Place) -> Result<Self, GlobError> {
        let start = cursor.at();
        let mut tokens = Vec::new();
        let mut alternatives = 0;
        while let Some(c) = cursor.peek().filter(|c| !place.ends_at(*c)) {
            if c == '{' {
                parse_alternatives(cursor, place, &mut alternatives)?
                    .into_iter()
                    .for_each(|t| push(&mut tokens, t));
            } else {
                parse_token(cursor, place, &mut tokens)?;
            }
        }
        if tokens.is_empty() {
            return Err(cursor.unexpected("a name or a pattern such as `*`"));
        }
        let glob = Self::compile(tokens);
        if glob.as_str().len() > MAX_GLOB_BYTES {
            let what = format!("a pattern of {} bytes", glob.as_str().len());
            return Err(SyntaxError::new(start, what, format!("at most {MAX_GLOB_BYTES}")));
        }
        Ok(glob)
    }

    fn compile(tokens: Vec<Token>) -> Self {
        let program = Program::new(&tokens);
        Self(Arc::new(Compiled { text: print(&tokens, Place::Field), tokens, program }))
    }

    /// The glob as it is written at `place`.
    pub(crate) fn to_text(&self, place: Place) -> String {
        print(&self.0.tokens, place)
    }
}

/// Reads `{a,b}`; the tokens it stands for.
fn parse_alternatives(
    cursor: &mut Cursor<'_>,
    place: Place,
    count: &mut usize,
) -> Result<Vec<Token>, GlobError> {
    let start = cursor.at();
    cursor.bump();
    let mut all = Vec::new();
    let mut one = Vec::new();
    loop {
        match cursor.peek() {
            Some('}' | ',') => {
                all.push(std::mem::take(&mut one));
                *count += 1;
                if *count > MAX_ALTERNATIVES {
                    let what = "too many alternatives in one pattern";
                    return Err(SyntaxError::new(cursor.at(), what, format!("at most {MAX_ALTERNATIVES}")));
                }
                if cursor.bump() == Some('}') {
                    break;
                }
            }
            Some('{') => {
                return Err(SyntaxError::new(cursor.at(), "braces in braces", "`\\{` or no nesting"));
            }
            Some(c) if place.ends_at(c) => {
                let what = format!("`{c}` inside braces");
                return Err(SyntaxError::new(cursor.at(), what, format!("`\\{c}`, or `}}` before it")));
            }
            Some(_) => parse_token(cursor, place, &mut one)?,
            None => {
                return Err(SyntaxError::new(start, "`{` that is not closed", "`}` after the alternatives"));
            }
        }
    }
    all.sort_by_cached_key(|tokens| print(tokens, Place::Field));
    all.dedup();
    if all.len() == 1 {
        return Ok(all.pop().unwrap_or_default());
    }
    Ok(vec![Token::Alternatives(all)])
}

fn parse_token(cursor: &mut Cursor<'_>, place: Place, tokens: &mut Vec<Token>) -> Result<(), GlobError> {
    let token = match cursor.peek() {
        Some('*') => Token::Run,
        Some('?') => Token::One,
        _ => {
            push(tokens, Token::Text(cursor.literal(place)?.to_string()));
            return Ok(());
        }
    };
    cursor.bump();
    push(tokens, token);
    Ok(())
}

/// Appends, keeping the normal form: texts joined, one `*` at a time, `?` before `*`.
fn push(tokens: &mut Vec<Token>, token: Token) {
    match (tokens.last_mut(), token) {
        (Some(Token::Text(last)), Token::Text(text)) => last.push_str(&text),
        (Some(Token::Run), Token::Run) => {}
        (Some(last @ Token::Run), Token::One) => {
            *last = Token::One;
            tokens.push(Token::Run);
        }
        (_, token) => tokens.push(token),
    }
}

fn print(tokens: &[Token], place: Place) -> String {
    let mut text = String::new();
    for token in tokens {
        match token {
            Token::Text(literal) => {
                write_literal(&mut text, literal, place).expect("invariant: a String takes every text");
            }
            Token::One => text.push('?'),
            Token::Run => text.push('*'),
            Token::Alternatives(all) => {
                let all: Vec<_> = all.iter().map(|tokens| print_alternative(tokens, place)).collect();
                text.push_str(&format!("{{{}}}", all.join(",")));
            }
        }
    }
    text
}

/// As [`print`], with the commas escaped, which have a meaning in braces at every place.
fn print_alternative(tokens: &[Token], place: Place) -> String {
    let text = print(tokens, place);
    if place.ends_at(',') || place.refuses(',') { text } else { text.replace(',', "\\,") }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Glob {}

impl Hash for Glob {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
