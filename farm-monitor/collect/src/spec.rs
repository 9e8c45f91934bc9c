//! What is configured of collection, read and checked: plain data, comparable, so that a reload can tell what changed.

use hedgerow_snmp::Security;
use hedgerow_snmp_profile::library::Library;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Most runs at once of all collectors, unless configured: those that wait for an answer from the network cost little, and
/// hundreds of devices that are switched off at once must not stand in the way of the others.
pub const GLOBAL_RUNS: usize = 4096;
/// Most runs at once of each module whose runs cost a process or a thread, unless configured.
pub const LOCAL_RUNS: usize = 64;

/// The bounds of the worker pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolSpec {
    /// Most runs at once, of all collectors.
    pub global: usize,
    /// Most runs at once per module, where bounded more tightly.
    pub per_module: BTreeMap<String, usize>,
    /// Most runs at once per target address.
    pub per_target: usize,
}

impl Default for PoolSpec {
    fn default() -> Self {
        let per_module = ["host", "script"].map(|module| (module.to_owned(), LOCAL_RUNS));
        Self { global: GLOBAL_RUNS, per_module: per_module.into(), per_target: 2 }
    }
}

/// One configured collector: `[collector.NAME]`.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectorSpec {
    /// Its name, unique in the farm.
    pub name: String,
    /// The cluster it writes; default: its name.
    pub cluster: String,
    /// How often; ticks stand on a grid of this period.
    pub period: Duration,
    /// How long a run may take; at most the period, default 80 % of it.
    pub deadline: Duration,
    /// What it asks; never empty once `targets_from` is resolved, unless the file is empty.
    pub targets: Vec<Target>,
    /// How long after their last sample its series have ended.
    pub lifetime: Option<Duration>,
    /// The module and what only it understands.
    pub module: ModuleSpec,
}

/// What one collector asks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// The node its series belong to.
    pub node: String,
    /// Where it is: a host name or address; for `host` and local scripts the node's own name.
    pub address: String,
    /// Labels all its series get (from a `file_sd` file).
    pub labels: BTreeMap<String, String>,
}

/// The module of a collector, with its options.
#[derive(Debug, Clone, PartialEq)]
pub enum ModuleSpec {
    /// This host.
    Host(HostSpec),
    /// A program that prints measurements.
    Script(ScriptSpec),
    /// SNMP agents.
    Snmp(SnmpSpec),
}

impl ModuleSpec {
    /// The same without what it says of single targets: those change for themselves.
    pub fn but_for_targets(&self) -> Self {
        match self {
            Self::Snmp(spec) => Self::Snmp(SnmpSpec { targets: BTreeMap::new(), ..spec.clone() }),
            Self::Host(_) | Self::Script(_) => self.clone(),
        }
    }

    /// Whether both ask this node in the same way, where they are the same but for targets.
    pub fn asks_alike(&self, other: &Self, node: &str) -> bool {
        match (self, other) {
            (Self::Snmp(one), Self::Snmp(other)) => one.access_of(node) == other.access_of(node),
            _ => true,
        }
    }

    /// The word of `module =`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Host(_) => "host",
            Self::Script(_) => "script",
            Self::Snmp(_) => "snmp",
        }
    }
}

/// Options of the module `host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSpec {
    /// Where `/proc`, `/sys` and the mounts are found, for containers and tests; default `/`.
    pub root: PathBuf,
    /// Mount points left out (globs); kernel file systems are left out anyway.
    pub skip_mounts: Vec<String>,
    /// Interfaces left out (globs).
    pub skip_interfaces: Vec<String>,
    /// Block devices left out (globs).
    pub skip_disks: Vec<String>,
    /// How long one mount may take to answer before it is given up.
    pub mount_deadline: Duration,
}

