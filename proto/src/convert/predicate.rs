//! Predicates.

use super::WireError;
use crate::common as wire;
use hedgerow_model::UnixMillis;
use hedgerow_model::glob::Glob;
use hedgerow_model::labels::{MAX_LABELS, is_key};
use hedgerow_model::predicate::{
    Aggregate, Comparison, Constraint, Every, LabelPattern, MAX_PATTERNS, MAX_VALUES, PathPattern, Predicate,
    Reading, When, Window,
};
use std::time::Duration;

/// A predicate, for the wire.
pub fn to_wire(predicate: &Predicate) -> wire::Predicate {
    wire::Predicate {
        patterns: predicate.patterns.iter().map(pattern_to_wire).collect(),
        constraint: predicate.constraint.as_ref().map(constraint_to_wire),
        window: Some(window_to_wire(&predicate.window)),
        reading: predicate.reading as i32,
    }
}

/// A predicate from the wire.
///
/// # Errors
/// Which of its parts is not of its form.
pub fn from_wire(predicate: Option<wire::Predicate>) -> Result<Predicate, WireError> {
    let wire = predicate.ok_or_else(|| WireError::new("predicate", "missing"))?;
    Ok(Predicate {
        patterns: patterns_from_wire(wire.patterns)?,
        constraint: wire.constraint.map(constraint_from_wire).transpose()?,
        window: window_from_wire(wire.window.unwrap_or_default())?,
        reading: match wire.reading {
            0 | 1 => Reading::Raw,
            2 => Reading::Rate,
            3 => Reading::Delta,
            other => return Err(WireError::new("reading", format!("{other}: no reading of this version"))),
        },
    })
}

/// Patterns from the wire: 1–64.
///
/// # Errors
/// Which of them is not of its form.
pub fn patterns_from_wire(patterns: Vec<wire::PathPattern>) -> Result<Vec<PathPattern>, WireError> {
    if patterns.is_empty() || patterns.len() > MAX_PATTERNS {
        let problem = format!("{} patterns: expected 1 to {MAX_PATTERNS}", patterns.len());
        return Err(WireError::new("patterns", problem));
    }
    patterns
        .into_iter()
        .enumerate()
        .map(|(at, pattern)| pattern_from_wire(pattern).map_err(|e| e.within(&format!("patterns[{at}]"))))
        .collect()
}

/// A pattern, for the wire.
pub fn pattern_to_wire(pattern: &PathPattern) -> wire::PathPattern {
    let labels = match &pattern.labels {
        LabelPattern::Any | LabelPattern::None => Vec::new(),
        LabelPattern::All(labels) => labels
            .iter()
            .map(|(key, glob)| wire::path_pattern::Label {
                key: key.clone(),
                value: glob.as_str().to_owned(),
            })
            .collect(),
    };
    wire::PathPattern {
        farm: pattern.farm.as_str().to_owned(),
        cluster: pattern.cluster.as_str().to_owned(),
        node: pattern.node.as_str().to_owned(),
        parameter: pattern.parameter.as_str().to_owned(),
        labels,
        no_labels: pattern.labels == LabelPattern::None,
    }
}

/// A pattern from the wire.
///
/// # Errors
/// Which of its parts is not of its form.
pub fn pattern_from_wire(wire: wire::PathPattern) -> Result<PathPattern, WireError> {
    let glob = |field: &str, text: &str| {
        let text = if text.is_empty() { "*" } else { text };
        Glob::new(text).map_err(|e| WireError::new(field, e.to_string()))
    };
    let labels = match (wire.no_labels, wire.labels.len()) {
        (true, 0) => LabelPattern::None,
        (true, _) => return Err(WireError::new("no_labels", "contradicts `labels`")),
        (false, 0) => LabelPattern::Any,
        (false, count) if count > MAX_LABELS => {
            return Err(WireError::new("labels", format!("{count} labels: at most {MAX_LABELS}")));
        }
        (false, _) => {
            let mut labels = Vec::new();
            for label in wire.labels {
                if !is_key(&label.key) {
                    return Err(WireError::new("labels", format!("`{}` is no label key", label.key)));
                }
                labels.push((label.key, glob("labels.value", &label.value)?));
            }
            labels.sort_by(|a, b| a.0.cmp(&b.0));
            LabelPattern::All(labels)
        }
    };
    Ok(PathPattern {
        farm: glob("farm", &wire.farm)?,
        cluster: glob("cluster", &wire.cluster)?,
        node: glob("node", &wire.node)?,
        parameter: glob("parameter", &wire.parameter)?,
        labels,
    })
}

