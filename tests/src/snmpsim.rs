//! Recorded agents: snmpsim plays a file, and can be late or refuse as the file says. Slow; a person's tool, taken as it is.

use crate::access::Access;
use crate::net_snmp::net_snmp;
use crate::patience::{PATIENCE, wait_until};
use crate::process::Process;
use crate::sandbox::Sandbox;
use std::fs;

/// The community that shows that it plays.
const READY: &str = "ready";

/// A running player of recordings; each is its own community of one agent.
#[derive(Debug)]
pub struct Snmpsim {
    process: Process,
    address: String,
}

impl Snmpsim {
    /// Plays recordings, each a community's name and lines `OID|TAG|VALUE`.
    pub fn start(sandbox: &Sandbox, recordings: &[(&'static str, &str)]) -> Self {
        let (data, cache) = (sandbox.path("snmpsim"), sandbox.path("snmpsim-cache"));
        for folder in [&data, &cache] {
            fs::create_dir_all(folder).unwrap();
        }
        let ready = (READY, "1.3.6.1.2.1.1.3.0|67|1\n");
        for (community, lines) in recordings.iter().chain([&ready]) {
            fs::write(data.join(format!("{community}.snmprec")), lines).unwrap();
        }
        let address = format!("127.0.0.1:{}", sandbox.port());
        let mut command = sandbox.program(&crate::foreign::python());
        command.args(["-m", "snmpsim.commands.responder", "--log-level=error"]);
        command.arg(format!("--data-dir={}", data.display()));
        command.arg(format!("--cache-dir={}", cache.display()));
        command.arg(format!("--agent-udpv4-endpoint={address}"));
        if rustix::process::getuid().is_root() {
            // It does not run as root unless it is told; as another it could not read the sandbox.
            command.args(["--process-user=root", "--process-group=root"]);
        }
        let process = Process::start(command, &sandbox.path("logs"), "snmpsim");
        let mut snmpsim = Self { process, address };
        let address = snmpsim.address.clone();
        let access = Access::V2c(READY).net_snmp();
        let asked = [&access[..], &["-On", "-t", "1", "-r", "0", &address, "1.3.6.1.2.1.1.3.0"]].concat();
        wait_until("an answer of snmpsim", PATIENCE, || {
            assert!(snmpsim.process.is_running(), "snmpsim ended: {}", snmpsim.process.stderr());
            net_snmp(sandbox, "snmpget", &asked).code() == 0
        });
        snmpsim
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }
}
