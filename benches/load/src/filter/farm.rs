//! What filters cost at a farm, and what one that misbehaves does to everybody else there: a farm in this process, its lookup in
//! another, deployed to as users do.

use super::{COMPILER_ARG, bytes, cpu, distinct, folder};
use crate::latency::{feed, give, read, series, subscribed};
use crate::numbers::{at_most, median, quantile, spread};
use hedgerow_client::documents::DocumentAuthor;
use hedgerow_client::filters::Deploy;
use hedgerow_client::{Identity, Mesh, MeshOptions, Predicate, Template, UserToken};
use hedgerow_collect::front_door::FrontDoor;
use hedgerow_collect::script::KeeperCommand;
use hedgerow_farm_monitor::farm::{Farm, FarmOptions};
use hedgerow_filter_host::compile::Compiler;
use hedgerow_model::deployment::Deployment;
use hedgerow_proto::filter::{DeploymentState, DeploymentStatus};
use hedgerow_service::access::Access;
use hedgerow_service::clock::unix_millis;
use hedgerow_service::drain::{DrainStart, drain};
use hedgerow_service::listener::{Reach, bind};
use std::fmt::Write as _;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// Times that each is measured, one after the other.
const ROUNDS: usize = 5;
/// Times that the latency is measured with and without the one that misbehaves.
const PAIRS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);
/// How long an idle farm is looked at.
const IDLE: Duration = Duration::from_secs(4);
/// From deploying to the first sample, in milliseconds.
const FIRST_MS: f64 = 500.0;
/// What p99 may rise by, in milliseconds, and how soon it is to be over, in seconds.
const RISE_MS: f64 = 5.0;
const QUARANTINE_S: f64 = 10.0;

/// A mesh with one farm.
struct Site {
    farm: Farm,
    stop: DrainStart,
    mesh: Mesh,
    author: DocumentAuthor,
    _lookup: Child,
    _folder: TempDir,
}

/// Measures, and writes the sections of the page.
pub async fn run() -> Result<String, String> {
    let site = Site::start().await?;
    let page = first_sample(&site).await? + &idle(&site).await? + &beside(&site).await?;
    site.stop.begin();
    site.farm.drained().await;
    Ok(page)
}

impl Site {
    async fn start() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(text)?;
        let state = folder.path().join("state");
        let program = std::env::current_exe().map_err(text)?.with_file_name("hedgerow");
        let mut lookup = Command::new(&program)
            .args(["lookup", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path().join("mesh"))
            .env("XDG_STATE_HOME", &state)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let mut line = String::new();
        let printed = lookup.stdout.take().ok_or("no output of the lookup")?;
        BufReader::new(printed).read_line(&mut line).await.map_err(text)?;
        let url = line.split([' ', ';']).find(|word| word.starts_with("http://"));
        let url = url.ok_or_else(|| format!("no address in `{line}`"))?.to_owned();
        let token = UserToken::load(&state.join("hedgerow/token")).map_err(text)?;

        let data = folder.path().join("farm");
        std::fs::create_dir(&data).map_err(text)?;
        std::fs::write(data.join("farm.toml"), "[farm]\nname = \"bench\"\n").map_err(text)?;
        let (stop, drained) = drain();
        let farm = Farm::start(FarmOptions {
            config: data.clone(),
            folder: data,
            host: "bench".to_owned(),
            listener: bind(([127, 0, 0, 1], 0).into(), Reach::Loopback).map_err(text)?,
            access: Access::new("none", "none"),
            token: token.clone(),
            mesh: None,
            lookups: vec![url.clone()],
            keeper: KeeperCommand { program: "/proc/self/exe".into(), args: vec!["__keeper".into()] },
            compiler: Compiler::Child { program: "/proc/self/exe".into(), args: vec![COMPILER_ARG.into()] },
            drain: drained,
        });
        let farm = farm.await.map_err(text)?;
        let mesh = Mesh::connect(MeshOptions { token, ..MeshOptions::at([url]) }).await.map_err(text)?;
        let author = mesh.author(Identity::open(&folder.path().join("author")).map_err(text)?);
        let site = Self { farm, stop, mesh, author, _lookup: lookup, _folder: folder };
        let end = Instant::now() + PATIENCE;
        while site.mesh.farms(&Template::default()).await.services.is_empty() {
            in_time(end, "the farm is not registered")?;
            tokio::time::sleep(LOOK).await;
        }
        Ok(site)
    }

