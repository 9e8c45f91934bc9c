//! Who may call what: the table of methods, the token, and a refusal that names the role it takes.
//!
//! On loopback reading is free; calls that change something need the user's token, whose holder is an admin of what that
//! user runs. This layer stands before every service of the port; no service checks again.

use hedgerow_model::Role;
use hedgerow_proto::methods;
use http::{Request, Response};
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

/// Services of the platform, not of the contract: they tell what is served and whether it is well.
const PLATFORM: [&str; 3] = [
    "/grpc.health.v1.Health/",
    "/grpc.reflection.v1.ServerReflection/",
    "/grpc.reflection.v1alpha.ServerReflection/",
];

/// The token whose holder may change things, and where it is kept (for the refusal's next step).
#[derive(Debug, Clone)]
pub struct Access {
    token: Arc<str>,
    kept_in: Arc<str>,
}

impl Access {
    /// Access with this token.
    pub fn new(token: &str, kept_in: &str) -> Self {
        Self { token: token.into(), kept_in: kept_in.into() }
    }

    /// Decides about a call of `path` with this `authorization` metadata.
    ///
    /// # Errors
    /// A refusal that names the role that the method takes.
    pub fn decide(&self, path: &str, authorization: Option<&[u8]>) -> Result<(), Box<Status>> {
        let needed = match methods::role(path) {
            Some(role) => role,
            None if PLATFORM.iter().any(|prefix| path.starts_with(prefix)) => Role::Viewer,
            None => return Err(Box::new(Status::unimplemented(format!("{path}: no such method here")))),
        };
        let role = match authorization {
            None => Role::Viewer,
            Some(given) if self.is_token(given) => Role::Admin,
            Some(_) => {
                let kept_in = &self.kept_in;
                let text = format!(
                    "{path}: the token given is not that of this service: expected `authorization: Bearer TOKEN` with the \
                     content of {kept_in}, or no token for calls that only read"
                );
                return Err(Box::new(Status::unauthenticated(text)));
            }
        };
        if role.may(needed) {
            return Ok(());
        }
        let kept_in = &self.kept_in;
        let text = format!(
            "{path} takes the role {needed}, without a token you are {role}: send `authorization: Bearer TOKEN` with the \
             content of {kept_in}"
        );
        Err(Box::new(Status::permission_denied(text)))
    }

    /// Where the token is kept, to be said in refusals.
    pub(crate) fn kept_in(&self) -> &str {
        &self.kept_in
    }

    /// Whether this `authorization` is the right one.
    pub(crate) fn is_token(&self, given: &[u8]) -> bool {
        let Some(given) = given.strip_prefix(b"Bearer ").or_else(|| given.strip_prefix(b"bearer ")) else {
            return false;
        };
        let token = self.token.as_bytes();
        // Every byte is looked at, so that the time taken tells nothing of how much was right.
        given.len() == token.len() && given.iter().zip(token).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }
}

impl<S> Layer<S> for Access {
    type Service = Guarded<S>;
    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { access: self.clone(), inner }
    }
}

/// A service behind an [`Access`].
#[derive(Debug, Clone)]
pub struct Guarded<S> {
    access: Access,
    inner: S,
}

impl<S, B> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let given = request.headers().get(http::header::AUTHORIZATION).map(http::HeaderValue::as_bytes);
        match self.access.decide(request.uri().path(), given) {
            Ok(()) => Box::pin(self.inner.call(request)),
            Err(refusal) => Box::pin(std::future::ready(Ok(refusal.into_http()))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tonic::Code;

    #[test]
    fn reading_is_free_and_changing_takes_the_token() {
        let access = Access::new("s3cret", "/tmp/token");
        let decide = |path: &str, given: Option<&str>| {
            access
                .decide(path, given.map(str::as_bytes))
                .map_err(|status| (status.code(), status.message().to_owned()))
        };
        assert!(decide("/hedgerow.lookup.v1.Lookup/Find", None).is_ok());
        assert!(decide("/grpc.health.v1.Health/Check", None).is_ok());
        assert!(decide("/hedgerow.lookup.v1.Lookup/Register", Some("Bearer s3cret")).is_ok());
        let (code, text) = decide("/hedgerow.lookup.v1.Lookup/Register", None).unwrap_err();
        assert_eq!(code, Code::PermissionDenied);
        assert!(text.contains("takes the role service") && text.contains("/tmp/token"), "{text}");
        for wrong in ["Bearer s3cre", "Bearer s3crex", "s3cret", "Bearer ", ""] {
            let (code, _) = decide("/hedgerow.lookup.v1.Lookup/Find", Some(wrong)).unwrap_err();
            assert_eq!(code, Code::Unauthenticated, "{wrong:?}: a wrong token is never taken for none");
        }
        assert_eq!(decide("/hedgerow.lookup.v1.Lookup/Nothing", None).unwrap_err().0, Code::Unimplemented);
    }
}
