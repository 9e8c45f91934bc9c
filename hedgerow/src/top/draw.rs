//! The picture: what stands above and below the tables, and how a small terminal is shared out. Takes the time as an argument.

use super::app::{App, Screen, Typing, What};
use super::grid::{self, Place, put};
use super::marks::gravity;
use super::sheet::{counts, farm_state, marks, too_many};
use crate::output::amount;
use hedgerow_model::UnixMillis;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

/// Narrower, the words of the totals have no room.
const WIDE: u16 = 90;
/// From here on there is room for a farm's nodes and the parameters of one beside each other.
const TWO_WIDE: u16 = 130;
/// Of so many alarms of a farm each has a line above its nodes.
const FARM_ALARMS: usize = 3;
const TABS: [&str; 4] = ["Farms", "Alarms", "Top", "Lookups"];

impl App {
    /// Draws all of it. What is on the screen decides which lines of the last minutes are wanted: their paths.
    pub fn draw(&mut self, buffer: &mut Buffer, now: UnixMillis) -> Vec<String> {
        let area = buffer.area;
        if area.height < 4 || area.width < 10 {
            put(buffer, (0, 0), "too small", area.width, Style::new(), self.looks);
            return Vec::new();
        }
        let now = self.paused.unwrap_or(now);
        let mut top = area.y;
        let mut bottom = area.bottom();
        self.tabs_line(buffer, top);
        top += 1;
        if area.height >= 8 {
            self.totals(buffer, top);
            top += 1;
        }
        self.title(buffer, top);
        top += 1;
        if area.height >= 12 {
            bottom -= 1;
            self.hints(buffer, bottom);
        }
        bottom -= 1;
        self.status(buffer, bottom, now);
        if area.height >= 14 {
            bottom -= 1;
        }
        let detail = bottom;
        top += self.above(buffer, Rect { y: top, height: bottom - top, ..area }, now);
        let table = Rect { x: area.x + 1, y: top, width: area.width - 1, height: bottom - top };
        let paths = self.tables(buffer, table, now);
        if area.height >= 14
            && let Some(text) = self.detail()
        {
            put(buffer, (area.x + 1, detail), &text, area.width - 1, self.looks.quiet(), self.looks);
        }
        paths
    }

    fn tabs_line(&self, buffer: &mut Buffer, y: u16) {
        let (width, looks) = (buffer.area.width, self.looks);
        let mut x = 0;
        for (at, name) in TABS.iter().enumerate() {
            let style = if at == self.tab { Modifier::REVERSED | Modifier::BOLD } else { Modifier::empty() };
            let text = format!(" {}{}{name} ", at + 1, if width < WIDE { "" } else { " " });
            x += put(buffer, (x, y), &text, width - x, Style::new().add_modifier(style), looks);
        }
        let name = format!("  hedgerow: {}", self.mesh.name);
        if !self.mesh.name.is_empty() && width >= WIDE {
            put(buffer, (x, y), &name, width - x, looks.quiet(), looks);
        }
    }

