//! The `farm.toml` that `hedgerow up` writes into its folder: what is active is little, what is possible stands beside it as
//! comments. A line that begins with `#` and no space is configuration, and valid without its `#`; a test holds this.

use std::fmt::Write;

const TEMPLATE: &str = include_str!("template.toml");

/// What is filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateValues {
    /// The farm's name.
    pub farm_name: String,
    /// The lookups it registers with; none: those the farm is started with.
    pub lookups: Vec<String>,
}

/// The commented `farm.toml`.
pub fn render_template(values: &TemplateValues) -> String {
    let lookups: Vec<_> = values.lookups.iter().map(|url| toml_string(url)).collect();
    let urls = if lookups.is_empty() {
        "#urls = [\"http://lookup.site.example:7401\"]".to_owned()
    } else {
        format!("urls = [{}]", lookups.join(", "))
    };
    TEMPLATE.replace("@URLS@", &urls).replace("@FARM_NAME@", &toml_string(&values.farm_name))
}

/// A text as TOML's basic string.
fn toml_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                write!(quoted, "\\u{:04X}", u32::from(c)).expect("invariant: a String takes every text");
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}
