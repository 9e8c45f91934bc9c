//! The sections that are there once: `[farm]`, `[lookup]`, `[cache]`, `[pool]`, `[series]`.

use super::{CacheSettings, ClusterBounds, FarmSettings, LookupSettings, SeriesSettings};
use hedgerow_collect::spec::PoolSpec;
use hedgerow_model::{duration, labels, lease, name};
use hedgerow_proto::convert::registration::{MAX_ENTRIES, MAX_TEXT_BYTES};
use hedgerow_toml_tree::{Got, KeyPath, Node, Place, Section, Value, Wrong, count, print_size, text};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Most bytes of description, groups and attributes together: lookups take registrations of 16 KiB.
const MAX_SAID_BYTES: usize = 12 * 1024;
/// Most lookups a farm registers with; a longer list is refused.
const MAX_LOOKUPS: usize = 32;
/// Most addresses a farm says of itself; a longer list is refused.
const MAX_ADVERTISED: usize = 8;
/// The longest wait before the first registration that can be asked for.
const MAX_START_DELAY: Duration = Duration::from_secs(600);
/// Most bytes of a DNS name.
const MAX_DOMAIN_BYTES: usize = 253;
/// Most runs at once that can be allowed: each is a process or a socket.
const MAX_RUNS: usize = 10_000;
/// Most series that can be allowed: ids are 32 bits, memory is less.
const MAX_SERIES: usize = 100_000_000;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
const CENTURY: Duration = Duration::from_secs(duration::MAX_SECONDS);

/// Checks a name that people chose.
pub(super) fn is_name(text: &str) -> Result<(), Wrong> {
    name::check(text).map_err(|error| {
        let said = error.to_string();
        let (problem, _) = said.split_once(": ").unwrap_or((&said, ""));
        let expected = format!("a name: 1 to {} bytes without control characters", name::MAX_NAME_BYTES);
        Wrong::new(problem, expected)
    })
}

fn a_name(node: &Node, expected: &str) -> Result<String, Wrong> {
    let text = text(node, expected)?;
    is_name(&text)?;
    Ok(text)
}

pub(super) fn farm(mut section: Section<'_>, host: &str) -> FarmSettings {
    let name = section.read("name", |node| a_name(node, "the farm's name in quotes")).or(host.to_owned());
    let description = section.read("description", |node| {
        let text = text(node, "text in quotes")?;
        short(text)
    });
    let groups = section.list("groups", "a list of names, as [\"alice\", \"cms\"]", |node| {
        a_name(node, "the name of a group in quotes")
    });
    let advertise = addresses(&mut section, "advertise", MAX_ADVERTISED, "addresses");
    let inner = section.inner("attributes");
    let (path, at, findings) = (inner.path.clone(), inner.at, section.findings);
    let mut attributes = BTreeMap::new();
    for (key, entry, path) in inner.free() {
        if !labels::is_key(key) {
            let expected = format!("1 to {} of A-Z a-z 0-9 _ .", labels::MAX_KEY_BYTES);
            findings.error(entry.key, &path, Wrong::new("cannot be the name of an attribute", expected));
        }
        match attribute(key, &entry.node) {
            Ok(value) => drop(attributes.insert(key.to_owned(), value)),
            Err(wrong) => findings.error(entry.node.at, &path, wrong),
        }
    }
    let (description, groups) = (description.or(String::new()), groups.or(Vec::new()));
    let attributes_bytes = attributes.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
    let bytes = description.len() + groups.iter().map(String::len).sum::<usize>() + attributes_bytes;
    let too_many = |what: &str, count: usize| {
        Wrong::new(format!("{count} {what} are too many"), format!("at most {MAX_ENTRIES}"))
    };
    if attributes.len() > MAX_ENTRIES {
        findings.error(at, &path, too_many("attributes", attributes.len()));
    }
    if groups.len() > MAX_ENTRIES {
        findings.error(section.at, &section.path.child("groups"), too_many("groups", groups.len()));
    }
    if bytes > MAX_SAID_BYTES {
        let problem = format!("description, groups and attributes have {bytes} bytes together");
        let expected = format!("at most {MAX_SAID_BYTES}: lookups keep them in memory");
        findings.error(section.at, &section.path, Wrong::new(problem, expected));
    }
    section.finish();
    FarmSettings { name, description, groups, attributes, advertise }
}

