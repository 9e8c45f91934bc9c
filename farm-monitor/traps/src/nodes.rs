//! Which node an address is: so that a switch's traps stand under the name under which it is polled.

use hedgerow_model::Name;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::task::JoinSet;

/// How long the system may take to resolve one name.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many names are resolved at once.
const AT_ONCE: usize = 16;

/// Nodes by address.
pub type Nodes = HashMap<IpAddr, Name>;

/// Those that stand there as addresses; the first of each.
pub fn literal(nodes: &[(String, Name)]) -> Nodes {
    let mut known = Nodes::new();
    for (written, node) in nodes {
        if let Ok(address) = address(written) {
            known.entry(address.to_canonical()).or_insert_with(|| node.clone());
        }
    }
    known
}

/// The address that a target's text is, or the host that has to be asked for.
fn address(written: &str) -> Result<IpAddr, &str> {
    if let Ok(address) = written.parse::<IpAddr>() {
        return Ok(address);
    }
    if let Ok(address) = written.parse::<SocketAddr>() {
        return Ok(address.ip());
    }
    let host = written.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(Ok(address)) = host.map(str::parse::<IpAddr>) {
        return Ok(address);
    }
    Err(written.rsplit_once(':').map_or(written, |(host, _)| host))
}

/// Those that stand there as host names, as the system resolves them now; what it does not resolve is left out.
pub async fn resolve(nodes: Vec<(String, Name)>) -> Nodes {
    let mut known = Nodes::new();
    let mut running = JoinSet::new();
    let mut left = nodes.into_iter().filter_map(|(written, node)| {
        let host = address(&written).err()?.to_owned();
        Some((host, node))
    });
    loop {
        while running.len() < AT_ONCE
            && let Some((host, node)) = left.next()
        {
            running.spawn(async move {
                let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host, 0_u16))).await;
                let addresses: Vec<IpAddr> = match found {
                    Ok(Ok(addresses)) => addresses.map(|address| address.ip().to_canonical()).collect(),
                    _ => Vec::new(),
                };
                (addresses, node)
            });
        }
        match running.join_next().await {
            Some(Ok((addresses, node))) => {
                for address in addresses {
                    known.entry(address).or_insert_with(|| node.clone());
                }
            }
            Some(Err(_)) => {}
            None => return known,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_addresses_with_and_without_a_port_or_hosts() {
        let node = |text: &str| Name::new(text).unwrap();
        let nodes: Vec<(String, Name)> = [
            "10.0.0.7",
            "10.0.0.8:1161",
            "[2001:db8::1]:161",
            "[::ffff:10.0.0.9]",
            "sw1",
            "sw2:161",
            "10.0.0.7",
        ]
        .into_iter()
        .enumerate()
        .map(|(n, text)| (text.to_owned(), node(&n.to_string())))
        .collect();
        let known = literal(&nodes);
        let of = |address: &str| known.get(&address.parse::<IpAddr>().unwrap()).map(Name::as_str);
        assert_eq!(known.len(), 4);
        assert_eq!(
            (of("10.0.0.7"), of("10.0.0.8"), of("2001:db8::1"), of("10.0.0.9")),
            (Some("0"), Some("1"), Some("2"), Some("3"))
        );
        assert_eq!((address("sw1"), address("sw2:161")), (Err("sw1"), Err("sw2")));
    }

    #[tokio::test]
    async fn host_names_are_asked_for() {
        let node = Name::new("here").unwrap();
        let nodes = vec![("localhost".to_owned(), node.clone()), ("10.0.0.7".to_owned(), node.clone())];
        let known = resolve(nodes).await;
        assert!(known.keys().all(IpAddr::is_loopback) && !known.is_empty());
        assert!(known.values().all(|name| *name == node));
    }
}
