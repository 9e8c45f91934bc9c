//! `lookup`: one lookup service; `lookup status`, which asks lookups how they are; and how one is opened, which `up` does
//! twice.

mod status;

use crate::client::unanswered;
use crate::hosting::{self, KnownMesh, RoleOptions};
use crate::outcome::{CommandError, Outcome};
use crate::output::{Out, say};
use clap::Subcommand;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, select_all};
use hedgerow_client::channel::Caller;
use hedgerow_client::discovery::{Lookups, SRV_SERVICE, Sources};
use hedgerow_client::error::ClientError;
use hedgerow_client::identity::Identity;
use hedgerow_client::lease::{Body, LeaseKeeper, LeaseKeeperOptions, START_DELAY};
use hedgerow_lookup::{Announcement, Bounds, Lookup, LookupOptions};
use hedgerow_model::lease::DEFAULT_ASKED;
use hedgerow_model::registration::{Endpoint, Mesh};
use hedgerow_proto::{DOCUMENTS_SERVICE, LOOKUP_API, LOOKUP_SERVICE};
use hedgerow_service::access::Access;
use hedgerow_service::drain::Drain;
use hedgerow_service::folder::Folder;
use hedgerow_service::listener::serve;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tonic::service::Routes;

/// How long other lookups may take to answer a cancel when this one is stopping.
const CANCEL_PATIENCE: Duration = Duration::from_millis(500);

/// How often it is looked whether a lookup of another mesh was found.
const LOOK_AFTER_STRANGERS: Duration = Duration::from_secs(2);

const AFTER: &str = "\
Examples:
  hedgerow lookup --data ./mesh                        a lookup for a new mesh, or the one kept there
  hedgerow lookup --data ./b --listen 127.0.0.1:7402 --peer http://127.0.0.1:7401
  hedgerow lookup --data DIR --name lookup-1           goes on with a lookup of `hedgerow up --data DIR`
  hedgerow lookup status                               how all lookups are";

/// Run a lookup service: the directory in which services register under leases; or ask lookups how they are
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    #[command(subcommand)]
    ask: Option<Ask>,
    /// Folder for what it keeps; the lookup's own is NAME inside it
    #[arg(long, value_name = "DIR", required = true)]
    data: Option<PathBuf>,
    /// Where it listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7401")]
    listen: SocketAddr,
    /// Another lookup of the mesh: registers there, too, and takes its mesh; may be given several times
    #[arg(long, value_name = "URL")]
    peer: Vec<String>,
    /// A DNS domain whose SRV records _hedgerow-lookup._tcp.DOMAIN name lookups of the mesh: as if each were a --peer
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// Where others reach it, if that is not where it listens; may be given several times
    #[arg(long, value_name = "URL")]
    advertise: Vec<String>,
    /// Neither announce it on the local network, nor listen to others there; on loopback nothing of the kind is done anyway
    #[arg(long)]
    no_mdns: bool,
    /// Its name, and that of its folder
    #[arg(long, default_value = "lookup", value_parser = folder_name)]
    name: String,
    #[command(flatten)]
    bounds: BoundOptions,
    #[command(flatten)]
    role: RoleOptions,
}

#[derive(Debug, Subcommand)]
enum Ask {
    Status(status::Args),
}

/// What bounds a lookup's directory.
#[derive(Debug, clap::Args)]
struct BoundOptions {
    /// Most registrations it holds; further ones are refused
    #[arg(long, value_name = "N", default_value_t = Bounds::default().registrations)]
    max_registrations: usize,
    /// Renewals a second it bears: with more leases it grants longer ones
    #[arg(long, value_name = "N", default_value_t = Bounds::default().renewals_per_second, value_parser = rate)]
    max_renewals: f64,
}

