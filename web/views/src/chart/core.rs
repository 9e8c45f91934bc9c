//! The core of a chart: updates of streams and of histories come in, frames go out. It never waits and reads no clock.

mod fold;

use super::line::Line;
use super::plan::Plan;
use super::{ChartFrame, ChartSpec, GapLine};
use crate::content::{Content, json};
use crate::coverage::{Coverage, Missing};
use crate::farms::Farms;
use crate::series::Book;
use crate::spec::Refused;
use hedgerow_client::{MeshUpdate, Service, Update};
use hedgerow_model::bin::Point;
use hedgerow_model::registration::Id;
use hedgerow_model::{Kind, Position, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};

/// A part of the question, and a farm that is asked it.
pub(crate) type Asked = (usize, Id);

/// The state of a chart.
#[derive(Debug)]
pub(crate) struct Chart {
    plan: Plan,
    /// T: before it history, from it on what is folded here.
    seam: UnixMillis,
    book: Book,
    lines: Vec<Line>,
    farms: Farms,
    histories: BTreeMap<Asked, History>,
    /// Histories to be asked for.
    wanted: Vec<Asked>,
    gaps: Vec<GapLine>,
    gaps_known: BTreeSet<(Id, String)>,
    gaps_told: usize,
    /// The question is asked.
    is_asked: bool,
    /// Matching series that were left out of it.
    left_out: u64,
    /// Of a chart that lies in the past, once all is there.
    answered: Option<Coverage>,
    /// Something was taken back: differences cannot say that.
    anew: bool,
    told: Summary,
}

/// What a frame says beside series and points.
#[derive(Debug, Clone, PartialEq, Default)]
struct Summary {
    coverage: Coverage,
    loading: bool,
    more: u64,
}

/// What is known of a farm's history.
#[derive(Debug, Default)]
struct History {
    state: State,
    /// The live stream has ended: another one gives all of it again.
    is_over: bool,
    /// Where the live stream began.
    live: Option<Position>,
    /// Up to here samples are in history; none: not known yet.
    watermark: Option<Position>,
    /// Samples before the seam that are in history or not: it is not known yet.
    held: Vec<(usize, UnixMillis, Position, Point)>,
}

#[derive(Debug, Default, PartialEq)]
enum State {
    #[default]
    Loading,
    Done,
    Failed(String),
}

impl Chart {
    /// An empty chart that begins at `now`.
    pub fn new(spec: &ChartSpec, now: UnixMillis) -> Result<Self, Refused> {
        let plan = Plan::new(spec, now)?;
        Ok(Self {
            seam: if plan.is_past(now) { UnixMillis::MAX } else { plan.seam(now) },
            book: Book::new(plan.max_series),
            lines: Vec::new(),
            farms: Farms::default(),
            histories: BTreeMap::new(),
            wanted: Vec::new(),
            gaps: Vec::new(),
            gaps_known: BTreeSet::new(),
            gaps_told: 0,
            is_asked: false,
            left_out: 0,
            answered: None,
            anew: false,
            told: Summary::default(),
            plan,
        })
    }

    /// What it is made of.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// T; the end of time where all is history.
    pub fn seam(&self) -> UnixMillis {
        self.seam
    }

    /// The question is asked, but for `left_out` series that match.
    pub fn asked(&mut self, left_out: u64) {
        self.is_asked = true;
        self.left_out = left_out;
    }

    /// Takes what the live stream of one part of the question told.
    pub fn hear(&mut self, part: usize, update: &MeshUpdate, now: UnixMillis) {
        if let MeshUpdate::Farm { id, update, .. } = update {
            let asked = (part, *id);
            match update {
                Update::Opened { watermark, .. } => self.admitted(asked, *watermark),
                Update::Failed(_) | Update::End { .. } => {
                    self.histories.entry(asked).or_default().is_over = true
                }
                _ => {}
            }
        }
        self.farms.hear(update, now);
        if let MeshUpdate::Farm { id, update, .. } = update {
            self.farm((part, *id), update, true, now);
        }
        let changed = self.farms.take_changed();
        self.book.touch(&changed);
    }

