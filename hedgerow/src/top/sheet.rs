//! What stands in the table of each screen: which rows, in which order, and what is in them.

mod farm;

use super::app::{App, MAX_OF_FARM, Screen, What};
use super::grid::{Column, Field, Sheet, numbers, plain, words};
use super::keys::KEYS;
use super::marks::{Looks, gone, gravity};
use crate::output::amount;
use hedgerow_model::UnixMillis;
use hedgerow_views::Cell;
use hedgerow_views::alarms::Alarm;
use hedgerow_views::mesh::{AlarmCounts, Farm, GoneFarm};
use ratatui::style::Style;
use std::cmp::Reverse;

const FARMS: &[Column] = &[
    words("ALARM", 10, 10, 2),
    words("FARM", 8, 40, 0),
    words("STATE", 6, 13, 1),
    words("OPEN", 6, 20, 3),
    numbers("FOR", 7, 4),
    words("WHERE", 8, 28, 6),
    words("WHY", 8, 200, 5),
];
const ALARMS: &[Column] = &[
    words("LEVEL", 10, 10, 0),
    numbers("SINCE", 6, 2),
    words("FARM", 8, 24, 1),
    words("TEXT", 8, 120, 1),
    words("MARKS", 8, 60, 3),
    words("DEPLOYMENT", 8, 24, 4),
];
const TOP: &[Column] = &[
    numbers("VALUE", 12, 0),
    words("TREND", 8, 30, 3),
    words("FARM", 6, 24, 1),
    words("NODE", 6, 40, 1),
    words("PARAMETER", 6, 60, 2),
    numbers("AGE", 6, 4),
];
const LOG: &[Column] = &[
    numbers("AGO", 6, 1),
    words("WHAT", 14, 16, 2),
    words("NAME", 8, 40, 0),
    words("KIND", 6, 8, 3),
    words("DETAIL", 8, 200, 1),
];
const LINES: &[Column] = &[words("", 4, 16, 0), words("", 8, 1000, 0)];

