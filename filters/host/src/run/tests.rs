#![allow(clippy::unwrap_used)]
mod crash;
mod guests;
mod steps;
