//! What is kept of a deployment in the cache, and goes on over restarts: whose state it is, and what the host of filters stores.
//!
//! The state is written rarely, how far it is with each emission: see [`Checkpoint`].

use super::history::Begin;
use crate::filter::Ready;
use crate::filter::feed::LookBack;
use hedgerow_cache::Checkpoint;
use hedgerow_filter_host::run::{Progress, Saved};
use hedgerow_model::UnixMillis;
use hedgerow_model::document::Owner;

/// First byte: the version of what follows. Another one is not read, and the deployment begins anew.
const VERSION: u8 = 1;

/// A checkpoint, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Whose deployment it is of. Another one's of the same name begins from nothing.
    pub owner: Owner,
    /// Of which serial.
    pub serial: u64,
    /// Where its look-back begins, if it has any.
    pub since: Option<UnixMillis>,
    /// What it goes on from.
    pub saved: Saved,
    /// How far it was.
    pub progress: Progress,
}

impl Stored {
    /// Reads a checkpoint. `None`: there is nothing to go on from.
    pub fn read(checkpoint: &Checkpoint) -> Option<Self> {
        let (version, rest) = checkpoint.state.as_ref()?.split_first()?;
        let (owner, rest) = rest.split_first_chunk::<32>()?;
        let (serial, rest) = rest.split_first_chunk::<8>()?;
        let (has_since, rest) = rest.split_first()?;
        let (since, saved) = rest.split_first_chunk::<8>()?;
        if *version != VERSION {
            return None;
        }
        Some(Self {
            owner: Owner(*owner),
            serial: u64::from_le_bytes(*serial),
            since: (*has_since == 1).then(|| i64::from_le_bytes(*since)),
            saved: Saved::from_bytes(saved).ok()?,
            progress: Progress::from_bytes(&checkpoint.consumed).ok()?,
        })
    }

    /// As a checkpoint.
    pub fn write(&self) -> Checkpoint {
        let saved = self.saved.to_bytes();
        let mut state = Vec::with_capacity(saved.len() + 50);
        state.push(VERSION);
        state.extend_from_slice(&self.owner.0);
        state.extend_from_slice(&self.serial.to_le_bytes());
        state.push(u8::from(self.since.is_some()));
        state.extend_from_slice(&self.since.unwrap_or_default().to_le_bytes());
        state.extend_from_slice(&saved);
        Checkpoint { consumed: self.progress.to_bytes().into(), state: Some(state.into()) }
    }

    /// What this deployment goes on from, where it may.
    pub fn of(self, ready: &Ready) -> Option<Self> {
        if self.owner != ready.document.owner {
            return None;
        }
        if self.serial == ready.serial() {
            return Some(self);
        }
        // What it has cost is counted anew with each serial.
        let progress = Progress { cost: Default::default(), ..self.progress };
        (!ready.deployment.fresh).then_some(Self { progress, ..self })
    }

    /// Where its input begins.
    pub fn begin(&self) -> Option<Begin> {
        Some(Begin { through: self.saved.look_back_through?, since: self.since })
    }

    /// What of its input is from before it came to be.
    pub fn look_back(&self) -> Option<LookBack> {
        Some(LookBack { since: self.since?, through: self.saved.look_back_through? })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hedgerow_filter_host::run::Place;
    use hedgerow_model::{Epoch, Position};

    fn stored() -> Stored {
        let position = Position { epoch: Epoch { start: 3, random: 7 }, number: 11 };
        let mut saved = Saved::fresh(position, Some(position));
        saved.state = Some(b"state".to_vec());
        let progress =
            Progress { consumed: Place { position, lives: 2 }, gaps: Vec::new(), cost: Default::default() };
        Stored { owner: Owner([5; 32]), serial: 9, since: Some(-4), saved, progress }
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_written_and_damage_is_nothing_to_go_on_from() {
        for since in [None, Some(0), Some(i64::MIN)] {
            let stored = Stored { since, ..stored() };
            assert_eq!(Stored::read(&stored.write()), Some(stored));
        }
        let whole = stored().write();
        let state = whole.state.clone().unwrap();
        for length in 0..state.len() {
            let cut = Checkpoint { state: Some(state[..length].into()), ..whole.clone() };
            assert_eq!(Stored::read(&cut), None, "{length} bytes");
        }
        let mut other = state.to_vec();
        other[0] = 2;
        assert_eq!(Stored::read(&Checkpoint { state: Some(other.into()), ..whole.clone() }), None);
        assert_eq!(Stored::read(&Checkpoint { consumed: [].into(), ..whole.clone() }), None);
        assert_eq!(Stored::read(&Checkpoint { state: None, ..whole }), None);
    }
}