impl Default for HostSpec {
    fn default() -> Self {
        Self {
            root: PathBuf::from("/"),
            skip_mounts: Vec::new(),
            skip_interfaces: Vec::new(),
            skip_disks: Vec::new(),
            mount_deadline: Duration::from_secs(2),
        }
    }
}

/// Options of the module `script`. Printed without its environment, which may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct ScriptSpec {
    /// The program and its arguments; no shell. `{address}` and `{node}` in an argument stand for the target's.
    pub command: Vec<String>,
    /// How its output is read.
    pub format: ScriptFormat,
    /// Environment it gets beside a minimal one (PATH, LANG, HOME, TZ).
    pub environment: BTreeMap<String, String>,
    /// Where it runs; default `/`.
    pub directory: PathBuf,
    /// Most bytes of output that are read; what is longer is cut, and said.
    pub max_output: u64,
    /// Most memory (address space) of each of its processes; `None`: not limited.
    pub max_memory: Option<u64>,
}

/// How the output of a script is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScriptFormat {
    /// A Nagios plugin: exit status and performance data.
    Nagios,
    /// JSON, as the reference describes.
    Json,
    /// `name value` or `name=value`, a line each.
    KeyValue,
    /// InfluxDB line protocol.
    Influx,
}

impl std::fmt::Debug for ScriptSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScriptSpec")
            .field("command", &self.command)
            .field("format", &self.format)
            .field("environment", &self.environment.keys())
            .finish_non_exhaustive()
    }
}

/// Options of the module `snmp`.
#[derive(Debug, Clone, PartialEq)]
pub struct SnmpSpec {
    /// How targets are asked that say nothing else.
    pub access: SnmpAccess,
    /// Those that do, by node.
    pub targets: BTreeMap<String, SnmpAccess>,
    /// The profiles there are.
    pub library: Arc<Library>,
    /// How long the first answer is waited for, until round trips are known.
    pub timeout: Duration,
    /// How often a request is sent at least where no answer comes.
    pub attempts: u32,
    /// Requests in flight to one target.
    pub window: usize,
    /// Most rows of a table.
    pub max_rows: usize,
}

impl SnmpSpec {
    /// How the target of this node is asked.
    pub fn access_of(&self, node: &str) -> &SnmpAccess {
        self.targets.get(node).unwrap_or(&self.access)
    }
}

/// How an agent is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct SnmpAccess {
    /// Its UDP port, where the address names none.
    pub port: u16,
    /// Version and credentials.
    pub security: Arc<Security>,
    /// What is asked.
    pub profiles: ProfileChoice,
}

/// Which profiles are asked of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProfileChoice {
    /// Those that the agent's sysObjectID and its answers call for.
    Detect,
    /// These.
    Named(Vec<String>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use hedgerow_snmp::Secret;

    fn access(community: &str) -> SnmpAccess {
        let security = Arc::new(Security::V2c { community: Secret::new(community) });
        SnmpAccess { port: 161, security, profiles: ProfileChoice::Detect }
    }

    fn snmp(targets: &[(&str, &str)]) -> ModuleSpec {
        ModuleSpec::Snmp(SnmpSpec {
            access: access("public"),
            targets: targets.iter().map(|(node, word)| ((*node).to_owned(), access(word))).collect(),
            library: Arc::default(),
            timeout: Duration::from_secs(1),
            attempts: 3,
            window: 4,
            max_rows: 1000,
        })
    }

    #[test]
    fn what_one_target_says_for_itself_is_a_change_of_that_target_only() {
        let (before, after) =
            (snmp(&[("a", "core")]), snmp(&[("a", "core"), ("b", "edge"), ("c", "public")]));
        assert_eq!(before.but_for_targets(), after.but_for_targets());
        let changed: Vec<_> =
            ["a", "b", "c"].into_iter().filter(|node| !before.asks_alike(&after, node)).collect();
        assert_eq!(changed, ["b"], "c says what the collector says");
        assert!(!format!("{after:?}").contains("edge"), "no secret is printed");
    }
}
