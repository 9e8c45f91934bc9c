//! Parameters from the command line: `--set KEY=VALUE` and `--on PATTERN`, as one JSON object.
//!
//! Whether `5` is a number or a text, and whether `3,2` is a text or a list, only the filter knows: what it refuses is read otherwise.

use crate::outcome::CommandError;
use hedgerow_model::predicate::PathPattern;
use serde_json::{Map, Value};

/// The parameter of the patterns.
const ON: &str = "on";

/// How a filter is to run.
#[derive(Debug, clap::Args)]
pub struct ParameterArgs {
    /// A parameter, KEY=VALUE: a number, a text, true, false, a list as 1,2,3, or other JSON, as the filter wants it
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Series to read, FARM/CLUSTER/NODE/PARAMETER[LABELS] with * ? {a,b}: the parameter `on`, a list
    #[arg(long, value_name = "PATTERN")]
    on: Vec<String>,
}

impl ParameterArgs {
    /// What they say.
    ///
    /// # Errors
    /// Which word is wrong, and what was expected.
    pub fn given(&self) -> Result<Given, CommandError> {
        let mut given = Given { set: Vec::new(), on: self.on.clone(), otherwise: String::new() };
        for word in &self.set {
            let wrong = |problem: &str| CommandError::Misuse(format!("--set {word}: {problem}"));
            let (key, text) = word
                .split_once('=')
                .filter(|(key, _)| !key.is_empty())
                .ok_or_else(|| wrong("expected KEY=VALUE"))?;
            if given.set.iter().any(|set| set.key == key) {
                return Err(wrong(&format!("`{key}` is set twice")));
            }
            given.set.push(Set {
                key: key.to_owned(),
                text: text.to_owned(),
                readings: readings(text),
                at: 0,
            });
        }
        for pattern in &self.on {
            PathPattern::parse(pattern).map_err(|error| crate::question::wrong("--on", pattern, &error))?;
        }
        if !self.on.is_empty() && given.set.iter().any(|set| set.key == ON) {
            return Err(CommandError::Misuse("--on: `on` is set with --set, too: expected it once".into()));
        }
        Ok(given)
    }
}

/// Parameters as they were given, and as they are read just now.
#[derive(Debug, Clone)]
pub struct Given {
    set: Vec<Set>,
    on: Vec<String>,
    /// Where nothing is given.
    otherwise: String,
}

#[derive(Debug, Clone)]
struct Set {
    key: String,
    /// As it was typed.
    text: String,
    /// What it may mean, the likeliest first.
    readings: Vec<Value>,
    /// The one of them that holds.
    at: usize,
}

impl Given {
    /// The same; where nothing is given, this object.
    pub fn or(self, otherwise: &str) -> Self {
        Self { otherwise: otherwise.to_owned(), ..self }
    }

    /// Whether a value is given whose meaning only the filter knows.
    pub fn is_ambiguous(&self) -> bool {
        self.set.iter().any(|set| set.readings.len() > 1)
    }

    /// The object as text; empty where nothing is given.
    pub fn object(&self) -> String {
        let set = |set: &Set| Some((set.key.clone(), set.readings.get(set.at)?.clone()));
        let mut object: Map<String, Value> = self.set.iter().filter_map(set).collect();
        if !self.on.is_empty() {
            object.insert(ON.to_owned(), self.on.clone().into());
        }
        if object.is_empty() { self.otherwise.clone() } else { Value::Object(object).to_string() }
    }

    /// Reads otherwise the first value that a filter's words of refusal name; whether there is one.
    pub fn read_otherwise(&mut self, refusal: &str) -> bool {
        let next =
            self.set.iter_mut().find(|set| set.at + 1 < set.readings.len() && set.is_named_in(refusal));
        next.map(|set| set.at += 1).is_some()
    }

    /// What was given for that which a filter's words of refusal name, and do not repeat.
    pub fn named_in(&self, refusal: &str) -> Vec<String> {
        let named = self.set.iter().filter(|set| set.is_named_in(refusal) && !refusal.contains(&set.text));
        named.map(|set| format!("{}={}", set.key, set.text)).collect()
    }
}

