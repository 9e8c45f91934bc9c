//! The global client: serves the page of the mesh from this binary, and the HTTP API that programs use.
//!
//! It is a client like any other: what it knows of the mesh it has through `client-sdk`. It changes something only for who
//! shows the token of the session ([`security`]), and then as the command would: at farms of this user, with the user's token.
//!
//! - [`Web`] is the running role; [`WebOptions`] what it is told.
//! - `server` is the port with its bounds, `security` who may ask what, `page` the embedded front end.
//! - `prometheus` is `/prometheus/api/v1`: the same mesh for what asks a Prometheus.
//! - `api` is `/api/v1`, a file for each subject; `docs` the description of it, made from the code.

mod api;
mod app;
mod docs;
mod error;
mod extract;
mod page;
mod prometheus;
mod router;
mod saved;
mod security;
mod server;
mod web;

pub use app::MAX_CHANGERS;
pub use docs::reference;
pub use page::{Built, built};
pub use security::{Session, SessionError};
pub use web::{Author, Web, WebError, WebOptions};
