//! `[door.traps]`: where traps and informs come in, from whom, and under which cluster they stand.

use super::collector::cluster;
use super::credentials::Credentials;
use hedgerow_collect::spec::{CollectorSpec, ModuleSpec};
use hedgerow_model::Name;
use hedgerow_snmp::Security;
use hedgerow_snmp_profile::Library;
use hedgerow_toml_tree::{Got, Node, Place, Section, Value, Wrong, text};
use hedgerow_traps::{Network, TrapSettings};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Its cluster where `cluster` is not set.
const CLUSTER: &str = "traps";
/// Most addresses to listen on: each is a socket with a buffer of megabytes.
const MAX_LISTEN: usize = 16;
/// Most a second that can be allowed to one source, and at once.
const MAX_RATE: usize = 1_000_000;

const ADDRESS: &str = "ADDRESS:PORT in quotes, as \"0.0.0.0:162\", \"[::]:162\" or \"127.0.0.1:1162\"";

/// Reads `[door.traps]`. Without `listen` the door is shut.
pub(super) fn traps(
    mut section: Section<'_>,
    credentials: &Credentials,
    collectors: &[CollectorSpec],
    library: &Arc<Library>,
) -> TrapSettings {
    let listen = listen(&mut section);
    let allow = networks(&mut section, "allow");
    let relays = networks(&mut section, "relays");
    let named = section.read("cluster", |node| cluster(&text(node, "the name of a cluster in quotes")?));
    let let_in = let_in(&mut section, credentials);
    let rate = section.count("rate", 1..=MAX_RATE).or(50);
    let burst = section.count("burst", 1..=MAX_RATE).or(200);
    let duplicates = section.duration("duplicates", Duration::from_millis(1)..=Duration::from_secs(3600));
    let lifetime = section.duration("lifetime", Duration::from_secs(60)..=Duration::from_secs(3660 * 86_400));

    let open = listen.clone().ok().is_some_and(|addresses| !addresses.is_empty());
    let near = listen.clone().ok().is_some_and(|list| list.iter().all(|address| address.ip().is_loopback()));
    if open && allow == Got::Absent && !near {
        section.missing("allow", "the networks that may send, as allow = [\"10.0.0.0/8\"]");
    }
    if open && let_in == Got::Absent {
        section.missing("credentials", "who is let in, as credentials = [\"NAME\"] with [credentials.NAME]");
    }
    let at = match &named {
        Got::Is(_, at) => *at,
        _ => section.at,
    };
    let cluster = named.or(CLUSTER.to_owned());
    if let Some(other) = collectors.iter().find(|collector| open && collector.cluster == cluster) {
        let problem = format!("writes the cluster `{cluster}`, as collector `{}` does already", other.name);
        let wrong = Wrong::new(problem, "a cluster of its own: a cluster belongs to one source");
        section.findings.error(at, &section.path, wrong);
    }
    section.finish();
    let default = if near { Network::loopback().to_vec() } else { Vec::new() };
    let bounded = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    TrapSettings {
        listen: listen.or(Vec::new()),
        allow: allow.or(default),
        relays: relays.or(Vec::new()),
        cluster: Name::new(&cluster).expect("invariant: checked when it was read"),
        credentials: let_in.or(Vec::new()),
        rate: bounded(rate),
        burst: bounded(burst),
        duplicates: duplicates.or(Duration::from_secs(10)),
        lifetime: lifetime.ok(),
        library: Arc::clone(library),
        nodes: if open { nodes(collectors) } else { Vec::new() },
    }
}

/// One address, or several.
fn listen(section: &mut Section<'_>) -> Got<Vec<SocketAddr>> {
    let one = section.entry("listen").is_some_and(|entry| matches!(entry.node.value, Value::Text(_)));
    let got = if one {
        section.read("listen", |node| Ok(vec![socket_address(node)?]))
    } else {
        section.list("listen", ADDRESS, socket_address)
    };
    let Got::Is(addresses, at) = &got else { return got };
    let refuse = |wrong| section.findings.error(*at, &section.path.child("listen"), wrong);
    if addresses.len() > MAX_LISTEN {
        refuse(Wrong::new(format!("{} addresses", addresses.len()), format!("at most {MAX_LISTEN}")));
    }
    let twice =
        addresses.iter().enumerate().find(|(n, address)| addresses.iter().take(*n).any(|a| a == *address));
    if let Some((_, address)) = twice {
        refuse(Wrong::new(format!("`{address}` is given twice"), "each address once"));
    }
    got
}

fn socket_address(node: &Node) -> Result<SocketAddr, Wrong> {
    let text = text(node, ADDRESS)?;
    text.parse().map_err(|_| {
        let wrong = Wrong::new(format!("`{text}` is not an address with a port"), ADDRESS);
        let likely =
            text.parse().ok().map(|ip: std::net::IpAddr| format!("\"{}\"", SocketAddr::new(ip, 162)));
        wrong.meant(likely)
    })
}

fn networks(section: &mut Section<'_>, key: &'static str) -> Got<Vec<Network>> {
    section.list(key, "a list of networks, as [\"10.0.0.0/8\", \"192.0.2.7\"]", |node| {
        let text = text(node, "a network in quotes, as \"10.0.0.0/8\"")?;
        text.parse().map_err(|error: hedgerow_traps::network::NetworkError| Wrong::said(&error.to_string()))
    })
}

/// The credentials of the names, no user in two ways.
fn let_in(section: &mut Section<'_>, credentials: &Credentials) -> Got<Vec<Arc<Security>>> {
    let got = section.list("credentials", "a list of names of [credentials.NAME], as [\"site\"]", |node| {
        credentials.named(&text(node, "the name of a [credentials.NAME] in quotes")?)
    });
    let Got::Is(list, at) = &got else { return got };
    let refuse = |at: Place, wrong| section.findings.error(at, &section.path.child("credentials"), wrong);
    if list.is_empty() {
        refuse(*at, Wrong::new("is empty", "at least one name: who is let in"));
    }
    let mut users = BTreeMap::new();
    for security in list {
        if let Security::V3(user) = &**security {
            let keys = (&user.auth, &user.privacy);
            if *users.entry(&user.name).or_insert(keys) != keys {
                let problem = format!("the user `{}` is in two of them, with different settings", user.name);
                refuse(*at, Wrong::new(problem, "each user in one way: it could not be told which is meant"));
            }
        }
    }
    got
}

/// Under which names devices are polled.
fn nodes(collectors: &[CollectorSpec]) -> Vec<(String, Name)> {
    let polled = collectors.iter().filter(|collector| matches!(collector.module, ModuleSpec::Snmp(_)));
    let targets = polled.flat_map(|collector| &collector.targets);
    targets.filter_map(|target| Some((target.address.clone(), Name::new(&target.node).ok()?))).collect()
}
