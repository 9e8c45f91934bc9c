//! `up`: a whole mesh on this machine in one process: two lookups, a farm that watches this host, and the page.

mod welcome;

use crate::hosting::{self, KnownMesh, RoleOptions};
use crate::lookup::{self, Place, Running};
use crate::outcome::{CommandError, Outcome};
use crate::output::Out;
use crate::web;
use hedgerow_client::channel::Caller;
use hedgerow_client::discovery::Sources;
use hedgerow_client::mesh::MeshOptions;
use hedgerow_farm_monitor::farm::{Farm, FarmOptions};
use hedgerow_lookup::Bounds;
use hedgerow_model::registration::Mesh;
use hedgerow_service::access::Access;
use hedgerow_service::drain::{Drain, drain};
use hedgerow_service::folder::Folder;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

/// The port from which all others count.
pub const BASE_PORT: u16 = 7400;
/// The highest base: every role has its place above it.
const HIGHEST_BASE: i64 = 65_525;
const LOOKUPS: [(&str, u16); 2] = [("lookup-1", 1), ("lookup-2", 2)];
const FARM: (&str, u16) = ("farm", 3);
const WEB: u16 = 0;

const AFTER: &str = "\
Everything it keeps is in the data folder, and is there again after a restart.
farm.toml in it says what is collected; save it, and the change is applied
within seconds.

Examples:
  hedgerow up
  hedgerow up --data ./mesh --base-port 17400";

/// Run a whole mesh on this machine: two lookups, a farm that watches this host, and the page
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Folder for everything it keeps [default: $XDG_STATE_HOME/hedgerow/up; else /var/lib/hedgerow/up for root,
    /// ~/.local/state/hedgerow/up for others]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Ports: page N, lookups N+1 and N+2, farm N+3
    #[arg(long, value_name = "N", default_value_t = BASE_PORT,
          value_parser = clap::value_parser!(u16).range(1..=HIGHEST_BASE))]
    base_port: u16,
    #[command(flatten)]
    names: web::Names,
    #[command(flatten)]
    role: RoleOptions,
}

/// Runs a mesh until it is told to stop.
///
/// # Errors
/// Why it does not start, and what to do.
pub fn run(args: Args) -> Result<Outcome, CommandError> {
    hedgerow_service::telemetry::start();
    args.role.warn();
    crate::runtime::role(serve(args))
}

async fn serve(args: Args) -> Result<Outcome, CommandError> {
    let ending = hosting::ending();
    let data = match args.data.clone() {
        Some(data) => data,
        None => hosting::default_data()?,
    };
    let folder = Folder::open(&data, "up").map_err(|error| CommandError::failed(&error))?;
    let data = folder.path().to_owned();
    let ports = Ports::bind(&args)?;
    let (token, access) = hosting::token()?;
    let mesh = settle_mesh(&data, args.base_port)?;
    let (lookups_drain, lookups_stop) = drain();
    let lookups = open_lookups(&data, ports.lookups, args.role, &mesh, &access, &lookups_stop)?;
    let urls = lookup_urls(args.base_port);
    let caller = Caller::new(Some(token.clone()), Some(mesh.clone()));
    let sources = Sources { configured: urls.clone(), ..Sources::default() };
    let leases = lookup::register(sources, caller, lookups.iter().map(Running::registration).collect())?;
    let farm_toml = hosting::ensure_farm_toml(&data, &hosting::host_name())?;
    let farm_folder =
        Folder::open(&data.join(FARM.0), FARM.0).map_err(|error| CommandError::failed(&error))?;
    let farm = Farm::start(FarmOptions {
        config: farm_toml.clone(),
        folder: farm_folder.path().to_owned(),
        host: hosting::host_name(),
        listener: ports.farm,
        access,
        token: Some(token.clone()),
        mesh: Some(mesh.clone()),
        lookups: urls.clone(),
        keeper: hosting::keeper(),
        compiler: hosting::filter_compiler(),
        drain: ending.clone(),
    })
    .await
    .map_err(|error| crate::farm::not_started(&error))?;
    let web_folder =
        Folder::open(&data.join(web::FOLDER), web::FOLDER).map_err(|error| CommandError::failed(&error))?;
    let found = MeshOptions { mesh: Some(mesh.clone()), ..MeshOptions::at(urls) };
    let page = web::open(&args.names, ports.web, web_folder.path(), found, token, ending.clone())?;
    welcome(&welcome::Welcome {
        page: page.link(),
        mesh: &mesh.name,
        farm: farm.name(),
        lookups: lookups.iter().zip(LOOKUPS).map(|(lookup, (name, _))| (name, lookup.url())).collect(),
        farm_url: format!("http://{}", farm.address()),
        data: &data,
        farm_toml: &farm_toml,
        default_ports: args.base_port == BASE_PORT,
    });
    let broken = lookup::broken(&lookups);
    let stopped = hosting::stop(ending, async move {
        // The farm goes while the lookups still listen: who watches hears of it at once.
        tokio::join!(farm.drained(), page.drained());
        lookup::cancel(leases).await;
        for running in &lookups {
            running.lookup.close().await;
        }
        lookups_drain.begin();
        for running in lookups {
            running.ended().await;
        }
    });
    tokio::select! {
        stopped = stopped => stopped?,
        error = broken => return Err(error),
    }
    drop((web_folder, farm_folder, folder));
    Ok(Outcome::Done)
}

/// All ports, opened before anything else is done: the start fails as a whole, or not for them.
struct Ports {
    web: TcpListener,
    lookups: Vec<TcpListener>,
    farm: TcpListener,
}

impl Ports {
    fn bind(args: &Args) -> Result<Self, CommandError> {
        let open = |above: u16| {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.base_port + above));
            args.role.bind(address, "--base-port")
        };
        let lookups = LOOKUPS.iter().map(|(_, above)| open(*above)).collect::<Result<_, _>>()?;
        Ok(Self { web: open(WEB)?, lookups, farm: open(FARM.1)? })
    }
}

/// The mesh of this folder, made at the first start; kept with the addresses of its lookups for the roles that go on here.
fn settle_mesh(data: &Path, base_port: u16) -> Result<Mesh, CommandError> {
    let mesh = match KnownMesh::read(data)? {
        Some(known) => known.mesh,
        None => hosting::new_mesh(&hosting::host_name())?,
    };
    KnownMesh { mesh: mesh.clone(), lookups: lookup_urls(base_port) }.write(data)?;
    Ok(mesh)
}

fn lookup_urls(base_port: u16) -> Vec<String> {
    LOOKUPS.iter().map(|(_, above)| format!("http://127.0.0.1:{}", base_port + above)).collect()
}

fn open_lookups(
    data: &Path,
    listeners: Vec<TcpListener>,
    role: RoleOptions,
    mesh: &Mesh,
    access: &Access,
    stop: &Drain,
) -> Result<Vec<Running>, CommandError> {
    let open = |((name, _), listener)| {
        let folder = lookup::open_folder(data, name)?;
        let (loopback_only, bounds) = (role.loopback_only(), Bounds::default());
        let place = Place { name, folder, listener, advertise: Vec::new(), loopback_only, bounds };
        Running::open(place, Some(mesh.clone()), None, access.clone(), stop.clone())
    };
    LOOKUPS.into_iter().zip(listeners).map(open).collect()
}

fn welcome(welcome: &welcome::Welcome<'_>) {
    let mut out = Out::new();
    // Nobody may be reading: the mesh runs all the same.
    let _ = out.lines(welcome.lines(&welcome::command())).and_then(|()| out.flush());
}
