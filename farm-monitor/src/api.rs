//! What clients call: `hedgerow.farm.v1.Farm`. Thin: checks what came, hands it to the hub, the cache or the engine.

mod alarms;
mod filters;
mod status;

pub use alarms::AlarmsApi;
pub use filters::FiltersApi;
pub use status::{CacheFile, cache_edge};

use crate::config::FarmConfig;
use crate::door::TrapDoor;
use crate::filter::alarms::Alarms;
use crate::hub::{Hub, Known};
use crate::subscribe::{AlarmFeed, Feed, Plan};
use hedgerow_client::lease::LeaseKeeper;
use hedgerow_collect::engine::EngineHandle;
use hedgerow_model::registration::{Id, Mesh};
use hedgerow_model::{Columns, SeriesId};
use hedgerow_proto::convert::{WireError, batch, predicate, series};
use hedgerow_proto::farm::farm_server::{Farm, FarmServer};
use hedgerow_proto::farm::{
    ListSeriesRequest, ListSeriesResponse, QueryRequest, StatusRequest, StatusResponse, SubscribeRequest,
    list_series_response::Listed,
};
use hedgerow_proto::{MESH_ID_METADATA, MESH_NAME_METADATA, mesh_name, stream::StreamMessage};
use hedgerow_service::drain::Drain;
use hedgerow_service::listener::MAX_REQUEST_BYTES;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// Subscriptions open at once. One more is refused: each that does not keep up may hold a megabyte.
pub const MAX_SUBSCRIBERS: usize = 4096;
/// Series in one message of a listing.
const LIST_CHUNK: usize = 500;

/// The service, over the parts of a farm.
#[derive(Clone)]
pub struct FarmApi {
    pub(crate) id: Id,
    pub(crate) hub: Arc<Hub>,
    pub(crate) engine: EngineHandle,
    pub(crate) config: watch::Receiver<Configured>,
    pub(crate) leases: Arc<Mutex<Option<LeaseKeeper>>>,
    pub(crate) traps: TrapDoor,
    pub(crate) alarms: Alarms,
    pub(crate) cache_file: CacheFile,
    pub(crate) drain: Drain,
    pub(crate) started: tokio::time::Instant,
}

/// The configuration that runs, and what is wrong with the file, if anything is.
#[derive(Debug, Clone)]
pub struct Configured {
    /// What runs.
    pub running: Arc<FarmConfig>,
    /// Why the file as it stands now is not what runs; empty: it is.
    pub error: String,
}

impl FarmApi {
    /// As a tonic service, with limits.
    pub fn into_server(self) -> FarmServer<Self> {
        FarmServer::new(self).max_decoding_message_size(MAX_REQUEST_BYTES)
    }

    fn mesh(&self) -> Option<Mesh> {
        self.leases.lock().as_ref().and_then(|leases| leases.mesh().cloned())
    }

    /// Refuses callers of another mesh, naming both.
    fn check_mesh<T>(&self, request: &Request<T>) -> Result<(), Box<Status>> {
        let (Some(mesh), Some(theirs)) = (self.mesh(), request.metadata().get(MESH_ID_METADATA)) else {
            return Ok(());
        };
        let theirs = theirs.to_str().unwrap_or("(not text)");
        if theirs.parse() == Ok(mesh.id) {
            return Ok(());
        }
        let text = format!("this farm belongs to the mesh {mesh}, the call comes from the mesh {theirs}");
        Err(Box::new(Status::failed_precondition(text)))
    }

    /// An answer with the farm's mesh in its metadata.
    fn answer<T>(&self, message: T) -> Response<T> {
        let mut response = Response::new(message);
        if let Some(mesh) = self.mesh() {
            let metadata = response.metadata_mut();
            if let Ok(id) = mesh.id.to_string().parse() {
                metadata.insert(MESH_ID_METADATA, id);
            }
            if let Ok(name) = mesh_name::percent_encoded(&mesh.name).parse() {
                metadata.insert(MESH_NAME_METADATA, name);
            }
        }
        response
    }

    fn refuse_while_draining(&self) -> Result<(), Status> {
        if self.drain.has_begun() { Err(Status::unavailable("the farm is stopping")) } else { Ok(()) }
    }
}

#[tonic::async_trait]
impl Farm for FarmApi {
    type ListSeriesStream = ReceiverStream<Result<ListSeriesResponse, Status>>;
    type SubscribeStream = ReceiverStream<Result<StreamMessage, Status>>;
    type QueryStream = ReceiverStream<Result<StreamMessage, Status>>;

