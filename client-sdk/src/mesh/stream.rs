//! One stream over all farms that match: farms join as they appear, and are named when they go.

use super::{FARM_KIND, asked_of, farm_of};
use crate::channel::{Caller, Connection};
use crate::directory::{Directory, Gone, Service, Transition, of_kind};
use crate::error::ClientError;
use crate::sample::Sample;
use crate::subscription::{SubscribeOptions, Subscription, Update};
use futures_util::stream::{BoxStream, SelectAll};
use futures_util::{Stream, StreamExt as _};
use hedgerow_model::registration::Id;
use hedgerow_model::{Predicate, Template};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::watch;

/// What a merged stream tells.
#[derive(Debug, Clone)]
pub enum MeshUpdate {
    /// One farm's update. Its samples bear the farm's name as shown now.
    Farm {
        /// The farm's name, as shown.
        farm: Arc<str>,
        /// Its id.
        id: Id,
        /// What it says. [`Update::Failed`] and [`Update::End`] are the last of this farm, not of the stream.
        update: Update,
    },
    /// A farm that matches appeared, or came back, and is being asked.
    Joined(Service),
    /// A farm is gone from the directory. While its connection holds, its samples go on; should it come back within an
    /// hour, it goes on where it was.
    Left(Service, Gone),
    /// A farm that matches cannot be asked.
    Unreachable(Service, ClientError),
    /// A lookup answers (again), or answers no more; the stream goes on either way.
    Lookup {
        /// Its address.
        url: String,
        /// Why it does not answer; `None`: it does.
        error: Option<ClientError>,
    },
    /// A lookup suspects itself or the network, or no longer does; what it keeps meanwhile may be gone.
    LookupSuspects {
        /// Its address.
        url: String,
        /// False: it is over.
        begun: bool,
        /// Leases past half their term.
        overdue: u64,
        /// All its leases.
        leases: u64,
    },
}

