//! Connections to services: keep-alives, limits, the mesh's id, and the token, to loopback only.
//!
//! A connection is opened at the first call and opened again when it broke; a call that cannot be made says so.

mod listener;

use crate::error::ClientError;
use crate::token::UserToken;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use hedgerow_model::registration::{Id, Mesh};
use hedgerow_proto::farm::farm_client::FarmClient;
use hedgerow_proto::filter::alarms_client::AlarmsClient;
use hedgerow_proto::filter::filters_client::FiltersClient;
use hedgerow_proto::lookup::documents_client::DocumentsClient;
use hedgerow_proto::lookup::lookup_client::LookupClient;
use hedgerow_proto::{MESH_ID_METADATA, lookup};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Status};

/// Longest message that is taken from a service; a larger one ends the call.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of metadata that are taken with an answer.
const MAX_HEADER_BYTES: u32 = 16 * 1024;
/// Bytes a service may send ahead on one stream; a slow reader costs no more than this, and the service then waits.
const STREAM_WINDOW: u32 = 1024 * 1024;
/// The same for all streams of a connection; more than one stream's, so that a slow one does not stop the others.
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;
/// How long a connection may take to open.
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);
/// An idle connection is asked this often whether it still lives.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How long it has to answer; then its calls fail.
const KEEP_ALIVE_ANSWER: Duration = Duration::from_secs(5);

/// Who calls: what is sent with each call. Cheap to clone; copies share the mesh once it is known.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    token: Option<UserToken>,
    joined: Arc<Joined>,
}

/// The mesh, and how it came to be known.
#[derive(Debug, Default)]
struct Joined {
    mesh: OnceLock<Mesh>,
    /// Whose mesh it is, where a lookup decided it.
    by: OnceLock<String>,
    /// Lookups that somebody named, in that order: the first of them that answers decides an unknown mesh.
    named: Mutex<Vec<String>>,
}

impl Caller {
    /// A caller with the user's token, and of this mesh where it is known already.
    pub fn new(token: Option<UserToken>, mesh: Option<Mesh>) -> Self {
        let caller = Self { token, joined: Arc::default() };
        if let Some(mesh) = mesh {
            let _ = caller.joined.mesh.set(mesh);
        }
        caller
    }

    /// The same without the token: for services of whose owner nothing is known, and calls that change nothing.
    #[must_use]
    pub fn without_token(&self) -> Self {
        Self { token: None, joined: Arc::clone(&self.joined) }
    }

    /// The same, to change something at an address that a lookup told: without the token, unless it is a service of this user's,
    /// or of root's, on this machine.
    pub(crate) fn trusting(&self, url: &str) -> Self {
        let port = url.parse::<Uri>().ok().and_then(|uri| uri.port_u16());
        let trusted = leads_to_loopback(url) && port.is_some_and(listener::is_trusted);
        if trusted { self.clone() } else { self.without_token() }
    }

    /// The mesh, once it is known.
    pub fn mesh(&self) -> Option<&Mesh> {
        self.joined.mesh.get()
    }

    /// The lookup whose mesh it is; `None`: it is not known, or was from the start.
    pub fn mesh_decided_by(&self) -> Option<&str> {
        self.joined.by.get().map(String::as_str)
    }

    /// Somebody named these lookups, in this order: where the mesh is unknown, it is that of the first of them that answers.
    pub(crate) fn names(&self, urls: impl IntoIterator<Item = String>) {
        *self.joined.named.lock().unwrap_or_else(PoisonError::into_inner) =
            urls.into_iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
    }

    /// Whether somebody named the lookup at `url`.
    pub(crate) fn is_named(&self, url: &str) -> bool {
        let named = self.joined.named.lock().unwrap_or_else(PoisonError::into_inner);
        named.iter().any(|named| named == url.trim_end_matches('/'))
    }

    /// The first that answers, in order, of the lookups that were named before the one at `url`, and its mesh.
    async fn named_before(&self, url: &str, within: Duration) -> Option<(String, Mesh)> {
        let mut named = self.joined.named.lock().unwrap_or_else(PoisonError::into_inner).clone();
        named.truncate(named.iter().position(|named| named == url.trim_end_matches('/'))?);
        let asked = named.into_iter().map(|url| async move {
            let mesh = self.connect(&url).ok()?.status(within).await.ok()?.1;
            Some((url, mesh))
        });
        let mut answers: FuturesOrdered<_> = asked.collect();
        while let Some(answer) = answers.next().await {
            if answer.is_some() {
                return answer;
            }
        }
        None
    }

