//! Texts of states: a sample without one means that it is unchanged. Who joins in between, or whose condition asks for the
//! text, is given the one that the hub knows.

use crate::hub::Hub;
use hashbrown::HashMap;
use hedgerow_model::{Columns, Numbered, SeriesId, Value};
use std::sync::Arc;

/// A code and its text, where it is known.
type Told = (i64, Option<Arc<str>>);

/// The states of a stream, and what was last told of each.
#[derive(Debug, Default)]
pub struct Texts {
    states: HashMap<SeriesId, Option<Told>>,
}

impl Texts {
    /// This series is a state.
    pub fn expect(&mut self, id: SeriesId) {
        self.states.entry(id).or_default();
    }

    /// The subscriber may have missed texts.
    pub fn forget(&mut self) {
        self.states.values_mut().for_each(|told| *told = None);
    }

    /// The batch with texts for those states that came without and whose text was not told yet; `always`: for all of them.
    /// The same batch where nothing is to be added.
    pub fn fill(&mut self, hub: &Hub, numbered: Arc<Numbered>, always: bool) -> Arc<Numbered> {
        let batch = &numbered.batch;
        if self.states.is_empty() || batch.values.i64s().is_empty() {
            return numbered;
        }
        let mut filled: Vec<(usize, Value)> = Vec::new();
        for (at, value) in batch.values.iter().enumerate() {
            let Some(told) = self.states.get_mut(&batch.series[at]) else { continue };
            match value {
                Value::State(code, text @ Some(_)) => *told = Some((code, text)),
                Value::I64(code) | Value::State(code, None) => {
                    let new = told.as_ref().is_none_or(|(before, _)| *before != code);
                    if new {
                        let known = hub.known(&batch.series[at..=at]);
                        let text = known.first().and_then(|known| match known.with_text(Value::I64(code)) {
                            Value::State(_, text) => text,
                            _ => None,
                        });
                        *told = Some((code, text));
                    }
                    if let (true, Some((_, Some(text)))) = (new || always, told.as_ref()) {
                        filled.push((at, Value::State(code, Some(Arc::clone(text)))));
                    }
                }
                Value::F64(_) | Value::Text(_) => {}
            }
        }
        if filled.is_empty() {
            return numbered;
        }
        let mut filled = filled.into_iter().peekable();
        let mut values = Columns::default();
        for (at, value) in batch.values.iter().enumerate() {
            values.push(filled.next_if(|(place, _)| *place == at).map_or(value, |(_, with_text)| with_text));
        }
        let mut numbered = Arc::unwrap_or_clone(numbered);
        numbered.batch.values = values;
        Arc::new(numbered)
    }
}
