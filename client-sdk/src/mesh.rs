//! A whole mesh as one: its farms, one merged stream over them, one merged answer from them.
//!
//! Every merged answer says what it covers. Nothing is queued here: a program that reads slowly makes the farms wait, and
//! then skip and say so.

mod answer;
mod stream;

pub use answer::{Answer, Coverage, ListedSeries, MAX_LISTED, Missing, SeriesList};
pub use stream::{MeshStream, MeshUpdate, SampleStream};

use crate::channel::{Caller, in_time};
use crate::directory::{Directory, Found, Kept, Service, of_kind};
use crate::discovery::{Lookups, Sources};
use crate::error::ClientError;
use crate::subscription::{Farm, SubscribeOptions, Update, query};
use crate::token::UserToken;
use futures_util::stream::BoxStream;
use hedgerow_model::predicate::{PathPattern, Predicate};
use hedgerow_model::{Glob, Template, registration};
use hedgerow_proto::farm;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Where `hedgerow up` puts its lookups.
pub const DEFAULT_LOOKUPS: [&str; 2] = ["http://127.0.0.1:7401", "http://127.0.0.1:7402"];
/// How long a farm may say nothing while it answers a question.
pub const FARM_PATIENCE: Duration = Duration::from_secs(10);
/// The kind of farms in the directory.
pub const FARM_KIND: &str = "farm";

/// How to find a mesh.
#[derive(Debug, Clone)]
pub struct MeshOptions {
    /// Where to look for lookups; those that are found tell of others. Where none of the configured ones, and of those that the
    /// domain names, answers, the local network is listened to if `mdns` says so, and may decide whose mesh it is; in any
    /// case the lookups that were known the last time are asked, then for the mesh of that time.
    pub sources: Sources,
    /// The user's token; only calls that change something need it.
    pub token: Option<UserToken>,
    /// The mesh that is wanted; without it, that of the first lookup that answers.
    pub mesh: Option<registration::Mesh>,
    /// How long a farm may say nothing while it answers a question.
    pub patience: Duration,
    /// Where the directory is kept for when no lookup answers: in memory only, unless [`MeshOptions::keep_in`] says a folder.
    pub kept: Kept,
}

impl Default for MeshOptions {
    fn default() -> Self {
        Self::at::<String>([])
    }
}

impl MeshOptions {
    /// With these lookups; with none, where `hedgerow up` puts them, and then what the local network tells.
    pub fn at<U: Into<String>>(lookups: impl IntoIterator<Item = U>) -> Self {
        let mut configured: Vec<String> = lookups.into_iter().map(Into::into).collect();
        let mdns = configured.is_empty();
        if mdns {
            configured = DEFAULT_LOOKUPS.map(String::from).to_vec();
        }
        let sources = Sources { configured, mdns, ..Sources::default() };
        Self { sources, token: None, mesh: None, patience: FARM_PATIENCE, kept: Kept::default() }
    }

    /// Keeps the directory in this folder, as [`crate::directory::kept::default_folder`] is; to be said last.
    #[must_use]
    pub fn keep_in(mut self, folder: &Path) -> Self {
        self.kept = Kept::open(folder, &self.asked());
        self
    }

    /// Whose lookups are asked, so that each has a kept directory of its own.
    fn asked(&self) -> String {
        let Sources { configured, domain, mdns, .. } = &self.sources;
        let mut lines: Vec<String> = configured.iter().map(|url| format!("lookup {url}")).collect();
        lines.sort();
        lines.dedup();
        lines.extend(domain.iter().map(|domain| format!("domain {domain}")));
        lines.extend(mdns.then(|| "local network".to_owned()));
        lines.extend(self.mesh.iter().map(|mesh| format!("mesh {}", mesh.id)));
        lines.join("\n")
    }
}

/// A mesh, by way of its lookups. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Mesh {
    directory: Directory,
    identity: registration::Mesh,
    problems: Arc<[ClientError]>,
    patience: Duration,
    stale_since: Option<Duration>,
}

