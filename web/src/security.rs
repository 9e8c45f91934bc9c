//! Who may ask what. Decides from the head of a request alone; knows no page and no mesh.
//!
//! The danger of a server on loopback is the browser beside it: any page of the web can make it send requests here. So
//! - `Host` must be a name of this server: a page that lets its own name point at 127.0.0.1 is refused (DNS rebinding);
//! - `Origin`, where it is said, must be this server's, for everything that changes something and for WebSockets;
//! - what changes something needs the session's token in a header of its own, which a foreign page can neither know nor
//!   send without asking first (CORS preflight), and that question is not answered;
//! - a body must be of a type that a foreign page cannot send without that question, either.

mod gate;
mod headers;
mod session;

pub(crate) use gate::{AllowedHost, Gate, Refusal, Standing};
pub(crate) use headers::put_on;
pub use session::{Session, SessionError};
