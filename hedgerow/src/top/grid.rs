//! Text and tables on the screen. Whatever is put there passes through here and is made safe for terminals; what does not fit is
//! cut, and seen to be.

use super::marks::Looks;
use super::trend::Trends;
use crate::output::safe::clean;
use hedgerow_model::UnixMillis;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use std::borrow::Cow;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Between two columns.
const GUTTER: u16 = 2;

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    pub title: &'static str,
    pub is_right: bool,
    /// Narrower than this it is of no use.
    pub least: u16,
    /// Wider it need not be.
    pub most: u16,
    /// Where there is no room, the column of the highest rank goes first; one of rank 0 stays.
    pub rank: u8,
}

/// A column of words.
pub const fn words(title: &'static str, least: u16, most: u16, rank: u8) -> Column {
    Column { title, is_right: false, least, most, rank }
}

/// A column of numbers, always of the same width, so that it does not waver.
pub const fn numbers(title: &'static str, width: u16, rank: u8) -> Column {
    Column { title, is_right: true, least: width, most: width, rank }
}

/// What stands in a row.
#[derive(Debug, Clone)]
pub enum Field {
    Text(String, Style),
    /// The last minutes of the series with this path.
    Trend(String),
}

/// Plain words.
pub fn plain(text: impl Into<String>) -> Field {
    Field::Text(text.into(), Style::new())
}

/// A table that is made only where it is seen.
pub struct Sheet<'a> {
    pub columns: &'static [Column],
    /// What each row is known by.
    pub keys: Vec<String>,
    pub row: Box<dyn Fn(usize) -> Vec<Field> + 'a>,
    /// What is said in place of rows where there are none.
    pub empty: String,
}

/// Where one is in a table.
#[derive(Debug, Default, Clone)]
pub struct Place {
    at: usize,
    /// The row that is followed wherever it goes; none until one moves.
    followed: Option<String>,
    /// The row that was drawn as selected.
    pub selected: Option<String>,
    first: usize,
    rows: usize,
    shown: usize,
}

impl Place {
    /// Moves by so many rows.
    pub fn by(&mut self, rows: isize) {
        self.to(self.at.saturating_add_signed(rows));
    }

    /// Moves by so many screens.
    pub fn pages(&mut self, pages: isize) {
        self.by(pages * isize::try_from(self.shown.max(2) - 1).unwrap_or(1));
    }

    /// Moves there.
    pub fn to(&mut self, at: usize) {
        self.at = at.min(self.rows.saturating_sub(1));
        // What stands there is known when it is drawn.
        self.followed = (self.at > 0).then(String::new);
    }

    /// Takes the rows there are now.
    fn settle(&mut self, keys: &[String], shown: usize) {
        (self.rows, self.shown) = (keys.len(), shown);
        if let Some(at) = self.followed.as_ref().and_then(|key| keys.iter().position(|other| other == key)) {
            self.at = at;
        }
        self.at = self.at.min(keys.len().saturating_sub(1));
        self.selected = keys.get(self.at).cloned();
        if self.followed.is_some() {
            self.followed.clone_from(&self.selected);
        }
        let last = self.at.saturating_sub(shown.saturating_sub(1));
        self.first = self.first.clamp(last, self.at.max(last)).min(keys.len().saturating_sub(shown));
    }
}

/// Puts a text on one line, in at most `width` columns; how many it took.
pub fn put(
    buffer: &mut Buffer,
    (x, y): (u16, u16),
    text: &str,
    width: u16,
    style: Style,
    looks: Looks,
) -> u16 {
    let area = buffer.area;
    if y < area.top() || y >= area.bottom() || x >= area.right() {
        return 0;
    }
    let width = width.min(area.right() - x);
    let text = fitted(text, usize::from(width), looks);
    buffer.set_stringn(x, y, &*text, usize::from(width), style).0 - x
}

/// A text, safe, cut to so many columns.
pub fn fitted(text: &str, width: usize, looks: Looks) -> Cow<'_, str> {
    let text = clean(text);
    if text.width() <= width {
        return text;
    }
    let (mut kept, mut wide) = (String::new(), 0);
    for c in text.chars() {
        wide += c.width().unwrap_or_default();
        if wide + 1 > width {
            break;
        }
        kept.push(c);
    }
    if width > 0 {
        kept.push(looks.cut());
    }
    kept.into()
}

