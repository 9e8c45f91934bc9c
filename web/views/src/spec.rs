//! What can be looked at. What is asked is checked whole before anything is opened, and brought to one form, so that equal
//! questions are one view.

use crate::alarms::AlarmsSpec;
use crate::chart::ChartSpec;
use crate::latest::LatestSpec;
use crate::lookups::LookupsSpec;
use crate::mesh::MeshSpec;
use crate::spread::SpreadSpec;
use crate::top::TopSpec;
use hedgerow_model::predicate::{Reading, Window};
use hedgerow_model::{Predicate, Template};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Longest text of a predicate or a template, in bytes; a longer one is refused.
pub const MAX_TEXT: usize = 65_536;

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ViewSpec {
    /// Series over time.
    Chart(ChartSpec),
    /// The last value of each series.
    Latest(LatestSpec),
    /// The series with the greatest, or least, last values.
    Top(TopSpec),
    /// How last values are spread.
    Spread(SpreadSpec),
    /// Farms, as the lookups know them.
    Mesh(MeshSpec),
    /// Alarms of all farms.
    Alarms(AlarmsSpec),
    /// The lookups themselves.
    Lookups(LookupsSpec),
}

/// Why a view is not opened. As text: a sentence for the one who asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not of the form of a view.
    #[error("view: {0}")]
    Form(String),
    /// A field that is none.
    #[error("view: `{field}` is {found}: expected {expected}")]
    Value {
        /// Which.
        field: &'static str,
        /// What it is.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// A predicate that cannot be read.
    #[error("view: predicate: {0}")]
    Predicate(String),
    /// A template that cannot be read.
    #[error("view: template: {0}")]
    Template(String),
    /// No room for another view.
    #[error(
        "{0} different views are open already, the most there may be: close some, or look at what others look at"
    )]
    TooMany(usize),
}

impl ViewSpec {
    /// Reads a view from JSON text. Fields that it does not know are refused.
    ///
    /// # Errors
    /// What is wrong with it, and what was expected.
    pub fn parse(json: &str) -> Result<Self, Refused> {
        serde_json::from_str::<Self>(json).map_err(|error| Refused::Form(error.to_string()))?.checked()
    }

    /// Reads a view from JSON.
    ///
    /// # Errors
    /// What is wrong with it, and what was expected.
    pub fn from_json(json: serde_json::Value) -> Result<Self, Refused> {
        serde_json::from_value::<Self>(json).map_err(|error| Refused::Form(error.to_string()))?.checked()
    }

    /// The same in its one form, if it asks for something that can be answered.
    ///
    /// # Errors
    /// What is wrong with it, and what was expected.
    pub fn checked(self) -> Result<Self, Refused> {
        Ok(match self {
            Self::Chart(spec) => Self::Chart(spec.checked()?),
            Self::Latest(spec) => Self::Latest(spec.checked()?),
            Self::Top(spec) => Self::Top(spec.checked()?),
            Self::Spread(spec) => Self::Spread(spec.checked()?),
            Self::Mesh(spec) => Self::Mesh(spec.checked()?),
            Self::Alarms(spec) => Self::Alarms(spec),
            Self::Lookups(spec) => Self::Lookups(spec),
        })
    }

    /// The word of its kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Chart(_) => "chart",
            Self::Latest(_) => "latest",
            Self::Top(_) => "top",
            Self::Spread(_) => "spread",
            Self::Mesh(_) => "mesh",
            Self::Alarms(_) => "alarms",
            Self::Lookups(_) => "lookups",
        }
    }
}

/// Reads the predicate of a view: patterns and perhaps a constraint; the window is the view's.
pub(crate) fn predicate(text: &str) -> Result<Predicate, Refused> {
    if text.len() > MAX_TEXT {
        return Err(too_long("predicate", text.len()));
    }
    let predicate = Predicate::parse(text).map_err(|error| Refused::Predicate(error.to_string()))?;
    if predicate.window != Window::default() || predicate.reading != Reading::Raw {
        let why = "a window in it: expected patterns and perhaps `where …`; the times are the view's own";
        return Err(Refused::Predicate(why.to_owned()));
    }
    Ok(predicate)
}

/// Reads the template of a view; of none: all.
pub(crate) fn template(text: Option<&str>) -> Result<Template, Refused> {
    let Some(text) = text else { return Ok(Template::default()) };
    if text.len() > MAX_TEXT {
        return Err(too_long("template", text.len()));
    }
    text.parse()
        .map_err(|error: hedgerow_model::template::TemplateError| Refused::Template(error.to_string()))
}

fn too_long(field: &'static str, bytes: usize) -> Refused {
    Refused::Value { field, found: format!("{bytes} bytes long"), expected: format!("at most {MAX_TEXT}") }
}

/// Checks that a number lies in a range; where it is not given, it is `default`.
pub(crate) fn within(
    field: &'static str,
    given: Option<u32>,
    default: u32,
    range: RangeInclusive<u32>,
) -> Result<u32, Refused> {
    let given = given.unwrap_or(default);
    if range.contains(&given) {
        return Ok(given);
    }
    let expected = format!("{} to {}", range.start(), range.end());
    Err(Refused::Value { field, found: given.to_string(), expected })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn refused(json: &str) -> String {
        ViewSpec::parse(json).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_view_is_refused_with_what_was_expected() {
        let unknown = refused(r#"{"kind":"chart","predicate":"*","from":-1000,"pixels":10,"colour":"red"}"#);
        assert!(unknown.contains("colour") && unknown.contains("pixels"), "{unknown}");
        assert!(refused(r#"{"kind":"pie"}"#).contains("`chart`"));
        assert!(refused(r#"{"kind":"lookups","x":1}"#).contains('x'));
        assert!(refused(r#"{"kind":"latest","predicate":"*/"}"#).contains("cluster"));
        let window = refused(r#"{"kind":"top","predicate":"* since=5m","n":3}"#);
        assert!(window.contains("window"), "{window}");
        assert!(refused(r#"{"kind":"top","predicate":"*","n":0}"#).contains("1 to"));
        let backwards = refused(r#"{"kind":"chart","predicate":"*","from":2000,"to":1000,"pixels":10}"#);
        assert!(backwards.contains("before"), "{backwards}");
        assert!(refused(r#"{"kind":"mesh","template":"ä=b"}"#).contains("template"));
    }

    #[test]
    fn equal_questions_are_one_view() {
        let one = ViewSpec::parse(r#"{"kind":"latest","predicate":"b  a/**","limit":2000}"#).unwrap();
        let other = ViewSpec::parse(r#"{"predicate":"a b","kind":"latest"}"#).unwrap();
        assert_eq!(one, other);
        let json = serde_json::to_string(&one).unwrap();
        assert_eq!(ViewSpec::parse(&json).unwrap(), one, "{json}");
    }
}
