//! `[collector.NAME]`: what all collectors have, and the options of the module `host`.

use super::RESERVED_CLUSTER;
use super::settings::is_name;
use super::snmp::{self, Known};
use super::{script, targets};
use hedgerow_collect::spec::{CollectorSpec, HostSpec, ModuleSpec, Target};
use hedgerow_model::duration;
use hedgerow_model::glob::Glob;
use hedgerow_toml_tree::{Findings, Got, KeyPath, Node, Place, Section, Table, Wrong, text};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The modules there are.
pub(super) const MODULES: [&str; 3] = [HOST, SCRIPT, SNMP];
const HOST: &str = "host";
const SCRIPT: &str = "script";
const SNMP: &str = "snmp";

/// Keys of `[credentials.NAME]` that people write into the collector.
const OF_CREDENTIALS: [&str; 5] = ["version", "community", "user", "auth", "auth_password"];

/// The shortest period.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(366 * 86_400);
/// A series' life time has at least so many periods: it is stale after as many.
const LEAST_LIFE: u32 = hedgerow_model::life::STALE_AFTER_INTERVALS;

/// How often a collector of this module asks when nothing is said.
fn default_period(module: Option<&str>) -> Duration {
    Duration::from_secs(if module == Some(HOST) { 10 } else { 60 })
}

/// Reads all collectors. A cluster belongs to one of them.
pub(super) fn collectors(
    sections: Vec<(&str, Section<'_>)>,
    host: &str,
    known: &Known<'_>,
) -> Vec<CollectorSpec> {
    let mut collectors = Vec::with_capacity(sections.len());
    let mut writers: BTreeMap<String, (String, Place)> = BTreeMap::new();
    for (name, section) in sections {
        let (findings, path, at) = (section.findings, section.path.clone(), section.at);
        let Some((spec, cluster)) = collector(name, section, host, known) else { continue };
        if let Some((other, place)) = writers.get(&spec.cluster) {
            let problem =
                format!("writes the cluster `{}`, as collector `{other}` does already", spec.cluster);
            let wrong = Wrong::new(problem, "a cluster of its own: a cluster belongs to one collector")
                .note(format!("collector `{other}`: {}", findings.place(*place)));
            findings.error(cluster.unwrap_or(at), &path, wrong);
        } else {
            writers.insert(spec.cluster.clone(), (spec.name.clone(), cluster.unwrap_or(at)));
        }
        collectors.push(spec);
    }
    collectors
}

/// Reads one; with the place where its cluster is named. `None` where so much is wrong that nothing can be said of it.
fn collector(
    name: &str,
    mut section: Section<'_>,
    host: &str,
    known: &Known<'_>,
) -> Option<(CollectorSpec, Option<Place>)> {
    let findings = section.findings;
    if let Err(wrong) = is_name(name) {
        findings.error(section.at, &section.path, wrong);
    }
    let module = section.read("module", module);
    let module_name = module.ok();
    let cluster = section.read("cluster", |node| cluster(&text(node, "the name of a cluster in quotes")?));
    if cluster == Got::Absent
        && name == RESERVED_CLUSTER
        && let Err(wrong) = self::cluster(name)
    {
        findings.error(
            section.at,
            &section.path,
            wrong.note("the cluster is the collector's name where `cluster` is not set"),
        );
    }
    let default = default_period(module_name);
    let period = section.duration("period", SHORTEST..=LONGEST);
    let deadline = section.duration("deadline", Duration::from_millis(10)..=LONGEST);
    let lifetime = section.duration("lifetime", SHORTEST..=LONGEST);
    let why = if period == Got::Absent { " by default" } else { "" };
    if let Some(period) = period.judged(default) {
        check_times(&section, period, why, &deadline, &lifetime);
    }
    let of_snmp = (module_name == Some(SNMP)).then_some(known);
    let targets = targets::targets(&mut section, host, of_snmp);
    if module == Got::Absent {
        section.missing("module", &format!("module = {}", one_of(&MODULES)));
    }
    let period = period.or(default);
    let deadline = deadline.or(period * 4 / 5);
    let options = match module_name? {
        HOST => ModuleSpec::Host(host_options(&mut section)),
        SNMP => ModuleSpec::Snmp(snmp::options(&mut section, known, targets.as_ref(), deadline)),
        _ => ModuleSpec::Script(script::options(&mut section)),
    };
    let targets = targets.map(|targets| targets.list).unwrap_or_default();
    check_targets(&section, &options, &targets);
    let own = options.name();
    section.finish_with(|key| of_another_module(own, key, known));
    let (at, cluster) = match cluster {
        Got::Is(cluster, at) => (Some(at), cluster),
        Got::Absent => (None, name.to_owned()),
        Got::Bad => return None,
    };
    let spec = CollectorSpec {
        name: name.to_owned(),
        cluster,
        period,
        deadline,
        targets,
        lifetime: lifetime.ok(),
        module: options,
    };
    Some((spec, at))
}

fn module(node: &Node) -> Result<&'static str, Wrong> {
    let expected = one_of(&MODULES);
    let module = text(node, &expected)?;
    let known = MODULES.into_iter().find(|known| *known == module);
    known.ok_or_else(|| Wrong::new(format!("no module `{module}`"), expected).near(&module, MODULES))
}

