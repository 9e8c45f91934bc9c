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

/// First byte: the version of what follows. One that is not known is not read, and the deployment begins anew.
const VERSION: u8 = 2;
/// The version before: it did not say which component's state it is.
const NAMELESS: u8 = 1;

/// A checkpoint, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Whose deployment it is of. Another one's of the same name begins from nothing.
    pub owner: Owner,
    /// Of which serial.
    pub serial: u64,
    /// The name of the component whose state it is; empty: not known.
    pub component: String,
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
        let (since, rest) = rest.split_first_chunk::<8>()?;
        let (component, saved) = match *version {
            NAMELESS => (&[][..], rest),
            VERSION => {
                let (length, rest) = rest.split_first()?;
                rest.split_at_checked(usize::from(*length))?
            }
            _ => return None,
        };
        Some(Self {
            owner: Owner(*owner),
            serial: u64::from_le_bytes(*serial),
            component: std::str::from_utf8(component).ok()?.to_owned(),
            since: (*has_since == 1).then(|| i64::from_le_bytes(*since)),
            saved: Saved::from_bytes(saved).ok()?,
            progress: Progress::from_bytes(&checkpoint.consumed).ok()?,
        })
    }

    /// As a checkpoint.
    pub fn write(&self) -> Checkpoint {
        let saved = self.saved.to_bytes();
        // A component's name has at most 64 bytes.
        let component = self.component.get(..self.component.floor_char_boundary(255)).unwrap_or_default();
        let mut state = Vec::with_capacity(saved.len() + component.len() + 51);
        state.push(VERSION);
        state.extend_from_slice(&self.owner.0);
        state.extend_from_slice(&self.serial.to_le_bytes());
        state.push(u8::from(self.since.is_some()));
        state.extend_from_slice(&self.since.unwrap_or_default().to_le_bytes());
        state.push(u8::try_from(component.len()).unwrap_or_default());
        state.extend_from_slice(component.as_bytes());
        state.extend_from_slice(&saved);
        Checkpoint { consumed: self.progress.to_bytes().into(), state: Some(state.into()) }
    }

    /// What this deployment of the component with this name goes on from, where it may.
    ///
    /// # Errors
    /// It is the state of another component, which means nothing to this one.
    pub fn of(self, ready: &Ready, component: &str) -> Result<Option<Self>, String> {
        if self.owner != ready.document.owner {
            return Ok(None);
        }
        if self.serial == ready.serial() {
            return Ok(Some(self));
        }
        if ready.deployment.fresh {
            return Ok(None);
        }
        if !self.component.is_empty() && self.component != component {
            if self.saved.state.is_none() {
                return Ok(None);
            }
            return Err(format!(
                "what is saved of it is the state of the filter `{}`, and this is `{component}`: deploy it with `--fresh`, which \
                 begins without that state, or under another name",
                self.component
            ));
        }
        // What it has cost is counted anew with each serial.
        let progress = Progress { cost: Default::default(), ..self.progress };
        Ok(Some(Self { progress, ..self }))
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
        let component = "flap".to_owned();
        Stored { owner: Owner([5; 32]), serial: 9, component, since: Some(-4), saved, progress }
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
        other[0] = 3;
        assert_eq!(Stored::read(&Checkpoint { state: Some(other.into()), ..whole.clone() }), None);
        assert_eq!(Stored::read(&Checkpoint { consumed: [].into(), ..whole.clone() }), None);
        assert_eq!(Stored::read(&Checkpoint { state: None, ..whole }), None);
    }

    #[test]
    fn what_the_version_before_wrote_is_of_a_component_that_is_not_known() {
        let mut nameless = Stored { component: String::new(), ..stored() }.write();
        let mut state = nameless.state.unwrap().to_vec();
        state[0] = NAMELESS;
        assert_eq!(state.remove(50), 0);
        nameless.state = Some(state.into());
        assert_eq!(Stored::read(&nameless), Some(Stored { component: String::new(), ..stored() }));
    }
}
