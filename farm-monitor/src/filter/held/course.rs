//! A run that is under way, and what of it the caller is still to be told.

use crate::filter::feed::{Item as Fed, Missing};
use crate::filter::logs::MAX_LINE_BYTES;
use crate::filter::runner::history::Consumed;
use crate::hub::Hub;
use hedgerow_filter_host::guest::{AlarmCall, Fault, GapReason, LogLevel};
use hedgerow_filter_host::run::{GapTold, Item, Run, Step};
use hedgerow_model::{Batch, Epoch, Gap, GapScope, Numbered, Numbers, Position, SeriesId, UnixMillis};
use hedgerow_proto::convert::{batch, series};
use hedgerow_proto::farm::{Item as WireItem, item};
use hedgerow_proto::filter::run_response::Response;
use hedgerow_proto::filter::{Cost, LogLevel as WireLevel, LogLine};
use hedgerow_proto::stream::{StreamMessage, encode};
use serde_json::json;
use std::collections::VecDeque;

/// Processor time of what is given at once, in nanoseconds; the call that goes past it is the last one: others have their turn.
const TURN_NS: u64 = 10_000_000;
/// Samples that may come of what is given at once, where no single call makes more.
const TURN_SAMPLES: usize = 16_384;
const MINUTE_MS: i64 = 60_000;

/// What a run calls now.
#[derive(Debug, Clone, Copy)]
pub(super) enum Clock {
    /// The farm's clock.
    Live(UnixMillis),
    /// Over what is stored: the time of the last heartbeat.
    Virtual(UnixMillis),
}

/// See the module.
pub(super) struct Course {
    run: Box<Run>,
    /// Told where the run is, for what it reads back.
    consumed: Option<Consumed>,
    pub(super) clock: Clock,
    /// How many of the series that it makes were told.
    told: usize,
    /// Gaps that it is to be told of again.
    gaps: VecDeque<GapTold>,
    /// The minute in which lines are counted, how many, and how many it may leave.
    lines: (i64, u32),
    line_rate: u32,
    lines_dropped: u64,
    answers: Vec<Response>,
}

impl Course {
    pub(super) fn new(
        run: Run,
        consumed: Option<Consumed>,
        logs: Vec<(LogLevel, String)>,
        clock: Clock,
        gaps: Vec<GapTold>,
        line_rate: u32,
    ) -> Self {
        let mut course = Self {
            run: Box::new(run),
            consumed,
            clock,
            told: 0,
            gaps: gaps.into(),
            lines: (0, 0),
            line_rate,
            lines_dropped: 0,
            answers: Vec::new(),
        };
        logs.into_iter().for_each(|(level, text)| course.log(level, text));
        course
    }

    /// Gives it some of the items, in their order.
    pub(super) fn give(&mut self, left: &mut VecDeque<Fed>, hub: &Hub) -> Result<(), Fault> {
        let (began, mut samples) = (self.run.cost().cpu_ns, 0);
        while let Some(item) = left.pop_front() {
            if let (Fed::Accepted { heartbeat: Some(time), .. }, Clock::Virtual(now)) =
                (&item, &mut self.clock)
            {
                *now = *time;
            }
            self.tell_gaps(&item);
            if let Some(consumed) = &self.consumed {
                consumed.note(&self.run);
            }
            let step = give(&mut self.run, &item, hub)?;
            samples += step.batches.iter().map(Batch::len).sum::<usize>();
            self.take(step, hub);
            if samples >= TURN_SAMPLES || self.run.cost().cpu_ns.saturating_sub(began) >= TURN_NS {
                break;
            }
        }
        Ok(())
    }

    /// What is to be told, in its order.
    pub(super) fn take_answers(&mut self) -> Vec<Response> {
        std::mem::take(&mut self.answers)
    }

    /// What it has cost so far.
    pub(super) fn cost(&self) -> Cost {
        let cost = self.run.cost();
        Cost {
            cpu_us: cost.cpu_ns / 1000,
            memory_bytes: self.run.memory_bytes(),
            samples_in: cost.samples_in,
            samples_out: cost.samples_out,
            samples_refused: cost.samples_refused,
            missed: cost.missed,
            log_lines_dropped: cost.logs_dropped + self.lines_dropped,
            ..Cost::default()
        }
    }

    /// Gaps that the run comes to with this item.
    fn tell_gaps(&mut self, item: &Fed) {
        let position = match item {
            Fed::Accepted { through, .. } | Fed::Gap { through, .. } => *through,
            Fed::Life(epoch, mark) => Position { epoch: *epoch, number: mark.after },
            Fed::Redeclared(_) => return,
        };
        while let Some(gap) = self.gaps.pop_front_if(|gap| position > gap.after) {
            self.gap(gap.after, gap.through, gap.reason, gap.count);
        }
        let at = self.run.place().position;
        if let Fed::Gap { through, reason, count } = item
            && *through > at
        {
            self.gap(at, *through, guest_reason(*reason), *count);
        }
    }