impl Set {
    fn is_named_in(&self, refusal: &str) -> bool {
        refusal.contains(&format!("`{}`", self.key))
    }
}

/// What a value may mean: JSON, a text, a list. Quotes and brackets leave no doubt.
fn readings(text: &str) -> Vec<Value> {
    let json = serde_json::from_str::<Value>(text);
    if let Ok(clear @ (Value::String(_) | Value::Array(_) | Value::Object(_))) = json {
        return vec![clear];
    }
    let texts: Vec<Value> = items(text).into_iter().map(Value::from).collect();
    let values =
        items(text).into_iter().map(|item| serde_json::from_str(item).unwrap_or_else(|_| item.into()));
    let mut readings: Vec<Value> = json.into_iter().collect();
    for reading in [Value::from(text), Value::Array(values.collect()), Value::Array(texts)] {
        if !readings.contains(&reading) {
            readings.push(reading);
        }
    }
    readings
}

/// Between its commas, but those in brackets, which belong to a pattern.
fn items(text: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    let between = |c: char| {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    };
    text.split(between).map(str::trim).collect()
}

/// As the command line has them.
#[cfg(test)]
pub(super) fn given(set: &[&str], on: &[&str]) -> Result<Given, String> {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    ParameterArgs { set: owned(set), on: owned(on) }.given().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_are_json_where_they_are_and_text_otherwise() {
        let object = |set: &[&str], on: &[&str]| given(set, on).map(|given| given.object());
        assert_eq!(object(&[], &[]).as_deref(), Ok(""));
        assert_eq!(given(&[], &[]).map(|given| given.or("{}").object()).as_deref(), Ok("{}"));
        let said = object(
            &["above=0.9", "keep=true", "name=a b", "x=\"5\"", "list=[1,2]", "e=", "f=a=b"],
            &["*/hosts/*/cpu_busy", "oak"],
        );
        let expected = r#"{"above":0.9,"e":"","f":"a=b","keep":true,"list":[1,2],"name":"a b","on":["*/hosts/*/cpu_busy","oak"],"x":"5"}"#;
        assert_eq!(said.as_deref(), Ok(expected));
    }

    #[test]
    fn what_is_refused_is_read_otherwise() {
        let all = |word: &str| {
            let mut given = given(&[word, "other=1"], &[]).unwrap().or("");
            let mut read = vec![given.set[0].readings[0].to_string()];
            while given.read_otherwise("the parameter `x`: expected something else") {
                read.push(given.set[0].readings[given.set[0].at].to_string());
            }
            assert!(given.object().contains(r#""other":1"#), "nobody complained of it");
            read.join(" ")
        };
        assert_eq!(all("x=5"), r#"5 "5" [5] ["5"]"#);
        assert_eq!(all("x=3,2,a"), r#""3,2,a" [3,2,"a"] ["3","2","a"]"#);
        assert_eq!(all("x=*/{a,b}/*, oak"), r#""*/{a,b}/*, oak" ["*/{a,b}/*","oak"]"#);
        for clear in [r#""5""#, "[1,2]", "{}"] {
            assert_eq!(all(&format!("x={clear}")), clear);
        }
        let given = given(&["above=-3", "by=rack"], &[]).unwrap();
        assert_eq!(given.named_in("the parameter `above`: expected at least 0"), ["above=-3"]);
        assert!(given.named_in("parameter `above`: is -3: expected at least 0").is_empty());
    }

    #[test]
    fn slips_are_named() {
        let refused = |set: &[&str], on: &[&str]| given(set, on).err().unwrap_or_default();
        assert!(refused(&["above"], &[]).contains("expected KEY=VALUE"));
        assert!(refused(&["=1"], &[]).contains("expected KEY=VALUE"));
        assert!(refused(&["a=1", "a=2"], &[]).contains("`a` is set twice"));
        assert!(refused(&["on=[]"], &["*"]).contains("expected it once"));
        assert!(refused(&[], &["a/[b"]).contains("--on"));
    }
}