impl Mesh {
    /// Connects to a mesh: one lookup that answers is enough, others may come later. Where none does, those are asked that were
    /// known the last time; then the last known directory is enough, too.
    ///
    /// # Errors
    /// Where an address is none, or no lookup answers and nothing is kept: each with its reason.
    pub async fn connect(options: MeshOptions) -> Result<Self, ClientError> {
        let MeshOptions { sources, token, mesh, patience, kept } = options;
        let caller = Caller::new(token, mesh);
        let remembered = kept.lookups();
        let begin = |any| {
            // Only where none of those named answers is the local network listened to.
            let (mdns, any_mesh) = (any && sources.mdns, any);
            let sources = Sources { mdns, any_mesh, remembered: remembered.clone(), ..sources.clone() };
            let lookups = Lookups::start(sources, caller.clone())?;
            Ok::<_, ClientError>(Directory::of(lookups, caller.clone(), kept.clone()))
        };
        let mut directory = begin(false)?;
        let mut joined = directory.join_mesh().await;
        if joined.is_err() && sources.domain.is_some() {
            directory.found_all().await;
            joined = directory.join_mesh().await;
        }
        // Where nobody said which mesh, it may be any that is found; else those that were known the last time are asked, for
        // the mesh that they were of.
        let more = joined.is_err()
            && (sources.mdns || (!remembered.is_empty() && directory.join_kept_mesh().await.is_some()));
        if more {
            directory = begin(sources.mdns)?;
            directory.found_all().await;
            joined = directory.join_mesh().await;
        }
        let mut stale_since = None;
        let (identity, problems) = match joined {
            Ok(joined) => joined,
            Err(error) => match directory.join_kept_mesh().await {
                Some((mesh, age)) => {
                    stale_since = Some(age);
                    (mesh, vec![error])
                }
                None => return Err(error),
            },
        };
        Ok(Self { directory, identity, problems: problems.into(), patience, stale_since })
    }

    /// Its name and id.
    pub fn identity(&self) -> &registration::Mesh {
        &self.identity
    }

    /// No lookup answered when connecting: what is known is so old. Lookups that come later are heard all the same.
    pub fn stale_since(&self) -> Option<Duration> {
        self.stale_since
    }

    /// What was wrong with lookups when connecting. Those of another mesh are left out; the others are asked again.
    pub fn problems(&self) -> &[ClientError] {
        &self.problems
    }

    /// Its directory: services of all kinds.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The farms that match, as all lookups together know them.
    pub async fn farms(&self, template: &Template) -> Found {
        self.directory.find(&of_kind(FARM_KIND, template)).await
    }

    /// The samples that match, of all farms, those that appear later too.
    pub fn subscribe(&self, predicate: &Predicate) -> MeshStream {
        self.subscribe_with(predicate, SubscribeOptions::default())
    }

    /// The same, said more exactly. `options.resume` is not looked at: a token is one farm's.
    pub fn subscribe_with(&self, predicate: &Predicate, options: SubscribeOptions) -> MeshStream {
        MeshStream::new(&self.directory, predicate, options)
    }

    /// What all farms that match have of `predicate` now. Ends with [`Coverage`].
    pub fn query(&self, predicate: &Predicate) -> Answer {
        Answer::new(self.clone(), predicate.clone())
    }

    /// What one farm that was found has of `predicate` now, its pieces as they come; `None`: nothing of it is asked for.
    ///
    /// # Errors
    /// Where the farm says no address.
    pub fn query_at(
        &self,
        service: &Service,
        predicate: &Predicate,
    ) -> Result<Option<BoxStream<'static, Update>>, ClientError> {
        let Some(asked) = asked_of(predicate, service) else { return Ok(None) };
        let farm = farm_of(self.directory.caller(), service)?;
        Ok(Some(query(&farm, &asked, &[], self.patience)))
    }

    /// The same mesh, where a farm may say nothing for this long while it answers a question.
    #[must_use]
    pub fn with_patience(&self, patience: Duration) -> Self {
        Self { patience, ..self.clone() }
    }

    /// The series that match any of these patterns, with their last values.
    pub async fn list_series(&self, patterns: &[PathPattern]) -> SeriesList {
        answer::list_series(self, patterns).await
    }

    /// How a farm is, found by its name, by `name~id8`, or by its id.
    ///
    /// # Errors
    /// Where there is no such farm, or several, or it does not answer.
    pub async fn farm_status(&self, name: &str) -> Result<farm::StatusResponse, ClientError> {
        let farm = self.farm(name).await?;
        let mut client = farm.connection.farm();
        let call = client.status(farm::StatusRequest {});
        let answer = in_time("ask the farm how it is", farm.connection.url(), self.patience, call).await?;
        Ok(answer.into_inner())
    }

    /// One farm, to talk to it directly ([`crate::subscription::subscribe`]); by its name, `name~id8`, or id.
    ///
    /// # Errors
    /// Where there is no such farm, or several.
    pub async fn farm(&self, name: &str) -> Result<Farm, ClientError> {
        farm_of(self.directory.caller(), &self.farm_service(name).await?)
    }

    /// As [`Self::farm`], to change something there: with the user's token, where the farm is one of this user's, or of root's, on
    /// this machine.
    ///
    /// # Errors
    /// As [`Self::farm`].
    pub async fn farm_to_change(&self, name: &str) -> Result<Farm, ClientError> {
        self.to_change(&self.farm_service(name).await?)
    }

    /// A farm that was found, to change something there: as [`Self::farm_to_change`].
    ///
    /// # Errors
    /// Where it says no address.
    pub fn to_change(&self, service: &Service) -> Result<Farm, ClientError> {
        let url = service.url().ok_or_else(|| ClientError::NoEndpoint(service.shown.to_string()))?;
        let connection = self.directory.caller().trusting(url).connect(url)?;
        Ok(Farm { name: Arc::clone(&service.shown), id: Some(service.registration.id), connection })
    }

    async fn farm_service(&self, name: &str) -> Result<Service, ClientError> {
        let found = self.farms(&Template::default()).await;
        if !found.is_known() {
            let why = found.missing.iter().map(|(_, error)| error.to_string());
            return Err(ClientError::NoLookup(why.collect()));
        }
        let called = |service: &&Service| {
            let registration = &service.registration;
            *service.shown == *name || registration.name == name || registration.id.to_string() == name
        };
        let called: Vec<&Service> = found.services.iter().filter(called).collect();
        match called[..] {
            [service] => Ok(service.clone()),
            [] => {
                let known = found.services.iter().map(|service| service.shown.to_string()).collect();
                Err(ClientError::NoFarm { name: name.to_owned(), known })
            }
            _ => {
                let known = called.iter().map(|service| service.shown.to_string()).collect();
                Err(ClientError::SeveralFarms { name: name.to_owned(), known })
            }
        }
    }
}