impl BoundOptions {
    fn bounds(&self) -> Bounds {
        let Self { max_registrations: registrations, max_renewals: renewals_per_second } = *self;
        Bounds { registrations, renewals_per_second, ..Bounds::default() }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: Option<f64> = text.parse().ok();
    rate.filter(|rate| rate.is_finite() && *rate > 0.0).ok_or_else(|| "expected a number above 0".to_owned())
}

fn folder_name(text: &str) -> Result<String, String> {
    hedgerow_model::name::check(text).map_err(|error| error.to_string())?;
    if text.contains('/') || text.starts_with('.') || text == "farm" {
        return Err(
            "not the name of a folder of its own: expected no `/`, no `.` first, and not `farm`".to_owned()
        );
    }
    Ok(text.to_owned())
}

/// Runs a lookup until it is told to stop; or asks.
///
/// # Errors
/// Why it does not start or answer, and what to do.
pub fn run(args: Args) -> Result<Outcome, CommandError> {
    match (&args.ask, &args.data) {
        (Some(Ask::Status(asked)), _) => status::run(asked),
        (None, Some(data)) => {
            let data = data.clone();
            hedgerow_service::telemetry::start();
            args.role.warn();
            crate::runtime::role(serve_one(args, data))
        }
        (None, None) => {
            Err(CommandError::Misuse("lookup: expected --data DIR, or `lookup status`".to_owned()))
        }
    }
}

async fn serve_one(args: Args, data: PathBuf) -> Result<Outcome, CommandError> {
    let ending = hosting::ending();
    let role = format!("lookup {}", args.name);
    let _shared = Folder::open_beside(&data, &role).map_err(|error| CommandError::failed(&error))?;
    let folder = open_folder(&data, &args.name)?;
    let listener = args.role.bind(args.listen, "--listen")?;
    let address =
        listener.local_addr().map_err(|error| CommandError::Failed(format!("--listen: {error}")))?;
    for url in &args.advertise {
        Caller::default()
            .connect(url)
            .map_err(|error| CommandError::Misuse(format!("--advertise: {error}")))?;
    }
    if address.ip().is_unspecified() && args.advertise.is_empty() {
        let text = format!(
            "--listen {address}: others must be told where this is: expected one address, not all, or --advertise \
             http://HOST:{}",
            address.port()
        );
        return Err(CommandError::Misuse(text));
    }
    let (token, access) = hosting::token()?;
    let known = KnownMesh::read(&data)?.map(|known| known.mesh);
    let mesh = match known {
        Some(mesh) => Some(mesh),
        None => mesh_of_peers(&args.peer, args.domain.as_ref()).await?,
    };
    let alone = args.peer.is_empty() && args.domain.is_none();
    let make = alone.then(hosting::host_name);
    let (drain_start, drain) = hedgerow_service::drain::drain();
    let (loopback_only, bounds) = (args.role.loopback_only(), args.bounds.bounds());
    let advertise = args.advertise.clone();
    let place = Place { name: &args.name, folder, listener, advertise, loopback_only, bounds };
    let running = Running::open(place, mesh, make, access, drain)?;
    let mesh = running.lookup.mesh().clone();
    let mdns = !args.no_mdns && !address.ip().is_loopback();
    let sources = Sources {
        configured: std::iter::once(running.own_url()).chain(args.peer.iter().cloned()).collect(),
        domain: args.domain.clone(),
        mdns,
        start_delay: START_DELAY,
        ..Sources::default()
    };
    let caller = Caller::new(Some(token), Some(mesh.clone()));
    let leases = register(sources, caller, vec![running.registration()])?;
    let mut telling = JoinSet::new();
    telling.spawn(tell_strangers(leases.lookups().clone()));
    let announcement = if mdns { running.announce() } else { None };
    let mut out = Out::new();
    let _ = out
        .line(format!("lookup {} of mesh {} at {}; Ctrl-C stops", args.name, mesh.name, running.places()))
        .and_then(|()| out.flush());
    drop(out);
    let stopping = ending.clone();
    let broken = broken(std::slice::from_ref(&running));
    let stopped = hosting::stop(ending, async move {
        stopping.begun().await;
        tokio::join!(cancel(leases), async {
            if let Some(announcement) = announcement {
                announcement.end().await;
            }
        });
        running.lookup.close().await;
        drain_start.begin();
        running.ended().await;
    });
    tokio::select! {
        stopped = stopped => stopped.map(|()| Outcome::Done),
        error = broken => Err(error),
    }
}

/// Waits until one of these lookups is broken: the process must not go on, and must not look as if it did.
pub fn broken(lookups: &[Running]) -> impl Future<Output = CommandError> + use<> {
    let named = |running: &Running| -> BoxFuture<'static, String> {
        let name = running.name.clone();
        running.lookup.broken().map(|()| name).boxed()
    };
    select_all(lookups.iter().map(named)).map(|(name, ..)| {
        CommandError::Failed(format!(
            "a fault in hedgerow itself broke {name}, as told above: start it again, and report this; services register \
             again by themselves"
        ))
    })
}

