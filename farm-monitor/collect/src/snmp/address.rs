//! Where an agent is: an address as it is written in the configuration becomes a socket address.
//!
//! A name is looked up now and then, not in every run, so that a farm of thousands of names does not live on its name
//! server; and an agent that stays silent may have moved, so its name is looked up again at once.

use crate::module::CollectError;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::time::Instant;

/// How long what a name server said is believed. Where it says nothing then, the last address stays.
const KEPT: Duration = Duration::from_secs(300);

/// An agent's address, and what is known of it.
#[derive(Debug)]
pub struct Address {
    host: Host,
    port: u16,
    found: Option<Found>,
}

#[derive(Debug, PartialEq, Eq)]
enum Host {
    Literal(IpAddr),
    Name(String),
}

#[derive(Debug)]
struct Found {
    addresses: Vec<SocketAddr>,
    /// Which of them is asked.
    at: usize,
    since: Instant,
    /// It was silent: the name is looked up again.
    doubted: bool,
}

impl Address {
    /// Reads `host`, `host:port`, `[v6]:port`, and literals of both families; `port` where none is written.
    ///
    /// # Errors
    /// It is none of these, in words.
    pub fn read(text: &str, port: u16) -> Result<Self, String> {
        let wrong =
            || format!("address `{text}`: expected a host name or an address, with `:port` or without");
        let (host, port) = if let Ok(literal) = text.parse::<IpAddr>() {
            (Host::Literal(literal), port)
        } else if let Ok(both) = text.parse::<SocketAddr>() {
            (Host::Literal(both.ip()), both.port())
        } else if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            (Host::Literal(inner.parse().map_err(|_| wrong())?), port)
        } else {
            let (name, port) = match text.split_once(':') {
                Some((name, digits)) => (name, digits.parse().map_err(|_| wrong())?),
                None => (text, port),
            };
            let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"[]/".contains(c);
            if name.is_empty() || !name.chars().all(plain) {
                return Err(wrong());
            }
            (Host::Name(name.to_owned()), port)
        };
        if port == 0 {
            return Err(format!("address `{text}`: port 0 is none"));
        }
        Ok(Self { host, port, found: None })
    }

    /// Where the agent is now.
    ///
    /// # Errors
    /// Its name says no address, and never did.
    pub async fn resolve(&mut self, until: Instant) -> Result<SocketAddr, CollectError> {
        let name = match &self.host {
            Host::Literal(literal) => return Ok(SocketAddr::new(*literal, self.port)),
            Host::Name(name) => name,
        };
        if self.found.as_ref().is_none_or(|found| found.doubted || found.since.elapsed() >= KEPT) {
            let looked = tokio::time::timeout_at(until, tokio::net::lookup_host((name.as_str(), self.port)));
            let since = Instant::now();
            match looked.await {
                Ok(Ok(addresses)) => {
                    self.found = Some(Found::new(addresses.collect(), since, self.found.as_ref()));
                }
                // A name server that is down must not silence agents that are not.
                Ok(Err(_)) | Err(_) if self.found.is_some() => {}
                Ok(Err(error)) => {
                    return Err(CollectError::Unreachable(format!("name `{name}`: {error}")));
                }
                Err(_) => {
                    return Err(CollectError::Unreachable(format!(
                        "name `{name}`: the name server does not answer in time"
                    )));
                }
            }
        }
        let address = self.found.as_ref().and_then(|found| found.addresses.get(found.at).copied());
        address.ok_or_else(|| CollectError::Unreachable(format!("name `{name}`: has no address")))
    }

    /// The agent stayed silent: its name is looked up again, and the next of its addresses is tried.
    pub fn silent(&mut self) {
        if let Some(found) = &mut self.found {
            found.at = (found.at + 1) % found.addresses.len().max(1);
            found.doubted = true;
        }
    }
}

impl Found {
    /// The one of `addresses` that was asked before stays, while the name still says it.
    fn new(addresses: Vec<SocketAddr>, since: Instant, before: Option<&Self>) -> Self {
        let asked = before.and_then(|found| found.addresses.get(found.at));
        let at = asked.and_then(|asked| addresses.iter().position(|address| address == asked)).unwrap_or(0);
        Self { addresses, at, since, doubted: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, u16)> {
        let address = Address::read(text, 161).ok()?;
        let host = match address.host {
            Host::Literal(literal) => literal.to_string(),
            Host::Name(name) => format!("name {name}"),
        };
        Some((host, address.port))
    }

    #[test]
    fn addresses_are_read_in_all_their_forms() {
        for (text, host, port) in [
            ("sw1", "name sw1", 161),
            ("sw1.example.org:1161", "name sw1.example.org", 1161),
            ("10.0.0.1", "10.0.0.1", 161),
            ("10.0.0.1:1161", "10.0.0.1", 1161),
            ("2001:db8::1", "2001:db8::1", 161),
            ("[2001:db8::1]", "2001:db8::1", 161),
            ("[2001:db8::1]:1161", "2001:db8::1", 1161),
        ] {
            assert_eq!(read(text), Some((host.to_owned(), port)), "{text}");
        }
        for text in ["", "sw1:", "sw1:99999", "sw1:0", ":161", "a b", "[sw1]:161", "a:b:c", "udp://x"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn a_name_is_kept_and_looked_up_again_after_silence() {
        let mut address = Address::read("localhost:1161", 161).unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        let first = address.resolve(until).await.unwrap();
        assert!(first.ip().is_loopback() && first.port() == 1161);
        let since = address.found.as_ref().unwrap().since;
        address.resolve(until).await.unwrap();
        assert_eq!(address.found.as_ref().unwrap().since, since, "not looked up again");
        address.silent();
        address.resolve(until).await.unwrap();
        assert!(address.found.as_ref().unwrap().since > since);
    }

    #[tokio::test]
    async fn a_name_that_is_none_is_said() {
        let mut address = Address::read("no-such-host.invalid", 161).unwrap();
        let error = address.resolve(Instant::now() + Duration::from_secs(20)).await.unwrap_err();
        assert_eq!(error.word(), "unreachable");
        assert!(error.to_string().contains("`no-such-host.invalid`"), "{error}");
    }
}