fn constraint_to_wire(constraint: &Constraint) -> wire::Constraint {
    use wire::constraint::{Compare, Constraint as Wire, In};
    wire::Constraint {
        constraint: Some(match constraint {
            Constraint::Compare(comparison, value) => {
                Wire::Compare(Compare { comparison: *comparison as i32, value: *value })
            }
            Constraint::In(values) => Wire::In(In { values: values.clone() }),
        }),
    }
}

fn constraint_from_wire(constraint: wire::Constraint) -> Result<Constraint, WireError> {
    use wire::constraint::Constraint as Wire;
    match constraint.constraint {
        Some(Wire::Compare(compare)) => {
            let comparison = match compare.comparison {
                1 => Comparison::Less,
                2 => Comparison::LessOrEqual,
                3 => Comparison::Equal,
                4 => Comparison::NotEqual,
                5 => Comparison::GreaterOrEqual,
                6 => Comparison::Greater,
                other => {
                    return Err(WireError::new("constraint.comparison", format!("{other}: expected 1 to 6")));
                }
            };
            Ok(Constraint::Compare(comparison, compare.value))
        }
        Some(Wire::In(wanted)) if (1..=MAX_VALUES).contains(&wanted.values.len()) => {
            Ok(Constraint::In(wanted.values))
        }
        Some(Wire::In(wanted)) => {
            let problem = format!("{} values: expected 1 to {MAX_VALUES}", wanted.values.len());
            Err(WireError::new("constraint.in", problem))
        }
        None => Err(WireError::new("constraint", "empty: expected compare or in")),
    }
}

fn window_to_wire(window: &Window) -> wire::Window {
    wire::Window {
        since: window.since.map(when_to_wire),
        until: window.until.map(when_to_wire),
        last: window.last,
        every: window.every.as_ref().map(|every| wire::Every {
            width_ms: millis(every.width),
            aggregates: every.aggregates.iter().map(|a| *a as i32).collect(),
        }),
    }
}

fn window_from_wire(wire: wire::Window) -> Result<Window, WireError> {
    Ok(Window {
        since: wire.since.map(|when| when_from_wire("since", when)).transpose()?,
        until: wire.until.map(|when| when_from_wire("until", when)).transpose()?,
        last: wire.last,
        every: wire.every.as_ref().map(every_from_wire).transpose()?,
    })
}

fn every_from_wire(wire: &wire::Every) -> Result<Every, WireError> {
    if wire.width_ms == 0 || i64::try_from(wire.width_ms).is_err() {
        return Err(WireError::new("every.width_ms", format!("{}: expected at least 1", wire.width_ms)));
    }
    let aggregates = wire
        .aggregates
        .iter()
        .map(|aggregate| match aggregate {
            1 => Ok(Aggregate::Last),
            2 => Ok(Aggregate::Mean),
            3 => Ok(Aggregate::Min),
            4 => Ok(Aggregate::Max),
            5 => Ok(Aggregate::Count),
            other => Err(WireError::new("every.aggregates", format!("{other}: expected 1 to 5"))),
        })
        .collect::<Result<Vec<_>, _>>()?;
    if aggregates.is_empty() || aggregates.len() > 5 {
        return Err(WireError::new(
            "every.aggregates",
            format!("{} of them: expected 1 to 5", aggregates.len()),
        ));
    }
    Ok(Every { width: Duration::from_millis(wire.width_ms), aggregates })
}

fn when_to_wire(when: When) -> wire::When {
    use wire::when::When as Wire;
    wire::When {
        when: Some(match when {
            When::At(time) => Wire::AtMs(time),
            When::Ago(ago) => Wire::AgoMs(millis(ago)),
        }),
    }
}

fn when_from_wire(field: &str, wire: wire::When) -> Result<When, WireError> {
    use wire::when::When as Wire;
    /// Years that a calendar can print, both ways.
    const LIMIT: UnixMillis = 200_000_000_000_000;
    match wire.when {
        Some(Wire::AtMs(time)) if (-LIMIT..=LIMIT).contains(&time) => Ok(When::At(time)),
        Some(Wire::AgoMs(ago)) if ago <= LIMIT.unsigned_abs() => Ok(When::Ago(Duration::from_millis(ago))),
        Some(_) => Err(WireError::new(field, "out of range")),
        None => Err(WireError::new(field, "empty: expected at_ms or ago_ms")),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
