//! Filters that others deploy here: code that comes to the data.
//!
//! [`feed`] is the input of one deployment, in number order.

pub mod feed;
