//! What all roles share in this binary: their folders, the mesh, the token, signals, and the keeper of scripts.

use crate::outcome::CommandError;
use crate::output::say;
use hedgerow_client::mesh::DEFAULT_LOOKUPS;
use hedgerow_client::token::{self, UserToken};
use hedgerow_collect::script::KeeperCommand;
use hedgerow_farm_monitor::config::template::{TemplateValues, render_template};
use hedgerow_filter_host::compile::Compiler;
use hedgerow_model::registration::{Id, Mesh};
use hedgerow_service::access::Access;
use hedgerow_service::drain::{Drain, drain, termination};
use hedgerow_service::listener::{ListenError, Reach, bind};
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The argument with which this binary becomes the keeper of scripts.
pub const KEEPER_ARG: &str = "__keeper";
/// The argument with which this binary becomes the compiler of one filter. Whoever compiles starts `/proc/self/exe` with it.
pub const FILTER_COMPILER_ARG: &str = "__filter-compiler";
/// The farm's configuration in a data folder.
pub const FARM_TOML: &str = "farm.toml";
const MESH_FILE: &str = "mesh.json";
/// How long a role may take to stop. What is not done by then is said, and the process ends.
const STOP_PATIENCE: Duration = Duration::from_millis(2700);

/// What every role can be told.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct RoleOptions {
    /// Serve other machines without encryption: for tests in network namespaces only
    #[arg(long, hide = true)]
    unsafe_clear_bind: bool,
}

impl RoleOptions {
    /// Opens a port. `other` is the option that chooses another.
    ///
    /// # Errors
    /// Which port, and what to do.
    pub fn bind(self, address: SocketAddr, other: &str) -> Result<TcpListener, CommandError> {
        let reach = if self.unsafe_clear_bind { Reach::UnsafeClear } else { Reach::Loopback };
        bind(address, reach).map_err(|error| match error {
            ListenError::Taken(address) => CommandError::Failed(format!(
                "port {} on {} is taken by another program: stop it, or choose another with {other}",
                address.port(),
                address.ip()
            )),
            error => CommandError::failed(&error),
        })
    }

    /// Whether only this machine can reach the role.
    pub fn loopback_only(self) -> bool {
        !self.unsafe_clear_bind
    }

    /// Says aloud what the hidden flag does.
    pub fn warn(self) {
        if self.unsafe_clear_bind {
            say(
                "hedgerow: WARNING: --unsafe-clear-bind: everything is sent in the clear and whoever reaches a port can \
                 read it; for tests only, and gone when TLS comes",
            );
        }
    }
}

/// How this binary is started as the keeper of scripts.
pub fn keeper() -> KeeperCommand {
    KeeperCommand { program: "/proc/self/exe".into(), args: vec![KEEPER_ARG.into()] }
}

/// How this binary is started as the compiler of one filter.
pub fn filter_compiler() -> Compiler {
    Compiler::Child { program: "/proc/self/exe".into(), args: vec![FILTER_COMPILER_ARG.into()] }
}

/// The name of this host.
pub fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if hedgerow_model::name::check(&name).is_ok() { name } else { "localhost".to_owned() }
}

/// The user's token, made where there is none, and the access that it gives.
///
/// # Errors
/// Where it cannot be had, and what to do.
pub fn token() -> Result<(UserToken, Access), CommandError> {
    let path = token::path().map_err(|error| CommandError::failed(&error))?;
    let token = UserToken::load_or_create(&path).map_err(|error| CommandError::failed(&error))?;
    let access = Access::new(token.secret(), &path.display().to_string());
    Ok((token, access))
}

/// What a data folder knows of its mesh: written by `up`, read by every role that goes on there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownMesh {
    /// Its name and id.
    pub mesh: Mesh,
    /// Where its lookups were.
    pub lookups: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct MeshLine {
    name: String,
    id: String,
    #[serde(default)]
    lookups: Vec<String>,
}

impl KnownMesh {
    /// What the folder knows; `None`: nothing.
    ///
    /// # Errors
    /// Where the file cannot be read, or is damaged.
    pub fn read(data: &Path) -> Result<Option<Self>, CommandError> {
        let path = data.join(MESH_FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(cannot("read", &path, &error)),
        };
        let known = serde_json::from_str(&text).ok().and_then(|line: MeshLine| {
            hedgerow_model::name::check(&line.name).ok()?;
            let mesh = Mesh { name: line.name, id: line.id.parse().ok()? };
            Some(Self { mesh, lookups: line.lookups })
        });
        let damaged = || {
            CommandError::Failed(format!(
                "{} is damaged: expected {{\"name\":…,\"id\":\"32 hex digits\"}}; restore it from a backup",
                path.display()
            ))
        };
        known.map(Some).ok_or_else(damaged)
    }

    /// Keeps it. A file that says the same is left alone.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, data: &Path) -> Result<(), CommandError> {
        if Self::read(data)?.as_ref() == Some(self) {
            return Ok(());
        }
        let path = data.join(MESH_FILE);
        let line = MeshLine {
            name: self.mesh.name.clone(),
            id: self.mesh.id.to_string(),
            lookups: self.lookups.clone(),
        };
        let mut text =
            serde_json::to_vec_pretty(&line).map_err(|error| cannot("write", &path, &error.into()))?;
        text.push(b'\n');
        let fresh = path.with_extension("json.new");
        write_durably(&fresh, &text)
            .and_then(|()| std::fs::rename(&fresh, &path))
            .map_err(|error| cannot("write", &path, &error))
    }
}

