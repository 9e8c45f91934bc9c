//! What is uploaded, and whether it is a filter: a component, or a core module with WIT metadata (which is wrapped), that imports
//! nothing but this farm's contract and exports `filter`; and whether what it says of itself makes sense.
//!
//! Looking at bytes is done in the compiling child: nothing here may be asked of a stranger's bytes in a farm's own process.

mod description;
mod schema;

pub use description::{check_description, check_granted, check_said};
pub use schema::{ParameterFault, Schema, SchemaFault};

use crate::guest::Capability;
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

/// The version of the contract.
pub const CONTRACT_VERSION: &str = "1.0.0";
const PACKAGE: &str = "hedgerow:filter/";
/// What a filter may import, of this version. `types` holds only types.
const INTERFACES: [&str; 5] = ["types", "host", "alarms", "actions", "history"];
/// The interface that a filter exports.
const FILTER: &str = "filter";
/// Most reasons that are told at once. What is past it is left out: who repairs these sees the rest.
const MAX_REFUSALS: usize = 32;
/// Longest name that is repeated in a reason, in bytes; longer ones are cut.
const SHOWN_BYTES: usize = 128;

/// Why an upload is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Past the bound on what is uploaded.
    #[error("it has {bytes} bytes: the bound is {bound}")]
    TooLarge {
        /// What it has.
        bytes: u64,
        /// What it may have.
        bound: u64,
    },
    /// Not even the first bytes are right.
    #[error("it is no WebAssembly: it begins with {0}, expected 00 61 73 6d")]
    NotWasm(String),
    /// Damaged, or it uses what filters do not have.
    #[error("it is not valid WebAssembly for a filter: {0}")]
    Invalid(String),
    /// A plain module.
    #[error(
        "it is a core module without WIT metadata: expected a component, or a module built against \
         hedgerow:filter@{CONTRACT_VERSION} (with the SDK, or wit-bindgen)"
    )]
    NoMetadata,
    /// It cannot be made a component.
    #[error("its module does not fit its WIT metadata: {0}")]
    Wrap(String),
    /// WASI.
    #[error(
        "it imports {0}: a filter has no WASI, as it is a function of its input, without clock, files, network or \
         randomness; expected only hedgerow:filter/{{host,alarms,actions,history}}@{CONTRACT_VERSION}"
    )]
    Wasi(String),
    /// Another version of the contract.
    #[error(
        "it imports `{name}` of version {version}: expected {CONTRACT_VERSION}, the version of this farm"
    )]
    Version {
        /// The interface.
        name: String,
        /// What it wants.
        version: String,
    },
    /// Something that no farm has.
    #[error(
        "it imports {0}, no part of the contract: expected only \
         hedgerow:filter/{{host,alarms,actions,history}}@{CONTRACT_VERSION}"
    )]
    Import(String),
    /// It does not do what a filter does.
    #[error("it does not export `hedgerow:filter/filter@{CONTRACT_VERSION}`; it exports {0}")]
    Export(String),
    /// It has more or larger parts than a farm gives room for.
    #[error("its shape is not one that a farm runs: {0}")]
    Shape(String),
    /// Types other than those of the contract.
    #[error("it does not fit the contract hedgerow:filter@{CONTRACT_VERSION}: {0}")]
    Contract(String),
    /// The deployment, or the farm, does not grant what it asks for.
    #[error(
        "it asks for {0}, which is not granted: expected a grant in the deployment, and in the farm's configuration"
    )]
    NotGranted(String),
    /// What the compiling child said: one of the above.
    #[error("{0}")]
    Said(String),
}

/// Gives a component: what was uploaded, or the module in it wrapped.
pub(crate) fn componentize(uploaded: &[u8]) -> Result<Vec<u8>, Vec<Refusal>> {
    if !uploaded.starts_with(b"\0asm") {
        let start: Vec<String> = uploaded.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let start = if start.is_empty() { "nothing".to_owned() } else { start.join(" ") };
        return Err(vec![Refusal::NotWasm(start)]);
    }
    let outside = Outside::read(uploaded).map_err(|error| vec![Refusal::Invalid(error.to_string())])?;
    if outside.is_component {
        outside.check()?;
        return Ok(uploaded.to_vec());
    }
    if !outside.has_metadata {
        return Err(vec![Refusal::NoMetadata]);
    }
    // The wrapper would name the first only.
    refuse(outside.imports.iter().filter_map(|name| check_import(name)).collect())?;
    let wrapped = ComponentEncoder::default()
        .module(uploaded)
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(|error| vec![Refusal::Wrap(format!("{error:#}"))])?;
    Outside::read(&wrapped).map_err(|error| vec![Refusal::Wrap(error.to_string())])?.check()?;
    Ok(wrapped)
}

