//! The running role, put together.

use crate::api::Desk;
use crate::app::{App, Parts};
use crate::error::ApiError;
use crate::router::router;
use crate::saved::SavedViews;
use crate::security::{AllowedHost, Gate, Session};
use crate::server::serve;
use hedgerow_client::identity::Identity;
use hedgerow_client::mesh::MeshOptions;
use hedgerow_client::token::UserToken;
use hedgerow_filter_host::compile::Compiler;
use hedgerow_service::drain::Drain;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// The folder of saved views, in the role's own.
pub const VIEWS_FOLDER: &str = "views";

/// Who signs deployments: opened at the first one.
#[derive(Clone)]
pub struct Author(Arc<dyn Fn() -> Result<Identity, String> + Send + Sync>);

impl Author {
    /// Opened so.
    pub fn new(open: impl Fn() -> Result<Identity, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(open))
    }

    pub(crate) fn identity(&self) -> Result<Identity, ApiError> {
        (self.0)().map_err(ApiError::internal)
    }
}

/// What the role is told.
pub struct WebOptions<'a> {
    /// Its port.
    pub listener: TcpListener,
    /// The folder that is its own.
    pub folder: &'a Path,
    /// How the mesh is found; to read, so without a token.
    pub mesh: MeshOptions,
    /// The user's token, for changes.
    pub token: Option<UserToken>,
    /// The session.
    pub session: Session,
    /// Other names by which this server may be called.
    pub allow_hosts: &'a [String],
    /// Other origins whose pages may read.
    pub allow_origins: &'a [String],
    /// Who compiles filters that are to be described.
    pub compiler: Compiler,
    /// Who signs deployments.
    pub author: Author,
    /// Who acknowledges where nothing else is said.
    pub user: String,
    /// Begins the end.
    pub drain: Drain,
}

/// Why the role does not start.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The port cannot be used.
    #[error("the port of the page cannot be used: {0}")]
    Port(#[from] io::Error),
    /// A name that is none.
    #[error("--allow-host: {0}")]
    Host(String),
}

/// The role, running.
pub struct Web {
    address: SocketAddr,
    link: String,
    server: JoinHandle<()>,
}

impl Web {
    /// Starts to serve. The mesh is looked for meanwhile: where no lookup answers, the page says so.
    ///
    /// # Errors
    /// Where the port cannot be used, or a name is none.
    pub fn start(options: WebOptions<'_>) -> Result<Self, WebError> {
        let WebOptions {
            listener,
            folder,
            mesh,
            token,
            session,
            allow_hosts,
            allow_origins,
            compiler,
            author,
            user,
            drain,
        } = options;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let hosts = allow_hosts.iter().map(|text| AllowedHost::parse(text)).collect::<Result<_, _>>();
        let hosts = hosts.map_err(WebError::Host)?;
        let link = format!("http://{address}/#session={}", session.token());
        let gate = Gate::new(address.port(), hosts, allow_origins.to_vec(), session);
        let saved = SavedViews::new(folder.join(VIEWS_FOLDER));
        let desk = Desk::new(compiler);
        let app =
            App::start(Parts { options: mesh, token, gate, saved, desk, author, user, drain: drain.clone() });
        let server = tokio::spawn(serve(listener, router(app), drain));
        Ok(Self { address, link, server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The link with the session's token, for who started this: whoever has it may change something.
    pub fn link(&self) -> &str {
        &self.link
    }

    /// Waits until its port is closed, once its drain has begun.
    pub async fn drained(self) {
        let _ = self.server.await;
    }
}
