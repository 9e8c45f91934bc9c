//! As whom an agent is asked: the same in the words of net-snmp's commands, of `snmpd.conf`, and of `farm.toml`.

use crate::sandbox::Sandbox;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// Version and credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// SNMPv1.
    V1(&'static str),
    /// SNMPv2c.
    V2c(&'static str),
    /// SNMPv3.
    V3(User),
}

/// A user of SNMPv3; protocols in net-snmp's words, each with its password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: &'static str,
    /// How messages are signed.
    pub auth: Option<(&'static str, &'static str)>,
    /// How they are encrypted.
    pub privacy: Option<(&'static str, &'static str)>,
}

const AUTH: &str = "what-signs-1";
const PRIVACY: &str = "what-hides-1";

const fn user(name: &'static str, auth: &'static str, privacy: &'static str) -> User {
    User { name, auth: Some((auth, AUTH)), privacy: Some((privacy, PRIVACY)) }
}

/// The users that every [`crate::Snmpd`] knows.
pub const USERS: [User; 6] = [
    User { name: "plain", auth: None, privacy: None },
    User { name: "signed", auth: Some(("SHA", AUTH)), privacy: None },
    user("md5-des", "MD5", "DES"),
    user("sha-aes", "SHA", "AES"),
    user("sha256-aes", "SHA-256", "AES"),
    user("sha512-aes256", "SHA-512", "AES-256"),
];

impl User {
    /// The lines of `snmpd.conf` that make it, and let it read.
    pub fn snmpd_conf(&self) -> String {
        let mut line = format!("createUser {}", self.name);
        for (protocol, password) in [self.auth, self.privacy].into_iter().flatten() {
            write!(line, " {protocol} {password}").unwrap();
        }
        let level = match (self.auth, self.privacy) {
            (None, _) => "noauth",
            (Some(_), None) => "auth",
            (Some(_), Some(_)) => "priv",
        };
        format!("{line}\nrouser {} {level}\n", self.name)
    }
}

impl Access {
    /// All ways in: both communities, and each of [`USERS`].
    pub fn all() -> Vec<Self> {
        [Self::V1("public"), Self::V2c("public")].into_iter().chain(USERS.map(Self::V3)).collect()
    }

    /// For names of files and nodes.
    pub fn name(&self) -> &'static str {
        match self {
            Self::V1(_) => "v1",
            Self::V2c(_) => "v2c",
            Self::V3(user) => user.name,
        }
    }

    /// The options of net-snmp's commands.
    pub fn net_snmp(&self) -> Vec<&'static str> {
        match self {
            Self::V1(community) => vec!["-v1", "-c", community],
            Self::V2c(community) => vec!["-v2c", "-c", community],
            Self::V3(user) => {
                let mut words = vec!["-v3", "-u", user.name, "-l"];
                words.push(match (user.auth, user.privacy) {
                    (None, _) => "noAuthNoPriv",
                    (Some(_), None) => "authNoPriv",
                    (Some(_), Some(_)) => "authPriv",
                });
                if let Some((protocol, password)) = user.auth {
                    words.extend(["-a", protocol, "-A", password]);
                }
                if let Some((protocol, password)) = user.privacy {
                    words.extend(["-x", protocol, "-X", password]);
                }
                words
            }
        }
    }

    /// The section `[credentials.NAME]` of a `farm.toml`. Passwords go to files of the sandbox, as they must.
    pub fn credentials(&self, sandbox: &Sandbox) -> String {
        let name = self.name();
        let mut text = format!("[credentials.{name}]\n");
        match self {
            Self::V1(community) => writeln!(text, "version = \"1\"\ncommunity = \"{community}\"").unwrap(),
            Self::V2c(community) => writeln!(text, "version = \"2c\"\ncommunity = \"{community}\"").unwrap(),
            Self::V3(user) => {
                writeln!(text, "version = \"3\"\nuser = \"{}\"", user.name).unwrap();
                let parts = [("auth", user.auth), ("privacy", user.privacy)];
                for (part, (protocol, password)) in parts.into_iter().filter_map(|(p, o)| Some((p, o?))) {
                    let file = sandbox.path(&format!("{name}.{part}"));
                    fs::write(&file, format!("{password}\n")).unwrap();
                    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
                    let file = file.display();
                    writeln!(text, "{part} = \"{protocol}\"\n{part}_password = {{ file = \"{file}\" }}")
                        .unwrap();
                }
            }
        }
        text
    }
}
