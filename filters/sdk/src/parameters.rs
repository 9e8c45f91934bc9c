//! Parameters: one declaration reads a parameter, checks it, and adds it to the JSON Schema that users are shown.

use std::marker::PhantomData;

use crate::Millis;
use crate::json::{Json, quote};
use crate::number::short;

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
            other => return Err(format!("parameters are {}: expected an object", other.name())),
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
            return Err(format!("there is no parameter `{name}`; there are:{}", self.names));
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
    fn declare(
        &mut self,
        (name, doc): (&str, &str),
        (schema, end): (&str, &str),
        bounds: (f64, f64),
        choices: &[&str],
        default: &str,
    ) {
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
            if bound.is_finite() {
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

    fn parameter<T>(&mut self, name: &'static str, doc: &'static str) -> Parameter<'_, T> {
        let bounds = (f64::NEG_INFINITY, f64::INFINITY);
        Parameter { all: self, name, doc, bounds, choices: &[], value: PhantomData }
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

/// Marks a parameter that is a duration.
#[derive(Debug)]
pub struct Duration;

/// A parameter that is being declared. Ends with `or`, `optional` or `required`.
#[derive(Debug)]
#[must_use]
pub struct Parameter<'a, T> {
    all: &'a mut Parameters,
    name: &'static str,
    doc: &'static str,
    bounds: (f64, f64),
    choices: &'static [&'static str],
    value: PhantomData<T>,
}

impl<T: Kind> Parameter<'_, T> {
    /// At least that; of a duration in milliseconds, of a list each entry.
    pub fn at_least(mut self, least: f64) -> Self {
        self.bounds.0 = least;
        self
    }

    /// At most that; as [`at_least`](Self::at_least).
    pub fn at_most(mut self, most: f64) -> Self {
        self.bounds.1 = most;
        self
    }

    /// One of these texts.
    pub fn one_of(mut self, choices: &'static [&'static str]) -> Self {
        self.choices = choices;
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
        let Parameter { all, name, doc, bounds, choices, value } = self;
        if !all.required.is_empty() {
            all.required.push(',');
        }
        quote(&mut all.required, name);
        let given = Parameter { all: &mut *all, name, doc, bounds, choices, value }.read("");
        given.unwrap_or_else(|| {
            all.refuse(format!("the parameter `{name}` is missing: {doc}"));
            T::Value::default()
        })
    }

    /// Declares it, and reads it; `default` is JSON.
    fn read(self, default: &str) -> Option<T::Value> {
        let bounds = if T::BOUNDED { self.bounds } else { (f64::NEG_INFINITY, f64::INFINITY) };
        self.all.declare((self.name, self.doc), (T::SCHEMA, T::END), bounds, self.choices, default);
        let given = self.all.take(self.name)?;
        let fits = T::read(&given).and_then(|value| self.judge(&value).map(|()| value));
        fits.map_err(|why| self.all.refuse(format!("the parameter `{}`: {why}", self.name))).ok()
    }

    fn judge(&self, value: &T::Value) -> Result<(), String> {
        match T::text(value) {
            Some(text) if !self.choices.is_empty() && !self.choices.contains(&text) => {
                let mut why = String::from("expected one of");
                for choice in self.choices {
                    why.push(' ');
                    why.push_str(choice);
                }
                Err(why)
            }
            _ => T::judge(value, self.bounds),
        }
    }
}

fn within(numbers: &[f64], (least, most): (f64, f64), print: fn(f64) -> String) -> Result<(), String> {
    for number in numbers {
        if *number < least {
            return Err(format!("expected at least {}", print(least)));
        }
        if *number > most {
            return Err(format!("expected at most {}", print(most)));
        }
    }
    Ok(())
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
        self.read(&default.to_string()).unwrap_or(default)
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
    pub fn or(self, default: &str) -> Millis {
        let otherwise = duration(default).unwrap_or_default();
        self.read(&format!("\"{default}\"")).unwrap_or(otherwise)
    }
}

