//! Simulated agents in a process of their own.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::{Child, ChildStdin, Command};

/// How long agents may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Agents that listen until this is dropped.
pub struct Agents {
    folder: TempDir,
    _process: Child,
    _input: Option<ChildStdin>,
    addresses: Vec<SocketAddr>,
}

impl Agents {
    /// Starts so many, with further options of `hedgerow-sim agents`.
    pub async fn start(count: usize, options: &[&str]) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let (file, written) = (folder.path().join("targets.new"), folder.path().join("targets"));
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut process = Command::new(program)
            .args(["__sim", "agents", "--count", &count.to_string(), "--until-eof", "--print-targets"])
            .arg(&file)
            .args(options)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot start agents: {error}"))?;
        let begun = std::time::Instant::now();
        let lines = loop {
            let lines = fs::read_to_string(&file).unwrap_or_default();
            if lines.lines().count() == count && lines.ends_with('\n') {
                break lines;
            }
            if begun.elapsed() > PATIENCE {
                return Err("the agents do not listen".to_owned());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        fs::rename(&file, &written).map_err(|error| error.to_string())?;
        let addresses = lines.lines().filter_map(|line| line.split_once(' ')?.1.parse().ok()).collect();
        Ok(Self { folder, _input: process.stdin.take(), _process: process, addresses })
    }

    /// The file with a line `NAME ADDRESS` for each.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("targets")
    }

    /// Where they are.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

/// The addresses in a file of targets.
pub fn read(file: &str) -> Result<Vec<SocketAddr>, String> {
    let lines = fs::read_to_string(file).map_err(|error| format!("cannot read {file}: {error}"))?;
    let address = |line: &str| line.split_once(' ').and_then(|(_, address)| address.parse().ok());
    lines.lines().map(|line| address(line).ok_or_else(|| format!("`{line}` is no target"))).collect()
}
