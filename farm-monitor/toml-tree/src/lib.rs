//! TOML that people write, read so that they are told all that is wrong with it at once: file, line, key, what stands there,
//! and what was expected.
//!
//! [`parse`] makes a tree in which every key and value knows its place; a [`Section`] reads the keys of one of its tables
//! and knows which were asked for; what is wrong gathers in [`Findings`] and comes out as [`Complaint`]s.
//!
//! Knows no key, and opens no file.

mod complaint;
mod findings;
mod nearest;
mod path;
mod section;
mod tree;
mod values;

pub use complaint::{Complaint, MAX_TOLD, Refused, Spot};
pub use findings::{Findings, Wrong};
pub use nearest::nearest;
pub use path::{KeyPath, toml_key};
pub use section::{Got, Section};
pub use tree::{Entry, Node, Place, SetTwice, Source, Table, Value, merge, parse};
pub use values::{count, print_size, text};
