//! Between the contract and a [`Filter`]: what [`export!`](crate::export) and [`Bench`](crate::Bench) call. Not for authors.
#![allow(missing_docs)]

use crate::{
    Batch, Description, Filter, Gap, Kind, LifeChange, Load, Millis, Out, Parameters, Save, Saved, Series,
    whole,
};

/// The first byte of every state: how the SDK keeps what it keeps itself.
const FORMAT: u8 = 1;

/// A filter that has been configured.
#[derive(Debug)]
pub struct Running<F> {
    filter: F,
    out: Out,
}

/// Settings, and the schema of the parameters.
fn settings<F: Filter>(parameters: &str) -> Result<(F::Settings, String), String> {
    let mut parameters = Parameters::parse(parameters)?;
    let settings = F::settings(&mut parameters);
    Ok((settings, parameters.finish()?))
}

/// The description, and the schema of the parameters.
pub fn describe<F: Filter>(parameters: &str) -> Result<(Description, String), String> {
    let (settings, schema) = settings::<F>(parameters)?;
    Ok((F::describe(&settings)?, schema))
}

impl<F: Filter> Running<F> {
    pub fn configure(parameters: &str, state: Option<&[u8]>) -> Result<Self, String> {
        let (settings, _) = settings::<F>(parameters)?;
        let mut out = Out::default();
        let Some(state) = state else { return Ok(Self { filter: F::configure(settings, None)?, out }) };
        let mut load = Load::new(state);
        let format: u8 = load.get()?;
        if format != FORMAT {
            return Err(
                ["the saved state has format ", &whole(format.into()), ": it is not of this SDK"].concat()
            );
        }
        out.series = load.get()?;
        Ok(Self { filter: F::configure(settings, Some(&mut load))?, out })
    }

    /// One call, and what it emitted.
    fn call(&mut self, act: impl FnOnce(&mut F, &mut Out)) {
        act(&mut self.filter, &mut self.out);
        self.out.flush();
    }

    pub fn series(&mut self, series: &[Series]) {
        self.out.learn(series);
        self.call(|filter, out| filter.on_series(series, out));
    }

    pub fn batch(&mut self, batch: &Batch) {
        self.call(|filter, out| filter.on_batch(batch, out));
    }

    pub fn life(&mut self, changes: &[LifeChange]) {
        self.call(|filter, out| filter.on_life(changes, out));
    }

    pub fn gap(&mut self, gap: Gap) {
        self.call(|filter, out| filter.on_gap(gap, out));
    }

    pub fn tick(&mut self, time: Millis) {
        self.call(|filter, out| filter.on_tick(time, out));
    }

    pub fn save(&self) -> Vec<u8> {
        let mut save = Save::default();
        save.put(&FORMAT);
        save.put(&self.out.series);
        self.filter.save(&mut save);
        save.into_bytes()
    }
}

impl Saved for Kind {
    fn save(&self, to: &mut Save) {
        to.put(&(*self as u8));
    }

    fn load(from: &mut Load) -> Result<Self, String> {
        match from.get::<u8>()? {
            0 => Ok(Kind::Gauge),
            1 => Ok(Kind::Counter),
            2 => Ok(Kind::State),
            3 => Ok(Kind::Text),
            _ => Err("the saved state has a kind that is none".into()),
        }
    }
}

crate::saved!(Series { handle, cluster, node, parameter, labels, kind, unit, interval_ms, description });

/// Makes a filter one that the farm can call: once, at the end of the file.
#[macro_export]
macro_rules! export {
    ($filter:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use ::std::{cell::RefCell, option::Option, result::Result, string::String, vec::Vec};
            use $crate::bindings::hedgerow::filter::types;
            use $crate::guest;

            struct Exported;

            ::std::thread_local! {
                static RUNNING: RefCell<Option<guest::Running<$filter>>> = const { RefCell::new(None) };
            }

            fn running<T>(act: impl FnOnce(&mut guest::Running<$filter>) -> T) -> T {
                RUNNING.with_borrow_mut(|running| act(running.as_mut().expect("called before `configure`")))
            }

            impl $crate::bindings::exports::hedgerow::filter::filter::Guest for Exported {
                fn describe(parameters: String) -> Result<types::Description, String> {
                    guest::begin();
                    guest::describe::<$filter>(&parameters).map(guest::description)
                }

                fn configure(parameters: String, state: Option<Vec<u8>>) -> Result<(), String> {
                    guest::begin();
                    let configured = guest::Running::configure(&parameters, state.as_deref())?;
                    RUNNING.set(Option::Some(configured));
                    Ok(())
                }

                fn on_series(series: Vec<types::Series>) {
                    let series: Vec<$crate::Series> = series.into_iter().map(Into::into).collect();
                    running(|running| running.series(&series));
                }

                fn on_batch(batch: types::Batch) {
                    running(|running| running.batch(&batch.into()));
                }

                fn on_life(changes: Vec<types::LifeChange>) {
                    let changes: Vec<$crate::LifeChange> = changes.into_iter().map(Into::into).collect();
                    running(|running| running.life(&changes));
                }

                fn on_gap(gap: types::Gap) {
                    running(|running| running.gap(gap.into()));
                }

                fn on_tick(time: i64) {
                    running(|running| running.tick(time));
                }

                fn save() -> Vec<u8> {
                    running(|running| running.save())
                }
            }

    $crate::bindings::export!(Exported with_types_in $crate::bindings);
        };
    };
}

