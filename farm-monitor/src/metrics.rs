//! What a farm says of itself, as Prometheus reads it: the newest values of the reserved cluster, named by rule.
//!
//! The rule: `hedgerow_farm_`, the parameter, its unit (`_bytes`, `_seconds`), and `_total` for counters. What speaks no
//! more for now (stale, ended, not heard since the start) is left out. It only reads what the hub has.

use crate::config::RESERVED_CLUSTER;
use crate::hub::{Hub, Known};
use hedgerow_model::predicate::PathPattern;
use hedgerow_model::{Kind, Life, SeriesId, Value};
use hedgerow_service::http::Pages;
use hedgerow_service::http::exposition::{Family, FamilyKind, Sample, label_names, rounded};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The pages of the farm of this name and hub.
pub fn pages(name: &str, hub: Arc<Hub>) -> Pages {
    let own = Own { hub, ids: Mutex::default() };
    Pages { role: format!("farm {name}"), metrics: Arc::new(move || own.families()), more: Vec::new() }
}

/// The series of the reserved cluster, found once.
struct Own {
    hub: Arc<Hub>,
    /// The ids, and up to where the hub's series have been looked at.
    ids: Mutex<(Vec<SeriesId>, usize)>,
}

impl Own {
    fn families(&self) -> Vec<Family> {
        let known = {
            let mut ids = self.ids.lock();
            let pattern = PathPattern::parse(&format!("*/{RESERVED_CLUSTER}"));
            let patterns = [pattern.expect("invariant: the reserved cluster is a plain word")];
            let (more, looked) = self.hub.matching_from(&patterns, ids.1);
            ids.0.extend(more);
            ids.1 = looked;
            self.hub.known(&ids.0)
        };
        families(known.iter().filter(|known| known.life == Life::Live))
    }
}

/// The values of a family, by their labels: where two have the same, the later one.
type Values = BTreeMap<Vec<(String, String)>, f64>;

fn families<'a>(known: impl Iterator<Item = &'a Known>) -> Vec<Family> {
    let mut families: BTreeMap<String, (Family, Values)> = BTreeMap::new();
    for known in known {
        let key = &known.def.key;
        let Some(value) = known.latest.as_ref().and_then(|latest| number(known.def.kind, &latest.value))
        else {
            continue;
        };
        let (name, kind) = family(key.parameter.as_str(), known.def.kind, &known.def.unit);
        let keys: Vec<&str> = key.labels.iter().map(|(key, _)| key).collect();
        let texts = key.labels.iter().map(|(_, text)| text.to_owned());
        let labels = label_names(&keys).into_iter().zip(texts).collect();
        let new = || (Family::new(kind, &name, &known.def.description), BTreeMap::new());
        families.entry(name.clone()).or_insert_with(new).1.insert(labels, value);
    }
    let complete = |(mut family, samples): (Family, Values)| {
        family.samples = samples.into_iter().map(|(labels, value)| Sample { labels, value }).collect();
        family
    };
    families.into_values().map(complete).collect()
}

/// The name and kind of a parameter's family.
fn family(parameter: &str, kind: Kind, unit: &str) -> (String, FamilyKind) {
    let unit = match unit {
        "By" => "_bytes",
        "s" => "_seconds",
        _ => "",
    };
    let (total, kind) =
        if kind == Kind::Counter { ("_total", FamilyKind::Counter) } else { ("", FamilyKind::Gauge) };
    let unit = if parameter.ends_with(unit) { "" } else { unit };
    let parameter: String =
        parameter.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    (format!("hedgerow_farm_{parameter}{unit}{total}"), kind)
}

/// A value that Prometheus can have; texts it cannot.
fn number(kind: Kind, value: &Value) -> Option<f64> {
    match value {
        Value::F64(value) => Some(*value),
        Value::I64(value) if kind == Kind::Counter => Some(rounded(value.cast_unsigned())),
        #[expect(clippy::cast_precision_loss, reason = "Prometheus knows no other numbers")]
        Value::I64(value) | Value::State(value, _) => Some(*value as f64),
        Value::Text(_) => None,
    }
}

#[cfg(test)]
mod tests;
