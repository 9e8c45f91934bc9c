//! What is looked at: the screens, where one is in each, and which views they take. Pure: keys and frames come in, wanted views and
//! a picture go out. It never reads a clock, a terminal or the mesh.

use super::data::{AlarmsSeen, MeshSeen, TableSeen, Told, TopSeen};
use super::grid::Place;
use super::marks::Looks;
use super::trend::Trends;
use super::{PRESETS, Preset};
use crate::output::clock::Zone;
use hedgerow_model::UnixMillis;
use hedgerow_model::glob::Glob;
use hedgerow_model::predicate::PathPattern;
use hedgerow_views::ViewSpec;
use hedgerow_views::alarms::{AlarmsFrame, AlarmsSpec};
use hedgerow_views::chart::ChartFrame;
use hedgerow_views::latest::{LatestFrame, LatestSpec};
use hedgerow_views::mesh::{MeshFrame, MeshSpec};
use hedgerow_views::top::{TopFrame, TopSpec};

/// Most series of a farm that are looked at; of more it is said how many, and how to see them.
pub const MAX_OF_FARM: u32 = 20_000;

/// A view that is looked at, by what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    Mesh,
    Alarms,
    Farm,
    Top,
    Trend(u64),
}

/// What a view told.
#[derive(Debug)]
pub enum Frame {
    Mesh(MeshFrame),
    Alarms(AlarmsFrame),
    Farm(LatestFrame),
    Top(TopFrame),
    Trend(ChartFrame),
    /// It ended, for this reason; it is opened again.
    Over(String),
}

/// What a screen shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Farms,
    Alarms,
    Top,
    Lookups,
    /// The nodes of the farm with this id.
    Farm(String),
    /// The parameters of a node of the farm below.
    Node {
        cluster: String,
        node: String,
    },
    /// The alarm with this key.
    Alarm(String),
    Help,
}

impl What {
    /// In which orders its rows can stand.
    pub fn orders(&self) -> &'static [&'static str] {
        match self {
            Self::Farms => &["worst first", "by name", "by state", "newest first"],
            Self::Alarms => &["worst first", "newest first", "by farm"],
            Self::Top => &["highest first", LOWEST],
            Self::Farm(_) | Self::Node { .. } => &["by name", "trouble first", "newest first"],
            Self::Lookups | Self::Alarm(_) | Self::Help => &[],
        }
    }
}

/// A screen, and where one is in it.
#[derive(Debug, Clone)]
pub struct Screen {
    pub what: What,
    pub place: Place,
    /// Which of the orders.
    pub order: usize,
    /// Only rows that hold this.
    pub filter: String,
}

impl Screen {
    pub fn new(what: What) -> Self {
        Self { what, place: Place::default(), order: 0, filter: String::new() }
    }

    /// The word of its order.
    pub fn order(&self) -> &'static str {
        self.what.orders().get(self.order).copied().unwrap_or_default()
    }
}

/// What is being typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typing {
    Filter,
    Predicate(String),
}

/// All of it.
#[derive(Debug)]
pub struct App {
    pub looks: Looks,
    pub zone: Zone,
    pub mesh: MeshSeen,
    pub alarms: AlarmsSeen,
    pub table: TableSeen,
    pub top: TopSeen,
    pub trends: Trends,
    /// What is compared, and which of the presets it is.
    pub question: Preset,
    pub rows: u32,
    /// The four at the beginning of everything.
    pub tabs: [Screen; 4],
    pub tab: usize,
    /// What was opened from there, one on the other.
    pub opened: Vec<Screen>,
    pub typing: Option<Typing>,
    /// A sentence about what was typed last.
    pub complaint: Option<String>,
    pub paused: Option<UnixMillis>,
    pub is_over: bool,
}

/// The order in which the least stands first.
const LOWEST: &str = "lowest first";

/// Which of the tabs compares.
pub const TOP: usize = 2;

impl App {
    /// At the beginning.
    pub fn new(looks: Looks, zone: Zone, question: Preset, rows: u32) -> Self {
        Self {
            looks,
            zone,
            mesh: MeshSeen::default(),
            alarms: AlarmsSeen::default(),
            table: TableSeen::default(),
            top: TopSeen::default(),
            trends: Trends::default(),
            question,
            rows,
            tabs: [What::Farms, What::Alarms, What::Top, What::Lookups].map(Screen::new),
            tab: 0,
            opened: Vec::new(),
            typing: None,
            complaint: None,
            paused: None,
            is_over: false,
        }
    }

