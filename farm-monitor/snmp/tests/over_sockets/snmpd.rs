//! A real `snmpd` with a configuration of its own.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// What a restart leaves.
pub enum Left {
    All,
    AllButBoots,
    Nothing,
}

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

    /// Ends it and starts it again at the same address, with this left of what it kept (its engine's id and boots).
    pub fn restart(&mut self, left: Left) {
        self.end();
        let state = self.folder.path().join("state");
        match left {
            Left::All => {}
            Left::Nothing => std::fs::remove_dir_all(state).unwrap(),
            Left::AllButBoots => {
                let file = state.join("snmpd.conf");
                let text = std::fs::read_to_string(&file).unwrap();
                let (lost, kept): (Vec<&str>, _) =
                    text.lines().partition(|line| line.starts_with("engineBoots"));
                assert_eq!(lost.len(), 1, "{text}");
                std::fs::write(file, kept.join("\n") + "\n").unwrap();
            }
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
    // Where distributions put it is not on everybody's PATH.
    let usual = Path::new("/usr/sbin/snmpd");
    Command::new(if usual.exists() { usual } else { Path::new("snmpd") })
        .args(["-f", "-Lf"])
        .arg(folder.join("log"))
        .arg("-c")
        .arg(folder.join("conf"))
        .arg("-p")
        .arg(folder.join("pid"))
        .args(["-I", "-smux"])
        // Nothing of this host's: beside its own configuration it reads what it kept itself.
        .env("SNMPCONFPATH", folder.join("state"))
        .env("SNMP_PERSISTENT_DIR", folder.join("state"))
        .env("MIBS", "")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("these tests need `snmpd` (net-snmp 5.9) on the PATH, or at /usr/sbin: {error}")
        })
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
