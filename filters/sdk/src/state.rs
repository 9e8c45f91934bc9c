//! What a filter keeps over a restart, as bytes: written and read back in the same order. Nothing is guessed on reading.

use std::collections::{BTreeMap, VecDeque};

use crate::whole;

/// Where a filter writes what it must have to go on.
#[derive(Debug, Default)]
pub struct Save {
    bytes: Vec<u8>,
}

impl Save {
    /// Writes the version of what follows: see [`Load::only`].
    pub fn version(&mut self, version: u32) {
        version.save(self);
    }

    /// Writes a value.
    pub fn put<T: Saved>(&mut self, value: &T) {
        value.save(self);
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Where a filter reads back what it has written.
#[derive(Debug)]
pub struct Load<'a> {
    bytes: &'a [u8],
}

impl<'a> Load<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Reads the value that was written next.
    ///
    /// # Errors
    /// Where the state is of another shape. By convention the first is the version of what follows: raise it when you change
    /// what you save, and go on reading the older one.
    pub fn get<T: Saved>(&mut self) -> Result<T, String> {
        T::load(self)
    }

    /// Reads the version of what follows, where only one was ever written.
    ///
    /// # Errors
    /// It is another one.
    pub fn only(&mut self, version: u32) -> Result<(), String> {
        match self.get::<u32>()? {
            found if found == version => Ok(()),
            found => {
                let (found, expected) = (whole(found.into()), whole(version.into()));
                Err(["the saved state is of version ", &found, ": expected ", &expected].concat())
            }
        }
    }

    /// Reads the version of what follows, where two were written; whether it is the first of them.
    ///
    /// # Errors
    /// It is neither.
    pub fn either(&mut self, before: u32, version: u32) -> Result<bool, String> {
        let at = self.bytes;
        if self.get::<u32>()? == before {
            return Ok(true);
        }
        self.bytes = at;
        self.only(version).map(|()| false)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or("the saved state ends too early")?;
        self.bytes = rest;
        Ok(taken)
    }
}

/// What can be kept. For a struct of your own: [`saved!`](crate::saved).
pub trait Saved: Sized {
    /// Writes it.
    fn save(&self, to: &mut Save);

    /// Reads it back.
    ///
    /// # Errors
    /// Where the state is of another shape.
    fn load(from: &mut Load) -> Result<Self, String>;
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Saved for $number {
            fn save(&self, to: &mut Save) {
                to.bytes.extend_from_slice(&self.to_le_bytes());
            }

            fn load(from: &mut Load) -> Result<Self, String> {
                let bytes = from.take(size_of::<Self>())?;
                bytes.try_into().map(Self::from_le_bytes).map_err(|_| "the saved state ends too early".into())
            }
        }
    )*};
}

numbers!(u8 u16 u32 u64 i32 i64 f32 f64);

impl Saved for bool {
    fn save(&self, to: &mut Save) {
        u8::from(*self).save(to);
    }

    fn load(from: &mut Load) -> Result<Self, String> {
        Ok(u8::load(from)? != 0)
    }
}

/// Lengths are 32 bits: no state has more.
fn save_len(len: usize, to: &mut Save) {
    u32::try_from(len).unwrap_or(u32::MAX).save(to);
}

/// A length that lies allocates nothing: what is read grows with what is there.
fn load_len(from: &mut Load) -> Result<usize, String> {
    Ok(u32::load(from)? as usize)
}

impl Saved for String {
    fn save(&self, to: &mut Save) {
        save_len(self.len(), to);
        to.bytes.extend_from_slice(self.as_bytes());
    }

    fn load(from: &mut Load) -> Result<Self, String> {
        let len = load_len(from)?;
        String::from_utf8(from.take(len)?.into())
            .map_err(|_| "the saved state has a text that is no UTF-8".into())
    }
}

impl<T: Saved> Saved for Option<T> {
    fn save(&self, to: &mut Save) {
        self.is_some().save(to);
        if let Some(value) = self {
            value.save(to);
        }
    }

    fn load(from: &mut Load) -> Result<Self, String> {
        if bool::load(from)? { T::load(from).map(Some) } else { Ok(None) }
    }
}

impl<T: Saved> Saved for Vec<T> {
    fn save(&self, to: &mut Save) {
        save_len(self.len(), to);
        self.iter().for_each(|item| item.save(to));
    }

    fn load(from: &mut Load) -> Result<Self, String> {
        let mut items = Vec::new();
        for _ in 0..load_len(from)? {
            items.push(T::load(from)?);
        }
        Ok(items)
    }
}

impl<T: Saved> Saved for VecDeque<T> {
    fn save(&self, to: &mut Save) {
        save_len(self.len(), to);
        self.iter().for_each(|item| item.save(to));
    }

    fn load(from: &mut Load) -> Result<Self, String> {
        Vec::load(from).map(Self::from)
    }
}

impl<K: Saved + Ord, V: Saved> Saved for BTreeMap<K, V> {
    fn save(&self, to: &mut Save) {
        save_len(self.len(), to);
        for (key, value) in self {
            key.save(to);
            value.save(to);
        }
    }

    fn load(from: &mut Load) -> Result<Self, String> {
        let mut map = Self::new();
        for _ in 0..load_len(from)? {
            map.insert(K::load(from)?, V::load(from)?);
        }
        Ok(map)
    }
}

impl<A: Saved, B: Saved> Saved for (A, B) {
    fn save(&self, to: &mut Save) {
        self.0.save(to);
        self.1.save(to);
    }

    fn load(from: &mut Load) -> Result<Self, String> {
        Ok((A::load(from)?, B::load(from)?))
    }
}

/// Makes a struct one that can be kept: `saved!(Point { x, y });` after it. Name every field, in an order that stays.
#[macro_export]
macro_rules! saved {
    ($name:ty { $($field:ident),* $(,)? }) => {
        impl $crate::Saved for $name {
            fn save(&self, to: &mut $crate::Save) {
                $($crate::Saved::save(&self.$field, to);)*
            }

            fn load(from: &mut $crate::Load) -> ::core::result::Result<Self, ::std::string::String> {
                Ok(Self { $($field: $crate::Saved::load(from)?),* })
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PerSeries;

    #[derive(Debug, PartialEq)]
    struct Kept {
        name: String,
        seen: Option<i64>,
        past: VecDeque<f64>,
        by_code: BTreeMap<u32, bool>,
        each: PerSeries<(u8, f64)>,
    }

    saved!(Kept { name, seen, past, by_code, each });

    fn kept() -> Kept {
        let mut each = PerSeries::new();
        each.get_or(3, || (7, -0.0));
        Kept {
            name: "é".into(),
            seen: Some(-1),
            past: [1.0, f64::MAX].into(),
            by_code: [(1, true), (9, false)].into(),
            each,
        }
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let mut save = Save::default();
        save.put(&kept());
        let bytes = save.into_bytes();
        let mut load = Load::new(&bytes);
        assert_eq!(load.get::<Kept>(), Ok(kept()));
        assert!(load.get::<u8>().is_err(), "nothing is left");
    }

    #[test]
    fn a_state_cut_anywhere_is_an_error_and_no_panic() {
        let mut save = Save::default();
        save.put(&kept());
        let bytes = save.into_bytes();
        for end in 0..bytes.len() {
            assert!(Load::new(&bytes[..end]).get::<Kept>().is_err(), "cut at {end}");
        }
    }

    #[test]
    fn a_length_that_lies_takes_no_memory() {
        assert!(Load::new(&[255; 8]).get::<Vec<u64>>().is_err());
    }
}
