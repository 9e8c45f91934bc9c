//! The schema of a filter's parameters: the part of JSON Schema that says what parameters of a small program are. What is not in that
//! part is refused when the schema is read, so that nothing that an author wrote is silently not checked.
//!
//! Known: `type`, `enum`, `const`, `properties`, `required`, `additionalProperties`, `items`, `minItems`, `maxItems`, `minimum`,
//! `maximum`, `exclusiveMinimum`, `exclusiveMaximum`, `minLength`, `maxLength`, `anyOf`; and, for people, `title`, `description`,
//! `default`, `examples`, `$schema`, `$id`, `$comment`, `format`. No patterns and no references: both can be made to cost without bound.

use super::shown;
use serde_json::{Map, Value};

/// Most comparisons that checking one set of parameters may take. Past it they are refused.
const MAX_STEPS: u32 = 100_000;
/// Most faults that are told at once.
const MAX_FAULTS: usize = 16;
/// What is there for people only.
const FOR_PEOPLE: [&str; 8] =
    ["title", "description", "default", "examples", "$schema", "$id", "$comment", "format"];
const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];
const NUMBERS: [&str; 4] = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"];
const LENGTHS: [&str; 4] = ["minLength", "maxLength", "minItems", "maxItems"];

/// A schema that was read, and holds only what is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema(Value);

/// Why a text is not a schema that we can check.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaFault {
    /// No JSON.
    #[error("it is no JSON: {0}")]
    Json(String),
    /// A keyword that we do not know.
    #[error(
        "at {at}: the keyword `{keyword}` is not known here; known are type, enum, const, properties, required, \
             additionalProperties, items, anyOf, and bounds of numbers and lengths"
    )]
    Keyword {
        /// A JSON pointer.
        at: String,
        /// Which.
        keyword: String,
    },
    /// A keyword with what it cannot have.
    #[error("at {at}: expected {expected}")]
    Form {
        /// A JSON pointer.
        at: String,
        /// What.
        expected: &'static str,
    },
}

/// A parameter that the schema does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("parameter {at}: {what}")]
pub struct ParameterFault {
    /// As `above`, `on[2]`, `bands.low`; `(all)` for the whole.
    pub at: String,
    /// What it is, and what was expected.
    pub what: String,
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    /// What in it is not known, and where.
    pub fn parse(text: &str) -> Result<Self, SchemaFault> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| SchemaFault::Json(error.to_string()))?;
        check_schema(&value, "#")?;
        Ok(Self(value))
    }

    /// Holds a value against it.
    ///
    /// # Errors
    /// All that is wrong, up to sixteen.
    pub fn check(&self, value: &Value) -> Result<(), Vec<ParameterFault>> {
        let mut check = Check { steps: MAX_STEPS, faults: Vec::new() };
        check.value(&self.0, value, "");
        if check.steps == 0 {
            check.fault("", format!("they take more than {MAX_STEPS} comparisons: expected fewer values"));
        }
        if check.faults.is_empty() { Ok(()) } else { Err(check.faults) }
    }
}

fn check_schema(schema: &Value, at: &str) -> Result<(), SchemaFault> {
    let keywords = match schema {
        Value::Bool(_) => return Ok(()),
        Value::Object(keywords) => keywords,
        _ => return Err(SchemaFault::Form { at: at.to_owned(), expected: "an object, true or false" }),
    };
    for (keyword, value) in keywords {
        let here = format!("{at}/{}", shown(keyword));
        let form = |ok: bool, expected: &'static str| {
            if ok { Ok(()) } else { Err(SchemaFault::Form { at: here.clone(), expected }) }
        };
        match keyword.as_str() {
            "type" => form(
                is_type(value),
                "one of null, boolean, integer, number, string, array, object, or a list of them",
            )?,
            "enum" => form(value.is_array(), "a list of values")?,
            "const" => {}
            "properties" => {
                let Some(properties) = value.as_object() else { return form(false, "an object of schemas") };
                for (name, schema) in properties {
                    check_schema(schema, &format!("{here}/{}", shown(name)))?;
                }
            }
            "required" => {
                let names = value.as_array().is_some_and(|list| list.iter().all(Value::is_string));
                form(names, "a list of names")?;
            }
            "additionalProperties" | "items" => check_schema(value, &here)?,
            "anyOf" => {
                let Some(schemas) = value.as_array().filter(|list| !list.is_empty()) else {
                    return form(false, "a list of schemas");
                };
                for (place, schema) in schemas.iter().enumerate() {
                    check_schema(schema, &format!("{here}/{place}"))?;
                }
            }
            word if NUMBERS.contains(&word) => form(value.is_number(), "a number")?,
            word if LENGTHS.contains(&word) => form(value.is_u64(), "a whole number, not negative")?,
            word if FOR_PEOPLE.contains(&word) => {}
            word => return Err(SchemaFault::Keyword { at: at.to_owned(), keyword: shown(word) }),
        }
    }
    Ok(())
}

fn is_type(value: &Value) -> bool {
    let is_one = |value: &Value| value.as_str().is_some_and(|name| TYPES.contains(&name));
    is_one(value) || value.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(is_one))
}

struct Check {
    steps: u32,
    faults: Vec<ParameterFault>,
}

impl Check {
    fn fault(&mut self, at: &str, what: String) {
        if self.faults.len() < MAX_FAULTS {
            let at = if at.is_empty() { "(all)".to_owned() } else { format!("`{at}`") };
            self.faults.push(ParameterFault { at, what });
        }
    }