    async fn status(&self, request: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        self.check_mesh(&request).map_err(|status| *status)?;
        Ok(self.answer(status::answer(self).await))
    }

    async fn list_series(
        &self,
        request: Request<ListSeriesRequest>,
    ) -> Result<Response<Self::ListSeriesStream>, Status> {
        self.check_mesh(&request).map_err(|status| *status)?;
        let patterns = predicate::patterns_from_wire(request.into_inner().patterns)?;
        let hub = Arc::clone(&self.hub);
        let ids = aside(move || hub.matching(&patterns)).await?;
        let (out, answer) = mpsc::channel(1);
        let hub = Arc::clone(&self.hub);
        tokio::spawn(async move {
            for chunk in ids.chunks(LIST_CHUNK) {
                if out.send(list(&hub, chunk).await).await.is_err() {
                    return;
                }
            }
        });
        Ok(self.answer(ReceiverStream::new(answer)))
    }

    async fn subscribe(
        &self,
        request: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        self.check_mesh(&request).map_err(|status| *status)?;
        self.refuse_while_draining()?;
        if self.hub.subscribers() >= MAX_SUBSCRIBERS {
            let text = format!(
                "{MAX_SUBSCRIBERS} subscriptions are open, which is the most: end some, or ask later"
            );
            return Err(Status::resource_exhausted(text));
        }
        let request = request.into_inner();
        let predicate = predicate::from_wire(request.predicate)?;
        let (hub, id, resume) = (Arc::clone(&self.hub), self.id, request.resume);
        let (plan, mut cursor) = aside(move || Plan::subscribe(&hub, id, predicate, &resume)).await??;
        if request.queue_bytes > 0 {
            cursor.bound(usize::try_from(request.queue_bytes).unwrap_or(usize::MAX));
        }
        let alarms = request.alarms.then(|| AlarmFeed::new(self.alarms.clone()));
        let output = Feed::start_with(Arc::clone(&self.hub), plan, cursor, self.drain.clone(), alarms);
        Ok(self.answer(ReceiverStream::new(output)))
    }

    async fn query(&self, request: Request<QueryRequest>) -> Result<Response<Self::QueryStream>, Status> {
        self.check_mesh(&request).map_err(|status| *status)?;
        self.refuse_while_draining()?;
        let request = request.into_inner();
        let predicate = predicate::from_wire(request.predicate)?;
        let ranges =
            request.ranges.into_iter().map(series::range_from_wire).collect::<Result<_, WireError>>()?;
        let (hub, id) = (Arc::clone(&self.hub), self.id);
        let (plan, cursor) = aside(move || Plan::query(&hub, id, predicate, ranges)).await??;
        let output = Feed::start(Arc::clone(&self.hub), plan, cursor, self.drain.clone());
        Ok(self.answer(ReceiverStream::new(output)))
    }
}

/// Does something beside the async threads: comparing many patterns with many series takes its time.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Status> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Status::internal("the question was given up"))
}

/// One message of a listing. Of series not heard since the start the cache knows the last sample.
async fn list(hub: &Arc<Hub>, ids: &[SeriesId]) -> Result<ListSeriesResponse, Status> {
    let (known, (_, views)) = (hub.known(ids), hub.declared(&[]));
    let silent: Vec<SeriesId> = known.iter().filter(|k| k.latest.is_none()).map(|k| k.id).collect();
    let reader = hub.cache().reader();
    let earlier = tokio::task::spawn_blocking(move || reader.last(&silent))
        .await
        .map_err(|_| Status::internal("reading the cache was given up"))?
        .map_err(|error| Status::internal(format!("reading the cache: {error}")))?;
    let listed = |known: &Known| {
        let latest = known.latest.as_ref().map(|latest| (latest.time, latest.value.clone()));
        let latest = latest.or_else(|| {
            earlier.iter().find(|sample| sample.series == known.id).map(|s| (s.time, s.value.clone()))
        });
        let last = latest.as_ref().map(|(_, value)| {
            let mut columns = Columns::default();
            columns.push(value.clone());
            batch::columns_to_wire(&columns)
        });
        let mut told = series::to_wire(known.id, &known.def);
        let in_view = views.iter().filter(|view| view.holds(&known.def.key.cluster, &known.def.key.node));
        told.views = in_view.map(|view| view.name.clone()).collect();
        Listed {
            series: Some(told),
            life: known.life as i32,
            life_reason: known.life_reason.to_string(),
            last_ms: latest.map(|(time, _)| time),
            last,
        }
    };
    Ok(ListSeriesResponse { series: known.iter().map(listed).collect() })
}
