//! `web`: the page of a mesh, and the API for programs, as a role; and how it is opened, which `up` does, too.

use crate::hosting::{self, KnownMesh, RoleOptions};
use crate::outcome::{CommandError, Outcome};
use crate::output::{Out, say};
use hedgerow_client::mesh::MeshOptions;
use hedgerow_client::token::UserToken;
use hedgerow_service::drain::Drain;
use hedgerow_service::folder::Folder;
use hedgerow_web::{Author, Built, Session, Web, WebOptions};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

/// The role's own folder in a data folder.
pub const FOLDER: &str = "web";

const AFTER: &str = "\
The link that it prints lets the page change something: acknowledge, silence,
deploy. It is new at each start; who has it may do what you may. Without it
the page only shows.

Examples:
  hedgerow web                                          the mesh of `hedgerow up`
  hedgerow web --lookup http://127.0.0.1:17401 --listen 127.0.0.1:17400
  hedgerow web --data ./mesh                            goes on with the views saved in `hedgerow up --data ./mesh`";

/// Serve the page of a mesh, and the API for programs
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Folder for what it keeps, the saved views; that of `hedgerow up` goes on with its mesh
    /// [default: $XDG_STATE_HOME/hedgerow/web-alone; else /var/lib/hedgerow/web-alone for root, ~/.local/state/hedgerow/web-alone]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where it listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7400")]
    listen: SocketAddr,
    /// A lookup to ask; may be given several times [default: those the folder knows, else those of `hedgerow up`]
    #[arg(long, value_name = "URL")]
    lookup: Vec<String>,
    #[command(flatten)]
    names: Names,
    #[command(flatten)]
    role: RoleOptions,
}

/// By which names the page is reached.
#[derive(Debug, Default, clap::Args)]
pub struct Names {
    /// Another name by which browsers reach the page, as behind a proxy: NAME or NAME:PORT; may be given several times
    #[arg(long, value_name = "NAME")]
    pub allow_host: Vec<String>,
    /// Pages of this origin may read the API, as http://grafana.example:3000; may be given several times
    #[arg(long, value_name = "ORIGIN")]
    pub allow_origin: Vec<String>,
}

/// Runs the role until it is told to stop.
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
        None => hosting::default_data()?.with_file_name("web-alone"),
    };
    let shared = Folder::open_beside(&data, FOLDER).map_err(|error| CommandError::failed(&error))?;
    let folder =
        Folder::open(&shared.path().join(FOLDER), FOLDER).map_err(|error| CommandError::failed(&error))?;
    let listener = args.role.bind(args.listen, "--listen")?;
    let (token, _) = hosting::token()?;
    let known = KnownMesh::read(shared.path())?;
    let lookups = hosting::lookups_or_known(&args.lookup, known.as_ref(), args.role.loopback_only());
    let mesh = MeshOptions { mesh: known.map(|known| known.mesh), ..MeshOptions::at(lookups) };
    let web = open(&args.names, listener, folder.path(), mesh.keep_in(folder.path()), token, ending.clone())?;
    let mut out = Out::new();
    let _ = out.line(format!("page at {}\nCtrl-C stops", web.link())).and_then(|()| out.flush());
    drop(out);
    hosting::stop(ending, web.drained()).await?;
    Ok(Outcome::Done)
}

/// Opens the role, in its own folder.
///
/// # Errors
/// Why it does not start.
pub fn open(
    names: &Names,
    listener: TcpListener,
    folder: &Path,
    mesh: MeshOptions,
    token: UserToken,
    drain: Drain,
) -> Result<Web, CommandError> {
    if hedgerow_web::built() == Built::No {
        say("hedgerow: built without its page: only the API is served (`cargo xtask web` builds the page)");
    }
    let web = Web::start(WebOptions {
        listener,
        folder,
        mesh,
        token: Some(token),
        session: Session::new().map_err(|error| CommandError::failed(&error))?,
        allow_hosts: &names.allow_host,
        allow_origins: &names.allow_origin,
        compiler: hosting::filter_compiler(),
        author: Author::new(|| crate::filter::identity().map_err(|error| error.to_string())),
        user: crate::alarm::user(),
        drain,
    });
    web.map_err(|error| match error {
        hedgerow_web::WebError::Host(_) => CommandError::Misuse(error.to_string()),
        error => CommandError::failed(&error),
    })
}
