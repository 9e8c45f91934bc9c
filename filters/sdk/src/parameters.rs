//! Parameters: one declaration reads a parameter, checks it, and adds it to the JSON Schema that users are shown.

mod kinds;
#[cfg(test)]
mod tests;

use std::marker::PhantomData;

use crate::json::{Json, quote};
use crate::number::{short, whole};
use kinds::{Bounds, Shape, Value};
pub use kinds::{Duration, Kind};

/// The parameters that a user gave. Declare each with its name, a sentence, and what holds where it is not given:
///
/// ```
/// # use hedgerow_filter::Parameters;
/// # fn settings(parameters: &mut Parameters) -> (f64, i64, Vec<String>) {
/// let above = parameters.number("above", "The bound.").at_least(0.0).or(0.9);
/// let hold = parameters.duration("hold", "How long it has to last.").or("1m");
/// let on = parameters.texts("on", "Which series.").or(&["*/hosts/*/disk_used"]);
/// # (above, hold, on) }
/// ```
///
/// What is wrong is told after all have been read: the first error refuses the deployment, and so does a parameter that
/// nobody declared.
#[derive(Debug)]
pub struct Parameters {
    given: Vec<(String, Json)>,
    properties: String,
    names: String,
    required: String,
    error: Option<String>,
}

impl Parameters {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let given = match Json::parse(text)? {
            Json::Object(given) => given,
            other => return Err(["parameters are ", other.name(), ": expected an object"].concat()),
        };
        let [properties, names, required] = [const { String::new() }; 3];
        Ok(Self { given, properties, names, required, error: None })
    }

    /// The schema of what was declared, if what was given fits it.
    pub(crate) fn finish(self) -> Result<String, String> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if let Some((name, _)) = self.given.first() {
            return Err(["there is no parameter `", name, "`; there are:", &self.names].concat());
        }
        Ok(self.schema())
    }

    fn schema(&self) -> String {
        let mut schema = String::from(r#"{"type":"object","additionalProperties":false,"properties":{"#);
        schema.push_str(&self.properties);
        schema.push('}');
        if !self.required.is_empty() {
            schema.push_str(",\"required\":[");
            schema.push_str(&self.required);
            schema.push(']');
        }
        schema.push('}');
        schema
    }

    /// A number.
    pub fn number(&mut self, name: &'static str, doc: &'static str) -> Parameter<'_, f64> {
        self.parameter(name, doc)
    }

    /// A whole number.
    pub fn whole(&mut self, name: &'static str, doc: &'static str) -> Parameter<'_, i64> {
        self.parameter(name, doc)
    }

    /// Yes or no.
    pub fn flag(&mut self, name: &'static str, doc: &'static str) -> Parameter<'_, bool> {
        self.parameter(name, doc)
    }

    /// A text.
    pub fn text(&mut self, name: &'static str, doc: &'static str) -> Parameter<'_, String> {
        self.parameter(name, doc)
    }

    /// A duration, as `30s`, `5m`, `1h30m`; read as milliseconds.
    pub fn duration(&mut self, name: &'static str, doc: &'static str) -> Parameter<'_, Duration> {
        self.parameter(name, doc)
    }

    /// A list of texts; a single one is taken for a list of one.
    pub fn texts(&mut self, name: &'static str, doc: &'static str) -> Parameter<'_, Vec<String>> {
        self.parameter(name, doc)
    }

    /// A list of numbers; a single one is taken for a list of one.
    pub fn numbers(&mut self, name: &'static str, doc: &'static str) -> Parameter<'_, Vec<f64>> {
        self.parameter(name, doc)
    }

    /// Refuses what was given, where parameters do not go together. The first error counts.
    pub fn refuse(&mut self, why: impl Into<String>) {
        self.error.get_or_insert(why.into());
    }

    /// Adds to the schema.
    fn declare(&mut self, Plain { name, doc, bounds, choices }: Plain, shape: Shape, default: &str) {
        let (schema, end) = shape.schema();
        let to = &mut self.properties;
        if !to.is_empty() {
            to.push(',');
        }
        self.names.push(' ');
        self.names.push_str(name);
        quote(to, name);
        to.push_str(":{");
        to.push_str(schema);
        for (word, bound) in [(",\"minimum\":", bounds.0), (",\"maximum\":", bounds.1)] {
            // Those of a duration cannot stand in a schema: it is a text.
            if bound.is_finite() && shape != Shape::Duration {
                to.push_str(word);
                to.push_str(&short(bound));
            }
        }
        if !choices.is_empty() {
            to.push_str(",\"enum\":");
            quote_all(to, choices);
        }
        to.push_str(end);
        to.push_str(",\"description\":");
        quote(to, doc);
        if !default.is_empty() {
            to.push_str(",\"default\":");
            to.push_str(default);
        }
        to.push('}');
    }

    /// Takes what was given.
    fn take(&mut self, name: &str) -> Option<Json> {
        let at = self.given.iter().position(|(given, _)| given == name)?;
        Some(self.given.remove(at).1)
    }

    /// Declares it, and reads it; `default` is JSON. Not generic: it is in each filter once.
    fn read(&mut self, plain: Plain, shape: Shape, default: &str) -> Option<Value> {
        self.declare(plain, shape, default);
        let given = self.take(plain.name)?;
        match shape.read(&given).and_then(|value| value.judged(plain.bounds, plain.choices)) {
            Ok(value) => Some(value),
            Err(why) => {
                self.refuse(["the parameter `", plain.name, "`: ", &why].concat());
                None
            }
        }
    }

    fn missing(&mut self, Plain { name, doc, .. }: Plain) {
        self.refuse(["the parameter `", name, "` is missing: ", doc].concat());
    }

    fn parameter<T>(&mut self, name: &'static str, doc: &'static str) -> Parameter<'_, T> {
        let bounds = (f64::NEG_INFINITY, f64::INFINITY);
        Parameter { all: self, plain: Plain { name, doc, bounds, choices: &[] }, value: PhantomData }
    }
}

