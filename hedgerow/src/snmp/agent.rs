//! Which agent is asked, and as whom: from the command line, or from a farm's configuration, so that nobody types secrets.

use crate::client::duration;
use crate::hosting;
use crate::near;
use crate::outcome::CommandError;
use crate::output::say;
use hedgerow_collect::spec::{CollectorSpec, ModuleSpec, SnmpSpec, Target};
use hedgerow_farm_monitor::config::credentials::parts::{
    AUTH, Misfit, PRIVACY, Parts, VERSIONS, community, protocol,
};
use hedgerow_farm_monitor::config::{self, DEFAULT_PORT, FarmConfig};
use hedgerow_snmp::{AuthProtocol, Patience, PrivacyProtocol, Secret, Security};
use hedgerow_snmp_profile::Library;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Longest file of a secret that is read.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// How it is spoken to.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Credentials")]
pub struct AgentOptions {
    /// Version of the protocol: 1, 2c or 3 [default: 3 with --user, else 2c]
    #[arg(long, value_name = "VERSION", value_parser = VERSIONS)]
    version: Option<String>,
    /// Community, for versions 1 and 2c [default: public]
    #[arg(long, value_name = "TEXT", conflicts_with = "community_file")]
    community: Option<String>,
    /// A file that holds the community
    #[arg(long, value_name = "FILE")]
    community_file: Option<PathBuf>,
    /// User, for version 3
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// How messages are signed: MD5, SHA-1, SHA-224, SHA-256, SHA-384 or SHA-512
    #[arg(long, value_name = "PROTOCOL", value_parser = auth)]
    auth: Option<AuthProtocol>,
    /// A file that holds the password for it, for its owner's eyes only
    #[arg(long, value_name = "FILE")]
    auth_password_file: Option<PathBuf>,
    /// How messages are encrypted: DES, AES-128, AES-192 or AES-256
    #[arg(long, value_name = "PROTOCOL", value_parser = privacy)]
    privacy: Option<PrivacyProtocol>,
    /// A file that holds the password for it, for its owner's eyes only
    #[arg(long, value_name = "FILE")]
    privacy_password_file: Option<PathBuf>,
    /// The context that is asked for, with version 3
    #[arg(long, value_name = "TEXT")]
    context: Option<String>,
    /// A farm's configuration, which knows credentials, targets and profiles: a farm.toml, or the folder it is in
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The section [credentials.NAME] of that configuration
    #[arg(long, value_name = "NAME", requires = "config", conflicts_with_all = PARTS)]
    credentials: Option<String>,
    /// A target of that configuration, by its node, instead of ADDRESS: asked as the farm asks it
    #[arg(long, value_name = "NODE", requires = "config", conflicts_with = "credentials", conflicts_with_all = PARTS)]
    pub target: Option<String>,
    /// How long the first answer is waited for [default: 1s]
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = "Patience")]
    timeout: Option<Duration>,
    /// How often a request is sent at least where no answer comes [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10), help_heading = "Patience")]
    attempts: Option<u32>,
}

/// Options that say by whom an agent is asked, part by part.
const PARTS: [&str; 9] = [
    "version",
    "community",
    "community_file",
    "user",
    "auth",
    "auth_password_file",
    "privacy",
    "privacy_password_file",
    "context",
];

fn auth(text: &str) -> Result<AuthProtocol, String> {
    protocol(text, &AUTH).map_err(expected)
}

fn privacy(text: &str) -> Result<PrivacyProtocol, String> {
    protocol(text, &PRIVACY).map_err(expected)
}

