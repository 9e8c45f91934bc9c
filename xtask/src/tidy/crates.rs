//! Who may depend on whom, and which crate owns which dependency. A new crate gets its row here when it is made.
//!
//! Only what is linked into a release is judged: tests may look at a crate from anywhere.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::Finding;
use crate::process;
use crate::workspace::Source;

/// A dependency against the direction of the crates.
pub const DIRECTION: &str = "direction";
/// A heavy dependency outside the crate that owns it.
pub const OWNER: &str = "owner";
/// A crate that no part of the project may use.
pub const BANNED: &str = "banned";

/// Crate, and which crates of the project it may use: model <- proto <- client-sdk <- roles <- command.
const MAY_USE: &[(&str, &[&str])] = &[
    ("hedgerow-model", &[]),
    ("hedgerow-codegen", &[]),
    ("hedgerow-proto", &["hedgerow-model"]),
    ("hedgerow-client", &["hedgerow-model", "hedgerow-proto"]),
    ("hedgerow-service", &["hedgerow-model", "hedgerow-proto", "hedgerow-client"]),
    ("hedgerow-lookup", &["hedgerow-model", "hedgerow-proto", "hedgerow-client", "hedgerow-service"]),
    ("hedgerow-cache", &["hedgerow-model"]),
    ("hedgerow-filter-host", &["hedgerow-model"]),
    ("hedgerow-snmp", &[]),
    ("hedgerow-toml-tree", &["hedgerow-model"]),
    ("hedgerow-snmp-profile", &["hedgerow-model", "hedgerow-snmp", "hedgerow-toml-tree"]),
    ("hedgerow-collect", &["hedgerow-model", "hedgerow-snmp", "hedgerow-snmp-profile"]),
    ("hedgerow-traps", &["hedgerow-model", "hedgerow-snmp", "hedgerow-snmp-profile", "hedgerow-collect"]),
    (
        "hedgerow-farm-monitor",
        &[
            "hedgerow-model",
            "hedgerow-proto",
            "hedgerow-client",
            "hedgerow-service",
            "hedgerow-cache",
            "hedgerow-collect",
            "hedgerow-filter-host",
            "hedgerow-snmp",
            "hedgerow-snmp-profile",
            "hedgerow-toml-tree",
            "hedgerow-traps",
        ],
    ),
    ("hedgerow-shown", &["hedgerow-model", "hedgerow-proto", "hedgerow-client", "hedgerow-filter-host"]),
    ("hedgerow-promql", &["hedgerow-model"]),
    ("hedgerow-views", &["hedgerow-model", "hedgerow-proto", "hedgerow-client"]),
    (
        "hedgerow-web",
        &[
            "hedgerow-model",
            "hedgerow-proto",
            "hedgerow-client",
            "hedgerow-service",
            "hedgerow-filter-host",
            "hedgerow-promql",
            "hedgerow-shown",
            "hedgerow-views",
        ],
    ),
    ("hedgerow-sim", &[]),
    (
        "hedgerow-bench",
        &[
            "hedgerow-model",
            "hedgerow-proto",
            "hedgerow-client",
            "hedgerow-service",
            "hedgerow-collect",
            "hedgerow-farm-monitor",
            "hedgerow-filter-host",
            "hedgerow-snmp",
            "hedgerow-snmp-profile",
            "hedgerow-sim",
        ],
    ),
    (
        "hedgerow",
        &[
            "hedgerow-model",
            "hedgerow-proto",
            "hedgerow-client",
            "hedgerow-service",
            "hedgerow-lookup",
            "hedgerow-farm-monitor",
            "hedgerow-filter-host",
            "hedgerow-collect",
            "hedgerow-shown",
            "hedgerow-snmp",
            "hedgerow-snmp-profile",
            "hedgerow-views",
            "hedgerow-web",
        ],
    ),
    // End-to-end tests see what a foreign client sees.
    ("hedgerow-e2e", &["hedgerow-model", "hedgerow-proto", "hedgerow-client", "hedgerow-sim"]),
    ("xtask", &[]),
];