/// What stands at a binary's outside.
#[derive(Default)]
struct Outside {
    is_component: bool,
    has_metadata: bool,
    imports: Vec<String>,
    exports: Vec<String>,
}

impl Outside {
    fn read(bytes: &[u8]) -> wasmparser::Result<Self> {
        let mut outside = Self { is_component: Parser::is_component(bytes), ..Self::default() };
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::CustomSection(section) if depth == 0 => {
                    outside.has_metadata |= section.name().starts_with("component-type");
                }
                Payload::ImportSection(section) if depth == 0 => {
                    for import in section.into_imports() {
                        outside.import(import?.module);
                    }
                }
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        outside.import(import?.name.name);
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        outside.exports.push(shown(export?.name.name));
                    }
                }
                _ => {}
            }
        }
        Ok(outside)
    }

    fn import(&mut self, name: &str) {
        // A module says it once for each function.
        if self.imports.last().is_none_or(|last| last != name) {
            self.imports.push(name.to_owned());
        }
    }

    fn check(&self) -> Result<(), Vec<Refusal>> {
        let mut refusals: Vec<_> = self.imports.iter().filter_map(|name| check_import(name)).collect();
        let expected = format!("{PACKAGE}{FILTER}@{CONTRACT_VERSION}");
        if !self.exports.contains(&expected) {
            let shown: Vec<_> =
                self.exports.iter().take(MAX_REFUSALS).map(|name| format!("`{name}`")).collect();
            let shown = if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") };
            refusals.push(Refusal::Export(shown));
        }
        refuse(refusals)
    }
}

fn refuse(refusals: Vec<Refusal>) -> Result<(), Vec<Refusal>> {
    let (mut wasi, mut others, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for refusal in refusals {
        match refusal {
            Refusal::Wasi(name) => wasi.push(name),
            Refusal::Import(name) => others.push(name),
            refusal => rest.push(refusal),
        }
    }
    // Of many imports it is said once.
    let wasi = named(wasi).map(Refusal::Wasi);
    let others = named(others).map(Refusal::Import);
    let mut refusals: Vec<_> = wasi.into_iter().chain(others).chain(rest).collect();
    if refusals.is_empty() {
        return Ok(());
    }
    refusals.dedup();
    refusals.truncate(MAX_REFUSALS);
    Err(refusals)
}

/// Names, each in quotes; none: there are none.
fn named(mut names: Vec<String>) -> Option<String> {
    names.dedup();
    let more = names.len().saturating_sub(MAX_REFUSALS);
    names.truncate(MAX_REFUSALS);
    let mut named = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if more > 0 {
        named += &format!(" and {more} more");
    }
    (!named.is_empty()).then_some(named)
}

fn check_import(name: &str) -> Option<Refusal> {
    // The short form of names that some toolchains give to the imports of a module.
    let (full, short) = match name.strip_prefix("cm32p2|") {
        Some(rest) => (rest, true),
        None => (name, false),
    };
    let Some(interface) = full.strip_prefix(PACKAGE) else {
        let is_wasi = full.starts_with("wasi:") || full.starts_with("wasi_");
        return Some(if is_wasi { Refusal::Wasi(shown(full)) } else { Refusal::Import(shown(full)) });
    };
    let (interface, version) = interface.split_once('@').unwrap_or((interface, "none"));
    if version != CONTRACT_VERSION && !(short && version == "1") {
        return Some(Refusal::Version {
            name: shown(&format!("{PACKAGE}{interface}")),
            version: shown(version),
        });
    }
    (!INTERFACES.contains(&interface)).then(|| Refusal::Import(shown(full)))
}

/// The capabilities whose interfaces are among these imports, sorted.
pub(crate) fn capabilities<'a>(imports: impl Iterator<Item = &'a str>) -> Vec<Capability> {
    let mut found: Vec<_> = imports
        .filter_map(|name| name.strip_prefix(PACKAGE)?.split('@').next())
        .filter_map(|interface| {
            Capability::ALL.into_iter().find(|capability| capability.as_str() == interface)
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// A name out of foreign bytes, fit for a line of text.
pub(crate) fn shown(text: &str) -> String {
    let cut = text.get(..text.floor_char_boundary(SHOWN_BYTES)).unwrap_or_default();
    let mut line: String = cut.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if cut.len() < text.len() {
        line.push('…');
    }
    line
}