    fn totals(&self, buffer: &mut Buffer, y: u16) {
        let (totals, looks, width) = (self.mesh.totals, self.looks, buffer.area.width);
        let is_wide = width >= WIDE;
        let lost = self.mesh.gone.values().filter(|gone| gone.why == "expired").count() as u64;
        let states = [
            ("live", totals.live),
            ("suspect", totals.suspect),
            ("unconfirmed", totals.unconfirmed),
            ("stale", totals.stale),
            ("lost", lost),
        ];
        let open = totals.alarms;
        let levels = [
            ("critical", open.critical),
            ("warning", open.warning),
            ("info", open.info),
            ("unknown", open.unknown),
        ];
        let counted = |(shape, style): (&str, Style), word: &str, count: u64| {
            (if is_wide { format!("{shape} {count} {word} ") } else { format!("{shape}{count} ") }, style)
        };
        let mut said: Vec<(String, Style)> = Vec::new();
        if self.mesh.told.any {
            let words =
                |wide: &str, narrow: &str| ((if is_wide { wide } else { narrow }).to_owned(), Style::new());
            said.push(words(" farms ", " "));
            let states = states.iter().filter(|(word, count)| *count > 0 || *word == "live");
            said.extend(states.map(|(word, count)| counted(looks.state(word), word, *count)));
            said.push(words("  alarms ", " "));
            let before = said.len();
            let levels = levels.iter().filter(|(_, count)| *count > 0);
            said.extend(levels.map(|(word, count)| counted(looks.level(word), word, *count)));
            if said.len() == before {
                // Of farms that do not answer nobody knows.
                let is_known = self.mesh.told.coverage.complete;
                said.push(if is_known {
                    words("none open ", "no alarm ")
                } else {
                    words("none known ", "alarms? ")
                });
            } else if open.acknowledged > 0 && width > WIDE + 20 {
                said.push((format!("({} acknowledged) ", open.acknowledged), looks.quiet()));
            }
            let lookups = &self.mesh.lookups;
            let answering = lookups.iter().filter(|lookup| lookup.answers).count();
            let word = match (answering == lookups.len(), lookups.iter().any(|lookup| lookup.suspects)) {
                (_, true) => "suspect",
                (true, _) => "live",
                (false, _) => "lost",
            };
            said.push(words("  lookups ", " lookups "));
            let (shape, style) = looks.state(word);
            let suspect = if word == "suspect" { ", suspecting the network" } else { "" };
            said.push((format!("{shape} {answering} of {}{suspect}", lookups.len()), style));
        } else {
            said.push((" looking for farms".to_owned(), looks.quiet()));
        }
        let mut x = 0;
        for (text, style) in said {
            x += put(buffer, (x, y), &text, width.saturating_sub(x), style, looks);
        }
    }

    /// What the screen shows, in which order, and of what only.
    fn title(&self, buffer: &mut Buffer, y: u16) {
        let (screen, looks, width) = (self.screen(), self.looks, buffer.area.width);
        let between = looks.between();
        let farm = self.open_farm().and_then(|id| self.mesh.farm(id));
        let name = farm.map_or("a farm that is gone", |(farm, _)| &farm.name);
        let mut text = match &screen.what {
            What::Farms => "farms".to_owned(),
            What::Alarms => "open alarms".to_owned(),
            What::Top => {
                let seen = &self.top.frame;
                let more = if seen.matched > seen.rows.len() as u64 {
                    format!(" of {}", seen.matched)
                } else {
                    String::new()
                };
                let said = if self.question.title.is_empty() {
                    String::new()
                } else {
                    format!("{}{between}", self.question.title)
                };
                format!("{said}{}{between}{}{more}", self.question.predicate, seen.rows.len())
            }
            What::Lookups => "what happened in the directory".to_owned(),
            What::Farm(_) => name.to_owned(),
            What::Node { cluster, node } => format!("{name} / {cluster} / {node}"),
            What::Alarm(_) => "alarm".to_owned(),
            What::Help => "keys and marks".to_owned(),
        };
        if !screen.order().is_empty() {
            text.push_str(between);
            text.push_str(screen.order());
        }
        let bold = Style::new().add_modifier(Modifier::BOLD);
        match &self.typing {
            Some(Typing::Filter) => text = format!("show only: {}_", screen.filter),
            Some(Typing::Predicate(typed)) => text = format!("predicate: {typed}_"),
            None if !screen.filter.is_empty() => text = format!("{text}{between}only \"{}\"", screen.filter),
            None => {}
        }
        // The end of what is typed is what one looks at.
        let room = usize::from(width.saturating_sub(2));
        let long = text.chars().count().saturating_sub(room);
        if self.typing.is_some() && long > 0 {
            text = text.chars().skip(long).collect();
        }
        put(buffer, (1, y), &text, width - 1, bold, looks);
    }