fn short(text: String) -> Result<String, Wrong> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(Wrong::new(format!("has {} bytes", text.len()), format!("at most {MAX_TEXT_BYTES}")));
    }
    Ok(text)
}

/// The value of an attribute as text. Of the known ones it is checked what can be checked.
fn attribute(key: &str, node: &Node) -> Result<String, Wrong> {
    let value = match &node.value {
        Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(flag) => flag.to_string(),
        other => return Err(Wrong::kind(other, "text in quotes, or a number")),
    };
    let degrees = |most: f64| {
        let inside = value.parse::<f64>().is_ok_and(|degrees| degrees.abs() <= most);
        let wrong = || {
            Wrong::new(
                format!("`{value}` is out of bounds"),
                format!("degrees from -{most} to {most}, as 46.23"),
            )
        };
        if inside { Ok(()) } else { Err(wrong()) }
    };
    match key {
        "lat" => degrees(90.0)?,
        "lon" => degrees(180.0)?,
        "url" if !value.starts_with("http://") && !value.starts_with("https://") => {
            return Err(Wrong::new(
                format!("`{value}` is no web address"),
                "as in https://site.example/farm",
            ));
        }
        _ => {}
    }
    short(value)
}

pub(super) fn lookup(mut section: Section<'_>) -> LookupSettings {
    let urls = addresses(&mut section, "urls", MAX_LOOKUPS, "lookups");
    let domain = section.read("domain", domain).ok();
    let mdns = section.read("mdns", |node| match &node.value {
        Value::Boolean(flag) => Ok(*flag),
        other => Err(Wrong::kind(other, "true or false")),
    });
    let start_delay = section.duration("start_delay", Duration::ZERO..=MAX_START_DELAY);
    let lease = section.duration("lease", lease::FLOOR..=lease::CEILING).or(lease::DEFAULT_ASKED);
    section.finish();
    let start_delay = start_delay.or(hedgerow_client::lease::START_DELAY);
    LookupSettings { urls, domain, mdns: mdns.or(true), start_delay, lease }
}

/// A list of addresses of services, each once.
fn addresses(section: &mut Section<'_>, key: &'static str, most: usize, what: &str) -> Vec<String> {
    let Got::Is(list, at) = section.list(key, "a list of addresses, as [\"http://127.0.0.1:7401\"]", url)
    else {
        return Vec::new();
    };
    let path = section.path.child(key);
    let mut known = BTreeSet::new();
    for url in &list {
        if !known.insert(url.trim_end_matches('/')) {
            let wrong = Wrong::new(format!("`{url}` is given twice"), "each address once");
            section.findings.error(at, &path, wrong);
        }
    }
    if list.len() > most {
        let wrong = Wrong::new(format!("{} {what} are too many", list.len()), format!("at most {most}"));
        section.findings.error(at, &path, wrong);
    }
    list
}

fn domain(node: &Node) -> Result<String, Wrong> {
    let expected = "a DNS domain, as \"site.example\"";
    let text = text(node, expected)?;
    let bare = text.strip_suffix('.').unwrap_or(&text);
    let is_label = |label: &str| {
        let of_names = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (1..=63).contains(&label.len()) && label.chars().all(of_names)
    };
    if bare.len() <= MAX_DOMAIN_BYTES && bare.split('.').all(is_label) {
        return Ok(bare.to_owned());
    }
    Err(Wrong::new(format!("`{text}` is not the name of a domain"), expected))
}

