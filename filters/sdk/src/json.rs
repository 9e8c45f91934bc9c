//! Parameters come as JSON: a reader of it, small enough for a filter. Never recurses deeper than [`DEEPEST`].

use crate::number::{decimal, whole};

/// Arrays and objects within one another; deeper is an error. Parameters have two levels.
const DEEPEST: u32 = 16;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    Null,
    Flag(bool),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    /// In the order of the text.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// What it is, for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Flag(_) => "true or false",
            Json::Number(_) => "a number",
            Json::Text(_) => "a text",
            Json::List(_) => "a list",
            Json::Object(_) => "an object",
        }
    }

    /// Reads a whole text.
    pub fn parse(text: &str) -> Result<Json, String> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0)?;
        reader.space();
        if reader.at == text.len() { Ok(value) } else { Err(reader.error("the end")) }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn error(&self, expected: &str) -> String {
        ["parameters are no JSON: expected ", expected, " at byte ", &whole(self.at as u64)].concat()
    }

    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes()));
        if found {
            self.at += word.len();
        }
        found
    }

    fn value(&mut self, depth: u32) -> Result<Json, String> {
        if depth > DEEPEST {
            return Err(self.error("fewer levels"));
        }
        self.space();
        match self.peek() {
            b'{' => self.object(depth),
            b'[' => self.list(depth),
            b'"' => Ok(Json::Text(self.string()?)),
            b't' if self.word("true") => Ok(Json::Flag(true)),
            b'f' if self.word("false") => Ok(Json::Flag(false)),
            b'n' if self.word("null") => Ok(Json::Null),
            _ => self.number(),
        }
    }

    fn number(&mut self) -> Result<Json, String> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let (negative, rest) = rest.strip_prefix('-').map_or((false, rest), |rest| (true, rest));
        let (number, bytes) = decimal(rest).ok_or_else(|| self.error("a value"))?;
        self.at += bytes + usize::from(negative);
        Ok(Json::Number(if negative { -number } else { number }))
    }

    fn list(&mut self, depth: u32) -> Result<Json, String> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.word("]") {
            return Ok(Json::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            if self.word("]") {
                return Ok(Json::List(items));
            }
            if !self.word(",") {
                return Err(self.error("`,` or `]`"));
            }
        }
    }

    fn object(&mut self, depth: u32) -> Result<Json, String> {
        self.at += 1;
        let mut members = Vec::new();
        self.space();
        if self.word("}") {
            return Ok(Json::Object(members));
        }
        loop {
            self.space();
            if self.peek() != b'"' {
                return Err(self.error("a name in quotes"));
            }
            let name = self.string()?;
            self.space();
            if !self.word(":") {
                return Err(self.error("`:`"));
            }
            members.push((name, self.value(depth + 1)?));
            self.space();
            if self.word("}") {
                return Ok(Json::Object(members));
            }
            if !self.word(",") {
                return Err(self.error("`,` or `}`"));
            }
        }
    }

    fn string(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let begin = self.at;
            while !matches!(self.peek(), b'"' | b'\\') && self.at < self.text.len() {
                self.at += 1;
            }
            let Some(plain) = self.text.get(begin..self.at).filter(|_| self.at < self.text.len()) else {
                self.at = begin;
                return Err(self.error("`\"`"));
            };
            text.push_str(plain);
            self.at += 1;
            if self.text.as_bytes().get(self.at - 1) == Some(&b'"') {
                return Ok(text);
            }
            let escape = self.peek();
            self.at += 1;
            text.push(match escape {
                b'"' | b'\\' | b'/' => char::from(escape),
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                b'u' => self.unicode()?,
                _ => {
                    self.at -= 1;
                    return Err(self.error("an escape"));
                }
            });
        }
    }

    fn unit(&mut self) -> Result<u32, String> {
        let digits = self.text.get(self.at..self.at + 4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.error("four hexadecimal digits"))?;
        self.at += 4;
        Ok(unit)
    }

    fn unicode(&mut self) -> Result<char, String> {
        let first = self.unit()?;
        let code = if (0xd800..0xdc00).contains(&first) && self.word("\\u") {
            let second = self.unit()?;
            0x10000 + ((first - 0xd800) << 10) + (second.wrapping_sub(0xdc00) & 0x3ff)
        } else {
            first
        };
        char::from_u32(code).ok_or_else(|| self.error("a character"))
    }
}

/// Adds a text in quotes.
pub fn quote(to: &mut String, text: &str) {
    to.push('"');
    for letter in text.chars() {
        match letter {
            '"' => to.push_str("\\\""),
            '\\' => to.push_str("\\\\"),
            '\n' => to.push_str("\\n"),
            control if control < ' ' => {
                to.push_str("\\u00");
                for digit in [u32::from(control) >> 4, u32::from(control) & 15] {
                    to.push(char::from_digit(digit, 16).unwrap_or('0'));
                }
            }
            _ => to.push(letter),
        }
    }
    to.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_json_is_read() {
        let read = Json::parse(
            r#" {"a": [1, -2.5e3, true, null], "b\n\u00e9\ud83d\ude00": "x/\"\\", "c": {}, "d": []} "#,
        );
        let expected = Json::Object(vec![
            (
                "a".into(),
                Json::List(vec![Json::Number(1.0), Json::Number(-2500.0), Json::Flag(true), Json::Null]),
            ),
            ("b\né😀".into(), Json::Text("x/\"\\".into())),
            ("c".into(), Json::Object(vec![])),
            ("d".into(), Json::List(vec![])),
        ]);
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn numbers_as_people_write_them_are_exact() {
        for text in [
            "0",
            "0.9",
            "-0.05",
            "1e9",
            "1.5E-3",
            "1e+22",
            "123456789012345",
            "0.1234567890123",
            "3.14159",
            "86400000",
        ] {
            assert_eq!(Json::parse(text), Ok(Json::Number(text.parse().unwrap())), "{text}");
        }
    }

    #[test]
    fn what_is_not_json_says_where() {
        for (text, expected) in [
            ("", "a value at byte 0"),
            ("{\"a\" 1}", "`:` at byte 5"),
            ("[1 2]", "`,` or `]` at byte 3"),
            ("{} x", "the end at byte 3"),
            ("\"a", "`\"` at byte 1"),
            ("\"\\ud83d\"", "a character at byte 7"),
            ("\"\\q\"", "an escape at byte 2"),
            ("\"\\u00é\"", "four hexadecimal digits at byte 3"),
            ("1e999", "a value at byte 0"),
            ("-", "a value at byte 0"),
            ("1e", "a value at byte 0"),
            (".5", "a value at byte 0"),
            ("99999999999999999999", "a value at byte 0"),
            ("{1:2}", "a name in quotes at byte 1"),
        ] {
            let error = Json::parse(text).unwrap_err();
            assert!(error.ends_with(&format!("expected {expected}")), "{text}: {error}");
        }
        assert!(Json::parse(&"[".repeat(1000)).unwrap_err().contains("fewer levels"));
    }

    #[test]
    fn what_is_quoted_is_read_back() {
        for text in ["", "a\"b\\c\n\u{1}é😀/"] {
            let mut quoted = String::new();
            quote(&mut quoted, text);
            assert_eq!(Json::parse(&quoted), Ok(Json::Text(text.into())));
        }
    }
}
