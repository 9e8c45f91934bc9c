//! An instance: a filter's memory and code, one call at a time. Whatever goes wrong in a call ends the instance: a guest that was
//! stopped in the middle is in no state that anybody knows.

mod bounds;
mod host;
mod input;

use crate::bindings::hedgerow::filter::types as wit;
use crate::bindings::{Full, FullPre};
use crate::engine::Engine;
use crate::guest::{
    ActionJudge, Capability, Description, Effects, Fault, Guest, HistorySource, Input, Limits, Reading,
};
use bounds::{Memory, Meter, Stop};
use host::Outputs;
use wasmtime::{Store, Trap, WasmBacktrace};

/// What may come out of a guest with one call of the host beside samples, in bytes, where nothing else bounds it. More is a fault.
const TALK_BYTES: usize = 1 << 20;
/// Texts that one call may emit, in bytes together. More is a fault.
const EMIT_TEXT_BYTES: usize = 8 << 20;
/// What a sample takes on its way out: handle, time, value or code, and a text's own size.
const SAMPLE_BYTES: u64 = 4 + 8 + 8 + 24;
/// Most that is copied out of a guest at once, whatever the limits say.
const COPY_BYTES: u64 = 256 << 20;
/// Longest words of a guest in a fault, in bytes. Longer ones are cut.
const WORDS_BYTES: usize = 4096;
/// Longest refusal of a guest, in bytes: it is one line of a status. A longer one is cut, which `…` says.
const REFUSAL_BYTES: usize = 400;
/// Most component-model handles; filters have no use for any.
const RESOURCES: usize = 16;

/// A filter that runs.
pub struct Instance {
    /// None once it was stopped.
    live: Option<Live>,
    /// Processor time of the last `save`, or of the call that it was stopped in.
    spent_ns: u64,
}

/// What an instance is allowed to do just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Log.
    Describe,
    /// Log and declare.
    Configure,
    /// Everything.
    Run,
    /// Log.
    Save,
}

/// What stands beside a guest's memory: what it did in this call, and what it may do.
pub(crate) struct Context {
    phase: Phase,
    call: &'static str,
    limits: Limits,
    memory: Memory,
    meter: Meter,
    outputs: Outputs,
    effects: Effects,
    /// Samples and bytes of text in this call.
    emitted: (u64, usize),
    last_words: Option<String>,
    /// What may be copied out of it in this call, in bytes.
    copied: u64,
    pub(crate) known_series: u32,
    pub(crate) history: Option<Box<dyn HistorySource>>,
    pub(crate) actions: Option<Box<dyn ActionJudge>>,
}

impl Context {
    pub(crate) fn new(phase: Phase, limits: Limits) -> Self {
        Self {
            phase,
            call: "start",
            limits,
            memory: Memory::new(limits.memory_bytes),
            meter: Meter::new(limits.call_cpu),
            outputs: Outputs::default(),
            effects: Effects::default(),
            emitted: (0, 0),
            last_words: None,
            copied: TALK_BYTES as u64,
            known_series: 0,
            history: None,
            actions: None,
        }
    }
}

/// A guest that has not been stopped.
pub(crate) struct Live {
    engine: Engine,
    store: Store<Context>,
    bindings: Full,
}

impl Live {
    pub(crate) fn start(engine: &Engine, pre: &FullPre<Context>, context: Context) -> Result<Self, Fault> {
        let mut store = Store::new(engine.wasmtime(), context);
        store.limiter(|context| &mut context.memory);
        store.epoch_deadline_callback(|mut store| store.data_mut().meter.look());
        store.set_max_component_handles(RESOURCES);
        store.set_hostcall_fuel(TALK_BYTES);
        // Before anything of the guest's runs: a module's own start is called here.
        store.set_epoch_deadline(1);
        store.data_mut().meter.begin();
        let running = engine.ticker().begin();
        let bindings = pre.instantiate(&mut store);
        drop(running);
        let bindings = match bindings {
            Ok(bindings) => bindings,
            Err(error) => return Err(fault(error, store.data_mut())),
        };
        Ok(Self { engine: engine.clone(), store, bindings })
    }