    fn value(&mut self, schema: &Value, value: &Value, at: &str) {
        self.steps = self.steps.saturating_sub(1);
        if self.steps == 0 {
            return;
        }
        match schema {
            Value::Bool(false) => self.fault(at, "is not known: expected none of this name".into()),
            Value::Object(keywords) => {
                if let Some(expected) = keywords.get("type")
                    && !has_type(expected, value)
                {
                    // What follows would only say so again.
                    return self.fault(at, format!("is {}: expected {}", brief(value), types(expected)));
                }
                self.among(keywords, value, at);
                self.any_of(keywords, value, at);
                match value {
                    Value::Number(number) => self.number(keywords, number.as_f64().unwrap_or(f64::NAN), at),
                    Value::String(text) => self.length(
                        keywords,
                        ["minLength", "maxLength"],
                        text.chars().count(),
                        "characters",
                        at,
                    ),
                    Value::Array(list) => self.list(keywords, list, at),
                    Value::Object(object) => self.object(keywords, object, at),
                    Value::Null | Value::Bool(_) => {}
                }
            }
            _ => {}
        }
    }

    fn among(&mut self, keywords: &Map<String, Value>, value: &Value, at: &str) {
        if let Some(Value::Array(allowed)) = keywords.get("enum") {
            let cost = u32::try_from(allowed.len()).unwrap_or(u32::MAX);
            self.steps = self.steps.saturating_sub(cost);
            if !allowed.iter().any(|one| same(one, value)) {
                let allowed: Vec<_> = allowed.iter().take(16).map(brief).collect();
                self.fault(at, format!("is {}: expected one of {}", brief(value), allowed.join(", ")));
            }
        }
        if let Some(only) = keywords.get("const")
            && !same(only, value)
        {
            self.fault(at, format!("is {}: expected {}", brief(value), brief(only)));
        }
    }

    fn any_of(&mut self, keywords: &Map<String, Value>, value: &Value, at: &str) {
        let Some(Value::Array(schemas)) = keywords.get("anyOf") else { return };
        let before = self.faults.len();
        let mut first = Vec::new();
        for schema in schemas {
            let mut check = Self { steps: self.steps, faults: Vec::new() };
            check.value(schema, value, at);
            self.steps = check.steps;
            if check.faults.is_empty() {
                return self.faults.truncate(before);
            }
            first.extend(check.faults.into_iter().take(1).map(|fault| fault.to_string()));
        }
        first.truncate(4);
        self.fault(at, format!("fits none of {} forms: {}", schemas.len(), first.join("; or ")));
    }

    fn number(&mut self, keywords: &Map<String, Value>, number: f64, at: &str) {
        let bound = |keyword: &str| keywords.get(keyword).and_then(Value::as_f64);
        let tests = [
            (bound("minimum").filter(|bound| number < *bound), "at least"),
            (bound("maximum").filter(|bound| number > *bound), "at most"),
            (bound("exclusiveMinimum").filter(|bound| number <= *bound), "more than"),
            (bound("exclusiveMaximum").filter(|bound| number >= *bound), "less than"),
        ];
        for (broken, words) in tests {
            if let Some(bound) = broken {
                self.fault(at, format!("is {number}: expected {words} {bound}"));
            }
        }
    }

    fn length(
        &mut self,
        keywords: &Map<String, Value>,
        [min, max]: [&str; 2],
        length: usize,
        of: &str,
        at: &str,
    ) {
        let bound = |keyword: &str| keywords.get(keyword).and_then(Value::as_u64);
        let length = length as u64;
        if let Some(least) = bound(min).filter(|least| length < *least) {
            self.fault(at, format!("has {length} {of}: expected at least {least}"));
        }
        if let Some(most) = bound(max).filter(|most| length > *most) {
            self.fault(at, format!("has {length} {of}: expected at most {most}"));
        }
    }

    fn list(&mut self, keywords: &Map<String, Value>, list: &[Value], at: &str) {
        self.length(keywords, ["minItems", "maxItems"], list.len(), "entries", at);
        if let Some(items) = keywords.get("items") {
            for (place, value) in list.iter().enumerate() {
                self.value(items, value, &format!("{at}[{place}]"));
            }
        }
    }

    fn object(&mut self, keywords: &Map<String, Value>, object: &Map<String, Value>, at: &str) {
        let below = |name: &str| if at.is_empty() { shown(name) } else { format!("{at}.{}", shown(name)) };
        let required = keywords.get("required").and_then(Value::as_array);
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            self.steps = self.steps.saturating_sub(1);
            if !object.contains_key(name) {
                self.fault(&below(name), "is missing".into());
            }
        }
        let properties = keywords.get("properties").and_then(Value::as_object);
        for (name, value) in object {
            match properties.and_then(|properties| properties.get(name)) {
                Some(schema) => self.value(schema, value, &below(name)),
                None => match keywords.get("additionalProperties") {
                    Some(Value::Bool(false)) => {
                        let known: Vec<_> =
                            properties.into_iter().flat_map(Map::keys).take(16).map(|n| shown(n)).collect();
                        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                        self.fault(&below(name), format!("is not known: expected one of {known}"));
                    }
                    Some(schema) => self.value(schema, value, &below(name)),
                    None => {}
                },
            }
        }
    }
}

/// Equal as JSON Schema has it: 1 and 1.0 are one number.
fn same(a: &Value, b: &Value) -> bool {
    a == b || a.is_number() && b.is_number() && a.as_f64() == b.as_f64()
}

fn has_type(expected: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => false,
    };
    expected.as_array().map_or_else(|| is(expected), |list| list.iter().any(is))
}

fn types(expected: &Value) -> String {
    match expected {
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        one => one.as_str().unwrap_or_default().to_owned(),
    }
}

fn brief(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
        Value::String(text) => format!("\"{}\"", shown(text)),
        other => other.to_string(),
    }
}