/// Dependency (or family, with `*` at the end) and the only crates that may link it.
const OWNED: &[(&str, &[&str])] = &[
    ("anyhow", &["hedgerow"]),
    ("async-snmp", &["hedgerow-snmp"]),
    ("arrow-*", &["hedgerow-web"]),
    ("axum", &["hedgerow-service", "hedgerow-web"]),
    ("clap*", &["hedgerow"]),
    ("mdns-sd", &["hedgerow-client", "hedgerow-lookup"]),
    ("notify", &["hedgerow-service", "hedgerow-farm-monitor", "hedgerow-collect"]),
    ("promql-parser", &["hedgerow-promql"]),
    ("protox", &["hedgerow-codegen"]),
    ("ratatui", &["hedgerow"]),
    ("rusqlite", &["hedgerow-cache", "hedgerow-service", "hedgerow-lookup", "hedgerow-farm-monitor"]),
    ("toml", &["hedgerow-toml-tree"]),
    ("tonic-health", &["hedgerow-service", "hedgerow-client"]),
    ("tonic-prost-build", &["hedgerow-codegen"]),
    ("tonic-reflection", &["hedgerow-service"]),
    ("utoipa*", &["hedgerow-shown", "hedgerow-web", "hedgerow-views"]),
    ("wasmtime*", &["hedgerow-filter-host"]),
];

/// Crate, and what it must stay free of whoever else has it.
const FREE_OF: &[(&str, &[&str])] = &[
    // The words: no IO, no runtime, no wire.
    ("hedgerow-model", &["tokio*", "prost*", "tonic*", "socket2", "rustix", "getrandom"]),
    ("hedgerow-cache", &["tonic*", "prost*"]),
    ("hedgerow-collect", &["tonic*", "prost*"]),
    ("hedgerow-filter-host", &["tonic*", "prost*", "tokio*", "rusqlite"]),
    ("hedgerow-snmp", &["tonic*", "prost*"]),
    ("hedgerow-promql", &["tokio*", "tonic*", "prost*"]),
    ("hedgerow-views", &["axum*", "tonic*", "clap*"]),
    ("xtask", &["tokio*", "tonic", "clap*"]),
];

/// What nobody may link. The same list as in deny.toml, which not every machine can run.
const NOT_AT_ALL: &[(&str, &str)] = &[
    ("ring", "one cryptography provider: rustls with aws-lc-rs"),
    ("openssl", "one TLS: rustls"),
    ("openssl-sys", "one TLS: rustls"),
    ("native-tls", "one TLS: rustls"),
];

/// A crate of the workspace.
pub struct Member {
    /// As in its manifest.
    pub name: String,
    /// Relative to the root.
    pub folder: String,
    /// Everything it links, with the line of its manifest that says so.
    pub uses: Vec<(String, usize)>,
}