    fn hints(&self, buffer: &mut Buffer, y: u16) {
        let text = match (&self.typing, &self.screen().what) {
            (Some(_), _) => "Enter: done  Esc: not",
            (None, What::Top) => {
                "?: keys  q: leave  left/right: others  e: predicate  /: only  s: order  p: pause"
            }
            (None, What::Farms | What::Lookups | What::Alarms) => {
                "?: keys  q: leave  Tab: next  Enter: open  /: only  s: order  p: pause"
            }
            (None, _) => "?: keys  q: leave  Esc: back  Enter: open  /: only  s: order  p: pause",
        };
        put(buffer, (1, y), text, buffer.area.width - 1, self.looks.quiet(), self.looks);
    }

    /// How far what is shown can be relied on.
    fn status(&self, buffer: &mut Buffer, y: u16, now: UnixMillis) {
        let (width, looks) = (buffer.area.width, self.looks);
        let (word, text) = self.standing(now);
        let (shape, style) = looks.level(word);
        let mut text = format!("{shape} {text}");
        if self.paused.is_some() {
            text = format!(
                "{} paused at {}: p goes on{}{text}",
                if looks.plain { "=" } else { "‖" },
                self.zone.print(now),
                looks.between()
            );
        }
        if let Some(complaint) = &self.complaint {
            text = format!("{} {complaint}", looks.level("warning").0);
        }
        put(buffer, (1, y), &text, width - 1, style, looks);
    }

    /// How what is on the screen is known: as a level, and in words. What matters most comes first.
    pub fn standing(&self, now: UnixMillis) -> (&'static str, String) {
        let (told, between) = (self.told(), self.looks.between());
        let lookups = &self.mesh.told.coverage;
        if let Some(why) = &told.over {
            return ("critical", format!("this view has ended, and is opened again: {why}"));
        }
        if !told.any {
            return ("unknown", "nothing has come yet".to_owned());
        }
        let mut said = Vec::new();
        let mut level = "ok";
        if let Some(since) = lookups.stale_since_ms {
            level = "critical";
            let age = amount::age((now - since).max(0));
            said.push(format!("no lookup has answered for {age}: which farms there are is as it was then"));
        } else if let Some(missing) = lookups.lookups_missing.first() {
            level = "warning";
            let more = lookups.lookups_missing.len() - 1;
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            said.push(format!("lookup {}{more} does not answer: {}", missing.url, missing.why));
        }
        if self.screen().what == What::Lookups {
            let all = self.mesh.lookups.len();
            let answering = self.mesh.lookups.iter().filter(|lookup| lookup.answers).count();
            if answering < all {
                level = if level == "ok" { "warning" } else { level };
            }
            said.push(format!("{answering} of {all} lookups answer"));
            return (level, said.join(between));
        }
        let coverage = &told.coverage;
        if told.loading {
            said.push(format!("{} of {} farms have answered so far", coverage.answered, coverage.asked));
            level = if level == "ok" { "unknown" } else { level };
        } else if coverage.answered < coverage.asked || !coverage.missing.is_empty() {
            level = if level == "ok" { "warning" } else { level };
            let named: Vec<String> = coverage
                .missing
                .iter()
                .map(|missing| format!("{} ({})", missing.farm, missing.why))
                .collect();
            let (answered, asked) = (coverage.answered, coverage.asked);
            said.push(format!("{answered} of {asked} farms answer; missing: {}", named.join(", ")));
        } else if coverage.asked == 0 {
            said.push("no farm is asked".to_owned());
        } else {
            let all = if coverage.asked == 1 {
                "the farm answers".to_owned()
            } else {
                format!("all {} farms answer", coverage.asked)
            };
            said.push(all);
        }
        if told.more > 0 {
            level = if level == "ok" { "warning" } else { level };
            said.push(too_many(told.more));
        }
        let newest = match &self.screen().what {
            What::Top => self.top.frame.rows.iter().map(|row| row.t).max(),
            What::Farm(_) | What::Node { .. } => self.table.newest(),
            _ => None,
        };
        said.extend(newest.map(|at| format!("newest value {} old", amount::age((now - at).max(0)))));
        (level, said.join(between))
    }

