//! What filters make: it comes in by the same door as everything else, together with what was consumed for it.

use super::{Hub, Inner};
use crate::hub::admit;
use hedgerow_cache::{AppendRefused, Checkpoint};
use hedgerow_collect::front_door::{Accepted, OriginId};
use hedgerow_model::{Batch, Numbered, Refusal};
use std::sync::Arc;

/// Nothing of what was emitted was taken, and the checkpoint is as before: it may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotEmitted {
    /// More is uncommitted than may be.
    #[error("too much waits for the cache's disk")]
    Overload,
    /// The farm is ending.
    #[error("the cache is closed")]
    Closed,
}

impl Hub {
    /// Takes what a deployment made and the checkpoint that says from what, in one step: after a crash both are there or
    /// neither. Samples that are refused for what they are (time, kind, generation) are counted as anyone's are.
    ///
    /// # Errors
    /// Where there is no room: then nothing has happened.
    pub fn emit(
        &self,
        origin: OriginId,
        outputs: Vec<Batch>,
        deployment: &str,
        checkpoint: &Checkpoint,
    ) -> Result<Accepted, NotEmitted> {
        let now = self.now();
        let mut inner = self.inner.lock();
        let Inner { table, ledger, live, admission, number, .. } = &mut *inner;
        let made = outputs.iter().map(|batch| batch.len() as u64).sum::<u64>();
        let mut refused = admit::Refused::default();
        let mut numbered: Vec<Arc<Numbered>> = Vec::new();
        let mut next = *number + 1;
        for output in outputs {
            for normal in admission.normal_forms(output, table, now, &mut refused) {
                let count = normal.len() as u64;
                numbered.push(Arc::new(admit::number(self.epoch, next, normal)));
                next += count;
            }
        }
        match self.cache.append_with(&numbered, deployment, checkpoint) {
            Ok(()) => {}
            Err(AppendRefused::Closed) => return Err(NotEmitted::Closed),
            Err(_) => return Err(NotEmitted::Overload),
        }
        for batch in &numbered {
            *number += batch.batch.len() as u64;
            self.give_on(batch, table, live, *number, now);
        }
        self.routed.store(*number, std::sync::atomic::Ordering::Release);
        let refused: Vec<(Refusal, u64)> = refused.list().collect();
        let accepted = made - refused.iter().map(|(_, count)| count).sum::<u64>();
        ledger.accepted(origin, made, accepted, &refused);
        self.wake(inner);
        Ok(Accepted { accepted, refused })
    }
}