/// The mesh of the peers; `None`: there are no peers, or none answers.
///
/// # Errors
/// Where they are of different meshes: both are named.
async fn mesh_of_peers(peers: &[String], domain: Option<&String>) -> Result<Option<Mesh>, CommandError> {
    if peers.is_empty() && domain.is_none() {
        return Ok(None);
    }
    let sources = Sources { configured: peers.to_vec(), domain: domain.cloned(), ..Sources::default() };
    let caller = Caller::default();
    let lookups = Lookups::start(sources, caller.clone())
        .map_err(|error| CommandError::Misuse(format!("--peer: {error}")))?;
    lookups.settled().await;
    let problems = lookups.problems();
    let Some((mesh, by)) = caller.mesh().zip(caller.mesh_decided_by()) else {
        // One that has been in the mesh before knows it without peers.
        let reasons = why_nobody(&problems, domain.map(String::as_str)).join("; ");
        say(&format!("hedgerow: no peer tells its mesh, taking the one kept here, if any ({reasons})"));
        return Ok(None);
    };
    for problem in problems.iter() {
        if let ClientError::OtherMesh { at, theirs, ours } = problem {
            let text = format!("{at} belongs to mesh {theirs}, and {by} to {ours}: name peers of one mesh");
            return Err(CommandError::Failed(text));
        }
    }
    problems.iter().for_each(|problem| say(&format!("hedgerow: {}", wrong_with(problem))));
    if !problems.is_empty() {
        say(&format!("hedgerow: joining mesh {mesh}, that of {by}"));
    }
    Ok(Some(mesh.clone()))
}

/// Why no lookup was found: a domain that is asked in good order may name nobody.
fn why_nobody(problems: &[ClientError], domain: Option<&str>) -> Vec<String> {
    let names_nobody = domain.filter(|_| problems.is_empty()).map(|domain| {
        format!("DNS has no record {SRV_SERVICE}.{domain}: check --domain, or name a lookup with --peer URL")
    });
    problems.iter().map(wrong_with).chain(names_nobody).collect()
}

fn wrong_with(problem: &ClientError) -> String {
    match problem {
        ClientError::Call { at, .. } | ClientError::TimedOut { at, .. } => unanswered(at, problem),
        problem => problem.to_string(),
    }
}

/// Says for as long as it is polled which lookups are left out as they are of another mesh, each once.
async fn tell_strangers(lookups: Lookups) {
    let mut looks = tokio::time::interval(LOOK_AFTER_STRANGERS);
    let mut told: Vec<String> = Vec::new();
    loop {
        looks.tick().await;
        let problems = lookups.problems();
        let strangers: Vec<(&str, &ClientError)> =
            problems.iter().filter_map(|problem| Some((problem.of_stranger()?, problem))).collect();
        for (_, problem) in strangers.iter().filter(|(at, _)| !told.iter().any(|told| told == at)) {
            say(&format!("hedgerow: left out: {problem}"));
        }
        told = strangers.into_iter().map(|(at, _)| at.to_owned()).collect();
    }
}

/// The folder of the lookup of this name.
///
/// # Errors
/// Why it cannot be used, and what to do.
pub fn open_folder(data: &Path, name: &str) -> Result<Folder, CommandError> {
    Folder::open(&data.join(name), &format!("lookup {name}")).map_err(|error| CommandError::failed(&error))
}

/// Where a lookup lives.
pub struct Place<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its own folder.
    pub folder: Folder,
    /// Its port.
    pub listener: TcpListener,
    /// Where it says it is reached; empty: where it listens.
    pub advertise: Vec<String>,
    /// Whether only this machine can reach it.
    pub loopback_only: bool,
    /// What bounds its directory.
    pub bounds: Bounds,
}

/// A lookup that serves.
pub struct Running {
    /// The service itself.
    pub lookup: Lookup,
    name: String,
    identity: Identity,
    address: SocketAddr,
    advertise: Vec<String>,
    server: JoinHandle<()>,
    _folder: Folder,
}