/// A mesh of this name that nobody has been in.
///
/// # Errors
/// Where the system gives no random bits.
pub fn new_mesh(name: &str) -> Result<Mesh, CommandError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id)
        .map_err(|error| CommandError::Failed(format!("the system gives no random bits: {error}")))?;
    Ok(Mesh { name: name.to_owned(), id: Id(id) })
}

/// Writes the commented `farm.toml` where there is none; where it is.
///
/// # Errors
/// Where it cannot be written.
pub fn ensure_farm_toml(data: &Path, farm_name: &str) -> Result<PathBuf, CommandError> {
    let path = data.join(FARM_TOML);
    if !path.exists() {
        let values = TemplateValues { farm_name: farm_name.to_owned(), lookups: Vec::new() };
        write_durably(&path, render_template(&values).as_bytes())
            .map_err(|error| cannot("write", &path, &error))?;
    }
    Ok(path)
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> CommandError {
    CommandError::Failed(format!("cannot {what} {}: {error}", path.display()))
}

/// The folder of `up` where none is named: `$XDG_STATE_HOME/hedgerow/up`; without that `/var/lib/hedgerow/up` for root,
/// `~/.local/state/hedgerow/up` for others.
///
/// # Errors
/// Where the environment names no place.
pub fn default_data() -> Result<PathBuf, CommandError> {
    // The token lies in the folder that all of this user's default folders are in.
    let token = token::path().map_err(|error| CommandError::failed(&error))?;
    Ok(token.with_file_name("up"))
}

/// The lookups a role registers with: those given, those the folder knows, those of `up`; where others can reach the role,
/// it is not taken for granted that there is an `up`.
pub fn lookups_or_known(given: &[String], known: Option<&KnownMesh>, loopback_only: bool) -> Vec<String> {
    match known {
        _ if !given.is_empty() => given.to_vec(),
        Some(known) if !known.lookups.is_empty() => known.lookups.clone(),
        _ if !loopback_only => Vec::new(),
        _ => DEFAULT_LOOKUPS.map(str::to_owned).to_vec(),
    }
}

/// The drain that the first Ctrl-C or SIGTERM begins. A second one ends the process at once.
pub fn ending() -> Drain {
    let (start, drain) = drain();
    tokio::spawn(async move {
        match termination().await {
            Ok(signal) => say(&format!("hedgerow: {signal}: stopping (once more: at once)")),
            Err(error) => {
                say(&format!("hedgerow: cannot listen to signals: {error}; end it with SIGKILL"));
                std::future::pending::<()>().await;
            }
        }
        start.begin();
        let status = if termination().await.is_ok_and(|signal| signal == "SIGTERM") { 143 } else { 130 };
        std::process::exit(status);
    });
    drain
}

/// Waits for the end of a role, once its drain has begun; not for ever.
///
/// # Errors
/// Where it did not end.
pub async fn stop(drain: Drain, stopped: impl Future<Output = ()>) -> Result<(), CommandError> {
    let too_late = async {
        drain.begun().await;
        tokio::time::sleep(STOP_PATIENCE).await;
    };
    tokio::select! {
        () = stopped => Ok(()),
        () = too_late => Err(CommandError::Failed(format!(
            "not all had stopped after {}: the last second of samples may be missing, and leases run out by themselves",
            hedgerow_model::duration::print(STOP_PATIENCE)
        ))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_keeps_its_mesh_and_a_damaged_one_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(KnownMesh::read(folder.path()).unwrap(), None);
        let known =
            KnownMesh { mesh: new_mesh("a \"b\"").unwrap(), lookups: vec!["http://127.0.0.1:1".into()] };
        known.write(folder.path()).unwrap();
        assert_eq!(KnownMesh::read(folder.path()).unwrap(), Some(known.clone()));
        let path = folder.path().join(MESH_FILE);
        for damage in ["", "{}", "{\"name\":\"x\",\"id\":\"12\"}", "{\"name\":\"\",\"id\":\"00\"}"] {
            std::fs::write(&path, damage).unwrap();
            assert!(KnownMesh::read(folder.path()).unwrap_err().to_string().contains("backup"));
            assert!(known.write(folder.path()).is_err(), "not written over");
        }
    }

    #[test]
    fn lookups_are_those_given_then_known_then_of_up() {
        let known = |lookups: &[&str]| KnownMesh {
            mesh: Mesh { name: "m".into(), id: Id([1; 16]) },
            lookups: lookups.iter().map(|url| (*url).to_owned()).collect(),
        };
        let given = ["http://a:1".to_owned()];
        assert_eq!(lookups_or_known(&given, Some(&known(&["http://b:1"])), true), ["http://a:1"]);
        assert_eq!(lookups_or_known(&[], Some(&known(&["http://b:1"])), true), ["http://b:1"]);
        assert_eq!(lookups_or_known(&[], Some(&known(&[])), true), DEFAULT_LOOKUPS);
        assert_eq!(lookups_or_known(&[], None, true), DEFAULT_LOOKUPS);
        assert!(lookups_or_known(&[], None, false).is_empty(), "found on the local network, or nowhere");
    }
}
