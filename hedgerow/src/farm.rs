//! `farm`: the farm monitor as a role, and `farm status`, which asks farms how they are.

mod status;

use crate::hosting::{self, KnownMesh, RoleOptions};
use crate::outcome::{CommandError, Outcome};
use crate::output::Out;
use clap::Subcommand;
use hedgerow_farm_monitor::farm::{Farm, FarmError, FarmOptions};
use hedgerow_service::folder::Folder;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The farm's own folder in a data folder.
const FOLDER: &str = "farm";

const AFTER: &str = "\
Examples:
  hedgerow farm --data ./site                                a farm, with a commented farm.toml to begin with
  hedgerow farm --data ./site --lookup http://127.0.0.1:7401
  hedgerow farm status                                       how all farms are
  hedgerow farm status cern-1 --json";

/// Run a farm monitor, or ask farms how they are
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    #[command(subcommand)]
    ask: Option<Ask>,
    /// Folder for everything it keeps, with farm.toml and conf.d; that of `hedgerow up` goes on with its id and history
    #[arg(long, value_name = "DIR", required = true)]
    data: Option<PathBuf>,
    /// Where it listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7403")]
    listen: SocketAddr,
    /// A lookup to register with, where farm.toml names none; may be given several times [default: those the folder
    /// knows, else those of `hedgerow up`]
    #[arg(long, value_name = "URL")]
    lookup: Vec<String>,
    #[command(flatten)]
    role: RoleOptions,
}

#[derive(Debug, Subcommand)]
enum Ask {
    Status(status::Args),
}

/// Runs a farm until it is told to stop; or asks.
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
            crate::runtime::role(serve(args, data))
        }
        (None, None) => Err(CommandError::Misuse("farm: expected --data DIR, or `farm status`".to_owned())),
    }
}

async fn serve(args: Args, data: PathBuf) -> Result<Outcome, CommandError> {
    let ending = hosting::ending();
    let shared = Folder::open_beside(&data, FOLDER).map_err(|error| CommandError::failed(&error))?;
    let data = shared.path();
    let folder = Folder::open(&data.join(FOLDER), FOLDER).map_err(|error| CommandError::failed(&error))?;
    let listener = args.role.bind(args.listen, "--listen")?;
    let (token, access) = hosting::token()?;
    let known = KnownMesh::read(data)?;
    let config = hosting::ensure_farm_toml(data, &hosting::host_name())?;
    let farm = Farm::start(FarmOptions {
        config: config.clone(),
        folder: folder.path().to_owned(),
        host: hosting::host_name(),
        listener,
        access,
        token: Some(token),
        lookups: hosting::lookups_or_known(&args.lookup, known.as_ref(), args.role.loopback_only()),
        mesh: known.map(|known| known.mesh),
        keeper: hosting::keeper(),
        compiler: hosting::filter_compiler(),
        drain: ending.clone(),
    })
    .await
    .map_err(|error| not_started(&error))?;
    let line = format!(
        "farm {} at http://{}, configured by {}; Ctrl-C stops",
        farm.name(),
        farm.address(),
        config.display()
    );
    let mut out = Out::new();
    let _ = out.line(line).and_then(|()| out.flush());
    drop(out);
    hosting::stop(ending, farm.drained()).await?;
    Ok(Outcome::Done)
}

/// Why a farm does not start, for the person who started it.
pub fn not_started(error: &FarmError) -> CommandError {
    match error {
        FarmError::Config(errors) => CommandError::Failed(format!(
            "the farm's configuration cannot be used; nothing was started\n\n{errors}"
        )),
        error => CommandError::failed(error),
    }
}
