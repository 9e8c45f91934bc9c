//! What a filter says of itself, checked: its name, its version, which series, how often, with which parameters, and what it asks
//! for. All that is wrong is said at once.

use super::schema::Schema;
use super::{Refusal, shown};
use crate::guest::{Capability, Description, Fault};
use hedgerow_model::predicate::PathPattern;

/// Longest sentence about a filter, in bytes. A longer one is refused, as are all of these.
const MAX_DESCRIPTION_BYTES: usize = 4096;
/// Most patterns.
const MAX_PREDICATES: usize = 64;
/// Longest pattern, in bytes.
const MAX_PREDICATE_BYTES: usize = 4096;
/// Longest schema, in bytes.
const MAX_SCHEMA_BYTES: usize = 64 << 10;
/// Shortest interval of ticks, in milliseconds.
const MIN_TICK_MS: u64 = 1000;

/// Checks what a filter says of itself with these parameters (a JSON object), and the parameters against its schema. `imported` is
/// what its component imports.
///
/// # Errors
/// [`Fault::Breach`] for what no filter may say; [`Fault::Refused`] for parameters that its schema does not allow.
pub fn check_description(
    raw: Description,
    parameters: &str,
    imported: &[Capability],
) -> Result<Description, Fault> {
    let (said, complaint) = check_said(raw, parameters, imported)?;
    complaint.map_or(Ok(said), |complaint| Err(Fault::Refused(complaint)))
}

/// The same, where the parameters may be wrong: then what its schema has against them stands beside what it says.
///
/// # Errors
/// [`Fault::Breach`] for what no filter may say.
pub fn check_said(
    mut raw: Description,
    parameters: &str,
    imported: &[Capability],
) -> Result<(Description, Option<String>), Fault> {
    raw.capabilities.sort_unstable();
    raw.capabilities.dedup();
    let mut faults = Vec::new();
    faults.extend(check_words(&raw));
    faults.extend(check_predicates(&raw.predicates));
    if raw.tick_ms != 0 && raw.tick_ms < MIN_TICK_MS {
        faults.push(format!("tick-ms is {}: expected 0 (never), or at least {MIN_TICK_MS}", raw.tick_ms));
    }
    faults.extend(compare(&raw.capabilities, imported));
    let schema = match check_schema(&raw.schema) {
        Ok(schema) => schema,
        Err(fault) => {
            faults.push(fault);
            None
        }
    };
    if !faults.is_empty() {
        return Err(Fault::Breach { call: "describe", what: faults.join("; ") });
    }
    let complaint = check_parameters(schema.as_ref(), parameters).err();
    Ok((raw, complaint))
}

/// Whether a deployment grants all that a filter asks for.
///
/// # Errors
/// What is not granted.
pub fn check_granted(description: &Description, granted: &[Capability]) -> Result<(), Refusal> {
    let missing: Vec<_> = description
        .capabilities
        .iter()
        .filter(|wanted| !granted.contains(wanted))
        .map(|c| c.as_str())
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(Refusal::NotGranted(missing.join(", "))) }
}

fn check_words(raw: &Description) -> Vec<String> {
    let mut faults = Vec::new();
    if !is_filter_name(&raw.name) {
        faults.push(format!("its name is `{}`: expected [a-z][a-z0-9-]{{0,63}}", shown(&raw.name)));
    }
    if !is_version(&raw.version) {
        faults.push(format!("its version is `{}`: expected three numbers, as 1.2.3", shown(&raw.version)));
    }
    if raw.description.len() > MAX_DESCRIPTION_BYTES {
        let bytes = raw.description.len();
        faults.push(format!("its description has {bytes} bytes: expected at most {MAX_DESCRIPTION_BYTES}"));
    }
    if let Some(c) = raw.description.chars().find(|c| c.is_control() && *c != '\n') {
        faults.push(format!("its description holds the control character U+{:04X}", u32::from(c)));
    }
    faults
}

fn is_filter_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= 64
        && bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_version(version: &str) -> bool {
    let is_number = |part: &str| {
        part.bytes().all(|b| b.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
            && part.parse::<u32>().is_ok()
    };
    version.len() <= 32 && version.split('.').count() == 3 && version.split('.').all(is_number)
}

fn check_predicates(predicates: &[String]) -> Vec<String> {
    if !(1..=MAX_PREDICATES).contains(&predicates.len()) {
        return vec![format!("it has {} predicates: expected 1 to {MAX_PREDICATES}", predicates.len())];
    }
    let fault = |(at, text): (usize, &String)| {
        if text.len() > MAX_PREDICATE_BYTES {
            let bytes = text.len();
            return Some(format!(
                "predicate {} has {bytes} bytes: expected at most {MAX_PREDICATE_BYTES}",
                at + 1
            ));
        }
        let error = PathPattern::parse(text).err()?;
        Some(format!("predicate {} `{}`: {error}", at + 1, shown(text)))
    };
    predicates.iter().enumerate().filter_map(fault).collect()
}

fn compare(declared: &[Capability], imported: &[Capability]) -> Vec<String> {
    let without = |some: &[Capability], others: &[Capability]| -> Vec<&'static str> {
        some.iter().filter(|one| !others.contains(one)).map(|one| one.as_str()).collect()
    };
    let mut faults = Vec::new();
    let silent = without(imported, declared);
    if !silent.is_empty() {
        let names = silent.join(", ");
        faults.push(format!(
            "it imports {names} without asking for it in `describe`: expected the same in both"
        ));
    }
    let empty = without(declared, imported);
    if !empty.is_empty() {
        let names = empty.join(", ");
        faults.push(format!(
            "it asks for {names} in `describe` and does not import it: expected the same in both"
        ));
    }
    faults
}

fn check_schema(text: &str) -> Result<Option<Schema>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > MAX_SCHEMA_BYTES {
        return Err(format!("its schema has {} bytes: expected at most {MAX_SCHEMA_BYTES}", text.len()));
    }
    Schema::parse(text).map(Some).map_err(|fault| format!("its schema: {fault}"))
}

fn check_parameters(schema: Option<&Schema>, parameters: &str) -> Result<(), String> {
    let value: serde_json::Value = serde_json::from_str(parameters)
        .map_err(|error| format!("the parameters are no JSON: {error}; expected an object"))?;
    let Some(object) = value.as_object() else {
        return Err("the parameters are no JSON object: expected {\"name\": value, …}".into());
    };
    match schema {
        None if object.is_empty() => Ok(()),
        None => {
            let names: Vec<_> = object.keys().take(8).map(|name| format!("`{}`", shown(name))).collect();
            Err(format!("it takes no parameters, and was given {}", names.join(", ")))
        }
        Some(schema) => schema
            .check(&value)
            .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
    }
}
