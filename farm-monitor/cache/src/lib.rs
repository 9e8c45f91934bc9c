//! The cache: recent history of every series in SQLite, counted and bounded.