/// The way to a farm that was found.
pub(crate) fn farm_of(caller: &Caller, service: &Service) -> Result<Farm, ClientError> {
    let url = service.url().ok_or_else(|| ClientError::NoEndpoint(service.shown.to_string()))?;
    // A farm is only read from, and its address is what it, or a lookup elsewhere, says: on loopback anybody may listen there.
    let connection = caller.without_token().connect(url)?;
    Ok(Farm { name: Arc::clone(&service.shown), id: Some(service.registration.id), connection })
}

/// What of `predicate` one farm is to be asked; `None`: nothing. A farm knows nothing of the `~id8` by which twins are
/// told apart, so patterns that say it are made to say the farm's name.
fn asked_of(predicate: &Predicate, service: &Service) -> Option<Predicate> {
    let name = service.registration.name.as_str();
    if *service.shown == *name {
        return predicate.matches_farm(name).then(|| predicate.clone());
    }
    let meant = |pattern: &&PathPattern| pattern.farm.matches(&service.shown) || pattern.farm.matches(name);
    let patterns: Vec<PathPattern> = predicate
        .patterns
        .iter()
        .filter(meant)
        .map(|pattern| PathPattern { farm: Glob::exact(name), ..pattern.clone() })
        .collect();
    (!patterns.is_empty()).then(|| Predicate { patterns, ..predicate.clone() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::directory::ServiceState;
    use hedgerow_model::registration::{Id, Instance, Registration};

    #[test]
    fn twins_are_asked_by_the_name_they_know() {
        let registration = Registration {
            id: Id([0xab; 16]),
            mesh: registration::Mesh { name: "m".into(), id: Id([9; 16]) },
            name: "cern".into(),
            kind: "farm".into(),
            groups: vec![],
            attributes: [].into(),
            endpoints: vec![],
            apis: vec![],
            version: String::new(),
            description: String::new(),
            instance: Instance { start: 1, random: 1 },
            serial: 1,
        };
        let service = |shown: &str| Service {
            registration: Arc::new(registration.clone()),
            shown: shown.into(),
            state: ServiceState::Live,
            remaining: Duration::ZERO,
            lookups: vec![],
            rivals: vec![],
            copy: None,
        };
        let asked = |predicate: &str, shown: &str| {
            asked_of(&Predicate::parse(predicate).unwrap(), &service(shown)).map(|p| p.canonical())
        };
        let canonical = |predicate: &str| Some(Predicate::parse(predicate).unwrap().canonical());
        assert_eq!(asked("c*/x", "cern"), canonical("c*/x"), "unchanged, so that tokens stay good");
        assert_eq!(asked("fnal/x", "cern"), None);
        assert_eq!(asked("cern~abababab/x fnal", "cern~abababab"), canonical("cern/x"));
        assert_eq!(asked("cern~cdcdcdcd/x", "cern~abababab"), None);
        assert_eq!(asked("cern/x", "cern~abababab"), canonical("cern/x"));
    }
}
