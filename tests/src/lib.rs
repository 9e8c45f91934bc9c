//! End-to-end tests: a [`Sandbox`] that starts real binaries on free ports in a temporary folder, a client by strangers
//! ([`Foreign`]), agents by strangers ([`Snmpd`], [`Snmpsim`]), farms that only register ([`SimFarms`]), and a network that can
//! be cut ([`Net`]). Each file under `tests/` is named for the promise it shows.
//!
//! It sees what a user sees: command lines, output, files, ports. It must never look into a process of ours, never leave one
//! behind, and never wait for time to pass where it can wait for something to happen.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what goes wrong here is a test that failed, and says so"
)]
#![allow(clippy::print_stderr, reason = "the logs of a failed test go where the test runner looks")]

mod access;
mod binary;
mod browser;
mod foreign;
mod http;
mod net;
mod net_snmp;
mod observer;
mod output;
mod patience;
mod ports;
mod process;
mod processes;
mod prometheus;
mod pty;
mod raw_watch;
mod reactor;
mod sandbox;
mod sim_farms;
mod snmp_collector;
mod snmpd;
mod snmpsim;
mod tutorial;
mod witness;

pub use access::{Access, USERS, User};
pub use binary::{binary, root};
pub use browser::{Answer, Browser, Socket};
pub use foreign::{Foreign, ForeignRun, python};
pub use http::{http_get, percent_encoded};
pub use net::{Loss, Net, Node};
pub use net_snmp::{Oid, Said, Walk, get, net_snmp, numbers, said, walk};
pub use observer::{Noted, Observer};
pub use output::{Finished, json_lines};
pub use patience::{PATIENCE, Stopwatch, monotonic_seconds, pause, wait_for, wait_until};
pub use process::Process;
pub use processes::{ProcessId, Snapshot};
pub use prometheus::Prometheus;
pub use pty::Pty;
pub use raw_watch::{Heard, RawWatch, held_of, id_of, shows};
pub use reactor::Reactor;
pub use sandbox::Sandbox;
pub use sim_farms::SimFarms;
pub use snmp_collector::SnmpCollector;
pub use snmpd::Snmpd;
pub use snmpsim::Snmpsim;
pub use tutorial::{Block, Expected, blocks, matches};
pub use witness::Witness;
