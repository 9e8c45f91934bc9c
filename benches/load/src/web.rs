//! What the page's server costs: with so many browsers on the same views and on as many different ones, and to answer programs
//! where there are many farms.
//!
//! The server is a process of its own on a processor of its own; its processor time and memory are what counts. Farms and browsers
//! are in this process, the lookup in another.

mod asking;
mod browser;
mod looking;
mod site;

use crate::machine::{keep_off, load_average, machine};
use std::fmt::Write as _;

const PARTS: [&str; 2] = ["browsers", "farms"];

/// Runs the parts named; all without names.
pub async fn run(parts: &[String]) -> Result<String, String> {
    if let Some(other) = parts.iter().find(|part| !PARTS.contains(&part.as_str())) {
        return Err(format!("no part `{other}`: expected {}", PARTS.join(", ")));
    }
    let mut page = format!("# The page's server: `cargo xtask bench web`\n\n{}", machine());
    let _ = writeln!(page, "{}\n\nLoad average when it began: {:.1}.\n", keep_off()?, load_average());
    for part in PARTS.into_iter().filter(|part| parts.is_empty() || parts.iter().any(|named| named == part)) {
        page.push_str(&match part {
            "browsers" => looking::run().await?,
            _ => asking::run().await?,
        });
    }
    Ok(page)
}