    /// Takes what a farm's history told.
    pub fn hear_history(&mut self, asked: Asked, update: &Update, now: UnixMillis) {
        match update {
            Update::Opened { watermark, .. } => self.history_begins(asked, *watermark),
            Update::End { .. } => self.history_ended(asked),
            Update::Failed(error) => self.history_failed(asked, error.to_string()),
            update => self.farm(asked, update, false, now),
        }
    }

    /// Takes a piece of the answer of which a chart in the past is made.
    pub fn hear_past(&mut self, part: usize, update: &MeshUpdate, now: UnixMillis) {
        self.farms.hear(update, now);
        if let MeshUpdate::Farm { id, update, .. } = update {
            if matches!(update, Update::Opened { .. }) {
                self.book.forget(part * 2 + 1, *id);
            }
            self.farm((part, *id), update, false, now);
        }
    }

    /// All of a chart in the past is there.
    pub fn finished(&mut self, coverage: Coverage) {
        self.answered = Some(coverage);
    }

    /// Histories to be asked for since this was last asked, and the farms as they were found.
    pub fn take_wanted(&mut self) -> Vec<(Asked, Option<Service>)> {
        let wanted = std::mem::take(&mut self.wanted);
        wanted.into_iter().map(|asked| (asked, self.farms.service(asked.1).cloned())).collect()
    }

    /// A farm's history is there, or there is none to ask for.
    pub fn history_ended(&mut self, asked: Asked) {
        let history = self.histories.entry(asked).or_default();
        history.state = State::Done;
        if history.watermark.is_none() {
            // Nothing was asked: what was accepted since the stream began is new.
            let held = std::mem::take(&mut history.held);
            history.watermark = history.live;
            held.into_iter().for_each(|(s, time, _, point)| self.fold(asked.0, s, time, point));
        }
    }

    /// A farm's history failed; it may be asked for again.
    pub fn history_failed(&mut self, asked: Asked, why: String) {
        self.histories.entry(asked).or_default().state = State::Failed(why);
    }

    /// A farm's history that failed is to be asked for again, where the farm answers.
    pub fn retry(&mut self, asked: Asked) {
        let Some(history) = self.histories.get_mut(&asked) else { return };
        if matches!(history.state, State::Failed(_)) && self.farms.silence(asked.1).is_none() {
            history.state = State::Loading;
            self.wanted.push(asked);
        }
    }

    /// A live stream was admitted: now history may be asked for, unless it is there or on its way.
    fn admitted(&mut self, asked: Asked, watermark: Position) {
        if self.histories.get(&asked).is_some_and(|history| history.is_over) {
            self.begin_anew(asked);
        }
        let history = self.histories.entry(asked).or_default();
        let is_new = history.live.is_none();
        history.live.get_or_insert(watermark);
        if is_new || matches!(history.state, State::Failed(_)) {
            history.state = State::Loading;
            self.wanted.push(asked);
        }
    }

    /// A history begins. Of what an earlier attempt gave nothing stays: it is given again.
    fn history_begins(&mut self, asked: Asked, watermark: Position) {
        self.book.forget(asked.0 * 2 + 1, asked.1);
        let history = self.histories.entry(asked).or_default();
        let again = history.watermark.replace(watermark).is_some();
        let held = std::mem::take(&mut history.held);
        if again {
            let seam = self.seam;
            self.of(asked, |line| line.clear_before(seam));
        }
        for (s, time, position, point) in held {
            if position > watermark {
                self.fold(asked.0, s, time, point);
            }
        }
    }

    /// A farm's stream begins from the start: of what it gave nothing stays.
    fn begin_anew(&mut self, asked: Asked) {
        self.book.forget(asked.0 * 2, asked.1);
        self.histories.remove(&asked);
        self.of(asked, Line::clear);
    }

    /// Does something to the lines that one farm gave for one part of the question; their readers get all anew.
    fn of(&mut self, (part, farm): Asked, act: impl Fn(&mut Line)) {
        self.anew = true;
        for (s, entry) in self.book.iter() {
            if let Some(line) = self.lines.get_mut(s).filter(|line| line.part == part && entry.farm == farm) {
                act(line);
            }
        }
    }

