//! The newest value of each series: what `last` gives first. A series that is stale or has ended is said to be so.

use super::feed::{Feed, Stop};
use crate::hub::Known;
use hedgerow_model::{BatchBuilder, Epoch, Life, LifeMark, Numbered, Numbers, SeriesId};

/// Samples in one item.
const CHUNK: usize = 4096;

/// Sends the newest values of all series that match.
pub async fn send(feed: &mut Feed) -> Result<(), Stop> {
    let ids = feed.matching();
    for chunk in ids.chunks(CHUNK) {
        let known = feed.hub.known(chunk);
        let admitted = feed.plan.admitted;
        // A newer one than the watermark comes with the live values; in the answer to a query nothing else would.
        let finite = feed.plan.finite;
        let is_now = |number: u64| finite || number <= admitted.number;
        let mut heard: Vec<&Known> =
            known.iter().filter(|k| k.latest.as_ref().is_some_and(|latest| is_now(latest.number))).collect();
        heard.sort_by_key(|known| known.latest.as_ref().map(|latest| latest.number));
        let (mut builder, mut numbers) = (BatchBuilder::new(), Vec::new());
        for known in heard {
            if let Some(latest) = &known.latest {
                builder.push(known.id, latest.time, latest.value.clone(), latest.mark);
                numbers.push(latest.number);
            }
        }
        give(feed, admitted.epoch, numbers, builder).await?;
        let silent: Vec<SeriesId> =
            known.iter().filter(|known| known.latest.is_none()).map(|known| known.id).collect();
        if !silent.is_empty() {
            let reader = feed.reader.clone();
            let mut earlier = feed.blocking(move || reader.last(&silent)).await?;
            // One may have come since the hub was asked.
            earlier.retain(|sample| sample.position.epoch < admitted.epoch || is_now(sample.position.number));
            earlier.sort_by_key(|sample| sample.position);
            for run in earlier.chunk_by(|a, b| a.position.epoch == b.position.epoch) {
                let (mut builder, mut numbers) = (BatchBuilder::new(), Vec::new());
                for sample in run {
                    builder.push(sample.series, sample.time, sample.value.clone(), None);
                    numbers.push(sample.position.number);
                }
                give(feed, run[0].position.epoch, numbers, builder).await?;
            }
        }
        for known in known.iter().filter(|known| known.life != Life::Live) {
            // Of a series whose value was not asked for, nobody asked how it is.
            if feed.plan.predicate.constraint.is_some() && !feed.announced.knows(known.id) {
                continue;
            }
            let mark = LifeMark {
                series: known.id,
                life: known.life,
                time: known.heard,
                after: 0,
                reason: known.life_reason.clone(),
            };
            feed.life(&mark).await?;
        }
        feed.out.send().await?;
    }
    Ok(())
}

async fn give(feed: &mut Feed, epoch: Epoch, numbers: Vec<u64>, builder: BatchBuilder) -> Result<(), Stop> {
    if builder.is_empty() {
        return Ok(());
    }
    feed.give(Numbered { epoch, numbers: Numbers::Each(numbers), batch: builder.build() }, false).await
}