    /// Takes the mesh of a service that answered for one's own where none is known; another one is refused.
    ///
    /// # Errors
    /// Both meshes, where they differ.
    pub fn join(&self, at: &str, theirs: Mesh) -> Result<(), ClientError> {
        let ours = self.joined.mesh.get_or_init(|| {
            let _ = self.joined.by.set(at.to_owned());
            theirs.clone()
        });
        if ours.id == theirs.id {
            return Ok(());
        }
        let (theirs, ours) = (Box::new(theirs), Box::new(ours.clone()));
        Err(ClientError::OtherMesh { at: at.to_owned(), theirs, ours })
    }

    /// A connection to the service at `url`. Nothing is sent before the first call.
    ///
    /// # Errors
    /// Where `url` is not an address.
    pub fn connect(&self, url: &str) -> Result<Connection, ClientError> {
        let wrong = |problem: &str| ClientError::Address { url: url.to_owned(), problem: problem.to_owned() };
        let uri: Uri = url.parse().map_err(|_| wrong("not a URL"))?;
        if uri.scheme_str() != Some("http") {
            return Err(wrong("this release speaks http only"));
        }
        let host = uri.host().ok_or_else(|| wrong("no host"))?;
        uri.port_u16().ok_or_else(|| wrong("no port"))?;
        if uri.path_and_query().is_some_and(|path| path.as_str() != "/") {
            return Err(wrong("it has a path"));
        }
        let metadata = self.metadata(host).ok_or_else(|| wrong("the token cannot be sent"))?;
        let channel = Endpoint::from(uri)
            .connect_timeout(CONNECT_PATIENCE)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE_ANSWER)
            .keep_alive_while_idle(true)
            .http2_max_header_list_size(MAX_HEADER_BYTES)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .connect_lazy();
        let of_no_mesh = Metadata { joined: Arc::default(), ..metadata.clone() };
        let greeting = InterceptedService::new(channel.clone(), of_no_mesh);
        Ok(Connection { url: url.into(), channel: InterceptedService::new(channel, metadata), greeting })
    }

    /// What goes with calls to `host`: the token to loopback only.
    fn metadata(&self, host: &str) -> Option<Metadata> {
        let mut authorization = None;
        if let Some(token) = self.token.as_ref().filter(|_| is_loopback(host)) {
            let mut value: MetadataValue<Ascii> = format!("Bearer {}", token.secret()).parse().ok()?;
            value.set_sensitive(true);
            authorization = Some(value);
        }
        Some(Metadata { authorization, joined: Arc::clone(&self.joined) })
    }
}

/// A connection to one service. Cheap to clone; copies share it.
#[derive(Debug, Clone)]
pub struct Connection {
    url: Arc<str>,
    channel: InterceptedService<Channel, Metadata>,
    /// The same, but that it does not say of which mesh the caller is: a service of another mesh would not say of which
    /// mesh it is, but refuse.
    greeting: InterceptedService<Channel, Metadata>,
}