impl Running {
    /// Opens a lookup and serves it until `drain`.
    ///
    /// # Errors
    /// Why it does not start, and what to do.
    pub fn open(
        place: Place<'_>,
        mesh: Option<Mesh>,
        make_mesh: Option<String>,
        access: Access,
        drain: Drain,
    ) -> Result<Self, CommandError> {
        let Place { name, folder, listener, advertise, loopback_only, bounds } = place;
        let identity = Identity::open(folder.path()).map_err(|error| CommandError::failed(&error))?;
        let options = LookupOptions {
            mesh,
            make_mesh,
            loopback_only,
            bounds,
            ..LookupOptions::new(folder.path().to_owned(), identity.id())
        };
        let lookup = Lookup::open(options).map_err(|error| CommandError::failed(&error))?;
        let address =
            listener.local_addr().map_err(|error| CommandError::Failed(format!("{name}: {error}")))?;
        let routes = Routes::new(lookup.service()).add_service(lookup.documents_service());
        let pages = lookup.pages(name);
        let server = tokio::spawn(async move {
            let names = [LOOKUP_SERVICE, DOCUMENTS_SERVICE];
            if let Err(error) = serve(listener, routes, &names, pages, access, drain).await {
                say(&format!("hedgerow: the port of a lookup at {address} is lost: {error}"));
            }
        });
        Ok(Self { lookup, name: name.to_owned(), identity, address, advertise, server, _folder: folder })
    }

    /// Where it is reached.
    pub fn url(&self) -> String {
        self.advertise.first().cloned().unwrap_or_else(|| self.own_url())
    }

    /// Where it is reached and, where that is another address, where it listens.
    fn places(&self) -> String {
        match self.advertise.as_slice() {
            [] => self.url(),
            urls => format!("{}, listening on {}", urls.join(" and "), self.address),
        }
    }

    /// Where this process reaches it.
    fn own_url(&self) -> String {
        let mut address = self.address;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        format!("http://{address}")
    }

    /// Announces it on the local network. Where that cannot be, it is said; the lookup serves all the same.
    fn announce(&self) -> Option<Announcement> {
        let announced = Announcement::start(&self.name, self.identity.id(), self.lookup.mesh(), self.address);
        announced
            .inspect_err(|error| say(&format!("hedgerow: not announced on the local network: {error}")))
            .ok()
    }

    /// What it says of itself: a lookup is a registration, too.
    pub fn registration(&self) -> (Identity, watch::Receiver<Body>) {
        let urls = if self.advertise.is_empty() { vec![self.url()] } else { self.advertise.clone() };
        let endpoints = urls.into_iter().map(|url| Endpoint { url, via_relay: None }).collect();
        let body = Body {
            name: self.name.clone(),
            kind: "lookup".to_owned(),
            endpoints,
            apis: vec![LOOKUP_API.to_owned()],
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Body::default()
        };
        // It never changes: the sender may go.
        (self.identity.clone(), watch::channel(body).1)
    }

    /// Waits until its port is closed.
    pub async fn ended(self) {
        let _ = self.server.await;
    }
}

/// Keeps services of this process registered with all lookups that `sources` lead to.
///
/// # Errors
/// Where an address is none.
pub fn register(
    sources: Sources,
    caller: Caller,
    registrations: Vec<(Identity, watch::Receiver<Body>)>,
) -> Result<LeaseKeeper, CommandError> {
    let start_delay = sources.start_delay;
    let start = || {
        let lookups = Lookups::start(sources, caller.clone())?;
        let asked = DEFAULT_ASKED;
        LeaseKeeper::start(LeaseKeeperOptions { lookups, caller, registrations, asked, start_delay })
    };
    start().map_err(|error| CommandError::Misuse(format!("--peer: {error}")))
}

/// Ends leases; a lookup that does not answer lets them run out.
pub async fn cancel(leases: LeaseKeeper) {
    for error in leases.cancel_all(Instant::now() + CANCEL_PATIENCE).await {
        say(&format!("hedgerow: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_that_names_nobody_is_said_and_one_that_cannot_be_asked_with_the_reason() {
        let said = why_nobody(&[], Some("site.example"));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said.iter().all(|why| why.contains("no record _hedgerow-lookup._tcp.site.example")),
            "{said:?}"
        );
        let failed = ClientError::Domain { domain: "site.example".to_owned(), why: "it sleeps".to_owned() };
        let said = why_nobody(&[failed], Some("site.example"));
        assert!(said.len() == 1 && said.iter().all(|why| why.contains("it sleeps")), "{said:?}");
        assert!(why_nobody(&[], None).is_empty());
    }
}
