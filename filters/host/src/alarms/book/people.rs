//! What people say of alarms: that they have seen one, that one is over, that some are to be quiet for a time.

use super::{AlarmBook, BookError};
use crate::alarms::{Acknowledgement, AlarmChange, Silence, SilenceId, UnknownCause};
use hedgerow_model::UnixMillis;
use hedgerow_model::registration::Id;

impl AlarmBook {
    /// Somebody has seen an alarm.
    ///
    /// # Errors
    /// Where there is none, it is over, or the end is not in the future.
    pub fn acknowledge(
        &mut self,
        id: Id,
        acknowledgement: Acknowledgement,
        now: UnixMillis,
    ) -> Result<AlarmChange, BookError> {
        if acknowledgement.until.is_some_and(|until| until <= now) {
            return Err(BookError::EndsInThePast);
        }
        let key = self.open_key(id)?;
        Ok(self.edit(&key, now, |alarm| alarm.acknowledged = Some(acknowledgement)))
    }

    /// Takes an acknowledgement back.
    ///
    /// # Errors
    /// Where there is no such alarm, or it is not acknowledged.
    pub fn withdraw(&mut self, id: Id, now: UnixMillis) -> Result<AlarmChange, BookError> {
        let key = self.open_key(id)?;
        if self.open.get(&key).is_none_or(|alarm| alarm.acknowledged.is_none()) {
            return Err(BookError::NotAcknowledged(id));
        }
        Ok(self.edit(&key, now, |alarm| alarm.acknowledged = None))
    }

    /// Somebody says that an alarm is over whose filter cannot say so, because its deployment does not run or has forgotten it.
    /// Should it be raised again, it is another one.
    ///
    /// # Errors
    /// Where there is no such alarm, it is over, or its filter speaks of it.
    pub fn close(
        &mut self,
        id: Id,
        by: &str,
        comment: &str,
        now: UnixMillis,
    ) -> Result<AlarmChange, BookError> {
        let key = self.open_key(id)?;
        let unknown = self.open.get(&key).and_then(|alarm| alarm.unknown.as_ref());
        if unknown.is_none_or(|unknown| unknown.cause != UnknownCause::Deployment) {
            return Err(BookError::FilterRuns(id));
        }
        self.over(&key, format!("closed by {by}: {comment}"), now).ok_or(BookError::NoAlarm(id))
    }

    /// Adds a silence (id 0), or changes the one with its id; one whose end has passed is ended. With the alarms that it changed.
    ///
    /// # Errors
    /// Where it is of no form, names none, or there are too many.
    pub fn silence(
        &mut self,
        mut silence: Silence,
        now: UnixMillis,
    ) -> Result<(SilenceId, Vec<AlarmChange>), BookError> {
        if silence.id == 0 {
            if silence.until <= silence.from {
                return Err(BookError::EmptySilence);
            }
            if self.silences.len() >= self.bounds.silences {
                return Err(BookError::TooManySilences(self.bounds.silences));
            }
            silence.id = self.next_silence;
            self.next_silence += 1;
        } else if !self.silences.contains_key(&silence.id) {
            return Err(BookError::NoSilence(silence.id));
        }
        let id = silence.id;
        self.silences.insert(id, silence);
        Ok((id, self.tick(now)))
    }
}