/// Texts as a list.
fn quote_all(to: &mut String, texts: &[&str]) {
    let mut before = '[';
    for text in texts {
        to.push(before);
        quote(to, text);
        before = ',';
    }
    to.push_str(if texts.is_empty() { "[]" } else { "]" });
}

/// What is said of every parameter.
#[derive(Debug, Clone, Copy)]
struct Plain {
    name: &'static str,
    doc: &'static str,
    bounds: Bounds,
    choices: &'static [&'static str],
}

/// A parameter that is being declared. Ends with `or`, `optional` or `required`.
#[derive(Debug)]
#[must_use]
pub struct Parameter<'a, T> {
    all: &'a mut Parameters,
    plain: Plain,
    value: PhantomData<T>,
}

impl<T: Kind> Parameter<'_, T> {
    /// At least that; of a duration in milliseconds, of a list each entry.
    pub fn at_least(mut self, least: f64) -> Self {
        self.plain.bounds.0 = least;
        self
    }

    /// At most that; as [`at_least`](Self::at_least).
    pub fn at_most(mut self, most: f64) -> Self {
        self.plain.bounds.1 = most;
        self
    }

    /// One of these texts.
    pub fn one_of(mut self, choices: &'static [&'static str]) -> Self {
        self.plain.choices = choices;
        self
    }

    /// The value, if one was given.
    pub fn optional(self) -> Option<T::Value> {
        self.read("")
    }

    /// The value; an error where none was given.
    pub fn required(self) -> T::Value
    where
        T::Value: Default,
    {
        let Parameter { all, plain, value } = self;
        if !all.required.is_empty() {
            all.required.push(',');
        }
        quote(&mut all.required, plain.name);
        let given = Parameter { all: &mut *all, plain, value }.read("");
        given.unwrap_or_else(|| {
            all.missing(plain);
            T::Value::default()
        })
    }

    fn read(self, default: &str) -> Option<T::Value> {
        self.all.read(self.plain, T::SHAPE, default).and_then(T::of)
    }
}

impl Parameter<'_, f64> {
    /// The value, or this one.
    pub fn or(self, default: f64) -> f64 {
        self.read(&short(default)).unwrap_or(default)
    }
}

impl Parameter<'_, i64> {
    /// The value, or this one.
    pub fn or(self, default: i64) -> i64 {
        let sign = if default < 0 { "-" } else { "" };
        self.read(&[sign, &whole(default.unsigned_abs())].concat()).unwrap_or(default)
    }
}

impl Parameter<'_, bool> {
    /// The value, or this one.
    pub fn or(self, default: bool) -> bool {
        self.read(if default { "true" } else { "false" }).unwrap_or(default)
    }
}

impl Parameter<'_, String> {
    /// The value, or this one.
    pub fn or(self, default: &str) -> String {
        let mut quoted = String::new();
        quote(&mut quoted, default);
        self.read(&quoted).unwrap_or_else(|| default.into())
    }
}

impl Parameter<'_, Duration> {
    /// The value in milliseconds, or this one: `30s`.
    pub fn or(self, default: &str) -> crate::Millis {
        let otherwise = kinds::duration(default).unwrap_or_default();
        self.read(&["\"", default, "\""].concat()).unwrap_or(otherwise)
    }
}

impl Parameter<'_, Vec<String>> {
    /// The value, or this one.
    pub fn or(self, default: &[&str]) -> Vec<String> {
        let mut quoted = String::new();
        quote_all(&mut quoted, default);
        self.read(&quoted).unwrap_or_else(|| default.iter().map(|text| String::from(*text)).collect())
    }
}

impl Parameter<'_, Vec<f64>> {
    /// The value, or this one.
    pub fn or(self, default: &[f64]) -> Vec<f64> {
        let mut text = String::from("[");
        for number in default {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&short(*number));
        }
        text.push(']');
        self.read(&text).unwrap_or_else(|| default.to_vec())
    }
}
