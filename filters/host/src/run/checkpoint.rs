//! What is stored of a run, so that another one goes on as if nothing had happened: rarely its state, often how far it is.
//!
//! Both are bytes of a versioned format. The state is taken at one place, the progress tells how far the input was consumed
//! since; what lies between is replayed. Of the input only what the cache cannot give back (gaps) stands in here.

use super::bytes::{Damaged, Source, put, put_bytes, put_signed};
use crate::guest::GapReason;
use hedgerow_model::counter::{Count, CounterSample};
use hedgerow_model::{Epoch, Kind, Position, SeriesId, UnixMillis};
use std::sync::Arc;

/// First byte of both: the version of the format. Another one is refused, and the filter begins anew.
const VERSION: u8 = 1;

/// A place in a filter's input: everything up to a number, and so many changes of life that stand right behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The last number.
    pub position: Position,
    /// Changes of life behind that number, which have no number of their own.
    pub lives: u32,
}

impl From<Position> for Place {
    fn from(position: Position) -> Self {
        Self { position, lives: 0 }
    }
}

/// A gap that the filter was told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GapTold {
    /// Behind this number …
    pub after: Position,
    /// … and up to this one nothing was given, although some of it may be stored.
    pub through: Position,
    /// Why.
    pub reason: GapReason,
    /// How many samples are missing, where known.
    pub count: Option<u64>,
}

/// What a run has cost and moved, since its deployment began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Processor time, in nanoseconds; replays too.
    pub cpu_ns: u64,
    /// Calls of the guest; replays not counted, here and below.
    pub calls: u64,
    /// Samples that it was given.
    pub samples_in: u64,
    /// Samples that it emitted.
    pub samples_out: u64,
    /// Samples that it emitted past the bound of an hour: left out.
    pub samples_refused: u64,
    /// Samples that it was not given, by gaps that know how many.
    pub missed: u64,
    /// Lines of log past the bound.
    pub logs_dropped: u64,
}

/// How far a run is: small, written together with what it emitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Everything up to here is consumed, and what came of it is stored.
    pub consumed: Place,
    /// The gaps told since the state was taken.
    pub gaps: Vec<GapTold>,
    /// Up to here.
    pub cost: Cost,
}

/// A series that a filter was told of. Its place in the list is its handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handled {
    /// Which.
    pub id: SeriesId,
    /// What its values mean: never changes.
    pub kind: Kind,
}

/// A run as it was at one place: the guest's own state, and what the host knows beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// Everything up to here is in the state.
    pub at: Place,
    /// What the guest gave; none: it has just been configured, with nothing.
    pub state: Option<Vec<u8>>,
    /// The component's own version, in whose words the state is.
    pub version: String,
    /// Everything numbered up to here came before the deployment; none: nothing did.
    pub look_back_through: Option<Position>,
    /// By handle.
    pub handles: Vec<Handled>,
    /// The last samples of counters, by ascending handle: what their next ones are compared with.
    pub counters: Vec<(u32, CounterSample)>,
    /// The last text told of states, by ascending handle.
    pub texts: Vec<(u32, Arc<str>)>,
    /// Of series whose last batch came through filters, how many, by ascending handle.
    pub generations: Vec<(u32, u8)>,
    /// The interval of ticks, and when the next one is due; no time: the first heartbeat says.
    pub tick_ms: u64,
    /// As `tick_ms`.
    pub next_tick: Option<UnixMillis>,
    /// The hour of the bound of emission, as hours since 1970, and what was emitted in it.
    pub hour: i64,
    /// As `hour`.
    pub emitted_in_hour: u64,
    /// The newest gaps told, oldest first: for whoever runs the same input again.
    pub gaps: Vec<GapTold>,
}

