//! A value for each series.

use crate::{Load, Save, Saved, SeriesHandle};

/// A value for each series that has one: a vector, since handles are dense.
#[derive(Debug, Clone, PartialEq)]
pub struct PerSeries<T> {
    slots: Vec<Option<T>>,
}

impl<T> Default for PerSeries<T> {
    fn default() -> Self {
        Self { slots: Vec::new() }
    }
}

impl<T> PerSeries<T> {
    /// With a value for none.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a series.
    pub fn get(&self, series: SeriesHandle) -> Option<&T> {
        self.slots.get(series as usize)?.as_ref()
    }

    /// The value of a series, to change it.
    pub fn get_mut(&mut self, series: SeriesHandle) -> Option<&mut T> {
        self.slots.get_mut(series as usize)?.as_mut()
    }

    /// The value of a series; made where it has none.
    pub fn get_or(&mut self, series: SeriesHandle, make: impl FnOnce() -> T) -> &mut T {
        let at = series as usize;
        if at >= self.slots.len() {
            self.slots.resize_with(at + 1, || None);
        }
        self.slots[at].get_or_insert_with(make)
    }

    /// Takes the value of a series away.
    pub fn remove(&mut self, series: SeriesHandle) -> Option<T> {
        self.slots.get_mut(series as usize)?.take()
    }

    /// Those that have one, in order of their handles.
    pub fn iter(&self) -> impl Iterator<Item = (SeriesHandle, &T)> {
        (0..).zip(&self.slots).filter_map(|(series, slot)| Some((series, slot.as_ref()?)))
    }

    /// Those that have one, in order of their handles, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (SeriesHandle, &mut T)> {
        (0..).zip(&mut self.slots).filter_map(|(series, slot)| Some((series, slot.as_mut()?)))
    }
}

impl<T: Saved> Saved for PerSeries<T> {
    fn save(&self, to: &mut Save) {
        self.slots.save(to);
    }

    fn load(from: &mut Load) -> Result<Self, String> {
        Ok(Self { slots: Saved::load(from)? })
    }
}
