//! JSON: each sample as the command gives it.

use super::table::Format;
use crate::api::CoverageLine;
use hedgerow_client::sample::{BinSet, Sample};
use hedgerow_shown::json;
use serde::Serialize;
use std::io;

/// One document.
pub struct Json {
    bytes: Vec<u8>,
    numbers: bool,
}

impl Json {
    /// Nothing in it yet.
    pub fn new(numbers: bool) -> Self {
        Self { bytes: b"{\"samples\":[".to_vec(), numbers }
    }

    fn row(&mut self, row: &[u8]) {
        if self.bytes.last() != Some(&b'[') {
            self.bytes.extend(b",\n");
        }
        self.bytes.extend(row);
    }
}

impl Format for Json {
    fn sample(&mut self, sample: &Sample) -> io::Result<()> {
        self.row(&json::sample(sample, self.numbers)?);
        Ok(())
    }

    fn bins(&mut self, bins: &BinSet) -> io::Result<()> {
        json::bins(bins)?.iter().for_each(|row| self.row(row));
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.bytes.len()
    }

    fn end(mut self: Box<Self>, coverage: &CoverageLine) -> io::Result<Vec<u8>> {
        self.bytes.extend(b"],\"coverage\":");
        self.bytes.extend(json::line(coverage)?);
        self.bytes.push(b'}');
        Ok(self.bytes)
    }
}

/// An object a line.
pub struct Lines {
    bytes: Vec<u8>,
    numbers: bool,
}

#[derive(Serialize)]
struct Last<'a> {
    event: &'static str,
    #[serde(flatten)]
    coverage: &'a CoverageLine,
}

impl Lines {
    /// Nothing in it yet.
    pub fn new(numbers: bool) -> Self {
        Self { bytes: Vec::new(), numbers }
    }

    fn row(&mut self, row: &[u8]) {
        self.bytes.extend(row);
        self.bytes.push(b'\n');
    }
}

impl Format for Lines {
    fn sample(&mut self, sample: &Sample) -> io::Result<()> {
        self.row(&json::sample(sample, self.numbers)?);
        Ok(())
    }

    fn bins(&mut self, bins: &BinSet) -> io::Result<()> {
        json::bins(bins)?.iter().for_each(|row| self.row(row));
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.bytes.len()
    }

    fn end(mut self: Box<Self>, coverage: &CoverageLine) -> io::Result<Vec<u8>> {
        self.row(&json::line(&Last { event: "coverage", coverage })?);
        Ok(self.bytes)
    }
}
