//! Following several lookups at once, each reconnecting and resuming by itself, through one merge. Which lookups are followed
//! may change at any time.
//!
//! Nothing runs unless the stream is polled, and nothing is queued but what the connections themselves hold.

mod told;

use self::told::{Told, told_by};
use super::merge::{Heard, Merge, Which};
use super::{Directory, Gone, Transition};
use crate::discovery::LookupAt;
use crate::error::ClientError;
use futures_util::future::AbortHandle;
use futures_util::stream::{BoxStream, SelectAll, abortable};
use futures_util::{Stream, StreamExt as _};
use hedgerow_model::Template;
use hedgerow_model::registration::Id;
use hedgerow_proto::convert;
use hedgerow_proto::lookup::{self, watch_response};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// How long a lookup may take to begin its answer; and after how long without any what was known last is told.
const ANSWER_PATIENCE: Duration = Duration::from_secs(3);
/// How often what is known is kept, for when no lookup answers.
const KEEP_EVERY: Duration = Duration::from_secs(5);

/// The transitions of the directory; made by [`Directory::watch`]. A stream that never ends.
pub struct Watch {
    transitions: BoxStream<'static, Transition>,
    refused: Arc<AtomicU64>,
}

impl Watch {
    pub(super) fn new(directory: &Directory, template: &Template) -> Self {
        let refused = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&refused);
        let mut watching = Watching::new(directory.clone(), template.clone());
        let transitions = async_stream::stream! {
            let mut known = watching.directory.lookups.clone();
            let mut keep = tokio::time::interval(KEEP_EVERY);
            let recall = tokio::time::sleep(ANSWER_PATIENCE);
            tokio::pin!(recall);
            let mut out = Vec::new();
            watching.follow(&known.known(), &mut out);
            loop {
                let next = watching.merge.next();
                let timer = async {
                    match next {
                        Some(at) => tokio::time::sleep_until(at).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    Some((which, told)) = watching.streams.next() => watching.hear(which, told, &mut out).await,
                    known = known.changed() => watching.follow(&known, &mut out),
                    () = timer => watching.merge.tick(Instant::now(), &mut out),
                    () = &mut recall, if !watching.begun => watching.recall(&mut out).await,
                    _ = keep.tick() => {
                        // Those that were of another mesh are asked again after a while.
                        watching.follow(&known.known(), &mut out);
                        watching.keep().await;
                    }
                }
                count.store(watching.merge.refused(), Ordering::Relaxed);
                for transition in out.drain(..) {
                    watching.changed(&transition);
                    yield transition;
                }
            }
        };
        Self { transitions: transitions.boxed(), refused }
    }

    /// The next transition.
    pub async fn next(&mut self) -> Transition {
        match self.transitions.next().await {
            Some(transition) => transition,
            None => std::future::pending().await,
        }
    }

    /// Registrations that were not believed so far: altered, of another mesh, under another key, or too many.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Stream for Watch {
    type Item = Transition;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Transition>> {
        self.transitions.poll_next_unpin(cx)
    }
}

struct Watching {
    directory: Directory,
    template: Template,
    wire: lookup::Template,
    merge: Merge,
    /// By address; bounded as the set of known lookups is.
    followed: BTreeMap<String, Followed>,
    streams: SelectAll<BoxStream<'static, (Which, Told)>>,
    next: Which,
    /// A lookup has answered, or what was known last has been told.
    begun: bool,
    /// Something changed since it was kept.
    unkept: bool,
}

/// A lookup that is followed.
struct Followed {
    which: Which,
    id: Option<Id>,
    stop: AbortHandle,
    /// `None` before anything is known. Told when it changes, not at each attempt.
    answers: Option<bool>,
    suspects: bool,
}

impl Watching {
    fn new(directory: Directory, template: Template) -> Self {
        let mut merge = Merge::new(directory.caller.mesh().map(|mesh| mesh.id));
        merge.pin(directory.kept.keys());
        Self {
            wire: convert::template::to_wire(&template),
            merge,
            directory,
            template,
            followed: BTreeMap::new(),
            streams: SelectAll::new(),
            next: 0,
            begun: false,
            unkept: false,
        }
    }

