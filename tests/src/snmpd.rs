//! A real agent: net-snmp's `snmpd`, with its configuration, its state and its log in the sandbox.

use crate::access::{Access, USERS};
use crate::net_snmp::{at_home, net_snmp};
use crate::patience::{PATIENCE, wait_until};
use crate::process::Process;
use crate::sandbox::Sandbox;
use std::fs;
use std::path::{Path, PathBuf};

/// A running agent of this host.
#[derive(Debug)]
pub struct Snmpd {
    /// The process.
    pub process: Process,
    address: String,
}

impl Snmpd {
    /// One that knows the community `public` and [`USERS`], on a port of the sandbox; `more` is added to its configuration.
    pub fn start(sandbox: &Sandbox, name: &str, more: &str) -> Self {
        Self::start_at(sandbox, name, &format!("127.0.0.1:{}", sandbox.port()), more)
    }

    /// The same, there: where one was before.
    pub fn start_at(sandbox: &Sandbox, name: &str, address: &str, more: &str) -> Self {
        let folder = sandbox.path(name);
        fs::create_dir_all(&folder).unwrap();
        let users: String = USERS.iter().map(crate::access::User::snmpd_conf).collect();
        let text = format!(
            "agentAddress udp:{address}\nrocommunity public\n{users}\ndontLogTCPWrappersConnects yes\n\
             sysName sw-{name}\nsysLocation rack 7\nsysContact noc@example.org\n\
             includeAllDisks 5%\nload 12 14 14\nswap 16000\n{more}\n"
        );
        let conf = folder.join("snmpd.conf");
        fs::write(&conf, text).unwrap();
        let mut command = sandbox.program(&program());
        at_home(sandbox, &mut command);
        // Keys of users and its engine's id are kept there.
        command.env("SNMP_PERSISTENT_DIR", &folder);
        command.args(["-f", "-C", "-I", "-smux", "-Le", "-c"]).arg(&conf).arg("-p").arg(folder.join("pid"));
        let process = Process::start(command, &sandbox.path("logs"), &sandbox.unique(name));
        let mut snmpd = Self { process, address: address.to_owned() };
        let asked =
            [&Access::V2c("public").net_snmp()[..], &["-On", "-t", "1", address, "1.3.6.1.2.1.1.3.0"]];
        let asked = asked.concat();
        wait_until("an answer of snmpd", PATIENCE, || {
            assert!(snmpd.process.is_running(), "snmpd ended: {}", snmpd.process.stderr());
            net_snmp(sandbox, "snmpget", &asked).code() == 0
        });
        snmpd
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

/// Debian keeps it where only root looks.
fn program() -> PathBuf {
    let known = ["/usr/sbin/snmpd", "/usr/local/sbin/snmpd", "/usr/bin/snmpd"].map(Path::new);
    let found = known.into_iter().find(|path| path.is_file());
    found.expect("snmpd is not there; `cargo xtask setup --for test` installs it").to_owned()
}
