//! `filter describe`: what a filter is, reads, and takes as parameters, in its own words; or which are shipped.

use super::component::Component;
use super::local;
use super::parameters::ParameterArgs;
use crate::outcome::{CommandError, Outcome};
use crate::output::table::{Align, Table};
use crate::output::{Out, json};
use hedgerow_filter_host::guest::{Description, Reading};
use hedgerow_filter_host::shipped::{self, SHIPPED};
use hedgerow_model::duration;
use hedgerow_shown::filters::{DescriptionLine, ShippedLine};
use serde_json::Value;
use std::time::Duration;

const AFTER: &str = "\
Examples:
  hedgerow filter describe
  hedgerow filter describe threshold
  hedgerow filter describe ./mine.wasm --set above=0.9";

/// Say what a filter does and which parameters it takes; without a name, which filters are shipped
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// A filter that is shipped, by its name, or a file of yours, as ./mine.wasm
    #[arg(value_name = "NAME|FILE.wasm")]
    what: Option<String>,
    #[command(flatten)]
    parameters: ParameterArgs,
    /// Print JSON, one object a line, instead of text for people
    #[arg(long)]
    json: bool,
}

/// Says it.
///
/// # Errors
/// Where there is none of that name, it is no filter, or it does not take the parameters.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    let mut out = Out::new();
    match &args.what {
        None => list(args, &mut out)?,
        Some(what) => describe(what, args, &mut out)?,
    }
    out.flush()?;
    Ok(Outcome::Done)
}

fn list(args: &Args, out: &mut Out) -> Result<(), CommandError> {
    if args.json {
        for shipped in SHIPPED {
            out.line(json::line(&ShippedLine::of(shipped))?)?;
        }
        return Ok(());
    }
    let mut table = Table::new(&[("NAME", Align::Left), ("WHAT IT DOES", Align::Left)]);
    for shipped in SHIPPED {
        table.row([shipped.name, shipped.about]);
    }
    Ok(out.lines(table.lines())?)
}

fn describe(what: &str, args: &Args, out: &mut Out) -> Result<(), CommandError> {
    let component = Component::read(what)?;
    let example = shipped::named(what).map_or("", |shipped| shipped.example);
    let said = local::taken(&component, args.parameters.given()?.or(example))?.description;
    let schema: Value = serde_json::from_str(&said.schema).unwrap_or(Value::Null);
    if args.json {
        let line = json::line(&DescriptionLine::of(&said, component.bytes.len()))?;
        return Ok(out.line(line)?);
    }
    for line in about(&said) {
        out.text(&line)?;
    }
    let table = parameters_of(&schema);
    if table.is_empty() { out.line("It takes no parameters.") } else { out.lines(table.lines()) }?;
    Ok(())
}

/// What it is and wants, for people.
fn about(said: &Description) -> Vec<String> {
    let span = |ms: u64| duration::print(Duration::from_millis(ms));
    let mut lines = vec![format!("{} {}: {}", said.name, said.version, said.description)];
    lines.push(format!(
        "  reads {}; counters as {}",
        said.predicates.join(" "),
        match said.reading {
            Reading::Rate => "increase per second",
            Reading::Raw => "they are",
            Reading::Delta => "increase",
        }
    ));
    if said.look_back_ms > 0 {
        lines.push(format!("  begins with the last {}", span(said.look_back_ms)));
    }
    if said.tick_ms > 0 {
        lines.push(format!("  looks every {}", span(said.tick_ms)));
    }
    if !said.capabilities.is_empty() {
        let wanted: Vec<&str> = said.capabilities.iter().map(|wanted| wanted.as_str()).collect();
        lines.push(format!("  has to be granted {}", wanted.join(", ")));
    }
    lines
}

/// The parameters that a schema has.
fn parameters_of(schema: &Value) -> Table {
    let mut table = Table::new(&[
        ("PARAMETER", Align::Left),
        ("TYPE", Align::Left),
        ("DEFAULT", Align::Left),
        ("MEANING", Align::Left),
    ]);
    let required = |name: &str| {
        schema["required"].as_array().is_some_and(|names| names.iter().any(|required| required == name))
    };
    for (name, parameter) in schema["properties"].as_object().into_iter().flatten() {
        let default = match parameter.get("default") {
            Some(default) => plain(default),
            None if required(name) => "has to be given".to_owned(),
            None => String::new(),
        };
        let meaning = parameter["description"].as_str().unwrap_or_default().to_owned();
        table.row([name.clone(), kind(parameter), default, meaning]);
    }
    table
}

/// A text without its quotes, as it is given on the command line; anything else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The type of a parameter in words, with its bounds.
fn kind(schema: &Value) -> String {
    if let Some(choices) = schema["enum"].as_array() {
        return choices.iter().map(plain).collect::<Vec<_>>().join("|");
    }
    let word = match schema["type"].as_str().unwrap_or("any") {
        "array" => return format!("list of {}", kind(&schema["items"])),
        "string" if schema["format"] == "hedgerow-duration" => "duration",
        "string" => "text",
        "boolean" => "true|false",
        "integer" => "whole number",
        other => other,
    };
    match (&schema["minimum"], &schema["maximum"]) {
        (Value::Null, Value::Null) => word.to_owned(),
        (least, Value::Null) => format!("{word} from {least}"),
        (Value::Null, most) => format!("{word} to {most}"),
        (least, most) => format!("{word} {least} to {most}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parameters_are_told_with_their_bounds_and_defaults() {
        let schema = json!({"properties": {
            "above": {"type": "number", "description": "The bound."},
            "hold": {"type": "string", "format": "hedgerow-duration", "default": "1m"},
            "on": {"type": "array", "items": {"type": "string"}, "default": ["*/hosts/*/up"]},
            "top": {"type": "integer", "minimum": 0, "maximum": 20, "default": 3},
            "by": {"type": "string", "enum": ["node", "cluster"], "default": "node"},
        }, "required": ["above"]});
        let expected = "\
PARAMETER  TYPE                  DEFAULT           MEANING
above      number                has to be given   The bound.
by         node|cluster          node
hold       duration              1m
on         list of text          [\"*/hosts/*/up\"]
top        whole number 0 to 20  3";
        assert_eq!(parameters_of(&schema).lines().join("\n"), expected);
        assert!(parameters_of(&Value::Null).is_empty());
    }
}
