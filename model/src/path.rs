//! Path text: a series' full name in one line, `site/net/sw-a1/in[Gi0/1]`.
//!
//! Split at the first three unescaped `/`; the rest is the parameter; labels stand in brackets, the label `item` bare.
//! What is printed is read back as the same path. Only this module and `predicate::text` know these rules.

use crate::labels::{self, ITEM, Labels};
use crate::name::Name;
use crate::series::SeriesKey;
use crate::syntax::{Cursor, Place, SyntaxError, write_literal};
use std::fmt;
use std::str::FromStr;

/// Why a text is not a path.
pub type PathError = SyntaxError;

/// A series of a farm: its identity within the mesh.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesPath {
    /// The farm's name.
    pub farm: Name,
    /// Which series of it.
    pub key: SeriesKey,
}

/// The four parts of a path, in their order.
pub(crate) const PARTS: [&str; 4] = ["farm", "cluster", "node", "parameter"];

impl SeriesPath {
    /// Reads a path text: `farm/cluster/node/parameter[labels]`.
    ///
    /// # Errors
    /// Where, what, and what was expected.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let mut cursor = Cursor::new(text);
        let farm = name(&mut cursor, Place::Name, "farm")?;
        slash(&mut cursor, "cluster")?;
        Ok(Self { farm, key: key(&mut cursor)? })
    }
}

impl FromStr for SeriesPath {
    type Err = PathError;
    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::parse(text)
    }
}

impl fmt::Display for SeriesPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_literal(f, &self.farm, Place::Name)?;
        write!(f, "/{}", self.key)
    }
}

/// Path text without the farm: `cluster/node/parameter[labels]`.
impl FromStr for SeriesKey {
    type Err = PathError;
    fn from_str(text: &str) -> Result<Self, PathError> {
        key(&mut Cursor::new(text))
    }
}

/// Path text without the farm: `cluster/node/parameter[labels]`.
impl fmt::Display for SeriesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_literal(f, &self.cluster, Place::Name)?;
        f.write_str("/")?;
        write_literal(f, &self.node, Place::Name)?;
        f.write_str("/")?;
        write_literal(f, &self.parameter, Place::Parameter)?;
        write_brackets(f, self.labels.iter(), |f, value| write_literal(f, value, Place::Label))
    }
}

/// Writes pairs sorted by key in brackets, a bare item first; nothing for none.
pub(crate) fn write_brackets<'a, V: 'a>(
    f: &mut fmt::Formatter<'_>,
    pairs: impl Iterator<Item = (&'a str, V)>,
    write_value: impl Fn(&mut fmt::Formatter<'_>, V) -> fmt::Result,
) -> fmt::Result {
    let (mut pairs, others): (Vec<_>, Vec<_>) = pairs.partition(|(key, _)| *key == ITEM);
    pairs.extend(others);
    let close = if pairs.is_empty() { "" } else { "]" };
    for (at, (key, value)) in pairs.into_iter().enumerate() {
        f.write_str(if at == 0 { "[" } else { "," })?;
        if key != ITEM {
            write!(f, "{key}=")?;
        }
        write_value(f, value)?;
    }
    f.write_str(close)
}

/// Reads what stands in brackets, from behind the `[` to behind the `]`, each value by `read_value`.
pub(crate) fn brackets<V>(
    cursor: &mut Cursor<'_>,
    read_value: impl Fn(&mut Cursor<'_>) -> Result<V, SyntaxError>,
) -> Result<Vec<(String, V)>, SyntaxError> {
    let mut pairs: Vec<(String, V)> = Vec::new();
    loop {
        let start = cursor.at();
        let key = label_key(cursor)?;
        if pairs.len() == labels::MAX_LABELS {
            return Err(SyntaxError::new(start, "one label more", format!("at most {}", labels::MAX_LABELS)));
        }
        let value = read_value(cursor)?;
        if pairs.iter().any(|(known, _)| *known == key) {
            return Err(SyntaxError::new(start, format!("label `{key}` a second time"), "each label once"));
        }
        pairs.push((key, value));
        if cursor.eat("]") {
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            return Ok(pairs);
        }
        if !cursor.eat(",") {
            return Err(cursor.unexpected("`,` and a label, or `]`"));
        }
    }
}

/// Takes `key=`; the key is `item` where there is none.
fn label_key(cursor: &mut Cursor<'_>) -> Result<String, SyntaxError> {
    let mut ahead = cursor.clone();
    let key = ahead.take_until(|c| !labels::is_key(c.encode_utf8(&mut [0; 4])));
    if !ahead.eat("=") {
        return Ok(ITEM.to_owned());
    }
    if !labels::is_key(key) {
        let what = format!("label key `{key}`");
        let expected = format!("1 to {} of A-Z a-z 0-9 _ .", labels::MAX_KEY_BYTES);
        return Err(SyntaxError::new(cursor.at(), what, expected));
    }
    *cursor = ahead;
    Ok(key.to_owned())
}

fn key(cursor: &mut Cursor<'_>) -> Result<SeriesKey, PathError> {
    let cluster = name(cursor, Place::Name, "cluster")?;
    slash(cursor, "node")?;
    let node = name(cursor, Place::Name, "node")?;
    slash(cursor, "parameter")?;
    let parameter = name(cursor, Place::Parameter, "parameter")?;
    let start = cursor.at();
    let labels = if cursor.eat("[") {
        let pairs = brackets(cursor, |cursor| name(cursor, Place::Label, "label"))?;
        Labels::new(pairs).map_err(|error| SyntaxError::new(start, error.to_string(), "labels"))?
    } else {
        Labels::none()
    };
    if !cursor.rest().is_empty() {
        return Err(cursor.unexpected("the end of the path; a space in a name is written `\\ `"));
    }
    Ok(SeriesKey { cluster, node, parameter, labels })
}

fn slash(cursor: &mut Cursor<'_>, part: &str) -> Result<(), PathError> {
    if cursor.eat("/") { Ok(()) } else { Err(cursor.unexpected(format!("`/` and the {part}"))) }
}

fn name(cursor: &mut Cursor<'_>, place: Place, part: &str) -> Result<Name, PathError> {
    let start = cursor.at();
    let mut text = String::new();
    while let Some(c) = cursor.peek().filter(|c| !place.ends_at(*c)) {
        if matches!(c, '*' | '?' | '{') {
            let what = format!("`{c}` in a path, which names one series");
            return Err(SyntaxError::new(cursor.at(), what, format!("`\\{c}` where it is meant literally")));
        }
        text.push(cursor.literal(place)?);
    }
    Name::new(&text)
        .map_err(|error| SyntaxError::new(start, format!("the {part} {error}"), format!("a {part}")))
}

#[cfg(test)]
pub(crate) mod tests;
