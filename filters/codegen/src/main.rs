//! Makes `sdk/src/bindings.rs` from `wit/filter.wit`. Run by hand when the contract has grown: `cargo xtask filters --bindings`.
//!
//! The bindings are committed, so that the SDK has no dependency at all: it builds in a second, offline, from a copy.

use std::error::Error;
use std::path::Path;

use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator as _};

fn main() -> Result<(), Box<dyn Error>> {
    let filters = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(filters.join("wit"))?;
    // All of it: the imports that a filter never calls are not in its module, and so not in its component.
    let world = resolve.select_world(&[package], Some("full"))?;
    let options = wit_bindgen_rust::Opts {
        pub_export_macro: true,
        generate_all: true,
        runtime_path: Some("crate::abi".into()),
        default_bindings_module: Some("hedgerow_filter::bindings".into()),
        ..wit_bindgen_rust::Opts::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files)?;
    for (_, content) in files.iter() {
        let text = String::from_utf8(content.to_vec())?;
        std::fs::write(filters.join("sdk/src/bindings.rs"), without_second_section(&text)?)?;
    }
    Ok(())
}

/// The metadata stands in the module twice: once without exports, for libraries that are linked in without exporting. A filter
/// always exports, so that one is 2 kB for nothing.
fn without_second_section(text: &str) -> Result<String, &'static str> {
    let name = text.find("with-all-of-its-exports-removed:encoded world").ok_or("no second section")?;
    let begin =
        text[..name].rfind("#[cfg(target_arch = \"wasm32\")]").ok_or("no beginning of the second section")?;
    let end = name + text[name..].find("\";\n").ok_or("no end of the second section")? + 3;
    Ok([&text[..begin], &text[end..]].concat())
}