    /// What stands above the table: of a farm how it is, of the directory its lookups. How many lines it took.
    fn above(&self, buffer: &mut Buffer, area: Rect, now: UnixMillis) -> u16 {
        let looks = self.looks;
        let mut lines: Vec<(String, Style)> = Vec::new();
        match &self.screen().what {
            What::Farm(id) => {
                let Some((farm, gone)) = self.mesh.farm(id) else { return 0 };
                let state = farm_state(farm, gone);
                let (shape, style) = looks.state(state);
                let mut said = vec![
                    format!("{shape} {state} for {}", self.mesh.age(farm, gone, now)),
                    format!(
                        "alarms {}",
                        if counts(farm.alarms, looks).is_empty() {
                            farm.level.clone()
                        } else {
                            counts(farm.alarms, looks)
                        }
                    ),
                ];
                said.extend(farm.why.clone());
                said.push(farm.endpoints.join(" "));
                said.push(format!("version {}", farm.version));
                lines.push((said.join(looks.between()), style));
                let of_it = self.alarms.alarms.values().filter(|alarm| alarm.farm_id == *id);
                let mut alarms: Vec<_> = of_it.collect();
                alarms.sort_by_key(|alarm| std::cmp::Reverse(gravity(&alarm.level)));
                for alarm in alarms.into_iter().take(if area.height > 12 { FARM_ALARMS } else { 0 }) {
                    let (shape, style) = looks.level(&alarm.level);
                    let age = amount::age((now - alarm.since).max(0));
                    lines.push((
                        format!("{shape} {} {age} {} {}", alarm.level, alarm.text, marks(alarm)),
                        style,
                    ));
                }
            }
            What::Lookups => {
                for lookup in self.mesh.lookups.iter().take(usize::from(area.height / 2)) {
                    let (word, text) = match (&lookup.why, lookup.suspects) {
                        (Some(why), _) => ("lost", format!("does not answer: {why}")),
                        (None, true) => ("suspect", "answers, and suspects itself or the network".to_owned()),
                        (None, false) => ("live", "answers".to_owned()),
                    };
                    let (shape, style) = looks.state(word);
                    lines.push((format!("{shape} {} {text}", lookup.url), style));
                }
            }
            _ => {}
        }
        let lines = lines.into_iter().take(usize::from(area.height / 2));
        let mut taken = 0;
        for (text, style) in lines {
            put(buffer, (1, area.y + taken), &text, area.width - 1, style, looks);
            taken += 1;
        }
        taken
    }

    fn tables(&mut self, buffer: &mut Buffer, area: Rect, now: UnixMillis) -> Vec<String> {
        let with = (self.looks, &self.trends, now);
        let screen = self.screen();
        let mut place = screen.place.clone();
        let sheet = self.sheet(screen, now);
        let is_two = matches!(screen.what, What::Farm(_)) && area.width >= TWO_WIDE;
        let left = Rect { width: if is_two { area.width * 2 / 5 } else { area.width }, ..area };
        let mut paths = grid::draw(buffer, left, &sheet, &mut place, true, with);
        drop(sheet);
        if is_two && let Some((cluster, node)) = place.selected.as_deref().and_then(|key| self.node_of(key)) {
            let beside = Screen::new(What::Node { cluster, node });
            let x = left.right() + 2;
            let right = Rect { x, width: area.right() - x, ..area };
            paths.extend(grid::draw(
                buffer,
                right,
                &self.sheet(&beside, now),
                &mut Place::default(),
                false,
                with,
            ));
        }
        self.screen_mut().place = place;
        paths
    }

    /// All of what the selected row says, where columns are left out.
    fn detail(&self) -> Option<String> {
        let screen = self.screen();
        let key = screen.place.selected.as_deref()?;
        Some(match &screen.what {
            What::Farms => self.mesh.farm(key)?.0.why.clone()?,
            What::Alarms => {
                let alarm = self.alarms.alarms.get(key)?;
                [&*alarm.text, &*marks(alarm)].join("  ")
            }
            What::Top | What::Node { .. } => key.to_owned(),
            _ => return None,
        })
    }
}