impl App {
    /// The table of a screen.
    pub fn sheet<'a>(&'a self, screen: &Screen, now: UnixMillis) -> Sheet<'a> {
        let sheet = match &screen.what {
            What::Farms => self.farms(screen, now),
            What::Alarms => self.alarms(screen, now),
            What::Top => self.top(screen, now),
            What::Lookups => self.log(screen, now),
            What::Farm(_) => self.nodes(screen, now),
            What::Node { cluster, node } => self.parameters(screen, cluster, node, now),
            What::Alarm(key) => self.alarm(key, now),
            What::Help => self.help(),
        };
        if sheet.keys.is_empty() && !screen.filter.is_empty() {
            let empty = format!("nothing here holds \"{}\": Esc shows all", screen.filter);
            return Sheet { empty, ..sheet };
        }
        sheet
    }

    fn farms<'a>(&'a self, screen: &Screen, now: UnixMillis) -> Sheet<'a> {
        let there = self.mesh.farms.values().map(|farm| (farm, None));
        let all = there.chain(self.mesh.gone.values().map(|gone| (&gone.farm, Some(gone))));
        let mut rows: Vec<(&Farm, Option<&GoneFarm>)> = all
            .filter(|(farm, gone)| {
                let attributes = farm.attributes.values().map(String::as_str);
                let words = [&*farm.name, &farm.level, farm_state(farm, *gone)];
                holds(
                    &screen.filter,
                    words.into_iter().chain(attributes).chain(farm.groups.iter().map(|it| &**it)),
                )
            })
            .collect();
        let since = |farm: &Farm, gone: Option<&GoneFarm>| gone.map_or(farm.since, |gone| gone.t);
        match screen.order() {
            "by name" => rows.sort_by(|a, b| a.0.name.cmp(&b.0.name)),
            "by state" => rows.sort_by_key(|(farm, gone)| (farm_state(farm, *gone), &farm.name)),
            "newest first" => rows.sort_by_key(|(farm, gone)| (Reverse(since(farm, *gone)), &farm.name)),
            _ => rows.sort_by_key(|(farm, gone)| {
                let state = if gone.is_none() && farm.state == "live" { 0 } else { 1 };
                (Reverse((gravity(&farm.level), state)), &farm.name)
            }),
        }
        let looks = self.looks;
        let keys = rows.iter().map(|(farm, _)| farm.id.clone()).collect();
        let row = move |at: usize| {
            let Some((farm, gone)) = rows.get(at) else { return Vec::new() };
            vec![
                marked(looks.level(&farm.level), &farm.level),
                Field::Text(farm.name.clone(), if gone.is_some() { looks.quiet() } else { Style::new() }),
                marked(looks.state(farm_state(farm, *gone)), farm_state(farm, *gone)),
                plain(counts(farm.alarms, looks)),
                plain(self.mesh.age(farm, *gone, now)),
                plain(place(farm)),
                plain(farm.why.clone().unwrap_or_default()),
            ]
        };
        let nobody = "no farm is registered at these lookups\n`hedgerow up` starts a mesh here, `hedgerow farm` another farm";
        let empty =
            if self.mesh.told.any && !self.mesh.lookups.is_empty() { nobody } else { "asking the lookups" };
        Sheet { columns: FARMS, keys, row: Box::new(row), empty: empty.to_owned() }
    }

    fn alarms<'a>(&'a self, screen: &Screen, now: UnixMillis) -> Sheet<'a> {
        let words =
            |alarm: &'a Alarm| [&*alarm.farm, &alarm.text, &alarm.level, &alarm.deployment, &alarm.name];
        let all = self.alarms.alarms.values();
        let mut rows: Vec<&Alarm> = all.filter(|alarm| holds(&screen.filter, words(alarm))).collect();
        let worst = |alarm: &Alarm| {
            let seen = alarm.acknowledged.is_some() || alarm.silenced.is_some();
            (seen, Reverse(gravity(&alarm.level)), Reverse(alarm.since))
        };
        match screen.order() {
            "newest first" => rows.sort_by_key(|alarm| Reverse(alarm.since)),
            "by farm" => rows.sort_by(|a, b| a.farm.cmp(&b.farm).then(worst(a).cmp(&worst(b)))),
            _ => rows.sort_by_key(|alarm| worst(alarm)),
        }
        let keys = rows.iter().map(|alarm| alarm.key.clone()).collect();
        let row = move |at: usize| {
            let Some(alarm) = rows.get(at) else { return Vec::new() };
            vec![
                marked(self.looks.level(&alarm.level), &alarm.level),
                plain(amount::age((now - alarm.since).max(0))),
                plain(&*alarm.farm),
                plain(&*alarm.text),
                Field::Text(marks(alarm), self.looks.quiet()),
                plain(&*alarm.deployment),
            ]
        };
        let told = &self.alarms.told;
        let empty = match (told.any && !told.loading, told.coverage.complete) {
            (true, true) => "no alarm is open",
            (true, false) => "no alarm is known to be open, but not all farms answer: see below",
            (false, _) => "asking the farms",
        };
        Sheet { columns: ALARMS, keys, row: Box::new(row), empty: empty.to_owned() }
    }

    fn alarm(&self, key: &str, now: UnixMillis) -> Sheet<'_> {
        let mut lines = Vec::new();
        if let Some(alarm) = self.alarms.alarms.get(key) {
            let when =
                |at: UnixMillis| format!("{} ago, {}", amount::age((now - at).max(0)), self.zone.print(at));
            let mut line = |name: &str, text: String| {
                if !text.is_empty() {
                    lines.push((name.to_owned(), text));
                }
            };
            line("level", format!("{} {}", self.looks.level(&alarm.level).0, alarm.level));
            line("text", alarm.text.clone());
            line("marks", marks(alarm));
            line("farm", alarm.farm.clone());
            line("since", when(alarm.since));
            line("changed", when(alarm.changed));
            let unit = &alarm.unit;
            let value =
                |value| amount::amount(&hedgerow_model::Value::F64(value), hedgerow_model::Kind::Gauge, unit);
            line("value", alarm.value.map_or_else(String::new, value));
            line("deployment", alarm.deployment.clone());
            line("name", alarm.name.clone());
            alarm.paths.iter().for_each(|path| line("about", path.clone()));
            line("runbook", alarm.runbook.clone());
            if !alarm.deployment.is_empty() {
                let id: String = alarm.id.chars().take(8).collect();
                line("why", format!("hedgerow alarm why {id}"));
                line("acknowledge", format!("hedgerow alarm ack {id} --comment 'seen'"));
            }
        }
        lines_of(lines, "this alarm is not open any more: Esc goes back")
    }

    fn top<'a>(&'a self, screen: &Screen, now: UnixMillis) -> Sheet<'a> {
        let seen = &self.top;
        let row_words = |at: usize| seen.frame.rows.get(at).map(|row| [&*row.head.path]);
        let all = 0..seen.frame.rows.len();
        let rows: Vec<usize> =
            all.filter(|at| row_words(*at).is_some_and(|words| holds(&screen.filter, words))).collect();
        let keys = rows.iter().filter_map(|at| Some(seen.frame.rows.get(*at)?.head.path.clone())).collect();
        let row = move |at: usize| {
            let Some(row) = rows.get(at).and_then(|at| seen.frame.rows.get(*at)) else { return Vec::new() };
            vec![
                plain(super::data::value(&row.head, &Cell::Number(row.v))),
                Field::Trend(row.head.path.clone()),
                plain(&*row.head.farm),
                plain(format!("{}/{}", row.head.cluster, row.head.node)),
                plain(super::data::parameter(&row.head)),
                plain(amount::age((now - row.t).max(0))),
            ]
        };
        let empty = match (&seen.frame.error, seen.told.any && !seen.told.loading) {
            (Some(error), _) => format!("{error}\ne changes the predicate"),
            (None, true) => {
                let who = if seen.told.coverage.complete { "no" } else { "of the farms that answer no" };
                let question = &self.question.predicate;
                format!(
                    "{who} live number matches {question}\nhedgerow ls shows which series there are; e changes the predicate"
                )
            }
            (None, false) => "asking the farms".to_owned(),
        };
        Sheet { columns: TOP, keys, row: Box::new(row), empty }
    }

    fn log<'a>(&'a self, screen: &Screen, now: UnixMillis) -> Sheet<'a> {
        let words = |line: &'a hedgerow_views::LogLine| [&*line.name, &line.what, &line.detail, &line.kind];
        let rows: Vec<_> =
            self.mesh.log.iter().rev().filter(|line| holds(&screen.filter, words(line))).collect();
        let keys = rows.iter().map(|line| line.n.to_string()).collect();
        let row = move |at: usize| {
            let Some(line) = rows.get(at) else { return Vec::new() };
            vec![
                plain(amount::age((now - line.t).max(0))),
                plain(line.what.replace('_', " ")),
                plain(&*line.name),
                plain(&*line.kind),
                plain(&*line.detail),
            ]
        };
        Sheet { columns: LOG, keys, row: Box::new(row), empty: "nothing has happened yet".to_owned() }
    }

    fn help(&self) -> Sheet<'_> {
        let line = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        let mut lines: Vec<(String, String)> = KEYS.iter().map(line).collect();
        let shapes = |words: &[&str], of: &dyn Fn(&str) -> &'static str| {
            let shown: Vec<String> = words.iter().map(|word| format!("{} {word}", of(word))).collect();
            shown.join("  ")
        };
        let levels = ["ok", "info", "unknown", "warning", "critical"];
        lines.push(("alarms".to_owned(), shapes(&levels, &|word| self.looks.level(word).0)));
        let states = ["live", "suspect", "unconfirmed", "stale", "lost", "left"];
        lines.push(("states".to_owned(), shapes(&states, &|word| self.looks.state(word).0)));
        let meant = [
            ("suspect", "overdue, like most others at that lookup"),
            ("unconfirmed", "not renewed since its lookup restarted"),
            ("stale", "no lookup answers; of a series: it should have come, and did not"),
            ("lost", "its lease ran out: nobody said goodbye"),
            ("trend", "the last five minutes; blank where nothing is known"),
        ];
        lines.extend(meant.iter().map(line));
        lines_of(lines, "")
    }
}

