//! net-snmp's commands: what an agent says by an account that is not ours.

use crate::access::Access;
use crate::output::Finished;
use crate::patience::PATIENCE;
use crate::process::Process;
use crate::sandbox::Sandbox;
use std::collections::BTreeMap;
use std::path::Path;

/// A name in numbers, without the dot before.
pub type Oid = Vec<u32>;

/// What an agent says of an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// INTEGER.
    Integer(i64),
    /// Counter32.
    Counter32(u64),
    /// Counter64.
    Counter64(u64),
    /// Gauge32.
    Gauge(u64),
    /// TimeTicks, in hundredths of a second.
    TimeTicks(u64),
    /// OCTET STRING.
    Bytes(Vec<u8>),
    /// OBJECT IDENTIFIER.
    Oid(Oid),
    /// IpAddress.
    Address(String),
    /// net-snmp's floats in Opaque.
    Float(f64),
    /// `noSuchObject`, `noSuchInstance` or `endOfMibView`, in net-snmp's words.
    Missing(String),
}

impl Said {
    /// The number, where it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Integer(value) => Some(*value as f64),
            Self::Counter32(value) | Self::Counter64(value) | Self::Gauge(value) | Self::TimeTicks(value) => {
                Some(*value as f64)
            }
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// The text, where it is bytes.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        }
    }
}

/// Everything that was said, by name.
pub type Walk = BTreeMap<Oid, Said>;

/// What makes the output exact: names and enumerations in numbers, ticks raw, no units, every string in hex.
const EXACT: [&str; 5] = ["-On", "-Oe", "-Ot", "-OU", "-Ox"];

/// Runs one of net-snmp's commands; what it reads and writes beside its agent is in the sandbox.
pub fn net_snmp(sandbox: &Sandbox, program: &str, words: &[&str]) -> Finished {
    let mut command = sandbox.program(Path::new(program));
    command.args(words);
    at_home(sandbox, &mut command);
    let name = sandbox.unique(program);
    Process::start(command, &sandbox.path("logs"), &name).finished(PATIENCE)
}

/// No MIB files, no configuration and no state of this machine.
pub fn at_home(sandbox: &Sandbox, command: &mut std::process::Command) {
    let home = sandbox.path("home");
    command.env("MIBS", "").env("SNMP_PERSISTENT_DIR", &home).env("SNMPCONFPATH", &home);
}

/// Walks all below `root`.
pub fn walk(sandbox: &Sandbox, access: &Access, agent: &str, root: &str) -> Walk {
    let program = if matches!(access, Access::V1(_)) { "snmpwalk" } else { "snmpbulkwalk" };
    let words = [&access.net_snmp()[..], &EXACT, &[agent, root]].concat();
    let mut said = said(&net_snmp(sandbox, program, &words).ok().stdout);
    // A walk of nothing says so under the name it was asked for.
    said.retain(|_, said| !matches!(said, Said::Missing(_)));
    said
}

/// Asks for exactly these.
pub fn get(sandbox: &Sandbox, access: &Access, agent: &str, names: &[&str]) -> Walk {
    let words = [&access.net_snmp()[..], &EXACT, &[agent], names].concat();
    said(&net_snmp(sandbox, "snmpget", &words).ok().stdout)
}

/// Reads what [`EXACT`] makes them print.
pub fn said(text: &str) -> Walk {
    let mut entries: Vec<(Oid, String)> = Vec::new();
    for line in text.lines() {
        let entry = line.strip_prefix('.').and_then(|line| line.split_once(" = "));
        match (entry.and_then(|(name, value)| Some((numbers(name)?, value))), entries.last_mut()) {
            (Some((name, value)), _) => entries.push((name, value.to_owned())),
            // Long strings go on in the next line.
            (None, Some((_, value))) => *value += &format!(" {}", line.trim()),
            (None, None) => panic!("not an object: {line}"),
        }
    }
    entries.into_iter().map(|(name, value)| (name, one(value.trim()))).collect()
}

fn one(value: &str) -> Said {
    let Some((kind, rest)) = value.split_once(": ") else {
        return match value {
            "\"\"" => Said::Bytes(Vec::new()),
            _ => value.parse().map_or_else(|_| Said::Missing(value.to_owned()), Said::TimeTicks),
        };
    };
    let read = || match kind {
        "INTEGER" => rest.parse().ok().map(Said::Integer),
        "Counter32" => rest.parse().ok().map(Said::Counter32),
        "Counter64" => rest.parse().ok().map(Said::Counter64),
        "Gauge32" => rest.parse().ok().map(Said::Gauge),
        "IpAddress" => Some(Said::Address(rest.to_owned())),
        "OID" => numbers(rest.trim_start_matches('.')).map(Said::Oid),
        "Hex-STRING" | "BITS" => hex(rest).map(Said::Bytes),
        "Opaque" => rest.strip_prefix("Float: ").and_then(|float| float.parse().ok()).map(Said::Float),
        _ => None,
    };
    read().unwrap_or_else(|| panic!("not understood: {value}"))
}

/// `1.3.6` as numbers.
pub fn numbers(name: &str) -> Option<Oid> {
    name.trim_start_matches('.').split('.').map(|part| part.parse().ok()).collect()
}

fn hex(text: &str) -> Option<Vec<u8>> {
    text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_commands_print_is_read_by_type() {
        let text = ".1.3.6.1.2.1.1.1.0 = Hex-STRING: 4C 69 \n6E 75 78 \n.1.3.6.1.2.1.1.3.0 = 148\n\
                    .1.3.6.1.2.1.2.2.1.6.1 = \"\"\n.1.3.6.1.2.1.1.2.0 = OID: .1.3.6.1.4\n\
                    .1.3.6.1.4.1.2021.10.1.6.1 = Opaque: Float: 0.500000\n.1.3.6.2 = Counter64: 18446744073709551615\n\
                    .1.3.9 = No more variables left in this MIB View (It is past the end of the MIB tree)\n";
        let said = said(text);
        let at = |name| &said[&numbers(name).unwrap()];
        assert_eq!(*at("1.3.6.1.2.1.1.1.0"), Said::Bytes(b"Linux".to_vec()));
        assert_eq!(*at("1.3.6.1.2.1.1.3.0"), Said::TimeTicks(148));
        assert_eq!(*at("1.3.6.1.2.1.2.2.1.6.1"), Said::Bytes(Vec::new()));
        assert_eq!(*at("1.3.6.1.2.1.1.2.0"), Said::Oid(vec![1, 3, 6, 1, 4]));
        assert_eq!(*at("1.3.6.1.4.1.2021.10.1.6.1"), Said::Float(0.5));
        assert_eq!(*at("1.3.6.2"), Said::Counter64(u64::MAX));
        assert!(matches!(at("1.3.9"), Said::Missing(words) if words.starts_with("No more variables")));
    }
}
