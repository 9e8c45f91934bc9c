//! The other sides: programs that know nothing of this project.

use super::COLUMNS;
use super::figures::{Figures, check};
use crate::machine;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// More repetitions than there are rows, so that the end of a column is seen in the reply with its last row.
const REPETITIONS: &str = "21";
/// Scrapes at once.
const SCRAPES: usize = 32;
/// How long the exporter may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../peers").join(name)
}

/// The program on net-snmp's C library, compiled.
pub struct NetSnmp {
    folder: TempDir,
}

impl NetSnmp {
    /// Compiles it.
    pub async fn compile() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let output = Command::new("gcc")
            .args(["-O2", "-o"])
            .arg(folder.path().join("netsnmp_async"))
            .arg(source("netsnmp_async.c"))
            .arg("-lnetsnmp")
            .output();
        let output = output.await.map_err(|error| format!("cannot start gcc: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("cannot compile against net-snmp (Debian: libsnmp-dev):\n{said}"));
        }
        Ok(Self { folder })
    }

    /// One measurement; `shape` is `packed` or `single`.
    pub async fn run(&self, shape: &str, targets: &Path, cycles: usize) -> Result<Figures, String> {
        let name = |column: &&[u32]| column.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
        let mut command = Command::new(self.folder.path().join("netsnmp_async"));
        command.arg(targets).args([shape, REPETITIONS, &cycles.to_string()]).args(COLUMNS.iter().map(name));
        figures(command).await
    }
}

/// Runs a side that prints its figures.
pub async fn figures(mut command: Command) -> Result<Figures, String> {
    let output = command.output().await.map_err(|error| format!("cannot start a side: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Figures::read(&String::from_utf8_lossy(&output.stdout))
}

/// prometheus-snmp-exporter.
pub struct Exporter {
    process: Child,
    address: SocketAddr,
}

impl Exporter {
    /// Starts it on a free port.
    pub async fn start() -> Result<Self, String> {
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.map_err(|error| error.to_string())?;
        let process = Command::new("prometheus-snmp-exporter")
            .arg(format!("--config.file={}", source("snmp_exporter.yml").display()))
            .arg(format!("--web.listen-address={address}"))
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot start prometheus-snmp-exporter: {error}"))?;
        let begun = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            if begun.elapsed() > PATIENCE {
                return Err("prometheus-snmp-exporter does not listen".to_owned());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { process, address })
    }

    /// One measurement: scrapes all agents so often. Its CPU alone counts, not that of reading its pages.
    pub async fn run(&self, targets: &[SocketAddr], cycles: usize) -> Result<Figures, String> {
        let (before, begun) = (self.cpu()?, Instant::now());
        let (mut values, mut checksum) = (0, 0u64);
        for _ in 0..cycles {
            let mut scrapes = tokio::task::JoinSet::new();
            for (agent, target) in targets.iter().copied().enumerate() {
                if scrapes.len() == SCRAPES {
                    let one: (u64, u64) = joined(scrapes.join_next().await)?;
                    values += one.0;
                    checksum = checksum.wrapping_add(one.1);
                }
                scrapes.spawn(scrape(self.address, agent, target));
            }
            while !scrapes.is_empty() {
                let one = joined(scrapes.join_next().await)?;
                values += one.0;
                checksum = checksum.wrapping_add(one.1);
            }
        }
        let (cpu, wall) = (self.cpu()?.saturating_sub(before), begun.elapsed());
        Ok(Figures { values, checksum, requests: 0, cpu, wall })
    }

    fn cpu(&self) -> Result<Duration, String> {
        machine::cpu(self.process.id().ok_or("prometheus-snmp-exporter has ended")?)
    }
}

type Joined = Option<Result<Result<(u64, u64), String>, tokio::task::JoinError>>;

fn joined(one: Joined) -> Result<(u64, u64), String> {
    one.ok_or("no scrape")?.map_err(|error| error.to_string())?
}

async fn scrape(exporter: SocketAddr, agent: usize, target: SocketAddr) -> Result<(u64, u64), String> {
    let mut stream = TcpStream::connect(exporter).await.map_err(|error| error.to_string())?;
    let request = format!("GET /snmp?module=bench&target={target} HTTP/1.0\r\nHost: {exporter}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
    let mut page = String::new();
    stream.read_to_string(&mut page).await.map_err(|error| error.to_string())?;
    let (mut values, mut checksum) = (0, 0u64);
    for (column, row, value) in page.lines().filter_map(sample) {
        values += 1;
        checksum = checksum.wrapping_add(check(agent, column, row, value));
    }
    if values == 0 { Err(format!("a scrape without values: {page}")) } else { Ok((values, checksum)) }
}

/// `c3{row="7"} 1.234567e+06`
fn sample(line: &str) -> Option<(usize, u32, u64)> {
    let (column, rest) = line.strip_prefix('c')?.split_once("{row=\"")?;
    let (row, value) = rest.split_once("\"} ")?;
    let value: f64 = value.parse().ok()?;
    Some((column.parse().ok()?, row.parse().ok()?, value as u64))
}
