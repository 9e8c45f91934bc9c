//! `hedgerow.filter.v1.Filters`: what is deployed here, how it goes, what it logs.

mod run;

use super::FarmApi;
use crate::filter::held::{HeldRuns, MAX_HELD};
use crate::filter::{Deployments, RetryError};
use hedgerow_proto::filter::filters_server::{Filters, FiltersServer};
use hedgerow_proto::filter::{
    ListDeploymentsRequest, ListDeploymentsResponse, ReadLogsRequest, ReadLogsResponse,
    RetryDeploymentRequest, RetryDeploymentResponse, RunRequest, RunResponse,
};
use hedgerow_service::drain::Drain;
use hedgerow_service::listener::MAX_REQUEST_BYTES;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// Lines in one message.
const CHUNK_LINES: usize = 100;
/// Logs that are followed at once; one more is refused.
const MAX_FOLLOWERS: usize = 256;

/// The service.
#[derive(Clone)]
pub struct FiltersApi {
    farm: FarmApi,
    deployments: Deployments,
    held: HeldRuns,
    followers: Arc<AtomicUsize>,
}

impl FiltersApi {
    /// Over the deployments of a farm, and what it runs for callers.
    pub fn new(farm: FarmApi, deployments: Deployments, held: HeldRuns) -> Self {
        Self { farm, deployments, held, followers: Arc::default() }
    }

    /// As a tonic service, with limits.
    pub fn into_server(self) -> FiltersServer<Self> {
        FiltersServer::new(self).max_decoding_message_size(MAX_REQUEST_BYTES)
    }

    fn unknown(&self, name: &str) -> Status {
        let farm = self.farm.hub.farm();
        Status::not_found(format!("no deployment `{name}` means farm {farm}, as far as it knows"))
    }
}

#[tonic::async_trait]
impl Filters for FiltersApi {
    type ReadLogsStream = ReceiverStream<Result<ReadLogsResponse, Status>>;
    type RunStream = ReceiverStream<Result<RunResponse, Status>>;

    async fn list_deployments(
        &self,
        request: Request<ListDeploymentsRequest>,
    ) -> Result<Response<ListDeploymentsResponse>, Status> {
        self.farm.check_mesh(&request).map_err(|status| *status)?;
        let deployments = self.deployments.statuses(&request.into_inner().names);
        let off = self.deployments.off().unwrap_or_default().to_owned();
        Ok(self.farm.answer(ListDeploymentsResponse { deployments, off }))
    }

    async fn read_logs(
        &self,
        request: Request<ReadLogsRequest>,
    ) -> Result<Response<Self::ReadLogsStream>, Status> {
        self.farm.check_mesh(&request).map_err(|status| *status)?;
        self.farm.refuse_while_draining()?;
        let request = request.into_inner();
        let name = &request.name;
        if self.deployments.log_begin(name, request.last).is_none() {
            return Err(self.unknown(name));
        }
        let place = Follower::begin(&self.followers).ok_or_else(|| {
            Status::resource_exhausted(format!("{MAX_FOLLOWERS} logs are read, which is the most: ask later"))
        })?;
        let (out, answer) = mpsc::channel(1);
        let (deployments, drain) = (self.deployments.clone(), self.farm.drain.clone());
        tokio::spawn(async move {
            tell_lines(&deployments, &request, &out, drain).await;
            drop(place);
        });
        Ok(self.farm.answer(ReceiverStream::new(answer)))
    }

    async fn retry_deployment(
        &self,
        request: Request<RetryDeploymentRequest>,
    ) -> Result<Response<RetryDeploymentResponse>, Status> {
        self.farm.check_mesh(&request).map_err(|status| *status)?;
        let (deployments, name) = (self.deployments.clone(), request.into_inner().name);
        let asked = name.clone();
        // It is kept on the disk.
        let retried = tokio::task::spawn_blocking(move || deployments.retry(&asked))
            .await
            .map_err(|_| Status::internal("the retry was given up"))?;
        match retried {
            Ok(deployment) => Ok(self.farm.answer(RetryDeploymentResponse { deployment: Some(deployment) })),
            Err(RetryError::Unknown) => Err(self.unknown(&name)),
            Err(RetryError::NothingToRetry(state)) => Err(Status::failed_precondition(format!(
                "`{name}` is {state}: only what is quarantined, backing off or preparing is tried again"
            ))),
        }
    }

    async fn run(
        &self,
        request: Request<Streaming<RunRequest>>,
    ) -> Result<Response<Self::RunStream>, Status> {
        self.farm.check_mesh(&request).map_err(|status| *status)?;
        self.farm.refuse_while_draining()?;
        let settings = self.farm.config.borrow().running.filters.clone();
        HeldRuns::check(&settings).map_err(Status::failed_precondition)?;
        let place = self.held.place().ok_or_else(|| {
            Status::resource_exhausted(format!("{MAX_HELD} runs are held here, which is the most: ask later"))
        })?;
        let order = run::order(request.into_inner()).await?;
        let (out, answer) = mpsc::channel(1);
        let (held, drain) = (self.held.clone(), self.farm.drain.clone());
        tokio::spawn(async move {
            let ended = tokio::select! {
                ended = held.run(order, &settings, &out) => ended.map_err(|ended| run::status(&ended)),
                () = out.closed() => Ok(()),
                () = drain.begun() => Err(Status::unavailable("the farm is stopping")),
            };
            // The caller is told only when there is room for another.
            drop(place);
            if let Err(status) = ended {
                let _ = out.send(Err(status)).await;
            }
        });
        Ok(self.farm.answer(ReceiverStream::new(answer)))
    }
}

/// Tells what is kept, then, where it is asked for, what comes, until nobody listens or the farm stops.
async fn tell_lines(
    deployments: &Deployments,
    request: &ReadLogsRequest,
    out: &mpsc::Sender<Result<ReadLogsResponse, Status>>,
    drain: Drain,
) {
    let mut changes = deployments.log_changes();
    let Some(mut place) = deployments.log_begin(&request.name, request.last) else { return };
    let stopping = drain.begun();
    tokio::pin!(stopping);
    loop {
        changes.borrow_and_update();
        // Gone: so is its log.
        let Some(read) = deployments.log_read(&request.name, place, CHUNK_LINES) else { return };
        place = read.next;
        let all = read.lines.len() < CHUNK_LINES;
        if !read.lines.is_empty() || read.dropped > 0 {
            let told = ReadLogsResponse { lines: read.lines, dropped: read.dropped };
            if out.send(Ok(told)).await.is_err() {
                return;
            }
        }
        if all && !request.follow {
            return;
        }
        if all {
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = out.closed() => return,
                () = &mut stopping => return,
            }
        }
    }
}

/// A place among those who read logs.
struct Follower(Arc<AtomicUsize>);

impl Follower {
    fn begin(all: &Arc<AtomicUsize>) -> Option<Self> {
        let taken = all.fetch_update(Relaxed, Relaxed, |taken| (taken < MAX_FOLLOWERS).then_some(taken + 1));
        taken.is_ok().then(|| Self(Arc::clone(all)))
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
