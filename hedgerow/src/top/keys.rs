//! What keys do.

use super::app::{App, Screen, TOP, Typing, What};
use super::{OWN, Preset};
use hedgerow_model::UnixMillis;
use hedgerow_views::ViewSpec;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::borrow::Cow;

/// Longest text that can be typed, in characters; more is not taken.
const MAX_TYPED: usize = 400;

/// The keys, and what they do, for the page that says so.
pub const KEYS: &[(&str, &str)] = &[
    ("arrows, j k", "move; PgUp, PgDn, g and G further"),
    ("Enter", "open what is selected"),
    ("Esc, Backspace", "back"),
    ("Tab, 1 2 3 4", "farms, alarms, top, lookups"),
    ("/", "show only rows that hold a text; Esc there: all"),
    ("s", "another order"),
    ("p", "pause, and go on"),
    ("left, right", "in Top: compare something else"),
    ("e", "in Top: type a predicate"),
    ("?", "this page"),
    ("q, Ctrl-C", "leave"),
];

impl App {
    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent, now: UnixMillis) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        if is_control && matches!(key.code, KeyCode::Char('c' | 'd' | 'C' | 'D')) {
            self.is_over = true;
        } else if self.typing.is_some() {
            self.typed(key.code, is_control);
        } else if !is_control {
            self.complaint = None;
            self.pressed(key.code, now);
        }
    }

    fn pressed(&mut self, code: KeyCode, now: UnixMillis) {
        match code {
            KeyCode::Char('q') => self.is_over = true,
            KeyCode::Up | KeyCode::Char('k') => self.screen_mut().place.by(-1),
            KeyCode::Down | KeyCode::Char('j') => self.screen_mut().place.by(1),
            KeyCode::PageUp => self.screen_mut().place.pages(-1),
            KeyCode::PageDown | KeyCode::Char(' ') => self.screen_mut().place.pages(1),
            KeyCode::Home | KeyCode::Char('g') => self.screen_mut().place.to(0),
            KeyCode::End | KeyCode::Char('G') => self.screen_mut().place.to(usize::MAX),
            KeyCode::Tab => self.go((self.tab + 1) % 4),
            KeyCode::BackTab => self.go((self.tab + 3) % 4),
            KeyCode::Char(digit @ '1'..='4') => self.go(digit as usize - '1' as usize),
            KeyCode::Char('?') if self.screen().what != What::Help => {
                self.opened.push(Screen::new(What::Help))
            }
            KeyCode::Esc | KeyCode::Backspace | KeyCode::Char('?') => self.back(),
            KeyCode::Char('/') => self.typing = Some(Typing::Filter),
            KeyCode::Char('p') => self.paused = if self.paused.is_some() { None } else { Some(now) },
            KeyCode::Char('s') => {
                let screen = self.screen_mut();
                screen.order = (screen.order + 1) % screen.what.orders().len().max(1);
                screen.place.to(0);
            }
            KeyCode::Left | KeyCode::Char('h') if self.screen().what == What::Top => self.preset(-1),
            KeyCode::Right | KeyCode::Char('l') if self.screen().what == What::Top => self.preset(1),
            KeyCode::Char('e') if self.screen().what == What::Top => {
                self.typing = Some(Typing::Predicate(self.question.predicate.to_string()));
            }
            KeyCode::Left | KeyCode::Char('h') => self.back(),
            KeyCode::Enter | KeyCode::Right | KeyCode::Char('l') => self.open(),
            _ => {}
        }
    }

    /// To one of the four.
    pub(super) fn go(&mut self, tab: usize) {
        self.opened.clear();
        self.tab = tab;
    }

    /// First the filter goes, then the screen.
    fn back(&mut self) {
        if !self.screen().filter.is_empty() {
            self.screen_mut().filter.clear();
        } else if self.opened.pop().is_some()
            // Nothing stands on a farm that was opened only for the node.
            && self.opened.last().is_some_and(|screen| screen.place.selected.is_none())
            && matches!(self.opened.last().map(|screen| &screen.what), Some(What::Farm(_)))
        {
            self.opened.pop();
        }
    }

    fn open(&mut self) {
        let Some(key) = self.screen().place.selected.clone() else { return };
        match &self.screen().what {
            What::Farms => self.opened.push(Screen::new(What::Farm(key))),
            What::Farm(_) => {
                if let Some((cluster, node)) = self.node_of(&key) {
                    self.opened.push(Screen::new(What::Node { cluster, node }));
                }
            }
            What::Alarms => self.opened.push(Screen::new(What::Alarm(key))),
            What::Alarm(alarm) => {
                let farm = self.alarms.alarms.get(alarm).map(|alarm| alarm.farm_id.clone());
                self.opened.extend(farm.map(|farm| Screen::new(What::Farm(farm))));
            }
            What::Top => {
                let row = self.top.frame.rows.iter().find(|row| row.head.path == key);
                let Some(head) = row.map(|row| &row.head) else { return };
                let Some(id) = self.mesh.id_of(&head.farm) else { return };
                let farm = What::Farm(id.to_owned());
                let node = What::Node { cluster: head.cluster.clone(), node: head.node.clone() };
                self.opened.extend([farm, node].map(Screen::new));
            }
            What::Node { .. } | What::Lookups | What::Help => {}
        }
    }

    fn typed(&mut self, code: KeyCode, is_control: bool) {
        let Some(typing) = &mut self.typing else { return };
        let screen = self.opened.last_mut().unwrap_or(&mut self.tabs[self.tab]);
        let text = match typing {
            Typing::Filter => &mut screen.filter,
            Typing::Predicate(text) => text,
        };
        match code {
            KeyCode::Char('u') if is_control => text.clear(),
            KeyCode::Char(c) if !is_control && text.chars().count() < MAX_TYPED => text.push(c),
            KeyCode::Backspace => drop(text.pop()),
            KeyCode::Esc => {
                if *typing == Typing::Filter {
                    screen.filter.clear();
                }
                self.typing = None;
            }
            KeyCode::Enter => {
                if let Some(Typing::Predicate(text)) = self.typing.take() {
                    self.ask(text);
                }
            }
            _ => {}
        }
    }

    /// Compares something else, if it can be read.
    fn ask(&mut self, text: String) {
        let before =
            std::mem::replace(&mut self.question, Preset { title: OWN, predicate: Cow::Owned(text.clone()) });
        match ViewSpec::Top(self.top_spec()).checked() {
            Ok(_) => {
                self.complaint = None;
                self.tabs[TOP] = Screen { order: self.tabs[TOP].order, ..Screen::new(What::Top) };
            }
            Err(refused) => {
                self.question = before;
                self.complaint = Some(refused.to_string());
                self.typing = Some(Typing::Predicate(text));
            }
        }
    }
}