    fn summary(&self, now: UnixMillis) -> Summary {
        let mut coverage = match &self.answered {
            Some(answered) => answered.clone(),
            None => self.farms.coverage(now),
        };
        let mut histories_on_their_way = false;
        for ((_, farm), history) in &self.histories {
            match &history.state {
                State::Failed(why) => {
                    let farm = self.farms.name(*farm).map(ToString::to_string).unwrap_or_default();
                    coverage.missing.push(Missing { farm, why: format!("its history: {why}") });
                }
                State::Loading => histories_on_their_way |= self.farms.silence(*farm).is_none(),
                State::Done => {}
            }
        }
        let loading = if self.seam == UnixMillis::MAX {
            self.answered.is_none()
        } else {
            !self.is_asked || histories_on_their_way || !self.farms.are_settled()
        };
        Summary { coverage: coverage.finished(), loading, more: self.left_out + self.book.beyond() }
    }

    fn frame(&self, now: UnixMillis, summary: &Summary) -> ChartFrame {
        ChartFrame {
            now,
            bin: self.plan.width,
            from: self.plan.from(now),
            to: self.plan.to,
            loading: summary.loading,
            more: summary.more,
            ..ChartFrame::default()
        }
    }

    fn gaps_behind(&self, told: usize, placed: bool) -> Vec<GapLine> {
        self.gaps.iter().skip(told).filter(|gap| gap.from.is_some() == placed).cloned().collect()
    }

    fn kind(&self, s: usize) -> Kind {
        self.book.get(s).map_or(Kind::Gauge, |entry| entry.def.kind)
    }

    /// Forgets what has left the window.
    fn slide(&mut self, now: UnixMillis) {
        let from = self.plan.from(now);
        self.lines.iter_mut().for_each(|line| line.clear_before(from));
    }

    /// All there is.
    pub(super) fn full_frame(&mut self, now: UnixMillis) -> ChartFrame {
        self.slide(now);
        let summary = self.summary(now);
        let numbered = (0_u32..).zip(&self.lines);
        ChartFrame {
            full: true,
            series: (0..self.book.len()).filter_map(|s| self.book.head(s, &self.farms)).collect(),
            points: numbered.filter_map(|(s, line)| line.all(s, self.kind(s as usize))).collect(),
            gaps: self.gaps_behind(0, true),
            unplaced: self.gaps_behind(0, false),
            coverage: Some(summary.coverage.clone()),
            ..self.frame(now, &summary)
        }
    }

    /// What changed since this was last asked.
    pub(super) fn changed_frame(&mut self, now: UnixMillis) -> Option<ChartFrame> {
        let summary = self.summary(now);
        if std::mem::take(&mut self.anew) {
            self.book.take_dirty();
            self.lines.iter_mut().for_each(Line::told);
            self.gaps_told = self.gaps.len();
            self.told = summary;
            return Some(self.full_frame(now));
        }
        self.slide(now);
        let dirty = self.book.take_dirty();
        let kinds: Vec<Kind> = (0..self.lines.len()).map(|s| self.kind(s)).collect();
        let lines = (0_u32..).zip(self.lines.iter_mut().zip(kinds));
        let points: Vec<_> = lines.filter_map(|(s, (line, kind))| line.changed(s, kind)).collect();
        let covers_the_same = summary.coverage.says_the_same(&self.told.coverage);
        let same = covers_the_same && (summary.loading, summary.more) == (self.told.loading, self.told.more);
        if dirty.is_empty() && points.is_empty() && self.gaps_told == self.gaps.len() && same {
            return None;
        }
        let frame = ChartFrame {
            series: dirty.iter().filter_map(|s| self.book.head(*s as usize, &self.farms)).collect(),
            points,
            gaps: self.gaps_behind(self.gaps_told, true),
            unplaced: self.gaps_behind(self.gaps_told, false),
            coverage: (!covers_the_same).then(|| summary.coverage.clone()),
            ..self.frame(now, &summary)
        };
        self.gaps_told = self.gaps.len();
        self.told = summary;
        Some(frame)
    }
}

impl Content for Chart {
    fn full(&mut self, now: UnixMillis) -> String {
        json(&self.full_frame(now))
    }

    fn difference(&mut self, now: UnixMillis) -> Option<String> {
        self.changed_frame(now).map(|frame| json(&frame))
    }

    fn weight(&self) -> usize {
        self.lines.iter().map(Line::weight).sum()
    }
}
