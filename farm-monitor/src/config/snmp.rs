//! The options of the module `snmp`, and what single targets say otherwise.

use super::credentials::{self, Credentials};
use super::profiles::Profiles;
use super::targets::Targets;
use hedgerow_collect::snmp::address::Address;
use hedgerow_collect::spec::{ProfileChoice, SnmpAccess, SnmpSpec};
use hedgerow_model::duration;
use hedgerow_snmp::Security;
use hedgerow_snmp_profile::library::Library;
use hedgerow_snmp_profile::profile::{Detect, Profile};
use hedgerow_toml_tree::{Got, Node, Section, Wrong, count, nearest, text};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// The port of SNMP agents.
pub const DEFAULT_PORT: u16 = 161;
const TIMEOUT: Duration = Duration::from_secs(1);
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);
const ATTEMPTS: usize = 3;
const MAX_ATTEMPTS: usize = 10;
const WINDOW: usize = 4;
/// Agents drop what is more, or answer out of their turn.
const MAX_WINDOW: usize = 16;
const ROWS: usize = 20_000;
const MAX_ROWS: usize = 1_000_000;

const PROFILES: &str = "a list of profiles, as [\"system\", \"interfaces\"]";
const ADDRESS: &str = "HOST, HOST:PORT, an IP address, or [IPV6]:PORT";

/// What the options can name.
pub(super) struct Known<'a> {
    pub credentials: &'a Credentials,
    pub profiles: &'a Profiles,
}

/// What a target says for itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Own {
    port: Option<u16>,
    security: Option<Arc<Security>>,
    profiles: Option<Vec<String>>,
}

impl Own {
    /// Reads the keys of a target's table; `false`: something is wrong.
    pub fn read(section: &mut Section<'_>, known: &Known<'_>) -> (Self, bool) {
        let port = section.read("port", port);
        let profiles = known.profiles(section);
        let security = section.read("credentials", |node| known.security(node));
        let good = port != Got::Bad && profiles != Got::Bad && security != Got::Bad;
        (Self { port: port.ok(), security: security.ok(), profiles: profiles.ok() }, good)
    }

    /// Takes `key=value` of a line.
    pub fn set(&mut self, key: &str, value: &str, known: &Known<'_>) -> Result<(), Wrong> {
        match key {
            "port" => {
                let number = value.parse::<u16>().ok().filter(|port| *port > 0);
                let wrong =
                    || Wrong::new(format!("port `{value}` is no port"), "a whole number from 1 to 65535");
                self.port = Some(number.ok_or_else(wrong)?);
            }
            "credentials" => self.security = Some(known.credentials.named(value)?),
            "profiles" => {
                let names = value.split(',').map(str::to_owned);
                let names = names.map(|name| known.profile(&name).map(|()| name));
                self.profiles = Some(names.collect::<Result<_, _>>()?);
            }
            _ => {
                let likely = nearest(key, ["port", "credentials", "profiles"]);
                let expected = "port=1161, credentials=NAME or profiles=NAME,NAME";
                return Err(Wrong::new(format!("`{key}={value}` is not known"), expected)
                    .meant(likely.map(|likely| format!("`{likely}=`"))));
            }
        }
        Ok(())
    }

    fn says_something(&self) -> bool {
        self.port.is_some() || self.security.is_some() || self.profiles.is_some()
    }

    fn over(&self, default: &SnmpAccess) -> SnmpAccess {
        SnmpAccess {
            port: self.port.unwrap_or(default.port),
            security: self.security.clone().unwrap_or_else(|| default.security.clone()),
            profiles: self.profiles.clone().map_or_else(|| default.profiles.clone(), ProfileChoice::Named),
        }
    }
}

