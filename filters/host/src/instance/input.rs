//! What goes into a guest: plain types as the contract has them, without copying columns on our side.

use super::Context;
use crate::bindings::exports::hedgerow::filter::filter::Guest;
use crate::bindings::hedgerow::filter::types as wit;
use crate::guest::{Column, GapReason, GuestBatch, Input, LifeChange, SeriesInfo};
use hedgerow_model::{Kind, Life, Mark};
use wasmtime::Store;

/// The function of the contract that takes it.
pub(super) fn name(input: &Input) -> &'static str {
    match input {
        Input::Series(_) => "on-series",
        Input::Batch(_) => "on-batch",
        Input::Life(_) => "on-life",
        Input::Gap(..) => "on-gap",
        Input::Tick(_) => "on-tick",
    }
}

/// Calls that function.
pub(super) fn give(guest: &Guest, store: &mut Store<Context>, input: &Input) -> wasmtime::Result<()> {
    match input {
        Input::Series(series) => give_series(guest, store, series),
        Input::Batch(batch) => give_batch(guest, store, batch),
        Input::Life(changes) => {
            let changes: Vec<_> = changes.iter().map(life_change).collect();
            guest.call_on_life(store, &changes)
        }
        Input::Gap(reason, count) => {
            let reason = match reason {
                GapReason::Retention => wit::GapReason::Retention,
                GapReason::Lag => wit::GapReason::Lag,
                GapReason::Lost => wit::GapReason::Lost,
            };
            guest.call_on_gap(store, wit::Gap { reason, count: *count })
        }
        Input::Tick(time) => guest.call_on_tick(store, *time),
    }
}

fn give_series(guest: &Guest, store: &mut Store<Context>, series: &[SeriesInfo]) -> wasmtime::Result<()> {
    let labels: Vec<Vec<_>> = series
        .iter()
        .map(|info| info.labels.iter().map(|(key, value)| wit::LabelParam { key, value }).collect())
        .collect();
    let series: Vec<_> = series
        .iter()
        .zip(&labels)
        .map(|(info, labels)| wit::Series {
            handle: info.handle,
            cluster: &info.cluster,
            node: &info.node,
            parameter: &info.parameter,
            labels,
            kind: kind(info.kind),
            unit: &info.unit,
            interval_ms: info.interval_ms,
            description: &info.description,
        })
        .collect();
    guest.call_on_series(store, &series)
}

fn give_batch(guest: &Guest, store: &mut Store<Context>, batch: &GuestBatch) -> wasmtime::Result<()> {
    let texts: Vec<&str> = batch.texts.values.iter().map(String::as_str).collect();
    let state_texts: Vec<_> = batch
        .state_texts
        .iter()
        .map(|(series, text)| wit::StateTextParam { series: *series, text })
        .collect();
    let marks: Vec<_> = batch.marks.iter().map(|(series, mark)| marked(*series, *mark)).collect();
    let Column { series, times, values } = &batch.numbers;
    let numbers = wit::NumbersParam { series, times, values };
    let Column { series, times, values } = &batch.integers;
    let integers = wit::IntegersParam { series, times, values };
    let Column { series, times, .. } = &batch.texts;
    let texts = wit::TextsParam { series, times, values: &texts };
    let look_back = batch.look_back;
    let batch =
        wit::BatchParam { numbers, integers, texts, state_texts: &state_texts, marks: &marks, look_back };
    guest.call_on_batch(store, batch)
}

/// The answer to `history.read`.
pub(super) fn history(batch: GuestBatch) -> wit::BatchResult {
    let GuestBatch { numbers, integers, texts, state_texts, marks, look_back } = batch;
    let Column { series, times, values } = numbers;
    let numbers = wit::NumbersResult { series, times, values };
    let Column { series, times, values } = integers;
    let integers = wit::IntegersResult { series, times, values };
    let Column { series, times, values } = texts;
    let texts = wit::TextsResult { series, times, values };
    let state_texts =
        state_texts.into_iter().map(|(series, text)| wit::StateTextResult { series, text }).collect();
    let marks = marks.into_iter().map(|(series, mark)| marked(series, mark)).collect();
    wit::BatchResult { numbers, integers, texts, state_texts, marks, look_back }
}

fn life_change(change: &LifeChange) -> wit::LifeChange<'_> {
    wit::LifeChange {
        series: change.series,
        life: match change.life {
            Life::Live => wit::Life::Live,
            Life::Stale => wit::Life::Stale,
            Life::Ended => wit::Life::Ended,
        },
        time: change.time,
        reason: &change.reason,
    }
}

fn marked(series: u32, mark: Mark) -> wit::Marked {
    let mark = match mark {
        Mark::Wrap32 => wit::Mark::Wrap32,
        Mark::Wrap64 => wit::Mark::Wrap64,
        Mark::Reset => wit::Mark::Reset,
        Mark::Discontinuity => wit::Mark::Discontinuity,
    };
    wit::Marked { series, mark }
}

fn kind(kind: Kind) -> wit::Kind {
    match kind {
        Kind::Gauge => wit::Kind::Gauge,
        Kind::Counter => wit::Kind::Counter,
        Kind::State => wit::Kind::State,
        Kind::Text => wit::Kind::Text,
    }
}
