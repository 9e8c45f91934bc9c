//! Epochs, series, gaps, lives.

use super::WireError;
use crate::common;
use hedgerow_model::{
    Epoch, Gap, GapReason, GapScope, Kind, Labels, Life, Name, NumberRange, SeriesDef, SeriesId, SeriesKey,
};
use std::time::Duration;

/// An epoch, for the wire.
pub fn epoch_to_wire(epoch: Epoch) -> common::Epoch {
    common::Epoch { start: epoch.start, random: epoch.random }
}

/// An epoch from the wire.
///
/// # Errors
/// Where it is missing, or has no start.
pub fn epoch_from_wire(epoch: Option<common::Epoch>) -> Result<Epoch, WireError> {
    match epoch {
        Some(common::Epoch { start, random }) if start > 0 => Ok(Epoch { start, random }),
        _ => Err(WireError::new("epoch", "missing: expected a start of at least 1")),
    }
}

/// A range of numbers from the wire.
///
/// # Errors
/// Where the epoch is missing, or the range runs backwards.
pub fn range_from_wire(range: crate::farm::NumberRange) -> Result<NumberRange, WireError> {
    if range.after > range.through {
        let problem = format!("after {} lies behind through {}", range.after, range.through);
        return Err(WireError::new("range", problem));
    }
    Ok(NumberRange { epoch: epoch_from_wire(range.epoch)?, after: range.after, through: range.through })
}

/// A kind from the wire.
pub fn kind_from_wire(kind: i32) -> Option<Kind> {
    u8::try_from(kind).ok().and_then(Kind::from_number)
}

fn millis(duration: Option<Duration>) -> u64 {
    duration.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

fn duration(millis: u64) -> Option<Duration> {
    (millis > 0).then(|| Duration::from_millis(millis))
}

/// A series, for the wire.
pub fn to_wire(id: SeriesId, def: &SeriesDef) -> common::Series {
    common::Series {
        id: id.0,
        kind: def.kind as i32,
        unit: def.unit.clone(),
        source: def.source.clone(),
        interval_ms: millis(def.interval),
        lifetime_ms: millis(def.lifetime),
        description: def.description.clone(),
        ..key_to_wire(&def.key)
    }
}

/// The names of a series, for the wire: without an id, and without what is declared of it.
pub fn key_to_wire(key: &SeriesKey) -> common::Series {
    common::Series {
        cluster: key.cluster.to_string(),
        node: key.node.to_string(),
        parameter: key.parameter.to_string(),
        labels: labels_to_wire(&key.labels),
        ..common::Series::default()
    }
}

/// The names of a series from the wire.
///
/// # Errors
/// Which of them is not of its form.
pub fn key_from_wire(series: &common::Series) -> Result<SeriesKey, WireError> {
    let name = |field: &str, text: &str| Name::new(text).map_err(|e| WireError::new(field, e.to_string()));
    Ok(SeriesKey {
        cluster: name("cluster", &series.cluster)?,
        node: name("node", &series.node)?,
        parameter: name("parameter", &series.parameter)?,
        labels: Labels::new(series.labels.iter().map(|l| (&l.key, &l.value)))
            .map_err(|e| WireError::new("labels", e.to_string()))?,
    })
}

fn labels_to_wire(labels: &Labels) -> Vec<common::Label> {
    labels.iter().map(|(key, value)| common::Label { key: key.to_owned(), value: value.to_owned() }).collect()
}

/// A series from the wire.
///
/// # Errors
/// Which of its parts is not of its form.
pub fn from_wire(series: common::Series) -> Result<(SeriesId, SeriesDef), WireError> {
    if series.id == 0 {
        return Err(WireError::new("id", "0: ids begin with 1"));
    }
    let key = key_from_wire(&series)?;
    // A kind of a later version is shown as it comes: no rates are made of it, no texts looked up.
    let kind = kind_from_wire(series.kind).unwrap_or(Kind::Gauge);
    let def = SeriesDef {
        key,
        kind,
        unit: series.unit,
        source: series.source,
        interval: duration(series.interval_ms),
        lifetime: duration(series.lifetime_ms),
        description: series.description,
    };
    Ok((SeriesId(series.id), def))
}

/// A gap, for the wire.
pub fn gap_to_wire(gap: &Gap) -> common::Gap {
    use common::gap::Scope;
    common::Gap {
        epoch: Some(epoch_to_wire(gap.epoch)),
        scope: Some(match &gap.scope {
            GapScope::Farm => Scope::Farm(true),
            GapScope::Cluster(name) => Scope::Cluster(name.to_string()),
            GapScope::Series(id) => Scope::Series(id.0),
        }),
        from: gap.from,
        to: gap.to,
        count: gap.count,
        reason: gap.reason as i32,
    }
}

/// A gap from the wire.
///
/// # Errors
/// Which of its parts is not of its form.
pub fn gap_from_wire(gap: common::Gap) -> Result<Gap, WireError> {
    use common::gap::Scope;
    let scope = match gap.scope {
        Some(Scope::Farm(_)) => GapScope::Farm,
        Some(Scope::Cluster(name)) => {
            GapScope::Cluster(Name::new(&name).map_err(|e| WireError::new("cluster", e.to_string()))?)
        }
        Some(Scope::Series(id)) => GapScope::Series(SeriesId(id)),
        None => return Err(WireError::new("scope", "missing: expected farm, cluster or series")),
    };
    let reason = u8::try_from(gap.reason).ok().and_then(GapReason::from_number).unwrap_or(GapReason::Other);
    let epoch = epoch_from_wire(gap.epoch)?;
    Ok(Gap { epoch, scope, from: gap.from, to: gap.to, count: gap.count, reason })
}

/// A life from the wire. One of a later version is at least not live.
pub fn life_from_wire(life: i32) -> Life {
    u8::try_from(life).ok().and_then(Life::from_number).unwrap_or(Life::Stale)
}