    /// Follows these lookups and no others.
    fn follow(&mut self, known: &[LookupAt], out: &mut Vec<Transition>) {
        let urls = self.directory.urls();
        let there = |url: &String| urls.contains(url) && known.iter().any(|at| at.url == *url);
        let gone: Vec<String> = self.followed.keys().filter(|url| !there(url)).cloned().collect();
        for url in gone {
            let Some(followed) = self.followed.remove(&url) else { continue };
            followed.stop.abort();
            out.extend(self.suspicion_over(&url, followed.id, followed.suspects));
            self.merge.hear(followed.which, Instant::now(), Heard::Removed, out);
        }
        for url in urls {
            if !self.followed.contains_key(&url) {
                let which = self.next;
                self.next += 1;
                let Some(stop) = self.begin(&url, which) else { continue };
                self.followed.insert(url, Followed { which, id: None, stop, answers: None, suspects: false });
            }
        }
    }

    /// Begins to listen to a lookup; `None`: its address is none.
    fn begin(&mut self, url: &str, which: Which) -> Option<AbortHandle> {
        let (connections, _) = self.directory.connections();
        let lookup = connections.into_iter().find(|lookup| lookup.url() == url)?;
        let (told, stop) = abortable(told_by(lookup, self.directory.caller.clone(), self.wire.clone()));
        self.streams.push(told.map(move |told| (which, told)).boxed());
        Some(stop)
    }

    async fn hear(&mut self, which: Which, told: Told, out: &mut Vec<Transition>) {
        // Known before any lookup is heard: each is greeted first.
        self.merge.of_mesh(self.directory.caller.mesh());
        let resumed = matches!(told, Told::Heard(Heard::Reached { afresh: false }));
        if resumed && !self.merge.may_resume(which) {
            self.begin_afresh(which);
            return;
        }
        let after = match &told {
            Told::Heard(Heard::SnapshotEnd(id)) => self.reached(which, *id),
            Told::Heard(Heard::Reached { afresh: false }) => self.reached(which, None),
            Told::Lost(error) => self.lost(which, error, out),
            Told::Suspects(suspicion) => self.suspects(which, suspicion),
            Told::Heard(_) => None,
        };
        let heard = match told {
            Told::Heard(heard) => Some(heard),
            Told::Lost(_) => Some(Heard::Lost),
            Told::Suspects(_) => None,
        };
        if let Some(heard) = heard {
            self.unkept |= !matches!(heard, Heard::Lost);
            self.merge.hear(which, Instant::now(), heard, out);
        }
        // That the last one does not answer is told behind what is known without them.
        if !self.begun && self.followed.values().all(|followed| followed.answers == Some(false)) {
            self.recall(out).await;
        }
        out.extend(after);
    }

    /// What was told of a lookup has partly run out: all that it holds is asked for.
    fn begin_afresh(&mut self, which: Which) {
        let of = |(_, followed): &(&String, &mut Followed)| followed.which == which;
        let Some((url, before)) = self.followed.iter_mut().find(of) else { return };
        before.stop.abort();
        let url = url.clone();
        if let Some(stop) = self.begin(&url, which)
            && let Some(followed) = self.followed.get_mut(&url)
        {
            followed.stop = stop;
        }
    }

    /// No lookup answers: begins with what was known last.
    async fn recall(&mut self, out: &mut Vec<Transition>) {
        self.begun = true;
        let known = self.directory.kept.recalled(&self.template, self.directory.caller.mesh()).await;
        self.merge.recall(known.unwrap_or_default().services, Instant::now(), out);
    }

    fn of(&mut self, which: Which) -> Option<(&String, &mut Followed)> {
        self.followed.iter_mut().find(|(_, followed)| followed.which == which)
    }