/// `http://HOST:PORT`; the client's own parser has the last word.
fn url(node: &Node) -> Result<String, Wrong> {
    let expected = "http://HOST:PORT, as http://127.0.0.1:7401";
    let url = text(node, expected)?;
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let Some(rest) = rest else {
        let wrong = Wrong::new(format!("`{url}` is not the address of a service"), expected);
        let likely = Some(format!("`http://{url}`")).filter(|_| !url.contains("://") && url.contains(':'));
        return Err(wrong.meant(likely));
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
    let plain =
        !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']) && !host.contains(char::is_control);
    if !plain || !port.parse::<u16>().is_ok_and(|port| port > 0) {
        return Err(Wrong::new(format!("`{url}` is not the address of a service"), expected));
    }
    Ok(url)
}

pub(super) fn cache(mut section: Section<'_>) -> CacheSettings {
    const LEAST_BYTES: u64 = 16 << 20;
    let max_age = section.duration("max_age", MINUTE..=CENTURY);
    let max_bytes = section.size("max_bytes", LEAST_BYTES..=u64::MAX);
    let commit = section.duration("commit", Duration::from_millis(10)..=MINUTE).or(Duration::from_secs(1));
    let (most_age, most_bytes) = (max_age.judged(31 * DAY), max_bytes.ok());
    let mut clusters = BTreeMap::new();
    for (name, mut inner) in section.named("cluster") {
        let age = inner.duration("max_age", MINUTE..=CENTURY);
        let bytes = inner.size("max_bytes", 1..=u64::MAX);
        within(&inner, "max_age", &age, most_age, duration::print);
        within(&inner, "max_bytes", &bytes, most_bytes, print_size);
        if let Got::Is(_, at) = age {
            let expected = "`max_bytes`: the age is bounded for the whole cache only";
            let wrong = Wrong::new("is understood but not applied by this version", expected);
            inner.findings.warn(at, &inner.path.child("max_age"), wrong);
        }
        if age == Got::Absent && bytes == Got::Absent {
            inner.missing("max_bytes", "`max_bytes` or `max_age`, or no such section");
        }
        if let Err(wrong) = is_name(name) {
            inner.findings.error(inner.at, &inner.path, wrong);
        }
        clusters.insert(name.to_owned(), ClusterBounds { max_age: age.ok(), max_bytes: bytes.ok() });
        inner.finish();
    }
    section.finish();
    CacheSettings { max_age: max_age.or(31 * DAY), max_bytes: max_bytes.ok(), commit, clusters }
}

/// Says where a cluster's bound is wider than that of the whole cache.
fn within<T: PartialOrd + Copy>(
    inner: &Section<'_>,
    key: &str,
    found: &Got<T>,
    most: Option<T>,
    print: impl Fn(T) -> String,
) {
    if let (Got::Is(value, at), Some(most)) = (found, most)
        && *value > most
    {
        let wrong = Wrong::new(
            "is more than the whole cache keeps",
            format!("at most cache.{key}, which is {}", print(most)),
        );
        inner.findings.error(*at, &inner.path.child(key), wrong);
    }
}

pub(super) fn pool(mut section: Section<'_>, modules: &[&str]) -> PoolSpec {
    let default = PoolSpec::default();
    let findings = section.findings;
    let global = section.count("global", 1..=MAX_RUNS);
    let per_target = section.count("per_target", 1..=MAX_RUNS);
    let most = global.judged(default.global);
    let check = |path: &KeyPath, at: Place, value: usize| {
        if let Some(most) = most.filter(|most| value > *most) {
            let problem = format!("{value} is more than the whole pool");
            findings.error(at, path, Wrong::new(problem, format!("at most pool.global, which is {most}")));
        }
    };
    if let Got::Is(value, at) = per_target {
        check(&section.path.child("per_target"), at, value);
    }
    let mut per_module = default.per_module;
    for (key, entry, path) in section.inner("module").free() {
        if !modules.contains(&key) {
            let wrong = Wrong::new("no such module", format!("one of {}", modules.join(", ")));
            findings.error(entry.key, &path, wrong.near(key, modules.iter().copied()));
            continue;
        }
        match count(&entry.node, &(1..=MAX_RUNS)) {
            Ok(value) => {
                check(&path, entry.node.at, value);
                per_module.insert(key.to_owned(), value);
            }
            Err(wrong) => findings.error(entry.node.at, &path, wrong),
        }
    }
    section.finish();
    PoolSpec { global: global.or(default.global), per_module, per_target: per_target.or(default.per_target) }
}

pub(super) fn series(mut section: Section<'_>) -> SeriesSettings {
    let (per_origin, per_farm) = (200_000, 1_000_000);
    let origin = section.count("per_origin", 1..=MAX_SERIES);
    let farm = section.count("per_farm", 1..=MAX_SERIES);
    if let (Got::Is(origin, at), Some(farm)) = (&origin, farm.judged(per_farm))
        && *origin > farm
    {
        let wrong = Wrong::new(
            format!("{origin} is more than the whole farm may have"),
            format!("at most series.per_farm, which is {farm}"),
        );
        section.findings.error(*at, &section.path.child("per_origin"), wrong);
    }
    let lifetime = section.duration("lifetime", MINUTE..=CENTURY).or(DAY);
    section.finish();
    let farm = farm.or(per_farm);
    SeriesSettings { per_origin: origin.or(per_origin).min(farm), per_farm: farm, lifetime }
}
