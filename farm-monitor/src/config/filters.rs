//! `[filters]`: the farm's last word on what others deploy here: who, how much, and what is shown to nobody.

use hedgerow_model::deployment::Capability;
use hedgerow_model::document::Owner;
use hedgerow_model::{Glob, duration};
use hedgerow_toml_tree::{Got, Node, Section, Value, Wrong, text};
use std::collections::BTreeSet;
use std::time::Duration;

/// Most deployments that can be allowed: each has an instance of its own.
const MAX_DEPLOYMENTS: usize = 10_000;
/// Most owners, and most hidden clusters; a longer list is refused.
const MAX_LISTED: usize = 1000;
/// Least memory that can be allowed: with less none of the shipped filters would run.
const MIN_MEMORY: u64 = 2 << 20;
/// Most memory that can be allowed: what a 32-bit guest can have.
const MAX_MEMORY: u64 = 4 << 30;
/// Most bytes of state that can be allowed.
const MAX_STATE: u64 = 256 << 20;
/// Most samples, series and lines that can be allowed.
const MAX_COUNT: usize = 1 << 30;
/// The word for every owner.
const ANY: &str = "any";

/// What filters may do here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterSettings {
    /// Whether the farm runs filters at all.
    pub enabled: bool,
    /// Whose; `None`: anybody's whom the lookups let publish.
    pub owners: Option<BTreeSet<Owner>>,
    /// What may be granted; a deployment that asks for more is refused.
    pub grant: BTreeSet<Capability>,
    /// Clusters whose series no filter is shown.
    pub hidden: Vec<Glob>,
    /// Most deployments; one more is refused.
    pub deployments: usize,
    /// Most look-back; who asks for more is refused.
    pub look_back: Duration,
    /// Linear memory and tables of one deployment, in bytes. Past it: it is stopped.
    pub memory: u64,
    /// Processor time of one call. Past it: it is stopped.
    pub call_time: Duration,
    /// Samples that one call may emit. Past it: it is stopped.
    pub emit_call: u64,
    /// Samples that a deployment may emit in an hour of the farm's time. What one call emits past it is left out, and counted.
    pub emit_hour: u64,
    /// Series that a deployment may make. Past it: `declare` says no.
    pub output_series: u32,
    /// What `save` may give, in bytes. Past it: it is stopped.
    pub state: u64,
    /// Lines of log that a deployment may leave in a minute, and at once. Past it they are counted.
    pub log_rate: u32,
}

impl Default for FilterSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            owners: None,
            grant: [Capability::Alarms, Capability::History].into(),
            hidden: Vec::new(),
            deployments: 100,
            look_back: Duration::from_secs(7 * 86_400),
            memory: 64 << 20,
            call_time: Duration::from_millis(200),
            emit_call: 100_000,
            emit_hour: 10_000_000,
            output_series: 10_000,
            state: 16 << 20,
            log_rate: 100,
        }
    }
}

impl FilterSettings {
    /// Whether no filter is shown this cluster.
    pub fn hides(&self, cluster: &str) -> bool {
        self.hidden.iter().any(|hidden| hidden.matches(cluster))
    }
}

/// Reads `[filters]`.
pub(super) fn filters(mut section: Section<'_>) -> FilterSettings {
    let default = FilterSettings::default();
    let enabled = section.read("enabled", |node| match &node.value {
        Value::Boolean(flag) => Ok(*flag),
        other => Err(Wrong::kind(other, "true or false")),
    });
    let owners = section.one_or_more("owners", owner);
    bounded(&section, "owners", &owners);
    let grant = section.list("grant", "a list of words, as [\"alarms\", \"history\"]", capability);
    let hidden = section.list("hidden", "a list of patterns for clusters, as [\"secret*\"]", |node| {
        let text = text(node, "a pattern for clusters in quotes")?;
        Glob::new(&text).map_err(|error| Wrong::said(&error.to_string()))
    });
    bounded(&section, "hidden", &hidden);
    let (second, century) = (Duration::from_secs(1), Duration::from_secs(duration::MAX_SECONDS));
    let settings = FilterSettings {
        enabled: enabled.or(default.enabled),
        // Where one of them is everybody, the others say nothing.
        owners: owners.ok().and_then(|owners| owners.into_iter().collect()),
        grant: grant.ok().map_or(default.grant, |list| list.into_iter().collect()),
        hidden: hidden.or(default.hidden),
        deployments: section.count("deployments", 0..=MAX_DEPLOYMENTS).or(default.deployments),
        look_back: section.duration("look_back", Duration::ZERO..=century).or(default.look_back),
        memory: section.size("memory", MIN_MEMORY..=MAX_MEMORY).or(default.memory),
        call_time: section
            .duration("call_time", Duration::from_millis(1)..=60 * second)
            .or(default.call_time),
        emit_call: count(&mut section, "emit_call").unwrap_or(default.emit_call),
        emit_hour: count(&mut section, "emit_hour").unwrap_or(default.emit_hour),
        output_series: narrow(count(&mut section, "output_series"), default.output_series),
        state: section.size("state", 0..=MAX_STATE).or(default.state),
        log_rate: narrow(count(&mut section, "log_rate"), default.log_rate),
    };
    section.finish();
    settings
}

fn count(section: &mut Section<'_>, key: &'static str) -> Option<u64> {
    section.count(key, 1..=MAX_COUNT).ok().map(|count| count as u64)
}

fn narrow(count: Option<u64>, default: u32) -> u32 {
    count.and_then(|count| u32::try_from(count).ok()).unwrap_or(default)
}

fn bounded<T>(section: &Section<'_>, key: &str, list: &Got<Vec<T>>) {
    if let Got::Is(list, at) = list
        && list.len() > MAX_LISTED
    {
        let wrong = Wrong::new(format!("{} are too many", list.len()), format!("at most {MAX_LISTED}"));
        section.findings.error(*at, &section.path.child(key), wrong);
    }
}

/// `None`: anybody.
fn owner(node: &Node) -> Result<Option<Owner>, Wrong> {
    let expected = "\"any\", or public keys of 64 hex digits, as `hedgerow filter deploy` prints them";
    let text = text(node, expected)?;
    if text == ANY {
        return Ok(None);
    }
    Owner::parse(&text).map(Some).ok_or_else(|| Wrong::new(format!("`{text}` is no public key"), expected))
}

fn capability(node: &Node) -> Result<Capability, Wrong> {
    let words = Capability::ALL.map(Capability::as_str);
    let expected = format!("one of {}", words.join(", "));
    let text = text(node, &expected)?;
    Capability::parse(&text)
        .ok_or_else(|| Wrong::new(format!("`{text}` is no capability"), expected).near(&text, words))
}
