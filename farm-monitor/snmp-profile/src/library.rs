//! The profiles that a farm knows: those shipped, and the site's own.

use crate::profile::Profile;
use hedgerow_snmp::Oid;
use hedgerow_toml_tree::{Complaint, Refused};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// Profiles by name. Comparable, so that a reload can tell whether they changed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Library {
    profiles: BTreeMap<String, Arc<Profile>>,
}

/// The files that are shipped.
pub const SHIPPED: &[(&str, &str)] = &[
    ("system.toml", include_str!("../profiles/system.toml")),
    ("interfaces.toml", include_str!("../profiles/interfaces.toml")),
    ("ethernet.toml", include_str!("../profiles/ethernet.toml")),
    ("bridge.toml", include_str!("../profiles/bridge.toml")),
    ("ip.toml", include_str!("../profiles/ip.toml")),
    ("ip-v4.toml", include_str!("../profiles/ip-v4.toml")),
    ("tcp-udp.toml", include_str!("../profiles/tcp-udp.toml")),
    ("host-resources.toml", include_str!("../profiles/host-resources.toml")),
    ("ucd.toml", include_str!("../profiles/ucd.toml")),
    ("entity.toml", include_str!("../profiles/entity.toml")),
    ("entity-sensors.toml", include_str!("../profiles/entity-sensors.toml")),
    ("ups.toml", include_str!("../profiles/ups.toml")),
    ("printer.toml", include_str!("../profiles/printer.toml")),
];

impl Library {
    /// The profiles that come with the program.
    pub fn shipped() -> Self {
        static SHIPPED_LIBRARY: OnceLock<Library> = OnceLock::new();
        let library = SHIPPED_LIBRARY.get_or_init(|| {
            Self::default().with(SHIPPED).expect("invariant: a test reads every shipped profile")
        });
        library.clone()
    }

    /// These profiles, and those of a site's own files (name and text of each). A file of a name that is here already
    /// replaces it.
    ///
    /// # Errors
    /// Everything that is wrong with any of the files, two of them with one name included.
    pub fn with(mut self, files: &[(&str, &str)]) -> Result<Self, Refused> {
        let mut complaints = Vec::new();
        let mut from: BTreeMap<String, &str> = BTreeMap::new();
        for (file, text) in files {
            match crate::read(file, text) {
                Ok(profile) => {
                    if let Some(other) = from.insert(profile.name.clone(), file) {
                        let problem = format!("the profile `{}` is in {other} too", profile.name);
                        complaints.push(Complaint::of_file(file, problem, "one file for each profile"));
                    }
                    self.add(profile);
                }
                Err(errors) => complaints.extend(errors.complaints),
            }
        }
        if complaints.is_empty() { Ok(self) } else { Err(Refused { complaints }) }
    }

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

#[cfg(test)]
mod tests;
