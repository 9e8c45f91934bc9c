//! The gate: lets a request in, as a reader or as one who may change something, or says why not.

use super::Session;
use crate::error::ApiError;
use http::header::{CONTENT_TYPE, HOST, ORIGIN, UPGRADE};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderName, Method, StatusCode};

/// The header that carries the session's token.
pub const SESSION_HEADER: HeaderName = HeaderName::from_static("x-hedgerow-session");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
/// Types of bodies that a foreign page cannot send without asking first.
const BODIES: [&str; 2] = ["application/json", "application/wasm"];
/// Where POST only reads, as other tools ask there so. Forms may come, and nothing there changes anything.
const READ_BY_POST: &str = "/prometheus/";

/// As what a request was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may read.
    Reader,
    /// It shows the session's token: it may change something.
    Changer,
}

/// Why a request was not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Sent to a name that is not one of this server.
    Host(String),
    /// Sent by a page of another origin.
    Origin(String),
    /// Changes something without the session's token.
    NoSession,
    /// With another token than the session's.
    WrongSession,
    /// A body of a type that any page can send.
    Body(String),
}

/// A name by which this server may be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHost {
    host: String,
    /// `None`: any.
    port: Option<u16>,
}

/// Who is let in.
#[derive(Debug, Clone)]
pub struct Gate {
    hosts: Vec<AllowedHost>,
    /// Other origins whose pages may read.
    origins: Vec<String>,
    session: Session,
}

impl AllowedHost {
    /// Reads `NAME`, `NAME:PORT` or `[ADDRESS]:PORT`.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no host: expected NAME or NAME:PORT, as in mesh.example:8443");
        let authority: Authority = text.parse().map_err(|_| wrong())?;
        if text.contains('@') || authority.host().is_empty() || authority.host().contains('*') {
            return Err(wrong());
        }
        Ok(Self { host: authority.host().to_ascii_lowercase(), port: authority.port_u16() })
    }

    fn is(&self, authority: &Authority) -> bool {
        // Without a port the request was sent to that of HTTP.
        let port = authority.port_u16().unwrap_or(80);
        authority.host().eq_ignore_ascii_case(&self.host) && self.port.is_none_or(|own| own == port)
    }
}

impl Gate {
    /// For a server on this port, which is called by a name of loopback or one of `more`; pages of `origins` may read.
    pub fn new(port: u16, more: Vec<AllowedHost>, origins: Vec<String>, session: Session) -> Self {
        let own = ["127.0.0.1", "localhost", "[::1]"]
            .map(|host| AllowedHost { host: host.to_owned(), port: Some(port) });
        let origins = origins.into_iter().map(|origin| origin.trim_end_matches('/').to_owned()).collect();
        Self { hosts: own.into_iter().chain(more).collect(), origins, session }
    }

