//! What is answered to whom: access, the method, the page. Knows requests and responses, no connections.

use super::exposition::{self, Family, FamilyKind, rounded};
use super::{Answer, MAX_MAKING, Pages, Query, process};
use crate::access::Access;
use http::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST, RETRY_AFTER, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

const PLAIN: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const METRICS: &str = "/metrics";

/// The pages of one port, and who may see them.
pub(crate) struct Door {
    pages: Pages,
    access: Access,
    making: Semaphore,
    /// Answers by status code: there are few.
    answered: Mutex<BTreeMap<u16, u64>>,
    /// HTTP connections that found no place.
    pub(crate) turned_away: AtomicU64,
    /// Connections open on this port now.
    connections: Box<dyn Fn() -> usize + Send + Sync>,
}

type Reply = Response<String>;

impl Door {
    /// `connections` tells how many are open on the port.
    pub(crate) fn new(
        pages: Pages,
        access: Access,
        connections: impl Fn() -> usize + Send + Sync + 'static,
    ) -> Self {
        Self {
            pages,
            access,
            making: Semaphore::new(MAX_MAKING),
            answered: Mutex::default(),
            turned_away: AtomicU64::new(0),
            connections: Box::new(connections),
        }
    }

    /// Answers a request that came on a connection from this machine (`loopback`), or from elsewhere.
    pub(crate) async fn answer(self: &Arc<Self>, request: &Parts, loopback: bool) -> Reply {
        let reply = match self.refusal(request, loopback) {
            Some(refusal) => refusal,
            None => self.page(request).await,
        };
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        *answered.entry(reply.status().as_u16()).or_default() += 1;
        reply
    }

    fn refusal(&self, request: &Parts, loopback: bool) -> Option<Reply> {
        let kept_in = self.access.kept_in();
        let unauthorised = |text: String| {
            let reply =
                with(plain(StatusCode::UNAUTHORIZED, &text), WWW_AUTHENTICATE, "Bearer realm=\"hedgerow\"");
            Some(reply)
        };
        match request.headers.get(AUTHORIZATION) {
            Some(given) if self.access.is_token(given.as_bytes()) => None,
            Some(_) => unauthorised(format!(
                "the token given is not that of this service: expected `Authorization: Bearer TOKEN` with the content of \
                 {kept_in}, or, on its own machine, none"
            )),
            None if !loopback => unauthorised(format!(
                "from another machine reading takes the token: send `Authorization: Bearer TOKEN` with the content of \
                 {kept_in}"
            )),
            None => foreign_name(request).map(|name| {
                let text = format!(
                    "`{name}` is not a name of this machine's loopback: ask for 127.0.0.1, [::1] or localhost, or send \
                     `Authorization: Bearer TOKEN` with the content of {kept_in}"
                );
                plain(StatusCode::FORBIDDEN, &text)
            }),
        }
    }

    async fn page(self: &Arc<Self>, request: &Parts) -> Reply {
        let path = request.uri.path();
        let page = self.pages.more.iter().find(|page| page.path == path);
        if page.is_none() && path != "/" && path != METRICS {
            let text = format!("no page {path} here; there is\n{}", self.listed());
            return plain(StatusCode::NOT_FOUND, &text);
        }
        if request.method != Method::GET && request.method != Method::HEAD {
            let text = format!("{path} is only read: expected GET or HEAD, found {}", request.method);
            return with(plain(StatusCode::METHOD_NOT_ALLOWED, &text), ALLOW, "GET, HEAD");
        }
        if path == "/" {
            return plain(StatusCode::OK, &self.index());
        }
        let Ok(_place) = self.making.acquire().await else {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "closing");
        };
        let door = Arc::clone(self);
        let Some(page) = page else {
            let made = tokio::task::spawn_blocking(move || exposition::text(&door.families())).await;
            return made
                .map_or_else(|_| failed(path), |text| reply(StatusCode::OK, exposition::CONTENT_TYPE, text));
        };
        let query = match Query::parse(request.uri.query().unwrap_or_default()) {
            Ok(query) => query,
            Err(error) => return plain(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        let make = Arc::clone(&page.make);
        match tokio::task::spawn_blocking(move || make(&query)).await {
            Ok(Answer::Json(text)) => reply(StatusCode::OK, JSON, text),
            Ok(Answer::Wrong(text)) => plain(StatusCode::BAD_REQUEST, &text),
            Ok(Answer::NotNow(text)) => with(plain(StatusCode::SERVICE_UNAVAILABLE, &text), RETRY_AFTER, "5"),
            Err(_) => failed(path),
        }
    }

    /// What this port is.
    fn index(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        format!(
            "Hedgerow {version}, {}.\n\nThis port speaks gRPC (HTTP/2), and shows what tools read by HTTP/1.1:\n{}",
            self.pages.role,
            self.listed()
        )
    }

    fn listed(&self) -> String {
        let more = self.pages.more.iter().map(|page| (page.path, page.about));
        let all = [("/", "this list"), (METRICS, "what this role measures of itself, for Prometheus")];
        all.into_iter().chain(more).map(|(path, about)| format!("  {path}  {about}\n")).collect()
    }

    fn families(&self) -> Vec<Family> {
        let version = env!("CARGO_PKG_VERSION");
        let build = Family::new(
            FamilyKind::Gauge,
            "hedgerow_build_info",
            "Always 1; the labels say which program this is.",
        );
        let mut answered = Family::new(
            FamilyKind::Counter,
            "hedgerow_http_requests_total",
            "Requests over HTTP/1.1 answered on this port, by status code.",
        );
        for (code, count) in &*self.answered.lock().unwrap_or_else(PoisonError::into_inner) {
            answered = answered.with(&[("code", &code.to_string())], rounded(*count));
        }
        let mut families = vec![
            build.with(&[("version", version)], 1.0),
            Family::gauge(
                "hedgerow_connections",
                "Connections open on this port, of gRPC and HTTP.",
                rounded((self.connections)() as u64),
            ),
            answered,
            Family::counter(
                "hedgerow_http_turned_away_total",
                "HTTP connections closed because too many were open.",
                self.turned_away.load(Ordering::Relaxed),
            ),
        ];
        families.extend(process::families());
        families.extend((self.pages.metrics)());
        families
    }
}

/// The host that the request is meant for, where that is not loopback. Programs may leave it out; browsers cannot.
fn foreign_name(request: &Parts) -> Option<String> {
    let hosts = request
        .headers
        .get_all(HOST)
        .iter()
        .map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
    let target = request.uri.authority().map(ToString::to_string);
    hosts.chain(target).find(|host| !is_loopback_name(host))
}

fn is_loopback_name(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || bare.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback())
}

fn failed(path: &str) -> Reply {
    plain(
        StatusCode::INTERNAL_SERVER_ERROR,
        &format!("{path} could not be made: see the log of this service"),
    )
}

fn plain(status: StatusCode, text: &str) -> Reply {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    reply(status, PLAIN, format!("{text}{end}"))
}

fn reply(status: StatusCode, content_type: &'static str, text: String) -> Reply {
    let mut reply = Response::new(text);
    *reply.status_mut() = status;
    let reply = with(reply, CONTENT_TYPE, content_type);
    with(with(reply, X_CONTENT_TYPE_OPTIONS, "nosniff"), CACHE_CONTROL, "no-store")
}

fn with(mut reply: Reply, name: HeaderName, value: &'static str) -> Reply {
    reply.headers_mut().insert(name, HeaderValue::from_static(value));
    reply
}

#[cfg(test)]
mod tests;
