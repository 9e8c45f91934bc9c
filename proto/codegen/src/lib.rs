//! Makes the committed code below `proto/src/gen` from the `.proto` files, without protoc.
//!
//! A test compares what is committed with what would be made, so that both change together. Nothing else depends on
//! this crate: who builds the product compiles neither it nor what it needs.

pub mod breaking;
mod methods;

use prost::Message as _;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The `.proto` files, relative to `proto/`.
pub const FILES: [&str; 8] = [
    "hedgerow/common/v1/access.proto",
    "hedgerow/common/v1/series.proto",
    "hedgerow/common/v1/predicate.proto",
    "hedgerow/lookup/v1/lookup.proto",
    "hedgerow/lookup/v1/documents.proto",
    "hedgerow/filter/v1/alarm.proto",
    "hedgerow/filter/v1/filter.proto",
    "hedgerow/farm/v1/farm.proto",
];

/// Where the committed baseline of the contract is, relative to `proto/`: later versions only add to it.
pub const BASELINE: &str = "baseline.binpb";

/// The folder `proto/` of this checkout.
pub fn proto_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// The descriptors of the contract as it stands in the files, with comments; encoded.
///
/// # Errors
/// What is wrong with the files.
pub fn descriptors() -> Result<Vec<u8>, String> {
    let folder = proto_folder();
    let mut compiler = protox::Compiler::new([&folder]).map_err(|e| e.to_string())?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(FILES).map_err(|e| format!("{e:?}"))?;
    Ok(compiler.encode_file_descriptor_set())
}

/// Makes all generated files: name → content.
///
/// # Errors
/// What is wrong with the contract: a method without a role, a file that does not compile.
pub fn generate() -> Result<BTreeMap<String, Vec<u8>>, String> {
    let encoded = descriptors()?;
    let mut set = prost_types::FileDescriptorSet::decode(&encoded[..]).map_err(|e| e.to_string())?;
    let mut made = BTreeMap::new();
    made.insert("methods.rs".to_owned(), methods::table(&encoded)?.into_bytes());

    let out = std::env::temp_dir().join(format!("hedgerow-codegen-{}", std::process::id()));
    fs::create_dir_all(&out).map_err(|e| format!("{}: {e}", out.display()))?;
    let result = tonic_prost_build::configure()
        .out_dir(&out)
        .bytes(".")
        .btree_map(".")
        .extern_path(".hedgerow.farm.v1.StreamMessage", "crate::stream::StreamMessage")
        .compile_fds(set.clone())
        .map_err(|e| e.to_string())
        .and_then(|()| read_all(&out, &mut made));
    let _ = fs::remove_dir_all(&out);
    result?;
    made.retain(|name, _| !name.starts_with("google"));

    // What reflection serves carries no comments: they are half of its size.
    for file in &mut set.file {
        file.source_code_info = None;
    }
    made.insert("descriptors.binpb".to_owned(), set.encode_to_vec());
    Ok(made)
}

fn read_all(folder: &Path, into: &mut BTreeMap<String, Vec<u8>>) -> Result<(), String> {
    for entry in fs::read_dir(folder).map_err(|e| e.to_string())? {
        let path = entry.map_err(|e| e.to_string())?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut head = String::new();
        let _ = writeln!(head, "// Made by `cargo xtask proto` from the .proto files; not to be edited.");
        into.insert(name, (head + &text).into_bytes());
    }
    Ok(())
}
