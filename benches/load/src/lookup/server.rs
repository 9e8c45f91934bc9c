//! The servers, each a process of its own on a processor of its own, and what they take.

use super::connection::{Address, Connection};
use super::hedgerow::{self, Token};
use crate::machine::{self, Memory, pinned};
use hedgerow_model::registration::{Id, Mesh};
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);
/// A file system in memory.
const TMPFS: &str = "/dev/shm";

/// What a server is, and on what it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    EtcdDisk,
    EtcdTmpfs,
    /// With what makes etcd faster.
    EtcdTuned,
    HedgerowDisk,
    HedgerowTmpfs,
}

impl Side {
    /// For the page.
    pub const fn words(self) -> &'static str {
        match self {
            Self::EtcdDisk => "etcd, disk",
            Self::EtcdTmpfs => "etcd, tmpfs",
            Self::EtcdTuned => "etcd, tmpfs, tuned",
            Self::HedgerowDisk => "hedgerow, disk",
            Self::HedgerowTmpfs => "hedgerow, tmpfs",
        }
    }

    /// Ours?
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::HedgerowDisk | Self::HedgerowTmpfs)
    }
}

/// How etcd is tuned: no snapshots meanwhile, and less collecting of garbage for more memory. (Larger batches of its
/// backend make it slower: what is not in its file yet is looked through by each read.)
const TUNED: [&str; 2] = ["--snapshot-count", "10000000"];
/// The tuned one's share of garbage, in hundredths of what lives; 100 where it is not said.
const TUNED_GARBAGE: (&str, &str) = ("GOGC", "400");

/// A server that runs until it is dropped.
pub struct Server {
    pub address: Address,
    /// To which it belongs; etcd is told registrations of some mesh, too.
    pub mesh: Mesh,
    process: Child,
    _folder: TempDir,
}

impl Server {
    /// Starts one, with further options.
    pub async fn start(side: Side, options: &[&str]) -> Result<Self, String> {
        let folder = match side {
            Side::EtcdDisk | Side::HedgerowDisk => tempfile::tempdir(),
            Side::EtcdTmpfs | Side::EtcdTuned | Side::HedgerowTmpfs => tempfile::tempdir_in(TMPFS),
        };
        let folder = folder.map_err(|error| format!("no folder for {}: {error}", side.words()))?;
        if side.is_ours() {
            return Self::hedgerow(folder, options).await;
        }
        Self::etcd(folder, side == Side::EtcdTuned).await
    }

    async fn etcd(folder: TempDir, tuned: bool) -> Result<Self, String> {
        let (client, peer) = (free()?, free()?);
        let process = pinned("etcd".as_ref())
            .args(["--name", "default", "--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("default={peer}"), "--log-level", "error"])
            .args(["--quota-backend-bytes", "8589934592", "--logger", "zap", "--data-dir"])
            .arg(folder.path().join("data"))
            .args(tuned.then_some(TUNED).into_iter().flatten())
            .envs(tuned.then_some(TUNED_GARBAGE))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot start etcd (Debian: etcd-server): {error}"))?;
        let address = Address { url: client, token: None };
        let begun = Instant::now();
        loop {
            if let Ok(connection) = address.connect().await
                && connection.count().await.is_ok()
            {
                break;
            }
            if begun.elapsed() > PATIENCE {
                return Err("etcd does not answer".to_owned());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mesh = Mesh { name: "bench".to_owned(), id: Id([0xbe; 16]) };
        Ok(Self { address, mesh, process, _folder: folder })
    }

    async fn hedgerow(folder: TempDir, options: &[&str]) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?.with_file_name("hedgerow");
        let state = folder.path().join("state");
        let mut process = pinned(&program)
            .args(["lookup", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path().join("mesh"))
            .args(options)
            .env("XDG_STATE_HOME", &state)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let printed = process.stdout.take().ok_or("no output of the lookup")?;
        let mut line = String::new();
        let read = tokio::time::timeout(PATIENCE, BufReader::new(printed).read_line(&mut line)).await;
        read.map_err(|_| "the lookup does not listen")?.map_err(|error| error.to_string())?;
        let url = line.split([' ', ';']).find(|word| word.starts_with("http://"));
        let url = url.ok_or_else(|| format!("no address in `{line}`"))?.to_owned();
        let token = fs::read_to_string(state.join("hedgerow/token")).map_err(|error| error.to_string())?;
        let address = Address { url, token: Some(Token::new(token.trim())?) };
        let Connection::Hedgerow(client) = address.connect().await? else {
            return Err("invariant: a token leads to ours".to_owned());
        };
        let status = hedgerow::status(&client).await?;
        let id = Id::from_slice(&status.mesh_id).ok_or("a mesh without id")?;
        Ok(Self { address, mesh: Mesh { name: status.mesh_name, id }, process, _folder: folder })
    }

    /// The processor time that all its threads took, user and system.
    pub fn cpu(&self) -> Result<Duration, String> {
        machine::cpu(self.id()?)
    }

    /// Its memory.
    pub fn memory(&self) -> Result<Memory, String> {
        machine::memory(self.id()?)
    }

    fn id(&self) -> Result<u32, String> {
        self.process.id().ok_or_else(|| "a server has ended".to_owned())
    }
}

fn free() -> Result<String, String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.map(|address| format!("http://{address}")).map_err(|error| error.to_string())
}