impl Saved {
    /// Of a deployment that begins behind `from`.
    pub fn fresh(from: Position, look_back_through: Option<Position>) -> Self {
        Self {
            at: from.into(),
            state: None,
            version: String::new(),
            look_back_through,
            handles: Vec::new(),
            counters: Vec::new(),
            texts: Vec::new(),
            generations: Vec::new(),
            tick_ms: 0,
            next_tick: None,
            hour: 0,
            emitted_in_hour: 0,
            gaps: Vec::new(),
        }
    }

    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let state = self.state.as_deref().unwrap_or_default();
        let mut out = Vec::with_capacity(state.len() + 64 + 8 * self.handles.len());
        out.push(VERSION);
        put_place(&mut out, self.at);
        out.push(u8::from(self.state.is_some()));
        put_bytes(&mut out, state);
        put_bytes(&mut out, self.version.as_bytes());
        put_option(&mut out, self.look_back_through, put_position);
        put_list(&mut out, &self.handles, |out, handled| {
            put(out, u64::from(handled.id.0));
            out.push(handled.kind as u8);
        });
        put_list(&mut out, &self.counters, |out, (handle, sample)| {
            put(out, u64::from(*handle));
            put_signed(out, sample.time);
            let (tag, bits) = match sample.count {
                Count::Integer(count) => (0, count),
                Count::Float(count) => (1, count.to_bits()),
            };
            out.push(tag);
            out.extend_from_slice(&bits.to_le_bytes());
        });
        put_list(&mut out, &self.texts, |out, (handle, text)| {
            put(out, u64::from(*handle));
            put_bytes(out, text.as_bytes());
        });
        put_list(&mut out, &self.generations, |out, (handle, generation)| {
            put(out, u64::from(*handle));
            out.push(*generation);
        });
        put(&mut out, self.tick_ms);
        put_option(&mut out, self.next_tick, put_signed);
        put_signed(&mut out, self.hour);
        put(&mut out, self.emitted_in_hour);
        put_list(&mut out, &self.gaps, put_gap);
        out
    }

    /// From bytes.
    ///
    /// # Errors
    /// Where they are not what [`Self::to_bytes`] makes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut source = opened(bytes)?;
        let at = place(&mut source)?;
        let has_state = flag(&mut source)?;
        let state = source.bytes()?;
        if !has_state && !state.is_empty() {
            return Err(Damaged("a state where there is none"));
        }
        let saved = Self {
            at,
            state: has_state.then(|| state.to_vec()),
            version: source.text()?.to_owned(),
            look_back_through: option(&mut source, position)?,
            handles: list(&mut source, |source| {
                let id = SeriesId(source.u32()?);
                let kind = Kind::from_number(source.byte()?).ok_or(Damaged("an unknown kind"))?;
                Ok(Handled { id, kind })
            })?,
            counters: list(&mut source, |source| {
                let (handle, time, tag) = (source.u32()?, source.signed()?, source.byte()?);
                let bits = source.take(8)?.try_into().map_err(|_| Damaged("it ends too early"))?;
                let count = match tag {
                    0 => Count::Integer(u64::from_le_bytes(bits)),
                    1 => Count::Float(f64::from_bits(u64::from_le_bytes(bits))),
                    _ => return Err(Damaged("a count of unknown type")),
                };
                Ok((handle, CounterSample { time, count }))
            })?,
            texts: list(&mut source, |source| Ok((source.u32()?, source.text()?.into())))?,
            generations: list(&mut source, |source| Ok((source.u32()?, source.byte()?)))?,
            tick_ms: source.number()?,
            next_tick: option(&mut source, Source::signed)?,
            hour: source.signed()?,
            emitted_in_hour: source.number()?,
            gaps: list(&mut source, gap)?,
        };
        source.end()?;
        let known = |handle: &u32| (*handle as usize) < saved.handles.len();
        let ascending = |handles: &mut dyn Iterator<Item = u32>| handles.is_sorted_by(|a, b| a < b);
        let counters = || saved.counters.iter().map(|(handle, _)| *handle);
        let texts = || saved.texts.iter().map(|(handle, _)| *handle);
        let generations = || saved.generations.iter().map(|(handle, _)| *handle);
        if !counters().chain(texts()).chain(generations()).all(|handle| known(&handle)) {
            return Err(Damaged("a handle that was not given"));
        }
        if ![ascending(&mut counters()), ascending(&mut texts()), ascending(&mut generations())]
            .into_iter()
            .all(|sorted| sorted)
        {
            return Err(Damaged("handles out of order"));
        }
        Ok(saved)
    }
}

