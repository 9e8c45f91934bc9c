//! What a row says: templates, conditions and scales are worked out over its sources. Knows no agent and no table in
//! flight; whoever has the row answers for it.

use crate::number::Number;
use crate::profile::{Fastest, Object, Piece, Source, Table, Template};
use std::fmt;

/// A row, by its sources.
pub trait Row {
    /// What a template shows for this source; `None` where the row has not got it.
    fn text(&self, source: &Source) -> Option<String>;
    /// The number that stands there; `None` where there is none.
    fn number(&self, source: &Source) -> Option<Number>;
}

/// Of a scalar: no row, no sources.
pub struct NoRow;

impl Row for NoRow {
    fn text(&self, _: &Source) -> Option<String> {
        None
    }

    fn number(&self, _: &Source) -> Option<Number> {
        None
    }
}

impl Template {
    /// The text, or nothing where one of its sources is missing or empty.
    pub fn text(&self, row: &dyn Row) -> Option<String> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Of(source) => text.push_str(&row.text(source).filter(|said| !said.is_empty())?),
            }
        }
        Some(text).filter(|text| !text.is_empty())
    }

    /// Where it looks.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Of(source) => Some(source),
            Piece::Text(_) => None,
        })
    }
}

/// Whether each of these templates gives one of its values. One that gives nothing does not.
pub fn applies(only: &[(Template, Vec<String>)], row: &dyn Row) -> bool {
    only.iter().all(|(template, values)| template.text(row).is_some_and(|text| values.contains(&text)))
}

/// The first of these that gives a text.
pub fn first(templates: &[Template], row: &dyn Row) -> Option<String> {
    templates.iter().find_map(|template| template.text(row))
}

/// As it is written in a profile.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}"))?,
                Piece::Of(source) => write!(f, "{{{}}}", source.0)?,
            }
        }
        Ok(())
    }
}

impl Object {
    /// What its value, its condition and its speed are worked out from.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        let scale = &self.scale;
        let of = scale.times.iter().chain(&scale.over).chain(scale.powers.iter().map(|power| &power.of));
        of.chain(self.speeds().map(|fastest| &fastest.of))
            .chain(self.only.iter().flat_map(|(template, _)| template.sources()))
    }

    /// By how much the counter can grow in a second at most, where the row says so.
    pub fn most_in_a_second(&self, row: &dyn Row) -> Option<f64> {
        self.speeds()
            .filter_map(|fastest| Some(row.number(&fastest.of)?.as_f64() * fastest.factor))
            .find(|most| most.is_finite() && *most > 0.0)
    }

    /// What its speed may follow from, in order.
    fn speeds(&self) -> impl Iterator<Item = &Fastest> {
        std::iter::successors(self.fastest.as_ref(), |fastest| fastest.or.as_deref())
    }
}

impl Table {
    /// All sources that the table and its columns are worked out from; some more than once.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        let templates = self
            .item
            .iter()
            .chain(&self.row_description)
            .chain(self.labels.iter().map(|(_, template)| template))
            .chain(self.only.iter().map(|(template, _)| template))
            .chain(self.lookups.values().filter_map(|lookup| lookup.key.as_ref()));
        templates.flat_map(Template::sources).chain(self.columns.iter().flat_map(Object::sources))
    }
}

#[cfg(test)]
mod tests;