impl Known<'_> {
    fn profile(&self, name: &str) -> Result<(), Wrong> {
        let Profiles { all, whole, .. } = self.profiles;
        if all.get(name).is_some() || !whole {
            return Ok(());
        }
        let names: Vec<&str> = all.iter().map(|profile| profile.name.as_str()).collect();
        let wrong = Wrong::new(format!("no profile `{name}`"), format!("one of {}", names.join(", ")));
        Err(wrong.near(name, names))
    }

    fn profiles(&self, section: &mut Section<'_>) -> Got<Vec<String>> {
        let got = section.list("profiles", PROFILES, |node| {
            let name = text(node, "the name of a profile in quotes")?;
            self.profile(&name).map(|()| name)
        });
        if let Got::Is(names, at) = &got
            && names.is_empty()
        {
            let wrong =
                Wrong::new("is empty", "at least one; without the key the agent's own answers choose");
            section.findings.error(*at, &section.path.child("profiles"), wrong);
            return Got::Bad;
        }
        got
    }

    fn security(&self, node: &Node) -> Result<Arc<Security>, Wrong> {
        self.credentials.named(&text(node, "the name of a section [credentials.NAME], in quotes")?)
    }

    /// The profiles that these choices can come to: a change of another must not touch their collector.
    fn within_reach<'c>(&self, choices: impl Iterator<Item = &'c ProfileChoice>) -> Arc<Library> {
        let (mut named, mut detects) = (BTreeSet::new(), false);
        for choice in choices {
            match choice {
                ProfileChoice::Detect => detects = true,
                ProfileChoice::Named(names) => named.extend(names.iter().map(String::as_str)),
            }
        }
        let Profiles { all, own, .. } = self.profiles;
        let reached = |profile: &&Arc<Profile>| {
            let detected = detects && profile.detect != Detect::default();
            detected || named.contains(profile.name.as_str()) || !own.contains(&profile.name)
        };
        if all.iter().all(|profile| reached(&profile)) {
            return Arc::clone(all);
        }
        let mut library = Library::default();
        for profile in all.iter().filter(reached) {
            library.add(Profile::clone(profile));
        }
        Arc::new(library)
    }
}

/// Reads them.
pub(super) fn options(
    section: &mut Section<'_>,
    known: &Known<'_>,
    targets: Option<&Targets>,
    deadline: Duration,
) -> SnmpSpec {
    let port = section.read("port", port).or(DEFAULT_PORT);
    let profiles = known.profiles(section).ok();
    let security = section.read("credentials", |node| known.security(node)).ok();
    let timeout = timeout(section, deadline);
    let attempts = section.count("attempts", 1..=MAX_ATTEMPTS).or(ATTEMPTS);
    let window = section.count("window", 1..=MAX_WINDOW).or(WINDOW);
    let max_rows = section.count("max_rows", 1..=MAX_ROWS).or(ROWS);
    let access = SnmpAccess {
        port,
        security: security.unwrap_or_else(credentials::default),
        profiles: profiles.map_or(ProfileChoice::Detect, ProfileChoice::Named),
    };
    let own = targets.map(|targets| &targets.own);
    let own = own.into_iter().flatten().filter(|(_, own)| own.says_something());
    let targets: BTreeMap<_, _> = own.map(|(node, own)| (node.clone(), own.over(&access))).collect();
    let choices = targets.values().chain([&access]).map(|access| &access.profiles);
    let library = known.within_reach(choices);
    SnmpSpec { library, access, targets, timeout, attempts: attempts as u32, window, max_rows }
}

fn timeout(section: &mut Section<'_>, deadline: Duration) -> Duration {
    let timeout = section.duration("timeout", TIMEOUTS);
    if let Got::Is(timeout, at) = &timeout
        && *timeout > deadline
    {
        let problem = format!("{} is longer than the deadline", duration::print(*timeout));
        let expected = format!("at most {}, best a tenth of it", duration::print(deadline));
        section.findings.error(*at, &section.path.child("timeout"), Wrong::new(problem, expected));
    }
    timeout.or(TIMEOUT.min(deadline))
}

fn port(node: &Node) -> Result<u16, Wrong> {
    let port = count(node, &(1..=usize::from(u16::MAX)))?;
    Ok(u16::try_from(port).expect("invariant: within its bounds"))
}

/// Whether an agent can be there.
pub(super) fn is_address(text: &str) -> Result<(), Wrong> {
    let wrong = |_| Wrong::new(format!("`{text}` is no address of an agent"), ADDRESS);
    Address::read(text, DEFAULT_PORT).map(drop).map_err(wrong)
}