    /// One call of the guest, within its bounds. What it did is in the context.
    fn call<R>(
        &mut self,
        call: &'static str,
        phase: Phase,
        copy_bytes: u64,
        run: impl FnOnce(&Full, &mut Store<Context>) -> wasmtime::Result<R>,
    ) -> Result<R, Fault> {
        let context = self.store.data_mut();
        context.phase = phase;
        context.call = call;
        context.emitted = (0, 0);
        context.last_words = None;
        context.effects = Effects::default();
        context.meter.begin();
        context.copied = copy_bytes.min(COPY_BYTES);
        let fuel = usize::try_from(context.copied).unwrap_or(usize::MAX);
        self.store.set_hostcall_fuel(fuel);
        self.store.set_epoch_deadline(1);
        let running = self.engine.ticker().begin();
        let result = run(&self.bindings, &mut self.store);
        drop(running);
        let context = self.store.data_mut();
        context.effects.cpu_ns = context.meter.end();
        result.map_err(|error| fault(error, self.store.data_mut()))
    }

    pub(crate) fn describe(&mut self, parameters: &str) -> Result<Description, Fault> {
        let raw = self.call("describe", Phase::Describe, TALK_BYTES as u64, |guest, store| {
            guest.hedgerow_filter_filter().call_describe(store, parameters)
        })?;
        raw.map(description).map_err(refused)
    }

    pub(crate) fn configure(&mut self, parameters: &str, state: Option<&[u8]>) -> Result<Effects, Fault> {
        self.call("configure", Phase::Configure, TALK_BYTES as u64, |guest, store| {
            guest.hedgerow_filter_filter().call_configure(store, parameters, state)
        })?
        .map_err(refused)?;
        Ok(self.take_effects())
    }

    fn run(&mut self, input: &Input) -> Result<Effects, Fault> {
        let limits = self.store.data().limits;
        let bytes = (limits.emit_samples.saturating_mul(SAMPLE_BYTES))
            .saturating_add((TALK_BYTES + EMIT_TEXT_BYTES) as u64);
        if let Input::Series(series) = input {
            let context = self.store.data_mut();
            let known = series.iter().map(|info| info.handle.saturating_add(1)).max();
            context.known_series = context.known_series.max(known.unwrap_or(0));
        }
        self.call(input::name(input), Phase::Run, bytes, |guest, store| {
            input::give(guest.hedgerow_filter_filter(), store, input)
        })?;
        Ok(self.take_effects())
    }

    fn save(&mut self) -> Result<Vec<u8>, Fault> {
        let bound = self.store.data().limits.state_bytes;
        let too_large = || {
            let bound = format!("{}, as filters.state says", size(bound));
            Fault::Overrun { call: "save", what: "state", bound }
        };
        let state = self
            .call("save", Phase::Save, bound.saturating_add(TALK_BYTES as u64), |guest, store| {
                guest.hedgerow_filter_filter().call_save(store)
            })
            .map_err(|fault| {
                if matches!(fault, Fault::Overrun { what: COPIED, .. }) { too_large() } else { fault }
            })?;
        if state.len() as u64 > bound { Err(too_large()) } else { Ok(state) }
    }

    fn take_effects(&mut self) -> Effects {
        std::mem::take(&mut self.store.data_mut().effects)
    }
}

impl Instance {
    pub(crate) fn new(live: Live) -> Self {
        Self { live: Some(live), spent_ns: 0 }
    }

    fn with<R>(&mut self, run: impl FnOnce(&mut Live) -> Result<R, Fault>) -> Result<R, Fault> {
        let stopped = || Fault::Host("it was stopped before, and not started anew".into());
        let live = self.live.as_mut().ok_or_else(stopped)?;
        let result = run(live);
        // What comes of other calls than `save` was taken away with their cost.
        self.spent_ns = live.store.data().effects.cpu_ns;
        if result.is_err() {
            // Its memory goes at once, whoever still holds the instance.
            self.live = None;
        }
        result
    }
}

