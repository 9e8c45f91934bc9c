//! The gRPC service: wire types in and out, the mesh checked on every call. Who may call is decided before, at the port.

mod facets;
mod stream;
pub(crate) mod wire;

use crate::directory::{Granted, Revision};
use crate::leases::LeaseId;
use crate::lookup::Inner;
use crate::refusal::Refusal;
use futures_util::Stream;
use hedgerow_model::registration::{Id, Mesh};
use hedgerow_model::template::{Matcher, Operation};
use hedgerow_proto::convert::{registration, template};
use hedgerow_proto::lookup::{
    CancelRequest, CancelResponse, FacetsRequest, FacetsResponse, FindRequest, FindResponse, RegisterRequest,
    RegisterResponse, RenewRequest, RenewResponse, StatusRequest, StatusResponse, Template, WatchRequest,
    WatchResponse, lookup_server,
};
use hedgerow_proto::{MESH_ID_METADATA, MESH_NAME_METADATA, mesh_name};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::{Request, Response, Status, Streaming};

/// Most leases in one message of Renew; a message with more ends the stream.
pub const MAX_RENEWALS: usize = 1000;
/// Most registrations on a page of Find; more come on the next.
pub const MAX_PAGE: usize = 1000;
/// Most bytes of bodies on a page of Find, or in a message of Watch, unless a single one has more.
pub const MAX_PAGE_BYTES: usize = 1 << 20;

/// Most that the patterns of a template cost together: each value that may fit is tried against all of them while the
/// directory is locked (a second of 200,000 names of 22 bytes at worst, ten of such as long as a name can be), and so is each
/// change for a watcher. More are refused.
pub const MAX_PATTERN_COST: usize = 2048;
/// What a pattern costs, or a range, beside its length.
const PATTERN_COST: usize = 16;
/// How many times as much one with braces costs, of which all ways are followed at once.
const BRACES_COST: usize = 8;

/// The service.
pub struct LookupService(pub(crate) Arc<Inner>);