    fn reached(&mut self, which: Which, id: Option<Id>) -> Option<Transition> {
        self.begun = true;
        let (url, followed) = self.of(which)?;
        followed.id = id.or(followed.id);
        let news = followed.answers.replace(true) != Some(true);
        news.then(|| Transition::LookupReached { url: url.clone() })
    }

    fn lost(&mut self, which: Which, error: &ClientError, out: &mut Vec<Transition>) -> Option<Transition> {
        let (url, followed) = self.of(which)?;
        let (url, id, suspected) = (url.clone(), followed.id, std::mem::take(&mut followed.suspects));
        let news = followed.answers.replace(false) != Some(false);
        out.extend(self.suspicion_over(&url, id, suspected));
        news.then(|| {
            self.directory.lookups.lost(&url);
            Transition::LookupLost { url, error: error.clone() }
        })
    }

    /// The suspicion of a lookup that is heard no more is over, unless it is heard at another address.
    fn suspicion_over(&self, url: &str, id: Option<Id>, suspected: bool) -> Option<Transition> {
        let same = |other: &Followed| other.suspects && id.is_some() && other.id == id;
        let over = suspected && !self.followed.values().any(same);
        let url = url.to_owned();
        over.then_some(Transition::LookupSuspects { url, begun: false, overdue: 0, leases: 0 })
    }

    /// One notice a lookup, by however many addresses it is followed.
    fn suspects(&mut self, which: Which, told: &watch_response::Suspicion) -> Option<Transition> {
        let watch_response::Suspicion { begun, overdue, leases } = *told;
        let id = self.of(which)?.1.id;
        let same = |other: &Followed| other.which == which || (other.id.is_some() && other.id == id);
        let known = self.followed.values().any(|other| same(other) && other.suspects == begun);
        let (url, followed) = self.of(which)?;
        followed.suspects = begun;
        (!known).then(|| Transition::LookupSuspects { url: url.clone(), begun, overdue, leases })
    }

    fn changed(&mut self, transition: &Transition) {
        match transition {
            Transition::Disappeared(service, Gone::Cancelled | Gone::Expired) => {
                self.directory.kept.forget(service.registration.id);
            }
            Transition::Appeared(_) | Transition::Changed(..) => self.unkept = true,
            _ => {}
        }
    }

    /// Keeps what is known, where that changed.
    async fn keep(&mut self) {
        let Some(mesh) = self.directory.caller.mesh().filter(|_| self.unkept) else { return };
        let answers = |followed: &Followed| followed.answers == Some(true);
        if !self.followed.values().any(answers) {
            return;
        }
        self.unkept = false;
        let complete = self.followed.values().all(answers);
        let kept = &self.directory.kept;
        kept.refresh(&self.merge, &self.template, complete, mesh, self.directory.urls());
        kept.write_if_due().await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::channel::Caller;

    #[tokio::test]
    async fn a_suspicion_ends_with_the_last_that_is_heard_of_its_lookup() {
        let urls = ["http://127.0.0.1:9", "http://127.0.0.1:10"];
        let directory = Directory::new(urls, Caller::default()).unwrap();
        let known = directory.lookups();
        let mut watching = Watching::new(directory, Template::default());
        let out = &mut Vec::new();
        watching.follow(&known, out);
        let begun = watch_response::Suspicion { begun: true, overdue: 11, leases: 20 };
        for which in 0..2 {
            watching.hear(which, Told::Heard(Heard::SnapshotEnd(Some(Id([1; 16])))), out).await;
            watching.hear(which, Told::Suspects(begun), out).await;
        }
        let suspicions = |out: &mut Vec<Transition>| {
            let begun = |transition| match transition {
                Transition::LookupSuspects { begun, .. } => Some(begun),
                _ => None,
            };
            out.drain(..).filter_map(begun).collect::<Vec<_>>()
        };
        assert_eq!(suspicions(out), [true], "one lookup, by two addresses");
        watching.hear(0, Told::Lost(ClientError::NoLookup(vec![])), out).await;
        assert!(suspicions(out).is_empty(), "it is still heard at the other");
        watching.follow(&[], out);
        assert_eq!(suspicions(out), [false]);
    }
}