    async fn deploy(&self, name: &str, component: Vec<u8>, parameters: &str) -> Result<(), String> {
        let deployment =
            Deployment { parameters: parameters.to_owned(), fresh: true, ..Deployment::default() };
        let (name, component) = (name.to_owned(), component.into());
        let deploy = Deploy { name, component, deployment, signed_ms: unix_millis(), ends_ms: None };
        self.mesh.deploy(&self.author, &deploy).await.map(drop).map_err(text)
    }

    async fn remove(&self, name: &str) -> Result<(), String> {
        self.mesh.remove_deployment(&self.author, name, unix_millis()).await.map_err(text)?;
        let end = Instant::now() + PATIENCE;
        while self.status(name).await.is_some() {
            in_time(end, "the farm does not drop what was removed")?;
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    async fn status(&self, name: &str) -> Option<DeploymentStatus> {
        let deployed = self.mesh.deployed(&[name.to_owned()], unix_millis()).await;
        deployed.deployments.first()?.farms.first()?.status.clone().ok()
    }

    async fn comes_to(&self, name: &str, states: &[DeploymentState]) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        loop {
            let status = self.status(name).await;
            if status.as_ref().is_some_and(|status| states.contains(&status.state())) {
                return Ok(());
            }
            in_time(end, &format!("{name} does not come to {states:?}: {status:?}"))?;
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

fn in_time(end: Instant, what: &str) -> Result<(), String> {
    if Instant::now() < end { Ok(()) } else { Err(what.to_owned()) }
}

/// From deploying to the first derived sample at a subscriber: signed, to the lookup, to the farm, compiled, looked back, emitted.
async fn first_sample(site: &Site) -> Result<String, String> {
    let door: Arc<dyn FrontDoor> = site.farm.front_door();
    let (origin, ids) = series(&door)?;
    for _ in 0..50 {
        give(&door, origin, &ids, 1.0)?;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let component = bytes("ewma-small")?;
    let mut seen = Vec::new();
    for round in 0..ROUNDS {
        let name = format!("cold{round}");
        let predicate = Predicate::parse(&format!("*/{name}")).map_err(text)?;
        // The farm may not have noticed yet that the subscriber of the round before is gone.
        let end = Instant::now() + PATIENCE;
        while site.farm.subscribers() > 0 {
            in_time(end, "the subscriber before is still counted")?;
            tokio::time::sleep(LOOK).await;
        }
        let mut stream = site.mesh.subscribe(&predicate).samples();
        let first = tokio::spawn(async move {
            let sample = tokio::time::timeout(PATIENCE, stream.next()).await;
            (Instant::now(), matches!(sample, Ok(Some(_))))
        });
        let end = Instant::now() + PATIENCE;
        while site.farm.subscribers() == 0 {
            in_time(end, "the subscription is not admitted")?;
            tokio::time::sleep(LOOK).await;
        }
        let begun = Instant::now();
        let parameters = r#"{"on":["*/bench"],"above":0.05,"look_back":"1h"}"#;
        site.deploy(&name, distinct(&component, round), parameters).await?;
        let (came, any) = first.await.map_err(text)?;
        if !any {
            return Err(format!("{name} gave no sample: {:?}", site.status(&name).await));
        }
        seen.push((came - begun).as_secs_f64() * 1e3);
        site.remove(&name).await?;
    }
    let ms = median(seen.clone());
    Ok(format!(
        "## Deployed at a farm\n\nFrom `deploy` (signing included) to the first sample made of its look-back at a subscriber; one lookup, one farm, loopback; \
         a component that the farm has never seen ({} bytes, Rust), 10,000 samples of history. {ROUNDS} rounds, median: {ms:.0} ms, {} ({}).\n\n",
        component.len(),
        spread(&seen, 0),
        at_most(ms, FIRST_MS),
    ))
}

/// What the farm takes while nothing of what its filters read comes.
async fn idle(site: &Site) -> Result<String, String> {
    let component = bytes("ewma-small")?;
    let mut page = format!(
        "## Idle filters at a farm\n\nCPU of a whole farm that measures its own host, with so many deployments of which none is given anything; {ROUNDS} looks of {} s, \
         medians.\n\n| deployments | ms CPU a second | least–most |\n|---|---|---|\n",
        IDLE.as_secs()
    );
    let mut deployed = 0;
    for filters in [0, 1, 10, 90] {
        while deployed < filters {
            let name = format!("idle{deployed}");
            site.deploy(&name, component.clone(), r#"{"on":["*/nothing"]}"#).await?;
            deployed += 1;
        }
        for number in 0..filters {
            let states = [DeploymentState::Running, DeploymentState::Admitted];
            site.comes_to(&format!("idle{number}"), &states).await?;
        }
        let mut seen = Vec::new();
        for _ in 0..ROUNDS {
            let begun = cpu();
            tokio::time::sleep(IDLE).await;
            seen.push((cpu() - begun).as_secs_f64() * 1e3 / IDLE.as_secs_f64());
        }
        let _ = writeln!(page, "| {filters} | {:.2} | {} |", median(seen.clone()), spread(&seen, 2));
    }
    for number in 0..deployed {
        site.remove(&format!("idle{number}")).await?;
    }
    page.push('\n');
    Ok(page)
}

/// Latency from the front door to a subscriber, without and with a filter that never comes back from any batch.
async fn beside(site: &Site) -> Result<String, String> {
    let fixtures = folder("HEDGEROW_BENCH_SHIPPED")?.join("../fixtures/loop-in-batch.wasm");
    let component = std::fs::read(&fixtures).map_err(|error| format!("{}: {error}", fixtures.display()))?;
    let (mut alone, mut with, mut over) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..PAIRS {
        alone.push(quantile(&latency(site).await?, 990));
        let name = format!("loop{round}");
        // Sent before, so that it misbehaves while it is measured.
        site.deploy(&name, distinct(&component, round), r#"{"on":["*/bench"]}"#).await?;
        let begun = Instant::now();
        let quarantined = site.comes_to(&name, &[DeploymentState::Quarantined]);
        let quarantined = async { quarantined.await.map(|()| begun.elapsed().as_secs_f64()) };
        let (latencies, took) = tokio::join!(latency(site), quarantined);
        with.push(quantile(&latencies?, 990));
        over.push(took?);
        site.remove(&name).await?;
    }
    let rises: Vec<f64> = with.iter().zip(&alone).map(|(with, alone)| with - alone).collect();
    let (rise, took) = (median(rises), median(over.clone()));
    Ok(format!(
        "## A filter that misbehaves\n\n10,000 values a second, 200 at once, from the front door to a subscriber, over 10 s; and the same while a filter is deployed that never comes \
         back from any batch: stopped after 200 ms, begun again, quarantined. {PAIRS} interleaved pairs, medians.\n\n\
         | | p99 ms | least–most |\n|---|---|---|\n| alone | {:.1} | {} |\n| beside it | {:.1} | {} |\n\n\
         p99 rises by {rise:.1} ms ({}); quarantined after {took:.1} s, {} ({}).\n\n",
        median(alone.clone()),
        spread(&alone, 1),
        median(with.clone()),
        spread(&with, 1),
        at_most(rise, RISE_MS),
        spread(&over, 1),
        at_most(took, QUARANTINE_S),
    ))
}

async fn latency(site: &Site) -> Result<Vec<f64>, String> {
    let begun = Instant::now();
    let stream = subscribed(&site.farm.address().to_string()).await?;
    let reader = tokio::spawn(read(stream, begun, crate::latency::EXPECTED));
    feed(&site.farm.front_door(), begun).await?;
    reader.await.map_err(text)?
}