/// How wide each column is; `None`: it has no room. `wanted` is how wide they would like to be.
fn widths(columns: &[Column], wanted: &[u16], room: u16) -> Vec<Option<u16>> {
    let mut widths: Vec<Option<u16>> =
        columns.iter().zip(wanted).map(|(column, wanted)| Some(column.least.min(*wanted))).collect();
    let total = |widths: &[Option<u16>]| -> u16 {
        let shown = widths.iter().flatten();
        shown.map(|width| width + GUTTER).sum::<u16>().saturating_sub(GUTTER)
    };
    while total(&widths) > room {
        let still = columns.iter().zip(&widths).enumerate().filter(|(_, (_, width))| width.is_some());
        let Some((at, _)) =
            still.filter(|(_, (column, _))| column.rank > 0).max_by_key(|(_, (column, _))| column.rank)
        else {
            break;
        };
        widths[at] = None;
    }
    // What is left goes to those that matter most.
    let mut order: Vec<usize> = (0..columns.len()).filter(|at| widths[*at].is_some()).collect();
    order.sort_by_key(|at| columns[*at].rank);
    for at in order {
        let spare = room.saturating_sub(total(&widths));
        if let Some(width) = &mut widths[at] {
            *width = wanted[at].min(width.saturating_add(spare)).max(*width);
        }
    }
    widths
}

/// Draws a table; says which series' lines it showed, or would have.
pub fn draw(
    buffer: &mut Buffer,
    area: Rect,
    sheet: &Sheet<'_>,
    place: &mut Place,
    is_focused: bool,
    (looks, trends, now): (Looks, &Trends, UnixMillis),
) -> Vec<String> {
    let shown = usize::from(area.height.saturating_sub(1));
    place.settle(&sheet.keys, shown);
    if sheet.keys.is_empty() {
        for (line, text) in (area.y + 1..area.bottom()).zip(sheet.empty.split('\n')) {
            put(buffer, (area.x, line), text, area.width, looks.quiet(), looks);
        }
        return Vec::new();
    }
    let range = place.first..sheet.keys.len().min(place.first + shown);
    let rows: Vec<Vec<Field>> = range.clone().map(|at| (sheet.row)(at)).collect();
    let wanted: Vec<u16> =
        sheet.columns.iter().enumerate().map(|(at, column)| wanted(column, at, &rows)).collect();
    let widths = widths(sheet.columns, &wanted, area.width);
    let mut x = area.x;
    let mut paths = Vec::new();
    let bold = looks.quiet().add_modifier(Modifier::BOLD);
    for (at, (column, width)) in sheet.columns.iter().zip(&widths).enumerate() {
        let Some(width) = *width else { continue };
        aligned(buffer, (x, area.y), column.title, (width, column.is_right), bold, looks);
        for (line, row) in (area.y + 1..).zip(&rows) {
            match row.get(at) {
                Some(Field::Text(text, style)) => {
                    aligned(buffer, (x, line), text, (width, column.is_right), *style, looks);
                }
                Some(Field::Trend(path)) => {
                    let bars = trends.bars(path, usize::from(width), now, looks.plain);
                    put(buffer, (x, line), &bars, width, Style::new(), looks);
                    paths.push(path.clone());
                }
                None => {}
            }
        }
        x = x.saturating_add(width + GUTTER);
    }
    if is_focused && let Ok(line) = u16::try_from(place.at - place.first) {
        let row = Rect { y: area.y + 1 + line, height: 1, ..area };
        buffer.set_style(row.intersection(area), Style::new().add_modifier(Modifier::REVERSED));
    }
    paths
}

fn wanted(column: &Column, at: usize, rows: &[Vec<Field>]) -> u16 {
    let width = |row: &Vec<Field>| match row.get(at) {
        Some(Field::Text(text, _)) => u16::try_from(clean(text).width()).unwrap_or(u16::MAX),
        Some(Field::Trend(_)) => column.most,
        None => 0,
    };
    let widest = rows.iter().map(width).max().unwrap_or_default();
    if widest == 0 { 0 } else { widest.max(column.title.len() as u16).clamp(column.least, column.most) }
}

fn aligned(
    buffer: &mut Buffer,
    (x, y): (u16, u16),
    text: &str,
    (width, is_right): (u16, bool),
    style: Style,
    looks: Looks,
) {
    let taken = if is_right { u16::try_from(clean(text).width()).unwrap_or(width).min(width) } else { width };
    put(buffer, (x + width - taken, y), text, taken, style, looks);
}
