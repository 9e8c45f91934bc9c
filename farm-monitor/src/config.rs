//! What the farm's owner wrote: `farm.toml` and `conf.d/*.toml` beside it, read as one, checked as a whole; and the
//! site's own SNMP profiles, `profiles/*.toml`.
//!
//! All of it is used or none: every mistake is told with its file, line, key and what was expected ([`Refused`]).
//! Nothing here applies a configuration; [`watch::ConfigWatch`] says when there is a new one.

mod action;
mod collector;
pub mod credentials;
mod door;
mod filters;
mod profiles;
mod read;
mod script;
mod secret;
mod settings;
mod snmp;
mod targets;
pub mod template;
mod view;
pub mod watch;

pub use action::{ActionSettings, Argument};
pub use filters::FilterSettings;
pub use hedgerow_toml_tree::{Complaint, MAX_TOLD, Refused, Spot, nearest};
pub use read::{MAX_CONF_FILES, MAX_FILE_BYTES, load};
pub use secret::MAX_SECRET_BYTES;
pub use snmp::DEFAULT_PORT;
pub use view::{Member, View};
pub use watch::ConfigWatch;

use hedgerow_collect::spec::{CollectorSpec, PoolSpec};
use hedgerow_snmp::Security;
use hedgerow_snmp_profile::Library;
use hedgerow_traps::TrapSettings;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The cluster in which a farm measures itself; no collector may write it.
pub const RESERVED_CLUSTER: &str = "hedgerow";

/// A whole configuration, checked.
#[derive(Clone, PartialEq)]
pub struct FarmConfig {
    /// `[farm]`
    pub farm: FarmSettings,
    /// `[lookup]`
    pub lookup: LookupSettings,
    /// `[cache]`
    pub cache: CacheSettings,
    /// `[pool]`
    pub pool: PoolSpec,
    /// `[series]`
    pub series: SeriesSettings,
    /// `[view.NAME]`, by name.
    pub views: Vec<View>,
    /// `[credentials.NAME]`, by name.
    pub credentials: BTreeMap<String, Arc<Security>>,
    /// All SNMP profiles: those shipped, and the site's own.
    pub profiles: Arc<Library>,
    /// The names of the site's own.
    pub own_profiles: BTreeSet<String>,
    /// `[collector.NAME]`, by name, with their targets.
    pub collectors: Vec<CollectorSpec>,
    /// `[door.traps]`
    pub traps: TrapSettings,
    /// `[filters]`
    pub filters: FilterSettings,
    /// `[action.NAME]`, by name.
    pub actions: Vec<ActionSettings>,
    /// Every file that was read, or looked for: the configuration's own, targets, secrets.
    pub files: BTreeSet<PathBuf>,
    /// What looks wrong but may be right.
    pub warnings: Vec<Complaint>,
}

/// What the farm says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FarmSettings {
    /// The first part of all its paths; default: the host's name.
    pub name: String,
    /// For people.
    pub description: String,
    /// The groups it belongs to, as written.
    pub groups: Vec<String>,
    /// Known ones are lat, lon, city, country, tz, contact, url; any other may be added.
    pub attributes: BTreeMap<String, String>,
    /// Where it says it is reached; empty: where it listens.
    pub advertise: Vec<String>,
}

/// Where the farm registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupSettings {
    /// Lookups it registers with, each once, as written.
    pub urls: Vec<String>,
    /// The DNS domain that names more of them.
    pub domain: Option<String>,
    /// Whether those that announce themselves on the local network are followed, where the farm listens off loopback.
    pub mdns: bool,
    /// The longest wait before the first registration soon after a boot.
    pub start_delay: Duration,
    /// The lease it asks for.
    pub lease: Duration,
}

/// How much history is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheSettings {
    /// Older samples go.
    pub max_age: Duration,
    /// What is more goes, oldest first; `None`: 10 GiB or a tenth of the disk, the lesser.
    pub max_bytes: Option<u64>,
    /// How long samples wait for the commit they share.
    pub commit: Duration,
    /// Tighter bounds of single clusters.
    pub clusters: BTreeMap<String, ClusterBounds>,
}

/// Bounds of one cluster's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClusterBounds {
    /// Its older samples go.
    pub max_age: Option<Duration>,
    /// What is more goes, oldest first.
    pub max_bytes: Option<u64>,
}

/// How many series there may be, and how long a silent one lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesSettings {
    /// Most series of one origin; more are refused as `series_limit`.
    pub per_origin: usize,
    /// Most series of the farm; more are refused as `series_limit`.
    pub per_farm: usize,
    /// After how long without a sample a series has ended, where its collector says nothing else.
    pub lifetime: Duration,
}

impl FarmConfig {
    /// Whether both ask for the same, wherever it is written and whatever was warned of.
    pub fn same_effect(&self, other: &Self) -> bool {
        let Self {
            farm,
            lookup,
            cache,
            pool,
            series,
            views,
            credentials,
            profiles,
            collectors,
            traps,
            filters,
            actions,
            ..
        } = self;
        *farm == other.farm
            && *lookup == other.lookup
            && *cache == other.cache
            && *pool == other.pool
            && *series == other.series
            && *views == other.views
            && *credentials == other.credentials
            && *profiles == other.profiles
            && *collectors == other.collectors
            && *traps == other.traps
            && *filters == other.filters
            && *actions == other.actions
    }
}

/// Names the collectors only: their environment may hold secrets.
impl fmt::Debug for FarmConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let collectors: Vec<_> = self.collectors.iter().map(|collector| &collector.name).collect();
        f.debug_struct("FarmConfig")
            .field("farm", &self.farm)
            .field("lookup", &self.lookup)
            .field("cache", &self.cache)
            .field("pool", &self.pool)
            .field("series", &self.series)
            .field("views", &self.views)
            .field("collectors", &collectors)
            .finish_non_exhaustive()
    }
}

/// Every key that is understood, as `collector.NAME.period`: `NAME` stands for what people choose, `[]` for the items of a list.
pub fn known_keys() -> BTreeSet<String> {
    read::known_keys()
}