    /// Lets a request in.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, request: &Parts) -> Result<Standing, Refusal> {
        let host = self.host(request)?;
        let reads = matches!(request.method, Method::GET | Method::HEAD);
        let upgrades = request.headers.contains_key(UPGRADE);
        // A browser keeps what is only read from a foreign page by itself.
        if let Some(origin) = self.foreign_origin(request, &host).filter(|_| !reads || upgrades) {
            return Err(Refusal::Origin(origin));
        }
        self.not_from_elsewhere(request)?;
        let standing = match request.headers.get(&SESSION_HEADER) {
            Some(given) if self.session.is(given.as_bytes()) => Standing::Changer,
            Some(_) => return Err(Refusal::WrongSession),
            None => Standing::Reader,
        };
        if !reads && !request.uri.path().starts_with(READ_BY_POST) {
            if standing == Standing::Reader {
                return Err(Refusal::NoSession);
            }
            body_type(request)?;
        }
        Ok(standing)
    }

    /// The origin whose page may read the answer, where one asks.
    pub fn reader(&self, request: &Parts) -> Option<String> {
        let origin = request.headers.get(ORIGIN)?.to_str().ok()?;
        self.origins.iter().find(|allowed| *allowed == origin).cloned()
    }

    /// Whom the request was sent to: one name, and one of ours.
    fn host(&self, request: &Parts) -> Result<Authority, Refusal> {
        let said: Vec<_> = request.headers.get_all(HOST).iter().collect();
        let text = match said[..] {
            [one] => String::from_utf8_lossy(one.as_bytes()).into_owned(),
            _ => String::new(),
        };
        let authority: Option<Authority> = text.parse().ok();
        let in_line = request.uri.authority().is_none_or(|line| Some(line) == authority.as_ref());
        authority
            .filter(|authority| {
                in_line && !text.contains('@') && self.hosts.iter().any(|own| own.is(authority))
            })
            .ok_or(Refusal::Host(text))
    }

    /// The origin that a request says, where it is not this server.
    fn foreign_origin(&self, request: &Parts, host: &Authority) -> Option<String> {
        let mut said = request.headers.get_all(ORIGIN).iter();
        let origin = String::from_utf8_lossy(said.next()?.as_bytes()).into_owned();
        let bare = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        let own = said.next().is_none() && bare.is_some_and(|bare| bare.eq_ignore_ascii_case(host.as_str()));
        (!own).then_some(origin)
    }

    /// What a page elsewhere loads from here without reading it costs all the same: only links may lead here.
    fn not_from_elsewhere(&self, request: &Parts) -> Result<(), Refusal> {
        let says = |name: &HeaderName, word: &str| request.headers.get(name).is_some_and(|said| said == word);
        let elsewhere = says(&FETCH_SITE, "cross-site") && !says(&FETCH_MODE, "navigate");
        if elsewhere && self.reader(request).is_none() {
            return Err(Refusal::Origin("a page of another site".to_owned()));
        }
        Ok(())
    }
}

fn body_type(request: &Parts) -> Result<(), Refusal> {
    let said = request.headers.get(CONTENT_TYPE).map(|said| String::from_utf8_lossy(said.as_bytes()));
    let bare = said.as_deref().map(|said| said.split(';').next().unwrap_or_default().trim());
    let has_none = request.method == Method::DELETE && bare.is_none();
    if has_none || bare.is_some_and(|bare| BODIES.iter().any(|body| bare.eq_ignore_ascii_case(body))) {
        return Ok(());
    }
    Err(Refusal::Body(bare.unwrap_or("nothing").to_owned()))
}

const HOW_TO_BE: &str = "open the link that `hedgerow up` (or `hedgerow web`) printed in its terminal; programs send the part \
                         behind `#session=` as the header X-Hedgerow-Session";

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let (status, code, message) = match refusal {
            Refusal::Host(host) => {
                let text = format!(
                    "`{host}` is not a name of this server: ask for 127.0.0.1, localhost or [::1] with its port, or start it \
                     with --allow-host {host}"
                );
                (StatusCode::FORBIDDEN, "foreign_host", text)
            }
            Refusal::Origin(origin) => {
                let text = format!("`{origin}` may not ask this here: expected a page of this server itself");
                (StatusCode::FORBIDDEN, "foreign_origin", text)
            }
            Refusal::NoSession => {
                let text = format!("this changes something and takes the session's token: {HOW_TO_BE}");
                (StatusCode::UNAUTHORIZED, "no_session", text)
            }
            Refusal::WrongSession => {
                let text = format!(
                    "the session's token is not that of this run, which is new at each start: {HOW_TO_BE}"
                );
                (StatusCode::FORBIDDEN, "wrong_session", text)
            }
            Refusal::Body(found) => {
                let text = format!(
                    "a body of {found} is not taken: expected Content-Type application/json or application/wasm"
                );
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "wrong_content_type", text)
            }
        };
        Self::new(status, code, message)
    }
}

#[cfg(test)]
mod tests;