impl Guest for Instance {
    fn call(&mut self, input: &Input) -> Result<Effects, Fault> {
        self.with(|live| live.run(input))
    }

    fn save(&mut self) -> Result<Vec<u8>, Fault> {
        self.with(Live::save)
    }

    fn memory_bytes(&self) -> u64 {
        self.live.as_ref().map_or(0, |live| live.store.data().memory.used())
    }

    fn spent_ns(&self) -> u64 {
        self.spent_ns
    }
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance").field("running", &self.live.is_some()).finish_non_exhaustive()
    }
}

/// In one line, however it was said.
fn refused(words: String) -> Fault {
    // More of it is looked at than is shown: runs of blanks are one.
    let words = cut(&words);
    let line: String = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut line: String = line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if line.len() > REFUSAL_BYTES {
        line.truncate(line.floor_char_boundary(REFUSAL_BYTES));
        line.push('…');
    }
    Fault::Refused(line)
}

/// A number of bytes, for people: in the largest unit of which it is a whole number.
fn size(bytes: u64) -> String {
    let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.into_iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{bytes} bytes"), |(unit, name)| format!("{} {name}", bytes / unit))
}

fn cut(words: &str) -> String {
    words.get(..words.floor_char_boundary(WORDS_BYTES)).unwrap_or_default().to_owned()
}

/// What wasmtime says where more was to be copied than allowed.
const COPY_FAILED: &str = "fuel allocated for hostcalls has been exhausted";
const COPIED: &str = "bytes given at once";

/// Why wasmtime stopped it.
fn fault(error: wasmtime::Error, context: &mut Context) -> Fault {
    let call = context.call;
    let error = match error.downcast::<Stop>() {
        Ok(Stop::Overrun { what, bound }) => return Fault::Overrun { call, what, bound },
        Ok(Stop::Breach(what)) => return Fault::Breach { call, what },
        Err(error) => error,
    };
    if let Some(trap) = error.downcast_ref::<Trap>() {
        let mut what = trap.to_string();
        let frames = error.downcast_ref::<WasmBacktrace>().map(WasmBacktrace::frames).unwrap_or_default();
        if let Some(name) = frames.iter().find_map(|frame| frame.func_name()) {
            what = format!("{what} in `{}`", crate::admission::shown(name));
        }
        if let Some(words) = context.last_words.take() {
            what = format!("{what}; its last words: {words}");
        }
        return Fault::Trap { call, what };
    }
    let words = error.root_cause().to_string();
    if words.contains(COPY_FAILED) {
        let bound = match context.phase {
            Phase::Run => {
                let samples = context.limits.emit_samples;
                format!("{} bytes, enough for {samples} samples, as filters.emit_call says", context.copied)
            }
            _ => size(context.copied),
        };
        return Fault::Overrun { call, what: COPIED, bound };
    }
    if error.downcast_ref::<wasmtime::PoolConcurrencyLimitError>().is_some() {
        return Fault::Host(format!("this process runs no more filters: {words}"));
    }
    // What is left are values that the canonical ABI does not know: pointers, lengths, texts.
    Fault::Breach { call, what: cut(&words) }
}

fn description(raw: wit::Description) -> Description {
    Description {
        name: raw.name,
        version: raw.version,
        description: raw.description,
        predicates: raw.predicates,
        reading: match raw.reading {
            wit::Reading::Rate => Reading::Rate,
            wit::Reading::Raw => Reading::Raw,
            wit::Reading::Delta => Reading::Delta,
        },
        look_back_ms: raw.look_back_ms,
        tick_ms: raw.tick_ms,
        schema: raw.schema,
        capabilities: raw
            .capabilities
            .into_iter()
            .map(|capability| match capability {
                wit::Capability::Alarms => Capability::Alarms,
                wit::Capability::Actions => Capability::Actions,
                wit::Capability::History => Capability::History,
            })
            .collect(),
    }
}