/// Lines of a name and a text each.
fn lines_of<'a>(lines: Vec<(String, String)>, empty: &str) -> Sheet<'a> {
    let keys = (0..lines.len()).map(|at| at.to_string()).collect();
    let row = move |at: usize| {
        lines.get(at).map_or_else(Vec::new, |(name, text)| vec![plain(&**name), plain(&**text)])
    };
    Sheet { columns: LINES, keys, row: Box::new(row), empty: empty.to_owned() }
}

/// A word behind its shape.
pub(super) fn marked((shape, style): (&str, Style), word: &str) -> Field {
    Field::Text(format!("{shape} {word}"), style)
}

/// Whether one of the words holds the text, whatever its case.
pub(super) fn holds<'a>(text: &str, words: impl IntoIterator<Item = &'a str>) -> bool {
    let text = text.to_lowercase();
    text.is_empty() || words.into_iter().any(|word| word.to_lowercase().contains(&text))
}

/// The word of a farm's state.
pub(super) fn farm_state<'a>(farm: &'a Farm, went: Option<&GoneFarm>) -> &'a str {
    went.map_or(&*farm.state, |went| gone(&went.why))
}

/// How many alarms of which level, with their shapes.
pub(super) fn counts(counts: AlarmCounts, looks: Looks) -> String {
    let levels = [
        ("critical", counts.critical),
        ("warning", counts.warning),
        ("info", counts.info),
        ("unknown", counts.unknown),
    ];
    let shown = levels.iter().filter(|(_, count)| *count > 0);
    let shown: Vec<String> = shown.map(|(level, count)| format!("{}{count}", looks.level(level).0)).collect();
    shown.join(" ")
}

/// Where a farm is, as it says.
fn place(farm: &Farm) -> String {
    let said = ["site", "city", "country"].iter().filter_map(|key| farm.attributes.get(*key));
    let said: Vec<&str> = said.map(String::as_str).collect();
    match farm.place {
        Some(place) if said.is_empty() => format!("{:.2}, {:.2}", place.lat, place.lon),
        _ => said.join(", "),
    }
}

/// Who has an alarm, and why it is unknown.
pub(super) fn marks(alarm: &Alarm) -> String {
    let mut marks = Vec::new();
    if alarm.level == "unknown" {
        let before = alarm.level_before.as_deref().unwrap_or("unknown");
        marks.push(format!("was {before}: {}", alarm.unknown_because));
    }
    if let Some(said) = &alarm.acknowledged {
        let colon = if said.comment.is_empty() { "" } else { ": " };
        marks.push(format!("acknowledged by {}{colon}{}", said.by, said.comment));
    }
    marks.extend(alarm.silenced.map(|silence| format!("silence {silence}")));
    marks.join("; ")
}

/// What is said of a farm of which more matches than is looked at.
pub(super) fn too_many(more: u64) -> String {
    format!("{more} more series than the {MAX_OF_FARM} that are looked at: `hedgerow ls` lists all")
}