#[cfg(target_arch = "wasm32")]
pub use wasm::{begin, description};

#[cfg(target_arch = "wasm32")]
mod wasm {
    //! Types of the bindings from and to ours.
    use crate::bindings::hedgerow::filter::types;
    use crate::{
        Batch, Capability, Column, Description, Gap, GapReason, Kind, Life, LifeChange, Mark, Reading, Series,
    };

    /// From now on the message of a panic is in the log, before the filter is stopped.
    pub fn begin() {
        // Small ones are built to end at once, without words.
        #[cfg(not(feature = "small"))]
        std::panic::set_hook(Box::new(|panic| crate::host::log(crate::Level::Error, &panic.to_string())));
    }

    pub fn description((description, schema): (Description, String)) -> types::Description {
        types::Description {
            name: description.name,
            version: description.version,
            description: description.description,
            predicates: description.predicates,
            reading: match description.reading {
                Reading::Rate => types::Reading::Rate,
                Reading::Raw => types::Reading::Raw,
                Reading::Delta => types::Reading::Delta,
            },
            look_back_ms: description.look_back_ms,
            tick_ms: description.tick_ms,
            schema,
            capabilities: description
                .capabilities
                .into_iter()
                .map(|capability| match capability {
                    Capability::Alarms => types::Capability::Alarms,
                    Capability::Actions => types::Capability::Actions,
                    Capability::History => types::Capability::History,
                })
                .collect(),
        }
    }

    impl From<types::Series> for Series {
        fn from(series: types::Series) -> Self {
            Self {
                handle: series.handle,
                cluster: series.cluster,
                node: series.node,
                parameter: series.parameter,
                labels: series.labels.into_iter().map(|label| (label.key, label.value)).collect(),
                kind: match series.kind {
                    types::Kind::Gauge => Kind::Gauge,
                    types::Kind::Counter => Kind::Counter,
                    types::Kind::State => Kind::State,
                    types::Kind::Text => Kind::Text,
                },
                unit: series.unit,
                interval_ms: series.interval_ms,
                description: series.description,
            }
        }
    }

    impl From<types::Batch> for Batch {
        fn from(batch: types::Batch) -> Self {
            let types::Batch { numbers, integers, texts, state_texts, marks, look_back } = batch;
            let mark = |marked: types::Marked| {
                let mark = match marked.mark {
                    types::Mark::Wrap32 => Mark::Wrap32,
                    types::Mark::Wrap64 => Mark::Wrap64,
                    types::Mark::Reset => Mark::Reset,
                    types::Mark::Discontinuity => Mark::Discontinuity,
                };
                (marked.series, mark)
            };
            Self {
                numbers: Column { series: numbers.series, times: numbers.times, values: numbers.values },
                integers: Column { series: integers.series, times: integers.times, values: integers.values },
                texts: Column { series: texts.series, times: texts.times, values: texts.values },
                state_texts: state_texts.into_iter().map(|state| (state.series, state.text)).collect(),
                marks: marks.into_iter().map(mark).collect(),
                look_back,
            }
        }
    }

    impl From<types::LifeChange> for LifeChange {
        fn from(change: types::LifeChange) -> Self {
            let life = match change.life {
                types::Life::Live => Life::Live,
                types::Life::Stale => Life::Stale,
                types::Life::Ended => Life::Ended,
            };
            Self { series: change.series, life, time: change.time, reason: change.reason }
        }
    }

    impl From<types::Gap> for Gap {
        fn from(gap: types::Gap) -> Self {
            let reason = match gap.reason {
                types::GapReason::Retention => GapReason::Retention,
                types::GapReason::Lag => GapReason::Lag,
                types::GapReason::Lost => GapReason::Lost,
            };
            Self { reason, count: gap.count }
        }
    }
}
