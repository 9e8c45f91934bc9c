//! Tables for people: columns as wide as what stands in them is shown, nothing cut. A cell of unusual width puts only its
//! own row out of line.

use super::safe::clean;
use unicode_width::UnicodeWidthStr as _;

/// Between two columns.
const GUTTER: usize = 2;

/// A wider cell does not widen its column.
pub const WIDEST: usize = 72;

/// How a column is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows under a head.
#[derive(Debug)]
pub struct Table {
    head: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns.
    pub fn new(head: &[(&'static str, Align)]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; its cells are made safe for terminals here.
    pub fn row<I: Into<String>>(&mut self, cells: impl IntoIterator<Item = I>) {
        self.rows.push(cells.into_iter().map(|cell| clean(&cell.into()).into_owned()).collect());
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines, the head first, without white space at their ends. Columns in which nothing stands are left out.
    pub fn lines(&self) -> Vec<String> {
        let widths: Vec<Option<usize>> = self.head.iter().enumerate().map(|(at, _)| self.width(at)).collect();
        let head = self.head.iter().map(|(title, _)| *title);
        let mut lines = vec![self.line(head, &widths)];
        lines.extend(self.rows.iter().map(|row| self.line(row.iter().map(String::as_str), &widths)));
        lines
    }

    fn width(&self, column: usize) -> Option<usize> {
        let widths: Vec<usize> =
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).collect();
        if widths.iter().all(|width| *width == 0) {
            return None;
        }
        let usual = widths.into_iter().filter(|width| *width <= WIDEST).max().unwrap_or_default();
        self.head.get(column).map(|(title, _)| title.width().max(usual))
    }

    fn line<'a>(&self, cells: impl Iterator<Item = &'a str>, widths: &[Option<usize>]) -> String {
        let mut line = String::new();
        for ((cell, (_, align)), width) in cells.zip(&self.head).zip(widths) {
            let Some(width) = width else { continue };
            let padding = " ".repeat(width.saturating_sub(cell.width()));
            match align {
                Align::Left => line.extend([cell, &padding]),
                Align::Right => line.extend([&padding, cell]),
            }
            line.push_str(&" ".repeat(GUTTER));
        }
        line.truncate(line.trim_end().len());
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_are_seen() {
        let mut table = Table::new(&[
            ("NAME", Align::Left),
            ("VALUE", Align::Right),
            ("EMPTY", Align::Left),
            ("NOTE", Align::Left),
        ]);
        table.row(["日本", "1", "", "two cells a character"]);
        table.row(["é\u{301}e", "12345.5", "", ""]);
        table.row(["a\u{202e}b", "", "", "spelled out"]);
        let expected = "\
NAME          VALUE  NOTE
日本              1  two cells a character
é\u{301}e          12345.5
a\\u{202e}b           spelled out";
        assert_eq!(table.lines().join("\n"), expected);
    }

    #[test]
    fn a_very_wide_cell_moves_only_its_own_row() {
        let mut table = Table::new(&[("PATH", Align::Left), ("VALUE", Align::Right)]);
        table.row(["short", "1"]);
        table.row(["x".repeat(255), "2".to_owned()]);
        let lines = table.lines();
        assert_eq!(lines[..2], ["PATH   VALUE", "short      1"]);
        assert!(lines[2].ends_with("x      2"), "{}", lines[2]);
    }
}