    /// The screen that is seen.
    pub fn screen(&self) -> &Screen {
        self.opened.last().unwrap_or(&self.tabs[self.tab])
    }

    /// The same, to change it.
    pub fn screen_mut(&mut self) -> &mut Screen {
        self.opened.last_mut().unwrap_or(&mut self.tabs[self.tab])
    }

    /// The id of the farm that is open.
    pub fn open_farm(&self) -> Option<&str> {
        self.opened.iter().rev().find_map(|screen| match &screen.what {
            What::Farm(id) => Some(&**id),
            _ => None,
        })
    }

    /// The views that are wanted now.
    pub fn wanted(&self) -> Vec<(Slot, ViewSpec)> {
        let mut wanted = vec![
            (Slot::Mesh, ViewSpec::Mesh(MeshSpec::default())),
            (Slot::Alarms, ViewSpec::Alarms(AlarmsSpec::default())),
        ];
        if self.tab == TOP {
            wanted.push((Slot::Top, ViewSpec::Top(self.top_spec())));
        }
        if let Some((farm, _)) = self.open_farm().and_then(|id| self.mesh.farm(id)) {
            let pattern = PathPattern { farm: Glob::exact(&farm.name), ..PathPattern::any() };
            let spec = LatestSpec { predicate: pattern.to_string(), limit: Some(MAX_OF_FARM) };
            wanted.push((Slot::Farm, ViewSpec::Latest(spec)));
        }
        let charts = self.trends.wanted();
        wanted.extend(charts.map(|(number, spec)| (Slot::Trend(number), ViewSpec::Chart(spec.clone()))));
        wanted
    }

    /// What is compared, as a view.
    pub fn top_spec(&self) -> TopSpec {
        let predicate = self.question.predicate.to_string();
        TopSpec { predicate, n: self.rows, ascending: self.tabs[TOP].order() == LOWEST }
    }

    /// A view was opened for the first time, or for something else: what it told before is no more.
    pub fn opened_anew(&mut self, slot: Slot) {
        match slot {
            Slot::Mesh => self.mesh = MeshSeen::default(),
            Slot::Alarms => self.alarms = AlarmsSeen::default(),
            Slot::Farm => self.table = TableSeen::default(),
            Slot::Top => self.top = TopSeen::default(),
            Slot::Trend(_) => {}
        }
    }

    /// Takes what a view told.
    pub fn take(&mut self, slot: Slot, frame: Frame) {
        match (slot, frame) {
            (_, Frame::Mesh(frame)) => self.mesh.take(frame),
            (_, Frame::Alarms(frame)) => self.alarms.take(frame),
            (_, Frame::Farm(frame)) => self.table.take(frame),
            (_, Frame::Top(frame)) => self.top.take(frame),
            (Slot::Trend(number), Frame::Trend(frame)) => self.trends.take(number, frame),
            (Slot::Mesh, Frame::Over(why)) => self.mesh.told.over = Some(why),
            (Slot::Alarms, Frame::Over(why)) => self.alarms.told.over = Some(why),
            (Slot::Farm, Frame::Over(why)) => self.table.told.over = Some(why),
            (Slot::Top, Frame::Over(why)) => self.top.told.over = Some(why),
            (_, Frame::Trend(_) | Frame::Over(_)) => {}
        }
    }

    /// How what is on the screen is known.
    pub fn told(&self) -> &Told {
        match &self.screen().what {
            What::Alarms | What::Alarm(_) => &self.alarms.told,
            What::Top => &self.top.told,
            What::Farm(_) | What::Node { .. } => &self.table.told,
            What::Farms | What::Lookups | What::Help => &self.mesh.told,
        }
    }

    /// Whether everybody has been heard, or given up: a picture of now would be whole.
    pub fn is_settled(&self) -> bool {
        let all = [&self.mesh.told, &self.alarms.told, &self.top.told];
        all.iter().all(|told| told.any && !told.loading)
    }

    /// Another preset.
    pub(super) fn preset(&mut self, step: isize) {
        let presets = PRESETS.len();
        let at = PRESETS.iter().position(|preset| preset.predicate == self.question.predicate);
        let at = at.map_or(0, |at| (at + presets).saturating_add_signed(step) % presets);
        if let Some(preset) = PRESETS.get(at) {
            self.question = preset.clone();
            self.tabs[TOP] = Screen { order: self.tabs[TOP].order, ..Screen::new(What::Top) };
        }
    }
}