    fn gap(&mut self, after: Position, through: Position, reason: GapReason, count: Option<u64>) {
        let reason = match reason {
            GapReason::Retention => hedgerow_model::GapReason::Retention,
            GapReason::Lag => hedgerow_model::GapReason::Lag,
            GapReason::Lost => hedgerow_model::GapReason::Crash,
        };
        let to = (after.epoch == through.epoch).then_some(through.number);
        let gap =
            Gap { epoch: after.epoch, scope: GapScope::Farm, from: after.number + 1, to, count, reason };
        self.answers.push(Response::Gap(series::gap_to_wire(&gap)));
    }

    fn take(&mut self, step: Step, hub: &Hub) {
        let Step { batches, alarms, logs, actions, times: _ } = step;
        let mut items = Vec::new();
        if !batches.is_empty() {
            let new = self.run.outputs().iter().enumerate().skip(self.told);
            items.extend(new.filter_map(|(at, def)| {
                let id = SeriesId(u32::try_from(at + 1).ok()?);
                Some(item::Item::Series(series::to_wire(id, def)))
            }));
            self.told = self.run.outputs().len();
        }
        for batch in batches {
            // Nobody numbers them: they go into no hub.
            let numbered =
                Numbered { epoch: Epoch { start: 0, random: 0 }, numbers: Numbers::Derived, batch };
            items.push(item::Item::Batch(batch::to_wire(&numbered)));
        }
        let items = items.into_iter().map(|item| encode(&WireItem { item: Some(item) }));
        // One a message: a batch is large enough.
        self.answers.extend(items.map(|item| Response::Message(StreamMessage { items: vec![item] })));
        for alarm in alarms {
            let alarm = self.alarm(alarm, hub);
            self.answers.push(Response::Alarm(alarm));
        }
        for (action, arguments) in actions {
            let asked = json!({"time": self.now(), "action": action, "arguments": arguments});
            self.answers.push(Response::Action(asked.to_string()));
        }
        logs.into_iter().for_each(|(level, text)| self.log(level, text));
    }

    fn now(&self) -> UnixMillis {
        let (Clock::Live(now) | Clock::Virtual(now)) = self.clock;
        now
    }

    fn alarm(&self, alarm: AlarmCall, hub: &Hub) -> String {
        let path = |handle: u32| Some(hub.def(self.run.series(handle)?)?.key.to_string());
        let time = self.now();
        match alarm {
            AlarmCall::Raise { key, severity, text, series, value, runbook } => {
                let series: Vec<String> = series.into_iter().filter_map(path).collect();
                let level = severity.as_str();
                json!({"time": time, "key": key, "level": level, "text": text, "series": series, "value": value, "runbook": runbook})
            }
            AlarmCall::Clear { key, text } => json!({"time": time, "key": key, "cleared": true, "text": text}),
        }
        .to_string()
    }

    fn log(&mut self, level: LogLevel, mut text: String) {
        let minute = self.now().div_euclid(MINUTE_MS);
        if self.lines.0 != minute {
            self.lines = (minute, 0);
        }
        if self.lines.1 >= self.line_rate {
            self.lines_dropped += 1;
            return;
        }
        self.lines.1 += 1;
        text.truncate(text.floor_char_boundary(MAX_LINE_BYTES));
        let level = match level {
            LogLevel::Debug => WireLevel::Debug,
            LogLevel::Info => WireLevel::Info,
            LogLevel::Warning => WireLevel::Warning,
            LogLevel::Error => WireLevel::Error,
        };
        let line = LogLine { time: self.now(), level: level.into(), text, of_farm: false };
        self.answers.push(Response::Log(line));
    }
}

fn guest_reason(reason: Missing) -> GapReason {
    match reason {
        Missing::Retention => GapReason::Retention,
        Missing::Lag => GapReason::Lag,
        Missing::Lost => GapReason::Lost,
    }
}

fn give(run: &mut Run, item: &Fed, hub: &Hub) -> Result<Step, Fault> {
    let defs = |id: SeriesId| hub.def(id);
    match item {
        Fed::Accepted { through, batch, heartbeat } => {
            let item = Item::Accepted { through: *through, batch: batch.as_deref(), heartbeat: *heartbeat };
            run.give(item, &defs)
        }
        Fed::Life(epoch, mark) => run.give(Item::Life(*epoch, mark), &defs),
        Fed::Gap { through, reason, count } => {
            let item = Item::Gap { through: *through, reason: guest_reason(*reason), count: *count };
            run.give(item, &defs)
        }
        Fed::Redeclared(id) => {
            run.redeclared(*id);
            Ok(Step::default())
        }
    }
}
