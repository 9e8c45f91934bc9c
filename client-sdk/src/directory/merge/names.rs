//! Who bears which name: services that share one are shown as `name~id8`.

use hedgerow_model::registration::{Id, Registration};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Who is shown under each name.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<String, BTreeSet<Id>>);

impl Names {
    /// Enters a name; gives the one other service that is therefore shown under another name.
    pub(super) fn enter(&mut self, name: &str, id: Id) -> Option<Id> {
        let ids = self.0.entry(name.to_owned()).or_default();
        let before = ids.len();
        ids.insert(id);
        if before == 1 { ids.iter().find(|other| **other != id).copied() } else { None }
    }

    /// Strikes a name; gives the one other service that is therefore shown under another name.
    pub(super) fn strike(&mut self, name: &str, id: Id) -> Option<Id> {
        let ids = self.0.get_mut(name)?;
        let before = ids.len();
        ids.remove(&id);
        let left = (before == 2 && ids.len() == 1).then(|| ids.first().copied()).flatten();
        if ids.is_empty() {
            self.0.remove(name);
        }
        left
    }

    /// What a service is called.
    pub(super) fn shown(&self, registration: &Registration) -> Arc<str> {
        let twins = self.0.get(&registration.name).is_some_and(|ids| ids.len() > 1);
        if twins {
            format!("{}~{}", registration.name, registration.id.short()).into()
        } else {
            registration.name.as_str().into()
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