/// Updates of all farms that match a predicate, merged. Made by [`super::Mesh::subscribe`]. It ends only where the
/// window has an end and all farms have come to it.
pub struct MeshStream(BoxStream<'static, MeshUpdate>);

impl MeshStream {
    pub(super) fn new(directory: &Directory, predicate: &Predicate, options: SubscribeOptions) -> Self {
        let mut transitions = directory.watch(&of_kind(FARM_KIND, &Template::default()));
        let directory = directory.clone();
        let mut members = Members {
            caller: directory.caller().clone(),
            predicate: predicate.clone(),
            options: SubscribeOptions { resume: None, ..options },
            farms: BTreeMap::new(),
            done: BTreeSet::new(),
            streams: SelectAll::new(),
            told: VecDeque::new(),
        };
        let ends = predicate.window.until.is_some();
        let updates = async_stream::stream! {
            let mut answered = BTreeSet::new();
            loop {
                tokio::select! {
                    transition = transitions.next() => {
                        if let Transition::LookupReached { url } | Transition::LookupLost { url, .. } = &transition {
                            answered.insert(url.clone());
                        }
                        members.hear(transition);
                    }
                    Some((id, update)) = members.streams.next() => members.update(id, update),
                }
                while let Some(update) = members.told.pop_front() {
                    yield update;
                }
                let heard = |url: &String| answered.contains(url);
                if ends && directory.urls().iter().all(heard) && members.farms.is_empty() && !members.done.is_empty() {
                    return;
                }
            }
        };
        Self(updates.boxed())
    }

    /// The next update; `None` after the end of the window.
    pub async fn next(&mut self) -> Option<MeshUpdate> {
        self.0.next().await
    }

    /// Only the samples, one by one. Gaps, skipped ranges and farms that go are not told.
    pub fn samples(self) -> SampleStream {
        SampleStream { updates: self, pending: VecDeque::new() }
    }
}

impl Stream for MeshStream {
    type Item = MeshUpdate;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<MeshUpdate>> {
        self.0.poll_next_unpin(cx)
    }
}

/// The samples of a merged stream, one by one. Made by [`MeshStream::samples`].
pub struct SampleStream {
    updates: MeshStream,
    /// Of one batch.
    pending: VecDeque<Sample>,
}

impl SampleStream {
    /// The next sample; `None` after the end of the window.
    pub async fn next(&mut self) -> Option<Sample> {
        loop {
            if let Some(sample) = self.pending.pop_front() {
                return Some(sample);
            }
            if let MeshUpdate::Farm { update: Update::Samples(samples), .. } = self.updates.next().await? {
                self.pending.extend(samples.iter());
            }
        }
    }
}

/// The farms of one merged stream.
struct Members {
    caller: Caller,
    predicate: Predicate,
    options: SubscribeOptions,
    /// Bounded as the directory is.
    farms: BTreeMap<Id, Member>,
    /// Those that came to the end of the window: not asked again.
    done: BTreeSet<Id>,
    streams: SelectAll<BoxStream<'static, (Id, Update)>>,
    told: VecDeque<MeshUpdate>,
}

struct Member {
    shown: Arc<str>,
    whereabouts: watch::Sender<Option<Connection>>,
}

impl Members {
    fn hear(&mut self, transition: Transition) {
        match transition {
            Transition::Appeared(service)
            | Transition::Changed(service, _)
            | Transition::Renamed(service) => self.there(service),
            Transition::State(_) => {}
            Transition::Disappeared(service, gone) => {
                if let Some(member) = self.farms.get(&service.registration.id) {
                    member.whereabouts.send_replace(None);
                    self.told.push_back(MeshUpdate::Left(service, gone));
                }
            }
            Transition::LookupReached { url } => self.told.push_back(MeshUpdate::Lookup { url, error: None }),
            Transition::LookupLost { url, error } => {
                self.told.push_back(MeshUpdate::Lookup { url, error: Some(error) });
            }
            Transition::LookupSuspects { url, begun, overdue, leases } => {
                self.told.push_back(MeshUpdate::LookupSuspects { url, begun, overdue, leases });
            }
        }
    }

    /// A farm is there, or there in another way.
    fn there(&mut self, service: Service) {
        let id = service.registration.id;
        let Some(asked) = asked_of(&self.predicate, &service).filter(|_| !self.done.contains(&id)) else {
            return;
        };
        let farm = match farm_of(&self.caller, &service) {
            Ok(farm) => farm,
            Err(error) => {
                self.told.push_back(MeshUpdate::Unreachable(service, error));
                return;
            }
        };
        if let Some(member) = self.farms.get_mut(&id) {
            member.shown = Arc::clone(&service.shown);
            let back = member.whereabouts.send_replace(Some(farm.connection)).is_none();
            if back {
                self.told.push_back(MeshUpdate::Joined(service));
            }
            return;
        }
        let (whereabouts, seen) = watch::channel(Some(farm.connection));
        let subscription = Subscription::new(farm.name, Some(id), seen, &asked, self.options.clone());
        self.streams.push(subscription.map(move |update| (id, update)).boxed());
        self.farms.insert(id, Member { shown: Arc::clone(&service.shown), whereabouts });
        self.told.push_back(MeshUpdate::Joined(service));
    }

    fn update(&mut self, id: Id, mut update: Update) {
        let Some(farm) = self.farms.get(&id).map(|member| Arc::clone(&member.shown)) else { return };
        match &mut update {
            Update::Samples(samples) => samples.farm = Arc::clone(&farm),
            Update::Bins(bins) => bins.farm = Arc::clone(&farm),
            Update::End { .. } => {
                self.farms.remove(&id);
                self.done.insert(id);
            }
            Update::Failed(_) => drop(self.farms.remove(&id)),
            _ => {}
        }
        self.told.push_back(MeshUpdate::Farm { farm, id, update });
    }
}
