//! `setup`: what the other commands need and this machine lacks. Quick when nothing is missing.
//!
//! Debian packages are installed only by root on Debian; anyone else is told the exact command. Everything that need
//! not be system-wide goes to `.tools`. Never removes or upgrades what somebody else installed.

mod debian;
mod nextest;
mod venv;

pub use nextest::program as nextest;
pub use venv::python;

use crate::{Outcome, process};

/// What the machine is prepared for. Each purpose includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Building and running the release.
    Up,
    /// Running every test.
    Test,
}

/// Something from the distribution.
struct Need {
    what: &'static str,
    purpose: Purpose,
    present: fn() -> bool,
    packages: &'static [&'static str],
    /// What the packages start on a real machine: stopped again, because tests start their own.
    services: &'static [&'static str],
}

const NEEDS: &[Need] = &[
    Need {
        what: "a C compiler (SQLite is built from its sources)",
        purpose: Purpose::Up,
        present: || process::find("cc").is_some(),
        packages: &["gcc", "libc6-dev"],
        services: &[],
    },
    Need {
        what: "python3 with venv, pip and dbm (a foreign client, checks of the golden vectors, recorded SNMP agents)",
        purpose: Purpose::Test,
        present: || venv::is_ready() || venv::interpreter().is_some(),
        packages: &["python3", "python3-venv", "python3-gdbm"],
        services: &[],
    },
    Need {
        what: "prometheus-node-exporter (the host module is compared with it)",
        purpose: Purpose::Test,
        present: || process::find("prometheus-node-exporter").is_some(),
        packages: &["prometheus-node-exporter"],
        services: &["prometheus-node-exporter"],
    },
    Need {
        what: "Nagios plugins (the script module runs real ones)",
        purpose: Purpose::Test,
        present: || process::find("/usr/lib/nagios/plugins/check_load").is_some(),
        packages: &["monitoring-plugins-basic"],
        services: &[],
    },
    Need {
        what: "snmpd (SNMP is tested against a real agent)",
        purpose: Purpose::Test,
        present: || finds("snmpd"),
        packages: &["snmpd"],
        services: &["snmpd"],
    },
    Need {
        what: "net-snmp's commands (values are compared with snmpget's, traps and informs are sent; no MIB files needed)",
        purpose: Purpose::Test,
        present: || process::find("snmpbulkwalk").is_some(),
        packages: &["snmp"],
        services: &[],
    },
    Need {
        what: "prometheus-snmp-exporter (a configuration of it is imported, and the values are compared)",
        purpose: Purpose::Test,
        present: || process::find("prometheus-snmp-exporter").is_some(),
        packages: &["prometheus-snmp-exporter"],
        services: &["prometheus-snmp-exporter"],
    },
    Need {
        what: "ip and nft (networks are cut between namespaces)",
        purpose: Purpose::Test,
        present: || finds("ip") && finds("nft"),
        packages: &["iproute2", "nftables"],
        services: &[],
    },
    Need {
        what: "avahi-daemon, avahi-browse and dbus-daemon (lookups are found on the local network by strangers, and find theirs)",
        purpose: Purpose::Test,
        present: || finds("avahi-daemon") && finds("avahi-browse") && finds("dbus-daemon"),
        packages: &["avahi-daemon", "avahi-utils", "dbus-daemon"],
        services: &["avahi-daemon"],
    },
    Need {
        what: "faketime (the time of day jumps in a running lookup)",
        purpose: Purpose::Test,
        present: || process::find("faketime").is_some(),
        packages: &["faketime"],
        services: &[],
    },
    Need {
        what: "prometheus with promtool (it finds a mesh by a lookup, and scrapes every role)",
        purpose: Purpose::Test,
        present: || process::find("prometheus").is_some() && process::find("promtool").is_some(),
        packages: &["prometheus"],
        services: &["prometheus"],
    },
    Need {
        what: "chromium (the page is tested in a browser)",
        purpose: Purpose::Test,
        present: || process::find("chromium").is_some(),
        packages: &["chromium"],
        services: &[],
    },
];

/// Whether there is such a program, also where only root looks.
fn finds(program: &str) -> bool {
    process::find(program).or_else(|| process::find(&format!("/usr/sbin/{program}"))).is_some()
}

/// `setup [--for up|test]`.
pub fn run(args: &[String]) -> Outcome {
    ensure(purpose(args)?)
}

/// Installs packages of the distribution, or says what somebody has to run.
pub fn install(packages: &[&str]) -> Outcome {
    debian::install(packages, &[])
}

/// Installs what is missing for the purpose, or says what somebody has to install.
pub fn ensure(purpose: Purpose) -> Outcome {
    let missing = || NEEDS.iter().filter(move |need| need.purpose <= purpose && !(need.present)());
    let packages: Vec<&str> = missing().flat_map(|need| need.packages).copied().collect();
    let services: Vec<&str> = missing().flat_map(|need| need.services).copied().collect();
    if !packages.is_empty() {
        for need in missing() {
            eprintln!("missing: {}", need.what);
        }
        debian::install(&packages, &services)?;
    }
    if let Some(need) = missing().next() {
        return Err(format!("{} is still missing after installing {}", need.what, need.packages.join(" ")));
    }
    if purpose >= Purpose::Test {
        venv::ensure()?;
        nextest::ensure()?;
    }
    Ok(())
}

fn purpose(args: &[String]) -> Result<Purpose, String> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | ["--for", "test"] => Ok(Purpose::Test),
        ["--for", "up"] => Ok(Purpose::Up),
        other => Err(format!("expected nothing, `--for up` or `--for test`, found `{}`", other.join(" "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_is_read_or_refused_with_what_was_expected() {
        let read = |line: &str| purpose(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(read(""), Ok(Purpose::Test));
        assert_eq!(read("--for up"), Ok(Purpose::Up));
        assert_eq!(read("--for test"), Ok(Purpose::Test));
        assert!(read("--for tea").unwrap_err().contains("`--for up` or `--for test`, found `--for tea`"));
        assert!(Purpose::Up < Purpose::Test, "tests need what `up` needs");
    }
}
