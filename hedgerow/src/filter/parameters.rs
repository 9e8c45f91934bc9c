//! Parameters from the command line: `--set KEY=VALUE` and `--on PATTERN`, as one JSON object.

use crate::outcome::CommandError;
use hedgerow_model::predicate::PathPattern;
use serde_json::{Map, Value};

/// The parameter of the patterns.
const ON: &str = "on";

/// How a filter is to run.
#[derive(Debug, clap::Args)]
pub struct ParameterArgs {
    /// A parameter, KEY=VALUE: a number, true, false, or other JSON; anything else is text ('x="5"' is the text 5)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Series to read, FARM/CLUSTER/NODE/PARAMETER[LABELS] with * ? {a,b}: the parameter `on`, a list
    #[arg(long, value_name = "PATTERN")]
    on: Vec<String>,
}

impl ParameterArgs {
    /// The object as text; empty where nothing is said.
    ///
    /// # Errors
    /// Which word is wrong, and what was expected.
    pub fn object(&self) -> Result<String, CommandError> {
        let mut object = Map::new();
        for word in &self.set {
            let wrong = |problem: &str| CommandError::Misuse(format!("--set {word}: {problem}"));
            let (key, value) = word
                .split_once('=')
                .filter(|(key, _)| !key.is_empty())
                .ok_or_else(|| wrong("expected KEY=VALUE"))?;
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            if object.insert(key.to_owned(), value).is_some() {
                return Err(wrong(&format!("`{key}` is set twice")));
            }
        }
        if !self.on.is_empty() {
            for pattern in &self.on {
                PathPattern::parse(pattern)
                    .map_err(|error| crate::question::wrong("--on", pattern, &error))?;
            }
            if object.insert(ON.to_owned(), self.on.clone().into()).is_some() {
                return Err(CommandError::Misuse(
                    "--on: `on` is set with --set, too: expected it once".into(),
                ));
            }
        }
        if object.is_empty() { Ok(String::new()) } else { Ok(Value::Object(object).to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(set: &[&str], on: &[&str]) -> Result<String, String> {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        ParameterArgs { set: owned(set), on: owned(on) }.object().map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_json_where_they_are_and_text_otherwise() {
        assert_eq!(object(&[], &[]).as_deref(), Ok(""));
        let said = object(
            &["above=0.9", "keep=true", "name=a b", "x=\"5\"", "list=[1,2]", "e=", "f=a=b"],
            &["*/hosts/*/cpu_busy", "oak"],
        );
        let expected = r#"{"above":0.9,"e":"","f":"a=b","keep":true,"list":[1,2],"name":"a b","on":["*/hosts/*/cpu_busy","oak"],"x":"5"}"#;
        assert_eq!(said.as_deref(), Ok(expected));
    }

    #[test]
    fn slips_are_named() {
        let refused = |set: &[&str], on: &[&str]| object(set, on).err().unwrap_or_default();
        assert!(refused(&["above"], &[]).contains("expected KEY=VALUE"));
        assert!(refused(&["=1"], &[]).contains("expected KEY=VALUE"));
        assert!(refused(&["a=1", "a=2"], &[]).contains("`a` is set twice"));
        assert!(refused(&["on=[]"], &["*"]).contains("expected it once"));
        assert!(refused(&[], &["a/[b"]).contains("--on"));
    }
}
