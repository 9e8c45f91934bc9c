//! The registrations by id, and law 1: which registration of a service takes the place of which.
//!
//! It knows no leases' terms and no time.

use crate::admission::Entry;
use crate::leases::LeaseId;
use crate::refusal::Refusal;
use hedgerow_model::registration::Id;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A registration in the directory.
#[derive(Debug, Clone)]
pub struct Listed {
    /// What is registered.
    pub entry: Arc<Entry>,
    /// Under which lease.
    pub lease: LeaseId,
    /// Number of its last transition; 0: none since the lookup started.
    pub number: u64,
}

/// What an offered registration is to the one that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// None is held.
    New,
    /// The same.
    Equal,
    /// A newer one of the same run of the service.
    NewSerial,
    /// One of a newer run.
    NewInstance,
}

/// All registrations, ordered by id.
#[derive(Debug, Default)]
pub struct Registry {
    listed: BTreeMap<Id, Listed>,
}

impl Registry {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.listed.len()
    }

    /// That of a service.
    pub fn get(&self, id: Id) -> Option<&Listed> {
        self.listed.get(&id)
    }

    /// Puts one in, in the place of the one that was there.
    pub fn put(&mut self, listed: Listed) {
        self.listed.insert(listed.entry.registration.id, listed);
    }

    /// Takes one out.
    pub fn remove(&mut self, id: Id) -> Option<Listed> {
        self.listed.remove(&id)
    }

    /// All, ordered by id.
    pub fn iter(&self) -> impl Iterator<Item = &Listed> {
        self.listed.values()
    }

    /// Judges an offered registration: same key and higher (instance, serial) replaces, equal is nothing new.
    ///
    /// # Errors
    /// Another key, or something older.
    pub fn judge(&self, offered: &Entry) -> Result<Standing, Refusal> {
        let id = offered.registration.id;
        let Some(Listed { entry: held, .. }) = self.listed.get(&id) else { return Ok(Standing::New) };
        if held.signed.public_key != offered.signed.public_key {
            return Err(Refusal::OtherKey(id));
        }
        let (held, offered) = (held.registration.order(), offered.registration.order());
        match offered.cmp(&held) {
            std::cmp::Ordering::Less => Err(Refusal::Older { id, held, offered }),
            std::cmp::Ordering::Equal => Ok(Standing::Equal),
            std::cmp::Ordering::Greater if held.0 == offered.0 => Ok(Standing::NewSerial),
            std::cmp::Ordering::Greater => Ok(Standing::NewInstance),
        }
    }
}