fn expected((expected, likely): (String, Option<&'static str>)) -> String {
    let likely = likely.map(|likely| format!("; did you mean {likely}?")).unwrap_or_default();
    format!("expected {}{likely}", expected.replace('"', ""))
}

/// Whom to ask.
#[derive(Debug)]
pub struct Asked {
    /// As the user named it.
    pub name: String,
    /// A host name or an address, mostly with a port.
    pub address: String,
    /// Where the address names no port.
    pub port: u16,
    /// As whom.
    pub security: Arc<Security>,
    /// How long it is waited for.
    pub patience: Patience,
    /// Whose names are known.
    pub library: Arc<Library>,
}

impl AgentOptions {
    /// Whom to ask; `address` is none where a target is named.
    ///
    /// # Errors
    /// Where the options do not fit together, or what they name is not there.
    pub fn asked(&self, address: Option<&str>) -> Result<Asked, CommandError> {
        let config = self.config.as_deref().map(load).transpose()?;
        let library =
            config.as_ref().map_or_else(|| Arc::new(Library::shipped()), |config| config.profiles.clone());
        if let (Some(node), Some(config)) = (&self.target, &config) {
            let (target, spec) = target(config, node)?;
            let access = spec.access_of(node);
            return Ok(Asked {
                name: target.node.clone(),
                address: target.address.clone(),
                port: access.port,
                security: access.security.clone(),
                patience: self.patience(Patience { first_timeout: spec.timeout, attempts: spec.attempts }),
                library,
            });
        }
        let address =
            address.ok_or_else(|| CommandError::Misuse("expected ADDRESS, or --target NODE".to_owned()))?;
        let security = match (&self.credentials, &config) {
            (Some(name), Some(config)) => config.credentials.get(name).cloned().ok_or_else(|| {
                let known: Vec<&str> = config.credentials.keys().map(String::as_str).collect();
                near::none("--credentials", name, "no such section", &known)
            })?,
            _ => Arc::new(self.security()?),
        };
        let (name, patience) = (address.to_owned(), self.patience(Patience::default()));
        Ok(Asked { name, address: address.to_owned(), port: DEFAULT_PORT, security, patience, library })
    }

    fn patience(&self, default: Patience) -> Patience {
        Patience {
            first_timeout: self.timeout.unwrap_or(default.first_timeout),
            attempts: self.attempts.unwrap_or(default.attempts),
        }
    }

    fn security(&self) -> Result<Security, CommandError> {
        let given = match (&self.community, &self.community_file) {
            (Some(text), _) => Some(text.clone()),
            (None, Some(path)) => Some(secret("--community-file", path)?),
            (None, None) => None,
        };
        let given = given.map(community).transpose();
        let given = given.map_err(|(problem, expected)| {
            CommandError::Misuse(format!("--community: {problem}: expected {expected}"))
        })?;
        let password = |option, path: &Option<PathBuf>| {
            path.as_deref().map(|path| secret(option, path).map(Secret::new)).transpose()
        };
        let default = self.user.as_ref().map(|_| "3");
        let version = self.version.as_deref().or(default);
        let parts = Parts {
            version: VERSIONS.into_iter().find(|known| Some(*known) == version),
            community: given,
            user: self.user.clone(),
            auth: self.auth,
            auth_password: password("--auth-password-file", &self.auth_password_file)?,
            privacy: self.privacy,
            privacy_password: password("--privacy-password-file", &self.privacy_password_file)?,
            context: self.context.clone(),
        };
        parts.security().map_err(|misfits| {
            let told: Vec<String> = misfits.iter().map(misfit).collect();
            CommandError::Misuse(told.join("\n"))
        })
    }
}

fn misfit(Misfit { key, problem, expected }: &Misfit) -> String {
    let file = if key.ends_with("password") { "-file" } else { "" };
    let problem = if problem.is_empty() { "is missing" } else { problem };
    format!("--{}{file}: {problem}: expected {}", key.replace('_', "-"), expected.replace('`', ""))
}

/// A farm's configuration; what is wrong with it is said.
fn load(path: &Path) -> Result<FarmConfig, CommandError> {
    config::load(path, &hosting::host_name()).map_err(|errors| {
        say(&errors.to_string());
        CommandError::Silent
    })
}

/// The target of this node, of all SNMP collectors.
fn target<'c>(config: &'c FarmConfig, node: &str) -> Result<(&'c Target, &'c SnmpSpec), CommandError> {
    let targets: Vec<(&Target, &SnmpSpec)> = config.collectors.iter().flat_map(of_snmp).collect();
    targets.iter().find(|(target, _)| target.node == node).copied().ok_or_else(|| {
        let known: Vec<&str> = targets.iter().map(|(target, _)| target.node.as_str()).collect();
        near::none("--target", node, "no SNMP collector has this target", &known)
    })
}

fn of_snmp(collector: &CollectorSpec) -> impl Iterator<Item = (&Target, &SnmpSpec)> {
    let spec = if let ModuleSpec::Snmp(spec) = &collector.module { Some(spec) } else { None };
    spec.into_iter().flat_map(|spec| collector.targets.iter().map(move |target| (target, spec)))
}

/// The content of a file without its last line end.
fn secret(option: &str, path: &Path) -> Result<String, CommandError> {
    let failed = |why: String| CommandError::Failed(format!("{option} {}: {why}", path.display()));
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let metadata = file.metadata().map_err(|error| failed(error.to_string()))?;
    if metadata.is_file() && metadata.permissions().mode() & 0o077 != 0 {
        return Err(failed(format!("may be read by others: chmod 600 {}", path.display())));
    }
    let mut text = String::new();
    let read = file.take(MAX_SECRET_BYTES + 1).read_to_string(&mut text);
    read.map_err(|error| failed(error.to_string()))?;
    if text.len() as u64 > MAX_SECRET_BYTES {
        return Err(failed("is too long for a secret".to_owned()));
    }
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}
