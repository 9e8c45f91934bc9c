//! The site's own SNMP profiles: `profiles/*.toml` beside the configuration, beside those that are shipped.

use super::read::{MAX_FILE_BYTES, PROFILE_FOLDER, files_of, read_noted};
use hedgerow_snmp_profile::Library;
use hedgerow_toml_tree::{Complaint, Findings, Place};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Profiles as they were found.
pub(super) struct Profiles {
    /// Those shipped, and the site's.
    pub all: Arc<Library>,
    /// The names of the site's.
    pub own: BTreeSet<String>,
    /// Whether the site's could be read; else names are missing that may be right.
    pub whole: bool,
}

impl Profiles {
    /// Those that are in the binary.
    pub fn shipped() -> Self {
        Self { all: Arc::new(Library::shipped()), own: BTreeSet::new(), whole: true }
    }
}

/// Reads the folder; what is wrong with its files is in the findings, behind what is wrong with the configuration. A
/// profile of the site stands in the place of a shipped one of its name.
pub(super) fn read(main: &Path, findings: &Findings<'_>) -> Profiles {
    read_all(main, findings).unwrap_or_else(|complaints| {
        let behind = Place { source: usize::MAX, ..Place::default() };
        complaints.into_iter().for_each(|complaint| findings.refuse(behind, complaint));
        Profiles { whole: false, ..Profiles::shipped() }
    })
}

fn read_all(main: &Path, findings: &Findings<'_>) -> Result<Profiles, Vec<Complaint>> {
    let mut files = Vec::new();
    let mut wrong = Vec::new();
    for path in files_of(main, PROFILE_FOLDER).map_err(|complaint| vec![*complaint])? {
        match read_noted(findings, &path, MAX_FILE_BYTES) {
            Ok(text) => files.push((path.display().to_string(), text)),
            Err(why) => {
                wrong.push(Complaint::of_file(&path, format!("cannot be read: {why}"), "a profile, in TOML"));
            }
        }
    }
    let files: Vec<_> = files.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
    let shipped = Library::shipped();
    match shipped.clone().with(&files) {
        Ok(all) if wrong.is_empty() => {
            let own = all.iter().filter(|profile| shipped.get(&profile.name) != Some(profile));
            let own = own.map(|profile| profile.name.clone()).collect();
            Ok(Profiles { all: Arc::new(all), own, whole: true })
        }
        Ok(_) => Err(wrong),
        Err(errors) => {
            wrong.extend(errors.complaints);
            Err(wrong)
        }
    }
}