/// `"a", "b" or "c"`.
pub(super) fn one_of(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

pub(super) fn cluster(name: &str) -> Result<String, Wrong> {
    is_name(name)?;
    if name == RESERVED_CLUSTER {
        let problem = format!("the cluster `{RESERVED_CLUSTER}` is the farm's own: there it measures itself");
        return Err(Wrong::new(problem, "another name"));
    }
    Ok(name.to_owned())
}

fn check_times(
    section: &Section<'_>,
    period: Duration,
    why: &str,
    deadline: &Got<Duration>,
    lifetime: &Got<Duration>,
) {
    let shown = duration::print(period);
    if let Got::Is(deadline, at) = deadline
        && *deadline > period
    {
        let problem = format!("{} is longer than the period", duration::print(*deadline));
        let expected = format!("at most {shown}, the period{why}");
        section.findings.error(*at, &section.path.child("deadline"), Wrong::new(problem, expected));
    }
    if let Got::Is(lifetime, at) = lifetime
        && *lifetime < period * LEAST_LIFE
    {
        let problem =
            format!("{} is so short that series would end between two runs", duration::print(*lifetime));
        let least = duration::print(period * LEAST_LIFE);
        let expected = format!("at least {least}, {LEAST_LIFE} times the period{why}");
        section.findings.error(*at, &section.path.child("lifetime"), Wrong::new(problem, expected));
    }
}

fn host_options(section: &mut Section<'_>) -> HostSpec {
    let default = HostSpec::default();
    let globs = |section: &mut Section<'_>, key| {
        let expected = "a list of patterns, as [\"/mnt/*\", \"tmp?\"]";
        let list = section.list(key, expected, |node| {
            let pattern = text(node, "a pattern in quotes")?;
            if pattern.is_empty() {
                return Err(Wrong::new("is empty", "a pattern, as \"/mnt/*\""));
            }
            Glob::new(&pattern).map_err(|error| {
                Wrong::new(format!("`{pattern}`, at byte {}: {}", error.at, error.what), error.expected)
            })?;
            Ok(pattern)
        });
        list.or(Vec::new())
    };
    HostSpec {
        root: section.read("root", folder).or(default.root),
        skip_mounts: globs(section, "skip_mounts"),
        skip_interfaces: globs(section, "skip_interfaces"),
        skip_disks: globs(section, "skip_disks"),
        mount_deadline: section
            .duration("mount_deadline", Duration::from_millis(10)..=LONGEST)
            .or(default.mount_deadline),
    }
}

/// An absolute path.
pub(super) fn folder(node: &Node) -> Result<PathBuf, Wrong> {
    let expected = "an absolute path, as \"/opt/site\"";
    let text = text(node, expected)?;
    let path = PathBuf::from(&text);
    if path.is_absolute() && !text.contains('\0') {
        Ok(path)
    } else {
        Err(Wrong::new(format!("`{text}` is not an absolute path"), expected))
    }
}

/// What only the module can say of its targets.
fn check_targets(section: &Section<'_>, options: &ModuleSpec, targets: &[Target]) {
    let refuse = |wrong| section.findings.error(section.at, &section.path, wrong);
    match options {
        ModuleSpec::Host(_) if targets.len() > 1 => {
            let problem = format!("{} targets, but the module `host` asks this machine only", targets.len());
            refuse(
                Wrong::new(problem, "no `targets`, or one: the node's name")
                    .note("a farm on each host asks that host"),
            );
        }
        ModuleSpec::Host(_) | ModuleSpec::Snmp(_) => {}
        ModuleSpec::Script(_) => {
            let names = targets.iter().flat_map(|target| [&target.address, &target.node]);
            if let Some(name) = names.into_iter().find(|name| name.starts_with('-')) {
                let problem = format!("the target `{name}` begins with `-`");
                refuse(Wrong::new(problem, "names and addresses that no program takes for an option"));
            }
        }
    }
    if let Some(target) = targets.iter().find(|target| target.labels.contains_key("item")) {
        let problem = format!("target `{}` has the label `item`", target.node);
        refuse(Wrong::new(problem, "another key: `item` names the rows of a device"));
    }
}

/// Says where a key belongs that is unknown here but not elsewhere.
fn of_another_module(own: &str, key: &str, known: &Known<'_>) -> Option<String> {
    if own == SNMP && OF_CREDENTIALS.contains(&key) {
        return Some(format!("`{key}` stands in a section [credentials.NAME]; here `credentials` names it"));
    }
    let other = MODULES
        .into_iter()
        .filter(|module| *module != own)
        .find(|module| options_of(module, known).contains(&key))?;
    Some(format!("`{key}` is an option of the module `{other}`, this collector is of module `{own}`"))
}

fn options_of(module: &str, known: &Known<'_>) -> Vec<&'static str> {
    let (table, findings) = (Table::new(), Findings::default());
    let mut section = Section::new(&table, Place::default(), KeyPath::default(), &findings);
    match module {
        HOST => drop(host_options(&mut section)),
        SNMP => drop(snmp::options(&mut section, known, None, Duration::MAX)),
        _ => drop(script::options(&mut section)),
    }
    section.asked().to_vec()
}