impl Parameter<'_, Vec<String>> {
    /// The value, or this one.
    pub fn or(self, default: &[&str]) -> Vec<String> {
        let mut quoted = String::new();
        quote_all(&mut quoted, default);
        self.read(&quoted).unwrap_or_else(|| default.iter().map(ToString::to_string).collect())
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

/// A type of parameter. Not to be implemented elsewhere.
pub trait Kind {
    /// What is read.
    type Value;
    /// Members of the schema, before bounds and choices.
    const SCHEMA: &'static str;
    /// What follows bounds and choices.
    const END: &'static str = "";
    /// Whether bounds can stand in the schema.
    const BOUNDED: bool = true;

    /// Reads it.
    ///
    /// # Errors
    /// What was expected, and what is there.
    fn read(json: &Json) -> Result<Self::Value, String>;

    /// Whether it is within bounds.
    ///
    /// # Errors
    /// Which bound it is past.
    fn judge(_: &Self::Value, _: (f64, f64)) -> Result<(), String> {
        Ok(())
    }

    /// What choices are about.
    fn text(_: &Self::Value) -> Option<&str> {
        None
    }
}

fn expected<T>(what: &str, json: &Json) -> Result<T, String> {
    Err(format!("expected {what}, found {}", json.name()))
}

impl Kind for f64 {
    type Value = f64;
    const SCHEMA: &'static str = r#""type":"number""#;

    fn read(json: &Json) -> Result<f64, String> {
        if let Json::Number(number) = json { Ok(*number) } else { expected("a number", json) }
    }

    fn judge(value: &f64, bounds: (f64, f64)) -> Result<(), String> {
        within(&[*value], bounds, short)
    }
}

impl Kind for i64 {
    type Value = i64;
    const SCHEMA: &'static str = r#""type":"integer""#;

    fn read(json: &Json) -> Result<i64, String> {
        match json {
            Json::Number(number) if *number == number.trunc() && number.abs() < 9e15 => Ok(*number as i64),
            _ => expected("a whole number", json),
        }
    }

    fn judge(value: &i64, bounds: (f64, f64)) -> Result<(), String> {
        within(&[*value as f64], bounds, short)
    }
}

impl Kind for bool {
    type Value = bool;
    const SCHEMA: &'static str = r#""type":"boolean""#;

    fn read(json: &Json) -> Result<bool, String> {
        if let Json::Flag(flag) = json { Ok(*flag) } else { expected("true or false", json) }
    }
}

impl Kind for String {
    type Value = String;
    const SCHEMA: &'static str = r#""type":"string""#;

    fn read(json: &Json) -> Result<String, String> {
        if let Json::Text(text) = json { Ok(text.clone()) } else { expected("a text", json) }
    }

    fn text(value: &String) -> Option<&str> {
        Some(value)
    }
}

impl Kind for Duration {
    type Value = Millis;
    const SCHEMA: &'static str = r#""type":"string","format":"hedgerow-duration""#;
    const BOUNDED: bool = false;

    fn read(json: &Json) -> Result<Millis, String> {
        let wrong = || "expected a duration, as 30s, 5m, 1h30m".to_owned();
        if let Json::Text(text) = json { duration(text).ok_or_else(wrong) } else { Err(wrong()) }
    }

    fn judge(value: &Millis, bounds: (f64, f64)) -> Result<(), String> {
        within(&[*value as f64], bounds, |bound| format!("{} seconds", short(bound / 1000.0)))
    }
}

impl Kind for Vec<String> {
    type Value = Vec<String>;
    const SCHEMA: &'static str = r#""type":"array","items":{"type":"string""#;
    const END: &'static str = "}";

    fn read(json: &Json) -> Result<Self, String> {
        match json {
            Json::List(items) => items.iter().map(String::read).collect(),
            one => Ok(vec![String::read(one).or_else(|_| expected("a list of texts", one))?]),
        }
    }
}

impl Kind for Vec<f64> {
    type Value = Vec<f64>;
    const SCHEMA: &'static str = r#""type":"array","items":{"type":"number""#;
    const END: &'static str = "}";

    fn read(json: &Json) -> Result<Self, String> {
        match json {
            Json::List(items) => items.iter().map(f64::read).collect(),
            one => Ok(vec![f64::read(one).or_else(|_| expected("a list of numbers", one))?]),
        }
    }

    fn judge(value: &Self, bounds: (f64, f64)) -> Result<(), String> {
        within(value, bounds, short)
    }
}

/// A century: what is longer is a mistake, and sums of times and durations stay far from overflow.
const LONGEST: Millis = 100 * 366 * 86_400_000;

/// `1h30m` in milliseconds.
fn duration(text: &str) -> Option<Millis> {
    const UNITS: [(&str, Millis); 6] =
        [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];
    let mut total: Millis = 0;
    let mut bytes = text.bytes().peekable();
    bytes.peek()?;
    while let Some(first) = bytes.peek() {
        if !first.is_ascii_digit() {
            return None;
        }
        let mut number: Millis = 0;
        while let Some(digit) = bytes.next_if(u8::is_ascii_digit) {
            number = number.checked_mul(10)?.checked_add(Millis::from(digit - b'0'))?;
        }
        let mut name = String::new();
        while let Some(letter) = bytes.next_if(u8::is_ascii_lowercase) {
            name.push(char::from(letter));
        }
        let (_, unit) = UNITS.iter().find(|(unit, _)| *unit == name)?;
        total = total.checked_add(number.checked_mul(*unit)?).filter(|total| *total <= LONGEST)?;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Settings {
        above: f64,
        top: i64,
        hold: Millis,
        on: Vec<String>,
        by: String,
        alarm: bool,
        below: Option<f64>,
        cuts: Vec<f64>,
    }

    fn read(text: &str) -> Result<(Settings, String), String> {
        let mut parameters = Parameters::parse(text)?;
        let p = &mut parameters;
        let settings = Settings {
            above: p.number("above", "The \"bound\".").required(),
            top: p.whole("top", "How many.").at_least(0.0).at_most(100.0).or(3),
            hold: p.duration("hold", "How long.").at_least(1000.0).or("1m30s"),
            on: p.texts("on", "Which.").or(&["*/hosts"]),
            by: p.text("by", "Grouped.").one_of(&["node", "cluster"]).or("node"),
            alarm: p.flag("alarm", "Raise.").or(false),
            below: p.number("below", "Other bound.").optional(),
            cuts: p.numbers("cuts", "Where.").at_least(0.0).or(&[0.5]),
        };
        Ok((settings, parameters.finish()?))
    }

    #[test]
    fn defaults_hold_where_nothing_is_given() {
        let (settings, schema) = read(r#"{"above": 0.5}"#).unwrap();
        let expected = Settings {
            above: 0.5,
            top: 3,
            hold: 90_000,
            on: vec!["*/hosts".into()],
            by: "node".into(),
            alarm: false,
            below: None,
            cuts: vec![0.5],
        };
        assert_eq!(settings, expected);
        let Ok(Json::Object(members)) = Json::parse(&schema) else {
            unreachable!("the schema is JSON: {schema}")
        };
        assert_eq!(members.last().unwrap().1, Json::List(vec![Json::Text("above".into())]));
        assert!(schema.contains(
            r#""top":{"type":"integer","minimum":0,"maximum":100,"description":"How many.","default":3}"#
        ));
        assert!(
            schema.contains(r#""cuts":{"type":"array","items":{"type":"number","minimum":0},"description":"#),
            "{schema}"
        );
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        for (given, expected) in [
            ("{}", "the parameter `above` is missing: The \"bound\"."),
            (r#"{"above":"x"}"#, "the parameter `above`: expected a number, found a text"),
            (r#"{"above":1,"top":1.5}"#, "the parameter `top`: expected a whole number, found a number"),
            (r#"{"above":1,"top":101}"#, "the parameter `top`: expected at most 100"),
            (r#"{"above":1,"hold":"5"}"#, "the parameter `hold`: expected a duration, as 30s, 5m, 1h30m"),
            (r#"{"above":1,"hold":"5ms"}"#, "the parameter `hold`: expected at least 1 seconds"),
            (
                r#"{"above":1,"hold":"9999999999w"}"#,
                "the parameter `hold`: expected a duration, as 30s, 5m, 1h30m",
            ),
            (r#"{"above":1,"by":"x"}"#, "the parameter `by`: expected one of node cluster"),
            (r#"{"above":1,"on":[1]}"#, "the parameter `on`: expected a text, found a number"),
            (r#"{"above":1,"cuts":[1,-1]}"#, "the parameter `cuts`: expected at least 0"),
            ("[]", "parameters are a list: expected an object"),
        ] {
            assert_eq!(read(given).unwrap_err(), expected, "{given}");
        }
        let unknown = read(r#"{"above":1,"abvoe":2}"#).unwrap_err();
        assert!(unknown.starts_with("there is no parameter `abvoe`; there are: above top hold"), "{unknown}");
    }

    #[test]
    fn one_value_is_a_list_of_one() {
        let (settings, _) = read(r#"{"above":1,"on":"x/*","cuts":2}"#).unwrap();
        assert_eq!((settings.on, settings.cuts), (vec!["x/*".to_owned()], vec![2.0]));
    }

    #[test]
    fn durations_are_read() {
        assert_eq!(
            ["30s", "1h30m", "2d", "0s", "1w2ms"].map(duration),
            [30_000, 5_400_000, 172_800_000, 0, 604_800_002].map(Some)
        );
        assert_eq!(["", "5", "s", "5x", "-5s", "1.5s", "99999999999999999999s"].map(duration), [None; 7]);
    }
}
