//! Templates.

use super::WireError;
use crate::lookup as wire;
use hedgerow_model::template::{MAX_TERMS, MAX_VALUES, Operation, Template, Term};

/// A template, for the wire.
pub fn to_wire(template: &Template) -> wire::Template {
    let term = |term: &Term| {
        let (operation, values) = match &term.operation {
            Operation::Is(values) => (wire::Operation::Is, values.clone()),
            Operation::IsNot(values) => (wire::Operation::IsNot, values.clone()),
            Operation::Range(low, high) => (
                wire::Operation::Range,
                vec![low.clone().unwrap_or_default(), high.clone().unwrap_or_default()],
            ),
            Operation::Present => (wire::Operation::Present, Vec::new()),
            Operation::Absent => (wire::Operation::Absent, Vec::new()),
        };
        wire::template::Term { key: term.key.clone(), operation: operation.into(), values }
    };
    wire::Template { terms: template.terms.iter().map(term).collect() }
}

/// A template from the wire; a missing one matches everything.
///
/// # Errors
/// Which term is not of its form.
pub fn from_wire(template: Option<wire::Template>) -> Result<Template, WireError> {
    let terms = template.unwrap_or_default().terms;
    if terms.len() > MAX_TERMS {
        return Err(WireError::new("terms", format!("{} terms: at most {MAX_TERMS}", terms.len())));
    }
    let terms = terms
        .into_iter()
        .enumerate()
        .map(|(at, term)| term_from_wire(term).map_err(|e| e.within(&format!("terms[{at}]"))))
        .collect::<Result<_, _>>()?;
    Ok(Template { terms })
}

fn term_from_wire(term: wire::template::Term) -> Result<Term, WireError> {
    if term.key.is_empty() {
        return Err(WireError::new("key", "empty"));
    }
    let count = term.values.len();
    let values = |needed: std::ops::RangeInclusive<usize>| {
        if needed.contains(&count) {
            return Ok(());
        }
        let problem = format!("{count} values: expected {} to {}", needed.start(), needed.end());
        Err(WireError::new("values", problem))
    };
    let operation = match wire::Operation::try_from(term.operation) {
        Ok(wire::Operation::Is) => {
            values(1..=MAX_VALUES)?;
            Operation::Is(term.values)
        }
        Ok(wire::Operation::IsNot) => {
            values(1..=MAX_VALUES)?;
            Operation::IsNot(term.values)
        }
        Ok(wire::Operation::Range) => {
            values(2..=2)?;
            let mut bounds = term.values.into_iter().map(|text| (!text.is_empty()).then_some(text));
            Operation::Range(bounds.next().flatten(), bounds.next().flatten())
        }
        Ok(wire::Operation::Present) => Operation::Present,
        Ok(wire::Operation::Absent) => Operation::Absent,
        Ok(wire::Operation::Unspecified) | Err(_) => {
            return Err(WireError::new("operation", format!("{}: none of this version", term.operation)));
        }
    };
    Ok(Term { key: term.key, operation })
}
