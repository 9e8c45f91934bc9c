//! A lookup, farms that are fed by hand, and the page's server.

use crate::filter::COMPILER_ARG;
use crate::latency::{give, series};
use crate::machine::{self, Memory, pinned};
use hedgerow_client::{Mesh, MeshOptions, Template, UserToken};
use hedgerow_collect::front_door::{FrontDoor, OriginId};
use hedgerow_collect::script::KeeperCommand;
use hedgerow_farm_monitor::farm::{Farm, FarmOptions};
use hedgerow_filter_host::compile::Compiler;
use hedgerow_model::SeriesId;
use hedgerow_service::access::Access;
use hedgerow_service::drain::{Drain, DrainStart, drain};
use hedgerow_service::listener::{Reach, bind};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// How long anything may take to come about.
const PATIENCE: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(100);

/// A mesh whose page is served.
pub struct Site {
    /// `HOST:PORT` of the server.
    pub host: String,
    /// The farms.
    pub farms: Vec<Fed>,
    mesh: Mesh,
    stop: DrainStart,
    web: Child,
    _lookup: Child,
    _folder: TempDir,
}

/// A farm with 200 series that are given by hand.
pub struct Fed {
    farm: Farm,
    door: Arc<dyn FrontDoor>,
    origin: OriginId,
    series: Vec<SeriesId>,
}

impl Fed {
    /// Gives this value to each series.
    pub fn give(&self, value: f64) -> Result<(), String> {
        give(&self.door, self.origin, &self.series, value)
    }

    /// Subscriptions that it serves.
    pub fn subscribers(&self) -> usize {
        self.farm.subscribers()
    }
}

impl Site {
    /// Starts one with so many farms.
    pub async fn start(farms: usize) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(text)?;
        let program = std::env::current_exe().map_err(text)?.with_file_name("hedgerow");
        let lookup = |program: &Path| {
            let mut command = Command::new(program);
            command.args(["lookup", "--listen", "127.0.0.1:0"]);
            command
        };
        let (lookup, url) = started(lookup(&program), &folder, "mesh").await?;
        let token = UserToken::load(&folder.path().join("state/hedgerow/token")).map_err(text)?;
        let (stop, drained) = drain();
        let mut fed = Vec::new();
        for number in 0..farms {
            fed.push(farm(number, folder.path(), &url, &token, drained.clone()).await?);
        }
        let mut command = pinned(&program);
        command.args(["web", "--listen", "127.0.0.1:0", "--lookup", &url]);
        let (web, link) = started(command, &folder, "web").await?;
        let host = link.trim_start_matches("http://").split('/').next().unwrap_or_default().to_owned();
        let mesh = Mesh::connect(MeshOptions::at([url])).await.map_err(text)?;
        let site = Self { host, farms: fed, mesh, stop, web, _lookup: lookup, _folder: folder };
        let end = Instant::now() + PATIENCE;
        while site.mesh.farms(&Template::default()).await.services.len() < farms {
            in_time(end, "not all farms are registered")?;
            tokio::time::sleep(LOOK).await;
        }
        Ok(site)
    }

    /// Waits until the farms together serve so many subscriptions.
    pub async fn subscribed(&self, least: usize, most: usize) -> Result<usize, String> {
        let end = Instant::now() + PATIENCE;
        loop {
            let now = self.farms.iter().map(Fed::subscribers).sum();
            if (least..=most).contains(&now) {
                return Ok(now);
            }
            in_time(end, &format!("the farms serve {now} subscriptions: expected {least} to {most}"))?;
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The processor time that the server took.
    pub fn cpu(&self) -> Result<Duration, String> {
        machine::cpu(self.id()?)
    }

    /// The server's memory.
    pub fn memory(&self) -> Result<Memory, String> {
        machine::memory(self.id()?)
    }

    /// Ends the farms.
    pub async fn end(self) {
        self.stop.begin();
        for fed in self.farms {
            drop(fed.door);
            fed.farm.drained().await;
        }
    }

    fn id(&self) -> Result<u32, String> {
        self.web.id().ok_or_else(|| "the page's server has ended".to_owned())
    }
}

/// A program with a data folder of its own, once it has said where it listens.
async fn started(mut command: Command, folder: &TempDir, data: &str) -> Result<(Child, String), String> {
    let mut process = command
        .arg("--data")
        .arg(folder.path().join(data))
        .env("XDG_STATE_HOME", folder.path().join("state"))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot start {command:?}: {error}"))?;
    let printed = process.stdout.take().ok_or("no output")?;
    let mut line = String::new();
    let read = tokio::time::timeout(PATIENCE, BufReader::new(printed).read_line(&mut line)).await;
    read.map_err(|_| format!("{data} does not listen"))?.map_err(text)?;
    let url = line.split([' ', ';']).find(|word| word.starts_with("http://"));
    let url = url.ok_or_else(|| format!("no address in `{line}`"))?.trim().to_owned();
    Ok((process, url))
}

async fn farm(
    number: usize,
    folder: &Path,
    lookup: &str,
    token: &Option<UserToken>,
    drain: Drain,
) -> Result<Fed, String> {
    let data: PathBuf = folder.join(format!("farm{number}"));
    std::fs::create_dir(&data).map_err(text)?;
    // Nothing is lost where a round of renewals is late on a busy machine.
    let config = format!("[farm]\nname = \"farm{number:03}\"\n[lookup]\nlease = \"10m\"\nmdns = false\n");
    std::fs::write(data.join("farm.toml"), config).map_err(text)?;
    let farm = Farm::start(FarmOptions {
        config: data.clone(),
        folder: data,
        host: "bench".to_owned(),
        listener: bind(([127, 0, 0, 1], 0).into(), Reach::Loopback).map_err(text)?,
        access: Access::new("none", "none"),
        token: token.clone(),
        mesh: None,
        lookups: vec![lookup.to_owned()],
        keeper: KeeperCommand { program: "/proc/self/exe".into(), args: vec!["__keeper".into()] },
        compiler: Compiler::Child { program: "/proc/self/exe".into(), args: vec![COMPILER_ARG.into()] },
        drain,
    });
    let farm = farm.await.map_err(|error| format!("farm {number}: {error}"))?;
    let door: Arc<dyn FrontDoor> = farm.front_door();
    let (origin, series) = series(&door)?;
    Ok(Fed { farm, door, origin, series })
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

fn in_time(end: Instant, what: &str) -> Result<(), String> {
    if Instant::now() < end { Ok(()) } else { Err(what.to_owned()) }
}