impl Connection {
    /// Where it goes.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// To call a lookup.
    pub fn lookup(&self) -> LookupClient<InterceptedService<Channel, Metadata>> {
        LookupClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// To call the store of signed documents of a lookup.
    pub fn documents(&self) -> DocumentsClient<InterceptedService<Channel, Metadata>> {
        DocumentsClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// To call a farm.
    pub fn farm(&self) -> FarmClient<InterceptedService<Channel, Metadata>> {
        FarmClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// To call a farm about its filters.
    pub fn filters(&self) -> FiltersClient<InterceptedService<Channel, Metadata>> {
        FiltersClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// To call a farm about its alarms.
    pub fn alarms(&self) -> AlarmsClient<InterceptedService<Channel, Metadata>> {
        AlarmsClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// A lookup's status; checks on the way that it is of the caller's mesh. Where that is unknown, it is that of the first
    /// lookup that answers of those that were named before this one, else this one's.
    ///
    /// # Errors
    /// Where it does not answer, or is of another mesh.
    pub(crate) async fn greet(
        &self,
        caller: &Caller,
        within: Duration,
    ) -> Result<lookup::StatusResponse, ClientError> {
        let earlier = async {
            Ok(if caller.mesh().is_none() { caller.named_before(&self.url, within).await } else { None })
        };
        let ((status, theirs), earlier) = futures_util::try_join!(self.status(within), earlier)?;
        if let Some((at, mesh)) = earlier {
            // What is wrong with that one is told where it is greeted.
            let _ = caller.join(&at, mesh);
        }
        caller.join(&self.url, theirs)?;
        Ok(status)
    }

    async fn status(&self, within: Duration) -> Result<(lookup::StatusResponse, Mesh), ClientError> {
        const TRIED: &str = "ask for the lookup's mesh";
        let mut client = LookupClient::new(self.greeting.clone());
        let call = client.status(lookup::StatusRequest {});
        let status = in_time(TRIED, &self.url, within, call).await.map_err(|error| match error {
            ClientError::Call { code: Code::Unimplemented, at, .. } => ClientError::NotALookup { at },
            error => error,
        })?;
        let status = status.into_inner();
        let id = Id::from_slice(&status.mesh_id).ok_or_else(|| ClientError::Wire {
            at: self.url.to_string(),
            error: hedgerow_proto::WireError::new("mesh_id", "expected 16 bytes"),
        })?;
        let mesh = Mesh { name: status.mesh_name.clone(), id };
        Ok((status, mesh))
    }
}

/// The answer to `call`, or what to say about it.
pub(crate) async fn in_time<T>(
    tried: &'static str,
    at: &str,
    within: Duration,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, ClientError> {
    match tokio::time::timeout(within, call).await {
        Ok(answer) => answer.map_err(|status| ClientError::of_status(tried, at, &status)),
        Err(_) => Err(ClientError::TimedOut { tried, at: at.to_owned(), within }),
    }
}

/// Whether `url` leads to this machine only.
pub(crate) fn leads_to_loopback(url: &str) -> bool {
    url.parse::<Uri>().is_ok_and(|uri| uri.host().is_some_and(is_loopback))
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback())
}

/// Adds to each call what the [`Caller`] is.
#[derive(Debug, Clone)]
pub struct Metadata {
    authorization: Option<MetadataValue<Ascii>>,
    joined: Arc<Joined>,
}

impl Interceptor for Metadata {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.authorization {
            request.metadata_mut().insert("authorization", value.clone());
        }
        if let Some(value) = self.joined.mesh.get().and_then(|mesh| mesh.id.to_string().parse().ok()) {
            request.metadata_mut().insert(MESH_ID_METADATA, value);
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_token_goes_to_loopback_only_and_the_mesh_everywhere() {
        let folder = tempfile::tempdir().unwrap();
        let token = UserToken::load_or_create(&folder.path().join("token")).unwrap();
        let caller = Caller::new(Some(token.clone()), None);
        let sent = |host: &str, key: &str| {
            let request = caller.metadata(host).unwrap().call(Request::new(())).unwrap();
            request.metadata().get(key).map(|value| value.to_str().unwrap().to_owned())
        };
        for host in ["127.0.0.1", "127.8.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"] {
            assert_eq!(sent(host, "authorization").unwrap(), format!("Bearer {}", token.secret()), "{host}");
        }
        for host in ["10.0.0.1", "example.org", "[2001:db8::1]", "127.0.0.1.example.org", "localhost.org"] {
            assert_eq!(sent(host, "authorization"), None, "{host}");
        }
        assert_eq!(sent("example.org", MESH_ID_METADATA), None);
        caller.join("x", Mesh { name: "a".into(), id: Id([7; 16]) }).unwrap();
        assert_eq!(sent("example.org", MESH_ID_METADATA).unwrap(), "07".repeat(16));
        let error = caller.join("y", Mesh { name: "b".into(), id: Id([8; 16]) }).unwrap_err().to_string();
        assert!(error.contains("mesh b (08") && error.contains("to a (07"), "{error}");
    }

    #[tokio::test]
    async fn what_is_no_address_is_refused_with_what_was_expected() {
        let with_path = ["http://127.0.0.1:7401/metrics", "http://127.0.0.1:7401/?x"];
        let others = ["", "127.0.0.1:7401", "https://127.0.0.1:7401", "http://127.0.0.1", "http:// x:1"];
        for url in with_path.into_iter().chain(others) {
            let error = Caller::default().connect(url).unwrap_err().to_string();
            assert!(error.contains("expected http://HOST:PORT"), "{error}");
            assert_eq!(error.contains("it has a path"), with_path.contains(&url), "{error}");
        }
        assert!(Caller::default().connect("http://127.0.0.1:7401/").is_ok(), "as browsers write it");
        assert_eq!(Caller::default().connect("http://[::1]:7401").unwrap().url(), "http://[::1]:7401");
        assert!(leads_to_loopback("http://127.0.0.1:1") && !leads_to_loopback("http://10.0.0.1:1"));
    }
}
