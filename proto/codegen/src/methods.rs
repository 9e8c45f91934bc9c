//! The table from method to role, read from the option `takes` of each method: complete by construction.

use prost_reflect::{DescriptorPool, Value};
use std::fmt::Write as _;

/// Rust source of the table.
///
/// # Errors
/// Which methods of ours say no role.
pub fn table(descriptors: &[u8]) -> Result<String, String> {
    let pool = DescriptorPool::decode(descriptors).map_err(|e| e.to_string())?;
    let takes = pool
        .get_extension_by_name("hedgerow.common.v1.takes")
        .ok_or("hedgerow.common.v1.takes is not declared")?;
    let mut rows = String::new();
    let mut without = Vec::new();
    for service in pool.services() {
        for method in service.methods() {
            let path = format!("/{}/{}", service.full_name(), method.name());
            let options = method.options();
            let role = match options.get_extension(&takes).as_ref() {
                Value::EnumNumber(0) => None,
                Value::EnumNumber(number) => variant(*number),
                _ => None,
            };
            match role {
                Some(role) => {
                    let _ = writeln!(rows, "    ({path:?}, Role::{role}),");
                }
                None => without.push(path),
            }
        }
    }
    if !without.is_empty() {
        return Err(format!("methods without `option (hedgerow.common.v1.takes)`: {}", without.join(", ")));
    }
    Ok(format!(
        "// Made by `cargo xtask proto` from the .proto files; not to be edited.\n\
         use hedgerow_model::Role;\n\n\
         /// Which role each method takes.\n\
         pub const METHODS: &[(&str, Role)] = &[\n{rows}];\n"
    ))
}

fn variant(number: i32) -> Option<&'static str> {
    match number {
        1 => Some("Viewer"),
        2 => Some("Author"),
        3 => Some("Operator"),
        4 => Some("Admin"),
        5 => Some("Service"),
        _ => None,
    }
}