pub(crate) type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl lookup_server::Lookup for LookupService {
    type RenewStream = Pin<Box<dyn Stream<Item = Result<RenewResponse, Status>> + Send>>;
    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

    async fn register(&self, request: Request<RegisterRequest>) -> Answer<RegisterResponse> {
        self.answer(&request, |request| self.registered(request))
    }

    async fn renew(&self, request: Request<Streaming<RenewRequest>>) -> Answer<Self::RenewStream> {
        let (metadata, extensions, requests) = request.into_parts();
        let renewals: Self::RenewStream = Box::pin(stream::renewals(Arc::clone(&self.0), requests));
        self.answer(&Request::from_parts(metadata, extensions, ()), |()| Ok(renewals))
    }

    async fn cancel(&self, request: Request<CancelRequest>) -> Answer<CancelResponse> {
        self.answer(&request, |request| {
            let cancelled = self.0.act(|directory, now| directory.cancel(now, LeaseId(request.lease)));
            Ok(CancelResponse { cancelled })
        })
    }

    async fn find(&self, request: Request<FindRequest>) -> Answer<FindResponse> {
        self.answer(&request, |request| self.found(request))
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Answer<Self::WatchStream> {
        self.answer(&request, |request| self.watched(request))
    }

    async fn facets(&self, request: Request<FacetsRequest>) -> Answer<FacetsResponse> {
        self.answer(&request, |request| facets::answer(&self.0, request))
    }

    async fn status(&self, request: Request<StatusRequest>) -> Answer<StatusResponse> {
        self.answer(&request, |_| Ok(wire::status(&self.0)))
    }
}

impl LookupService {
    /// Answers a caller of the same mesh while the lookup is open; every answer, refusals too, names the mesh.
    fn answer<Q, R>(&self, request: &Request<Q>, answer: impl FnOnce(&Q) -> Result<R, Status>) -> Answer<R> {
        named(&self.0, admit(&self.0, request.metadata()).and_then(|()| answer(request.get_ref())))
    }

    fn registered(&self, request: &RegisterRequest) -> Result<RegisterResponse, Status> {
        let registered = self.take(request);
        if registered.is_err() {
            self.0.act(|directory, _| directory.counters.refused += 1);
        }
        let (granted, revision, lookups_version) = registered?;
        Ok(RegisterResponse {
            lease: granted.lease.0,
            granted_ms: wire::millis(granted.term),
            revision: Some(wire::revision(revision)),
            lookup_id: registration::id_to_wire(self.0.id),
            lookups_version,
        })
    }

    fn take(&self, request: &RegisterRequest) -> Result<(Granted, Revision, u64), Status> {
        let offered = request.registration.as_ref();
        let offered = offered.ok_or_else(|| Status::invalid_argument("registration: missing"))?;
        let entry = self.0.rules.admit(offered)?;
        let asked = Duration::from_millis(request.asked_ms);
        let fresh = getrandom::u64().map_err(|_| Status::internal("the system gives no random bits"))?;
        let granted = self.0.act(|directory, now| {
            let granted = directory.register(now, entry, asked, LeaseId(fresh))?;
            Ok::<_, Refusal>((granted, directory.revision(), directory.lookups_version()))
        })?;
        Ok(granted)
    }

    fn found(&self, request: &FindRequest) -> Result<FindResponse, Status> {
        let template = compile(request.template.clone())?;
        let limit = match usize::try_from(request.limit) {
            Ok(limit @ 1..MAX_PAGE) => limit,
            _ => MAX_PAGE,
        };
        let after = match &*request.cursor {
            [] => None,
            cursor => Some(registration::id_from_wire("cursor", cursor)?),
        };
        let (page, revision) = self.0.act(|directory, now| {
            (directory.find(now, &template, after, limit, MAX_PAGE_BYTES), directory.revision())
        });
        let last = page.sights.last().filter(|_| page.more);
        Ok(FindResponse {
            cursor: last
                .map(|sight| registration::id_to_wire(sight.entry.registration.id))
                .unwrap_or_default(),
            total: page.total,
            held: page.sights.iter().map(|sight| wire::held(sight, self.0.epoch, Duration::ZERO)).collect(),
            revision: Some(wire::revision(revision)),
            lookup_id: registration::id_to_wire(self.0.id),
        })
    }

    fn watched(
        &self,
        request: &WatchRequest,
    ) -> Result<<Self as lookup_server::Lookup>::WatchStream, Status> {
        let template = compile(request.template.clone())?;
        let after = request.after.map(|after| Revision { epoch: after.epoch, number: after.number });
        Ok(Box::pin(stream::Watching::begin(&self.0, template, after)?.messages()))
    }
}

/// Lets callers of the same mesh through while the lookup is open.
pub(crate) fn admit(lookup: &Inner, metadata: &MetadataMap) -> Result<(), Status> {
    check_mesh(&lookup.rules.mesh, metadata)?;
    if lookup.closing.is_cancelled() { Err(closing()) } else { Ok(()) }
}

/// Names the mesh in an answer, or in a refusal.
pub(crate) fn named<R>(lookup: &Inner, result: Result<R, Status>) -> Answer<R> {
    let name = |metadata: &mut MetadataMap| {
        for (key, value) in [MESH_ID_METADATA, MESH_NAME_METADATA].into_iter().zip(&lookup.mesh_named) {
            metadata.insert(key, value.clone());
        }
    };
    match result {
        Ok(message) => {
            let mut response = Response::new(message);
            name(response.metadata_mut());
            Ok(response)
        }
        Err(mut status) => {
            name(status.metadata_mut());
            Err(status)
        }
    }
}

/// Id and name of a mesh, as answers have them.
pub(crate) fn mesh_named(mesh: &Mesh) -> [MetadataValue<Ascii>; 2] {
    [mesh.id.to_string(), mesh_name::percent_encoded(&mesh.name)].map(|text| {
        MetadataValue::try_from(text).expect("invariant: hex digits and percent-encoded text are ASCII")
    })
}

fn compile(wire: Option<Template>) -> Result<Matcher, Status> {
    let template = template::from_wire(wire).map_err(|error| error.within("template"))?;
    matcher(&template).map_err(|problem| Status::invalid_argument(format!("template: {problem}")))
}

/// Compiles a template that does not cost too much.
///
/// # Errors
/// Why it asks for nothing that can be answered, for people.
pub(crate) fn matcher(template: &hedgerow_model::Template) -> Result<Matcher, String> {
    let cost = template.terms.iter().map(|term| pattern_cost(&term.operation)).sum::<usize>();
    if cost > MAX_PATTERN_COST {
        return Err(format!(
            "its patterns cost {cost}, at most {MAX_PATTERN_COST} are taken: a pattern costs {PATTERN_COST} and its length, \
             with braces {BRACES_COST} times that: use fewer, or plain words"
        ));
    }
    template.compile().map_err(|fault| fault.to_string())
}

fn pattern_cost(operation: &Operation) -> usize {
    let cost = |value: &String| match value {
        braces if braces.contains('{') => BRACES_COST * (PATTERN_COST + braces.len()),
        open if open.contains(['*', '?']) => PATTERN_COST + open.len(),
        _ => 0,
    };
    match operation {
        Operation::Is(values) | Operation::IsNot(values) => values.iter().map(cost).sum(),
        Operation::Range(..) => PATTERN_COST,
        Operation::Present | Operation::Absent => 0,
    }
}

/// Refuses callers who say that they belong to another mesh, naming both.
fn check_mesh(ours: &Mesh, metadata: &MetadataMap) -> Result<(), Status> {
    let Some(given) = metadata.get(MESH_ID_METADATA) else { return Ok(()) };
    let id: Id = given
        .to_str()
        .map_err(|_| "not text".to_owned())
        .and_then(str::parse)
        .map_err(|problem| Status::invalid_argument(format!("{MESH_ID_METADATA}: {problem}")))?;
    if id == ours.id {
        return Ok(());
    }
    let name = metadata.get(MESH_NAME_METADATA).map(|name| mesh_name::percent_decoded(name.as_bytes()));
    let theirs = Mesh { name: name.unwrap_or_else(|| "?".to_owned()), id };
    Err(Refusal::OtherMesh { ours: Box::new(ours.clone()), theirs: Box::new(theirs) }.into())
}

pub(crate) fn closing() -> Status {
    Status::unavailable("this lookup is closing")
}

#[cfg(test)]
mod tests;
