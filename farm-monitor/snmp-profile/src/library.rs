//! The profiles that a farm knows: those shipped, and the site's own.

use crate::profile::Profile;
use hedgerow_snmp::Oid;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Profiles by name. Comparable, so that a reload can tell whether they changed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Library {
    profiles: BTreeMap<String, Arc<Profile>>,
}

impl Library {
    /// Adds a profile; one of that name before is replaced, and given back.
    pub fn add(&mut self, profile: Profile) -> Option<Arc<Profile>> {
        self.profiles.insert(profile.name.clone(), Arc::new(profile))
    }

    /// The profile of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Profile>> {
        self.profiles.get(name)
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Profile>> {
        self.profiles.values()
    }

    /// Those that apply to an agent with this sysObjectID; `serves` says whether it has something below an OID.
    pub fn detect(&self, sys_object_id: Option<&Oid>, serves: impl Fn(&Oid) -> bool) -> Vec<Arc<Profile>> {
        let of_id = |profile: &Profile| {
            sys_object_id.is_some_and(|id| profile.detect.sys_object_id.iter().any(|of| id.starts_with(of)))
        };
        self.iter()
            .filter(|profile| of_id(profile) || profile.detect.serves.iter().any(&serves))
            .cloned()
            .collect()
    }
}
