//! A real `snmpd` with a configuration of its own.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// One that runs until it is dropped.
pub struct Snmpd {
    child: Child,
    pub folder: TempDir,
    pub address: SocketAddr,
}

impl Snmpd {
    /// With these lines beside its address; waits until it listens.
    pub fn start(lines: &str) -> Self {
        let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
        std::fs::write(folder.path().join("conf"), format!("agentAddress udp:{address}\n{lines}\n")).unwrap();
        let child = spawn(folder.path());
        let mut started = Self { child, folder, address };
        started.wait_until_it_listens();
        started
    }

    /// Ends it and starts it again at the same address: with what it kept (its engine's id and boots), or, `afresh`,
    /// with nothing.
    pub fn restart(&mut self, afresh: bool) {
        self.end();
        if afresh {
            std::fs::remove_dir_all(self.folder.path().join("state")).unwrap();
        }
        self.child = spawn(self.folder.path());
        self.wait_until_it_listens();
    }

    fn wait_until_it_listens(&mut self) {
        let probe = UdpSocket::bind("127.0.0.1:0").unwrap();
        probe.set_read_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
        // Anything of v3 without an engine id is answered with a report, whoever sends it.
        let discovery = async_snmp::message::V3Message::discovery_request(
            1,
            async_snmp::MessageSize::new(65_507).unwrap(),
        )
        .unwrap()
        .encode()
        .unwrap();
        for _ in 0..1_200 {
            let _ = probe.send_to(&discovery, self.address);
            if probe.recv(&mut [0; 2_000]).is_ok() {
                return;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("snmpd ended with {status}: {}", self.log());
            }
        }
        panic!("snmpd does not answer: {}", self.log());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn end(&mut self) {
        // With a signal that it can handle: it writes its state as it goes.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

fn spawn(folder: &Path) -> Child {
    Command::new("snmpd")
        .args(["-f", "-C", "-Lf"])
        .arg(folder.join("log"))
        .arg("-c")
        .arg(folder.join("conf"))
        .arg("-p")
        .arg(folder.join("pid"))
        .args(["-I", "-smux"])
        .env("SNMP_PERSISTENT_DIR", folder.join("state"))
        .env("MIBS", "")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("these tests need `snmpd` (net-snmp 5.9) on the PATH: {error}"))
}

impl Drop for Snmpd {
    fn drop(&mut self) {
        self.end();
    }
}

/// An address where nobody listens now.
pub fn free_address() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
