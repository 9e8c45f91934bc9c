//! YAML as a bounded tree in which every value knows its line: enough of it for configurations of other programs. Aliases
//! are copied, and copies count: a few lines that stand for gigabytes are refused.

use saphyr_parser::{Event, Parser, ScalarStyle};
use std::collections::HashMap;

/// Longest text, in bytes.
pub(crate) const MAX_BYTES: usize = 32 << 20;
/// Most values of a text, copies of aliases included.
const MAX_VALUES: usize = 4 << 20;
/// Deepest nesting.
const MAX_DEPTH: usize = 64;

/// A value, and the line it begins in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub line: usize,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// All scalars as they stand; nothing, where nothing stands.
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// What is wrong, and in which line.
pub(crate) type Wrong = (usize, String);

impl Node {
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.map().iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// The entries of a map; none of anything else.
    pub fn map(&self) -> &[(String, Self)] {
        if let Value::Map(entries) = &self.value { entries } else { &[] }
    }

    /// The items of a list; none of anything else.
    pub fn list(&self) -> &[Self] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    /// The text of a scalar; empty for anything else.
    pub fn text(&self) -> &str {
        if let Value::Text(text) = &self.value { text } else { "" }
    }
}

/// Reads the first document.
pub(crate) fn parse(text: &str) -> Result<Node, Wrong> {
    if text.len() > MAX_BYTES {
        return Err((1, format!("the text has {} bytes, and at most {MAX_BYTES} are read", text.len())));
    }
    let mut tree = Tree::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| (error.marker().line(), error.info().to_owned()))?;
        let line = span.start.line();
        match event {
            Event::DocumentEnd => break,
            Event::Scalar(text, style, anchor, _) => {
                let nothing = style == ScalarStyle::Plain && matches!(&*text, "~" | "null");
                let text = if nothing { String::new() } else { text.into_owned() };
                tree.end(Node { line, value: Value::Text(text) }, anchor)?;
            }
            Event::SequenceStart(anchor, _) => tree.begin(line, Value::List(Vec::new()), anchor)?,
            Event::MappingStart(anchor, _) => tree.begin(line, Value::Map(Vec::new()), anchor)?,
            Event::SequenceEnd | Event::MappingEnd => tree.close()?,
            Event::Alias(anchor) => {
                let known = tree.anchors.get(&anchor).cloned();
                let (node, values) =
                    known.ok_or_else(|| (line, "an alias of something unknown".to_owned()))?;
                tree.count(line, values)?;
                tree.end(node, 0)?;
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => {}
        }
    }
    Ok(tree.root.unwrap_or(Node { line: 1, value: Value::Text(String::new()) }))
}

#[derive(Default)]
struct Tree {
    open: Vec<Open>,
    root: Option<Node>,
    /// With how many values each has.
    anchors: HashMap<usize, (Node, usize)>,
    values: usize,
}

struct Open {
    node: Node,
    /// Of a map: the key whose value is awaited.
    key: Option<String>,
    anchor: usize,
    /// How many values there were before it.
    before: usize,
}

impl Tree {
    fn count(&mut self, line: usize, many: usize) -> Result<(), Wrong> {
        self.values = self.values.saturating_add(many);
        if self.values > MAX_VALUES { Err((line, format!("more than {MAX_VALUES} values"))) } else { Ok(()) }
    }

    fn begin(&mut self, line: usize, value: Value, anchor: usize) -> Result<(), Wrong> {
        if self.open.len() >= MAX_DEPTH {
            return Err((line, format!("nested more than {MAX_DEPTH} deep")));
        }
        let before = self.values;
        self.open.push(Open { node: Node { line, value }, key: None, anchor, before });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Wrong> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        if open.anchor != 0 {
            self.anchors.insert(open.anchor, (open.node.clone(), self.values - open.before + 1));
        }
        self.end(open.node, 0)
    }

    /// A value is whole: it goes where it belongs.
    fn end(&mut self, node: Node, anchor: usize) -> Result<(), Wrong> {
        self.count(node.line, 1)?;
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), 1));
        }
        let Some(open) = self.open.last_mut() else {
            self.root.get_or_insert(node);
            return Ok(());
        };
        match (&mut open.node.value, open.key.take()) {
            (Value::List(items), _) => items.push(node),
            (Value::Map(_), None) => match node.value {
                Value::Text(key) => open.key = Some(key),
                _ => return Err((node.line, "a key that is no text".to_owned())),
            },
            // What is merged in stands behind what is written.
            (Value::Map(entries), Some(key)) if key == "<<" => {
                for (key, node) in node.map() {
                    if !entries.iter().any(|(other, _)| other == key) {
                        entries.push((key.clone(), node.clone()));
                    }
                }
            }
            (Value::Map(entries), Some(key)) => {
                // Looking through what is there would cost the square of a large map.
                entries.push((key, node));
            }
            (Value::Text(_), _) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_lists_and_texts_know_their_lines() {
        let root =
            parse("# a\na:\n  b: [1, 'x', ~]\n  \"c d\": yes # no\nmore: text\n  in two lines\n").unwrap();
        let a = root.get("a").unwrap();
        let list = a.get("b").unwrap();
        assert_eq!(list.list().iter().map(Node::text).collect::<Vec<_>>(), ["1", "x", ""]);
        assert_eq!((list.line, a.get("c d").unwrap().text()), (3, "yes"));
        assert_eq!(root.get("more").unwrap().text(), "text in two lines");
        assert_eq!(root.get("none"), None);
        assert_eq!(parse("").unwrap().text(), "");
    }

    #[test]
    fn aliases_and_merges_are_copied() {
        let root = parse("base: &b {x: 1, y: 2}\nother: {<<: *b, x: 3}\n").unwrap();
        let other = root.get("other").unwrap();
        assert_eq!((other.get("y").unwrap().text(), other.map().len()), ("2", 3));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line) in [("a:\n  - b\n c: d\n", 3), ("a: [1\n", 2), ("a: *x\n", 1), ("? [a]\n: b\n", 1)] {
            assert_eq!(parse(text).map_err(|(line, _)| line), Err(line), "{text:?}");
        }
    }

    #[test]
    fn what_grows_beyond_measure_is_refused() {
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..12 {
            let before = format!("*a{},", level - 1).repeat(10);
            bomb += &format!("a{level}: &a{level} [{before}]\n");
        }
        assert!(parse(&bomb).unwrap_err().1.contains("values"));
        assert!(parse(&"- ".repeat(MAX_DEPTH + 1)).unwrap_err().1.contains("deep"));
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse(&" ".repeat(MAX_BYTES + 1)).is_err());
    }
}
