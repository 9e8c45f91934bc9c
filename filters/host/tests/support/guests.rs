//! Makes guests of the texts in `filters/fixtures`: modules with WIT metadata, as a toolchain makes them.

use std::fs;
use std::path::PathBuf;
use wit_component::StringEncoding;
use wit_parser::Resolve;

pub fn fixtures() -> PathBuf {
    let crates = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let root = crates.ancestors().find(|folder| folder.join("filters/fixtures").is_dir());
    root.unwrap().join("filters/fixtures")
}

/// The module of a fixture: `echo.wat` with the parts replaced that the fixture has.
pub fn guest(name: &str) -> Vec<u8> {
    with_parts(&text(name))
}

/// `echo.wat` with these parts replaced.
pub fn with_parts(parts: &str) -> Vec<u8> {
    embed(&wat::parse_str(assemble(&text("echo"), parts)).unwrap(), &contract(), "full")
}

/// The contract, with the documents of it that there are.
pub fn contract() -> String {
    fs::read_to_string(fixtures().join("../wit/filter.wit")).unwrap()
}

/// Gives a core module the metadata of a world.
pub fn embed(module: &[u8], wit: &str, world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("contract.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let mut module = module.to_vec();
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    module
}

pub fn text(name: &str) -> String {
    fs::read_to_string(fixtures().join(format!("{name}.wat"))).unwrap()
}

/// The parts of `base`, each replaced by that of the same name where there is one; further ones stand at the end.
fn assemble(base: &str, parts: &str) -> String {
    let replaced = split(parts);
    let base = split(base);
    let find = |list: &[(String, String)], name: &str| list.iter().any(|(part, _)| part == name);
    let mut text = String::new();
    for (name, part) in &base {
        if name == "end" {
            for (_, part) in replaced.iter().filter(|(name, _)| !name.is_empty() && !find(&base, name)) {
                text.push_str(part);
            }
        }
        let part = if name.is_empty() {
            part
        } else {
            replaced.iter().find(|(n, _)| n == name).map_or(part, |(_, p)| p)
        };
        text.push_str(part);
    }
    text
}

fn split(text: &str) -> Vec<(String, String)> {
    let mut parts = vec![(String::new(), String::new())];
    for line in text.lines() {
        if let Some(name) = line.strip_prefix(";;; ") {
            parts.push((name.trim().to_owned(), String::new()));
        }
        let (_, part) = parts.last_mut().unwrap();
        part.push_str(line);
        part.push('\n');
    }
    parts
}
