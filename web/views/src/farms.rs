//! Which farms take part in a merged stream, and how each of them is: from what the stream tells, what its coverage is.

use crate::coverage::{Coverage, Missing, MissingLookup};
use hedgerow_client::directory::Gone;
use hedgerow_client::{MeshUpdate, Service, Update};
use hedgerow_model::UnixMillis;
use hedgerow_model::registration::Id;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The farms of one view. Bounded as the directory is.
#[derive(Debug, Default)]
pub(crate) struct Farms {
    farms: BTreeMap<Id, Farm>,
    /// Lookups by address, and why one does not answer.
    lookups: BTreeMap<String, Option<String>>,
    lookups_lost: Option<UnixMillis>,
    /// Farms whose series are to be told anew: another name, or they answer (no) more.
    changed: Vec<Id>,
}

#[derive(Debug)]
struct Farm {
    name: Arc<str>,
    /// As it was found last.
    service: Option<Service>,
    how: How,
    gone: Option<Gone>,
}

#[derive(Debug, Clone, PartialEq)]
enum How {
    /// No answer yet.
    Asked,
    Answers,
    /// It does not, for this reason; it is asked again.
    Lost(String),
    /// It cannot be asked, or has refused: it is not asked again before it changes.
    Failed(String),
}

impl Farms {
    /// Takes what a merged stream told.
    pub fn hear(&mut self, update: &MeshUpdate, now: UnixMillis) {
        match update {
            MeshUpdate::Farm { farm, id, update } => {
                let how = match update {
                    Update::Opened { .. } => Some(How::Answers),
                    Update::Disconnected { error, .. } => Some(How::Lost(error.to_string())),
                    Update::Failed(error) => Some(How::Failed(error.to_string())),
                    Update::End { detail, .. } => Some(How::Failed(format!("it ended the stream {detail}"))),
                    _ => None,
                };
                self.told(*id, farm, how);
            }
            MeshUpdate::Joined(service) => {
                let id = service.registration.id;
                let how = match self.farms.get(&id) {
                    Some(farm) if !matches!(farm.how, How::Failed(_)) => farm.how.clone(),
                    _ => How::Asked,
                };
                self.told(id, &service.shown, Some(how));
                if let Some(farm) = self.farms.get_mut(&id) {
                    farm.gone = None;
                    farm.service = Some(service.clone());
                }
            }
            MeshUpdate::Left(service, gone) => {
                if let Some(farm) = self.farms.get_mut(&service.registration.id) {
                    farm.gone = Some(*gone);
                    self.changed.push(service.registration.id);
                }
            }
            MeshUpdate::Unreachable(service, error) => {
                self.told(service.registration.id, &service.shown, Some(How::Failed(error.to_string())));
            }
            MeshUpdate::Lookup { url, error } => {
                self.lookups.insert(url.clone(), error.as_ref().map(ToString::to_string));
                let lost = self.lookups.values().all(Option::is_some);
                self.lookups_lost = lost.then(|| self.lookups_lost.unwrap_or(now));
            }
            MeshUpdate::LookupSuspects { .. } => {}
        }
    }

    fn told(&mut self, id: Id, name: &Arc<str>, how: Option<How>) {
        let farm = self.farms.entry(id).or_insert_with(|| Farm {
            name: Arc::clone(name),
            service: None,
            how: How::Asked,
            gone: None,
        });
        let how = how.unwrap_or_else(|| farm.how.clone());
        if farm.name != *name || farm.how != how {
            self.changed.push(id);
        }
        (farm.name, farm.how) = (Arc::clone(name), how);
    }

    /// Farms whose series are to be told anew since this was last asked.
    pub fn take_changed(&mut self) -> Vec<Id> {
        std::mem::take(&mut self.changed)
    }

    /// A farm's name, as shown.
    pub fn name(&self, id: Id) -> Option<&Arc<str>> {
        self.farms.get(&id).map(|farm| &farm.name)
    }

    /// A farm as it was found last.
    pub fn service(&self, id: Id) -> Option<&Service> {
        self.farms.get(&id)?.service.as_ref()
    }

    /// Why nothing comes from a farm; `None`: it answers, or was not asked yet.
    pub fn silence(&self, id: Id) -> Option<String> {
        let farm = self.farms.get(&id)?;
        match (&farm.how, farm.gone) {
            (How::Answers | How::Asked, _) => None,
            (How::Lost(_) | How::Failed(_), Some(Gone::Expired)) => {
                Some("the farm is lost: its lease ran out".to_owned())
            }
            (How::Lost(_) | How::Failed(_), Some(_)) => Some("the farm was stopped".to_owned()),
            (How::Lost(why) | How::Failed(why), None) => Some(format!("the farm does not answer: {why}")),
        }
    }

    /// Whether it is known which farms there are, and all have answered once or failed to.
    pub fn are_settled(&self) -> bool {
        // One that went before it answered is not waited for.
        let is_settled = |farm: &Farm| farm.how != How::Asked || farm.gone.is_some();
        !self.lookups.is_empty() && self.farms.values().all(is_settled)
    }

    /// Whom the view covers at `now`.
    pub fn coverage(&self, now: UnixMillis) -> Coverage {
        let mut coverage = Coverage {
            as_of: Some(now),
            lookups_missing: self
                .lookups
                .iter()
                .filter_map(|(url, why)| Some(MissingLookup { url: url.clone(), why: why.clone()? }))
                .collect(),
            stale_since_ms: self.lookups_lost,
            ..Coverage::default()
        };
        for (id, farm) in &self.farms {
            // One that went in good order is no part of the mesh any more.
            let left = matches!(farm.gone, Some(Gone::Cancelled | Gone::Unmatched));
            let why = match farm.how {
                How::Asked => Some("it has not answered yet".to_owned()),
                _ => self.silence(*id),
            };
            match why {
                Some(_) if left => continue,
                Some(why) => coverage.missing.push(Missing { farm: farm.name.to_string(), why }),
                None => coverage.answered += 1,
            }
            coverage.asked += 1;
        }
        coverage.finished()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{from, opened, service};

    #[test]
    fn who_is_still_to_answer_is_waited_for_unless_it_left() {
        let mut farms = Farms::default();
        assert!(!farms.are_settled(), "nobody knows yet which farms there are");
        farms.hear(&MeshUpdate::Lookup { url: "http://a".into(), error: None }, 0);
        assert!(farms.are_settled(), "there is none");
        farms.hear(&MeshUpdate::Joined(service(1, &[])), 0);
        farms.hear(&MeshUpdate::Joined(service(2, &[])), 0);
        farms.hear(&from(2, opened(1)), 0);
        assert!(!farms.are_settled());
        farms.hear(&MeshUpdate::Left(service(1, &[]), Gone::Cancelled), 0);
        assert!(farms.are_settled());
    }
}
