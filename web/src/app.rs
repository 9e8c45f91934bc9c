//! What all handlers share: the mesh once it is found, and what bounds their work.

use crate::api::{Desk, Index};
use crate::error::ApiError;
use crate::prometheus::Kept;
use crate::saved::SavedViews;
use crate::security::Gate;
use crate::web::Author;
use hedgerow_client::mesh::{Mesh, MeshOptions};
use hedgerow_client::token::UserToken;
use hedgerow_service::drain::Drain;
use hedgerow_views::{Views, ViewsOptions};
use http::StatusCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore, watch};

/// Queries that are answered at the same time; one more waits, as long as a request may take.
pub const MAX_QUERIES: usize = 8;
/// Streams of server-sent events open at once; the next is refused (429).
pub const MAX_LIVE: usize = 64;
/// WebSockets open at once; the next is refused (429).
pub const MAX_SOCKETS: usize = 512;
/// Changes that are made at the same time; one more waits.
pub const MAX_CHANGERS: usize = 4;
/// How long a request waits for the mesh while it is being looked for.
const MESH_PATIENCE: Duration = Duration::from_secs(3);
/// Between two attempts to find the mesh.
const AGAIN: Duration = Duration::from_secs(2);

/// A mesh, and what people look at in it.
pub struct Connected {
    /// The mesh, to be read.
    pub mesh: Mesh,
    /// The views of it.
    pub views: Views,
}

/// Whether the mesh is found.
#[derive(Clone)]
enum Finding {
    /// Not yet: why not.
    Looking(String),
    /// Here it is.
    Found(Arc<Connected>),
}

/// What all handlers share.
pub struct App {
    found: watch::Receiver<Finding>,
    /// How the mesh is found, to read it.
    options: MeshOptions,
    /// The user's token.
    token: Option<UserToken>,
    /// The mesh with the user's token: found at the first change.
    to_change: Mutex<Option<Mesh>>,
    /// Who is let in.
    pub gate: Gate,
    /// Saved views.
    pub saved: SavedViews,
    /// Uploaded components, and the compiler.
    pub desk: Desk,
    /// Names of series, remembered for a short while.
    pub index: Index,
    /// All series, as the Prometheus API lists them, remembered for a short while.
    pub listed: Kept,
    /// Who signs deployments.
    pub author: Author,
    /// Who acknowledges where nothing else is said.
    pub user: String,
    /// Ends streams.
    pub drain: Drain,
    /// Places of [`MAX_QUERIES`].
    pub queries: Arc<Semaphore>,
    /// Places of [`MAX_LIVE`].
    pub live: Arc<Semaphore>,
    /// Places of [`MAX_SOCKETS`].
    pub sockets: Arc<Semaphore>,
    /// Places of [`MAX_CHANGERS`].
    pub changers: Arc<Semaphore>,
}

/// What an [`App`] is made of.
pub struct Parts {
    /// How the mesh is found.
    pub options: MeshOptions,
    /// The user's token.
    pub token: Option<UserToken>,
    /// Who is let in.
    pub gate: Gate,
    /// Saved views.
    pub saved: SavedViews,
    /// Uploaded components, and the compiler.
    pub desk: Desk,
    /// Who signs deployments.
    pub author: Author,
    /// Who acknowledges where nothing else is said.
    pub user: String,
    /// Ends everything.
    pub drain: Drain,
}

impl App {
    /// Begins to look for the mesh.
    pub fn start(parts: Parts) -> Arc<Self> {
        let Parts { options, token, gate, saved, desk, author, user, drain } = parts;
        let (found, seen) = watch::channel(Finding::Looking("it was only just started".to_owned()));
        tokio::spawn(find(options.clone(), found, drain.clone()));
        let places = |count| Arc::new(Semaphore::new(count));
        Arc::new(Self {
            found: seen,
            options,
            token,
            to_change: Mutex::default(),
            gate,
            saved,
            desk,
            index: Index::default(),
            listed: Kept::default(),
            author,
            user,
            drain,
            queries: places(MAX_QUERIES),
            live: places(MAX_LIVE),
            sockets: places(MAX_SOCKETS),
            changers: places(MAX_CHANGERS),
        })
    }

    /// The mesh; while it is looked for, a short while is waited.
    ///
    /// # Errors
    /// Where it is not found: why.
    pub async fn connected(&self) -> Result<Arc<Connected>, ApiError> {
        let mut found = self.found.clone();
        let _ = tokio::time::timeout(
            MESH_PATIENCE,
            found.wait_for(|finding| matches!(finding, Finding::Found(_))),
        )
        .await;
        match &*self.found.borrow() {
            Finding::Found(connected) => Ok(Arc::clone(connected)),
            Finding::Looking(why) => {
                Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "no_lookup", why.clone()))
            }
        }
    }

    /// The mesh, to be read.
    ///
    /// # Errors
    /// Where it is not found: why.
    pub async fn mesh(&self) -> Result<Mesh, ApiError> {
        Ok(self.connected().await?.mesh.clone())
    }

    /// The mesh, to change something in it: with the user's token, as the command does it. Reading goes without, as a token of
    /// this user's would be refused by services of another one.
    ///
    /// # Errors
    /// Where it is not found: why.
    pub async fn mesh_to_change(&self) -> Result<Mesh, ApiError> {
        let mut kept = self.to_change.lock().await;
        if let Some(mesh) = &*kept {
            return Ok(mesh.clone());
        }
        let identity = self.mesh().await?.identity().clone();
        let options = MeshOptions { token: self.token.clone(), mesh: Some(identity), ..self.options.clone() };
        let mesh = Mesh::connect(options).await?;
        *kept = Some(mesh.clone());
        Ok(mesh)
    }
}

/// Looks for the mesh until it is there.
async fn find(options: MeshOptions, found: watch::Sender<Finding>, drain: Drain) {
    let look = async {
        loop {
            match Mesh::connect(options.clone()).await {
                Ok(mesh) => {
                    let views = Views::new(mesh.clone(), ViewsOptions::default());
                    found.send_replace(Finding::Found(Arc::new(Connected { mesh, views })));
                    break;
                }
                Err(error) => found.send_replace(Finding::Looking(error.to_string())),
            };
            tokio::time::sleep(AGAIN).await;
        }
        // Whoever reads it sees it for as long as this role runs.
        found.closed().await;
    };
    tokio::select! {
        () = look => {}
        () = drain.begun() => {}
    }
}
