//! What filters say of themselves.

use hedgerow_filter_host::guest::{Description, Reading};
use hedgerow_filter_host::shipped::Shipped;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A filter that is shipped, for programs.
#[derive(Serialize, ToSchema)]
pub struct ShippedLine {
    name: &'static str,
    description: &'static str,
    bytes: usize,
}

/// What a filter says of itself, for programs.
#[derive(Serialize, ToSchema)]
pub struct DescriptionLine<'a> {
    name: &'a str,
    version: &'a str,
    description: &'a str,
    predicates: &'a [String],
    reading: &'static str,
    look_back_ms: u64,
    tick_ms: u64,
    capabilities: Vec<&'static str>,
    bytes: usize,
    schema: Value,
}

impl ShippedLine {
    /// Of this one.
    pub fn of(shipped: &Shipped) -> Self {
        Self { name: shipped.name, description: shipped.about, bytes: shipped.bytes.len() }
    }
}

impl<'a> DescriptionLine<'a> {
    /// Of a filter of so many bytes.
    pub fn of(said: &'a Description, bytes: usize) -> Self {
        Self {
            name: &said.name,
            version: &said.version,
            description: &said.description,
            predicates: &said.predicates,
            reading: reading(said.reading),
            look_back_ms: said.look_back_ms,
            tick_ms: said.tick_ms,
            capabilities: said.capabilities.iter().map(|wanted| wanted.as_str()).collect(),
            bytes,
            schema: serde_json::from_str(&said.schema).unwrap_or(Value::Null),
        }
    }
}

/// How counters are read, in a word.
pub fn reading(reading: Reading) -> &'static str {
    match reading {
        Reading::Rate => "rate",
        Reading::Raw => "raw",
        Reading::Delta => "delta",
    }
}