/// The crates of the workspace as cargo sees them.
pub fn members(root: &Path) -> Result<Vec<Member>, String> {
    let mut cargo = process::cargo();
    cargo.args(["metadata", "--offline", "--no-deps", "--format-version", "1"]);
    let line = process::line(&cargo);
    let output = cargo.output().map_err(|error| format!("cannot start `{line}`: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{line}` failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let metadata = serde_json::from_slice(&output.stdout).map_err(|error| format!("`{line}`: {error}"))?;
    members_in(&metadata, root, &|manifest| fs::read_to_string(manifest).unwrap_or_default())
        .ok_or_else(|| format!("`{line}`: expected packages with name, manifest_path and dependencies"))
}

fn members_in(metadata: &Value, root: &Path, read: &dyn Fn(&Path) -> String) -> Option<Vec<Member>> {
    let member = |package: &Value| {
        let manifest = Path::new(package.get("manifest_path")?.as_str()?);
        let text = read(manifest);
        let dependencies = package.get("dependencies")?.as_array()?.iter();
        let linked =
            dependencies.filter(|dependency| dependency.get("kind").and_then(Value::as_str) != Some("dev"));
        let names = linked.filter_map(|dependency| dependency.get("name")?.as_str());
        Some(Member {
            name: package.get("name")?.as_str()?.to_owned(),
            folder: manifest.parent()?.strip_prefix(root).ok()?.to_str()?.to_owned(),
            uses: names.map(|name| (name.to_owned(), line_of(&text, name))).collect(),
        })
    };
    metadata.get("packages")?.as_array()?.iter().map(member).collect()
}

/// The line that asks for the dependency, or the first one.
fn line_of(manifest: &str, dependency: &str) -> usize {
    let asks =
        |line: &str| line.strip_prefix(dependency).is_some_and(|rest| rest.starts_with(['.', ' ', '=']));
    manifest.lines().position(asks).map_or(1, |at| at + 1)
}

/// Dependencies among our own crates that run against the direction.
pub fn direction(members: &[Member]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in members {
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == member.name) else {
            let message = format!(
                "the crate `{}` has no row in MAY_USE of xtask/src/tidy/crates.rs; expected one that says what it may use",
                member.name
            );
            findings.push(Finding::new(&member.manifest(), 1, DIRECTION, message));
            continue;
        };
        for (used, line) in &member.uses {
            let ours = members.iter().any(|other| other.name == *used);
            if ours && !allowed.contains(&used.as_str()) {
                let allowed = if allowed.is_empty() { "nothing of ours".into() } else { allowed.join(", ") };
                let message = format!("`{}` uses `{used}`, expected at most: {allowed}", member.name);
                findings.push(Finding::new(&member.manifest(), *line, DIRECTION, message));
            }
        }
    }
    findings
}

/// Dependencies that another crate owns, or that this one must stay free of.
pub fn owners(members: &[Member]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in members {
        let free_of =
            FREE_OF.iter().find(|(name, _)| *name == member.name).map_or(&[][..], |(_, free_of)| free_of);
        for (used, line) in &member.uses {
            let mut find = |message| findings.push(Finding::new(&member.manifest(), *line, OWNER, message));
            if let Some((_, owners)) = OWNED.iter().find(|(pattern, _)| matches(pattern, used))
                && !owners.contains(&member.name.as_str())
            {
                find(format!("`{}` uses `{used}`, expected only in: {}", member.name, owners.join(", ")));
            }
            if free_of.iter().any(|pattern| matches(pattern, used)) {
                find(format!("`{}` uses `{used}`, which it must stay free of", member.name));
            }
        }
    }
    findings
}

/// Whether any crate of ours links it, with whatever features, in a test or not: the lock file also names what only a
/// feature of others would link that nobody has switched on. The targets are those of deny.toml. Where cargo cannot say, it
/// is taken for linked.
pub fn is_linked(name: &str) -> bool {
    let mut cargo = process::cargo();
    cargo.args(["tree", "--offline", "--workspace", "--all-features", "--edges", "normal,build,dev"]);
    cargo.args(["--target", "x86_64-unknown-linux-gnu", "--target", "aarch64-unknown-linux-gnu"]);
    cargo.args(["--invert", name]);
    cargo.output().map_or(true, |output| !output.status.success() || !output.stdout.is_empty())
}

/// Banned crates in the lock file.
pub fn banned(lock: &Source, is_linked: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    if lock.path != "Cargo.lock" {
        return findings;
    }
    for (number, line) in (1..).zip(lock.text.lines()) {
        let Some(name) = line.strip_prefix("name = \"").and_then(|rest| rest.strip_suffix('"')) else {
            continue;
        };
        if let Some((_, reason)) = NOT_AT_ALL.iter().find(|(banned, _)| *banned == name)
            && is_linked(name)
        {
            let message = format!(
                "`{name}` is linked, expected not at all ({reason}); `cargo tree -i {name}` says by whom"
            );
            findings.push(Finding::new(&lock.path, number, BANNED, message));
        }
    }
    findings
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |family| name.starts_with(family))
}

impl Member {
    fn manifest(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }
}

#[cfg(test)]
mod tests;