impl Progress {
    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(48);
        out.push(VERSION);
        put_place(&mut out, self.consumed);
        put_list(&mut out, &self.gaps, put_gap);
        let Cost { cpu_ns, calls, samples_in, samples_out, samples_refused, missed, logs_dropped } =
            self.cost;
        for amount in [cpu_ns, calls, samples_in, samples_out, samples_refused, missed, logs_dropped] {
            put(&mut out, amount);
        }
        out
    }

    /// From bytes.
    ///
    /// # Errors
    /// Where they are not what [`Self::to_bytes`] makes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut source = opened(bytes)?;
        let (consumed, gaps) = (place(&mut source)?, list(&mut source, gap)?);
        let cost = Cost {
            cpu_ns: source.number()?,
            calls: source.number()?,
            samples_in: source.number()?,
            samples_out: source.number()?,
            samples_refused: source.number()?,
            missed: source.number()?,
            logs_dropped: source.number()?,
        };
        source.end()?;
        Ok(Self { consumed, gaps, cost })
    }
}

fn opened(bytes: &[u8]) -> Result<Source<'_>, Damaged> {
    let mut source = Source(bytes);
    match source.byte()? {
        VERSION => Ok(source),
        _ => Err(Damaged("of another version of this program")),
    }
}

fn put_position(out: &mut Vec<u8>, position: Position) {
    put(out, position.epoch.start);
    out.extend_from_slice(&position.epoch.random.to_le_bytes());
    put(out, position.number);
}

fn position(source: &mut Source<'_>) -> Result<Position, Damaged> {
    let start = source.number()?;
    let random = source.take(8)?.try_into().map_err(|_| Damaged("it ends too early"))?;
    let epoch = Epoch { start, random: u64::from_le_bytes(random) };
    Ok(Position { epoch, number: source.number()? })
}

fn put_place(out: &mut Vec<u8>, place: Place) {
    put_position(out, place.position);
    put(out, u64::from(place.lives));
}

fn place(source: &mut Source<'_>) -> Result<Place, Damaged> {
    Ok(Place { position: position(source)?, lives: source.u32()? })
}

fn put_gap(out: &mut Vec<u8>, gap: &GapTold) {
    put_position(out, gap.after);
    put_position(out, gap.through);
    out.push(match gap.reason {
        GapReason::Retention => 1,
        GapReason::Lag => 2,
        GapReason::Lost => 3,
    });
    put_option(out, gap.count, put);
}

fn gap(source: &mut Source<'_>) -> Result<GapTold, Damaged> {
    let (after, through) = (position(source)?, position(source)?);
    let reason = match source.byte()? {
        1 => GapReason::Retention,
        2 => GapReason::Lag,
        3 => GapReason::Lost,
        _ => return Err(Damaged("a gap of unknown reason")),
    };
    Ok(GapTold { after, through, reason, count: option(source, Source::number)? })
}

fn put_list<T>(out: &mut Vec<u8>, list: &[T], put_one: impl Fn(&mut Vec<u8>, &T)) {
    put(out, list.len() as u64);
    list.iter().for_each(|one| put_one(out, one));
}

fn list<'a, T>(
    source: &mut Source<'a>,
    one: impl Fn(&mut Source<'a>) -> Result<T, Damaged>,
) -> Result<Vec<T>, Damaged> {
    // Grows as it is read: a count that lies costs nothing.
    let count = source.count()?;
    (0..count).map(|_| one(source)).collect()
}

fn put_option<T>(out: &mut Vec<u8>, value: Option<T>, put_one: impl Fn(&mut Vec<u8>, T)) {
    out.push(u8::from(value.is_some()));
    value.into_iter().for_each(|value| put_one(out, value));
}

fn option<'a, T>(
    source: &mut Source<'a>,
    one: impl Fn(&mut Source<'a>) -> Result<T, Damaged>,
) -> Result<Option<T>, Damaged> {
    if flag(source)? { one(source).map(Some) } else { Ok(None) }
}

fn flag(source: &mut Source<'_>) -> Result<bool, Damaged> {
    match source.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Damaged("neither yes nor no")),
    }
}

#[cfg(test)]
mod tests;
