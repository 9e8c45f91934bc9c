//! Live values: from the channel, as they come, until the window's end.

use super::alarms;
use super::feed::{Feed, Stop};
use super::history::read_through;
use super::outbox::MESSAGE_BYTES;
use crate::hub::{LiveEntry, LiveItem};
use hedgerow_model::UnixMillis;
use hedgerow_proto::convert::{batch, series};
use hedgerow_proto::farm::{Item, Lagged, end, item};
use hedgerow_proto::stream::encode;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

/// What is given to a subscriber within this time goes in one message.
pub const LINGER: Duration = Duration::from_millis(5);
/// A subscriber hears of progress at least this often, while there is any.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long after the window's end samples of it are still waited for.
pub const GRACE: Duration = Duration::from_secs(2);

/// Goes on from the end of history to the end of the window, or until the farm stops.
pub async fn run(feed: &mut Feed) -> Result<end::Reason, Stop> {
    let mut heartbeat = tokio::time::interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    heartbeat.reset();
    let mut last_sent = Instant::now() - LINGER;
    catch_up(feed).await?;
    feed.tell_lives().await?;
    feed.out.send().await?;
    if window_is_over(feed) {
        return Ok(end::Reason::Complete);
    }
    loop {
        let mut drain = false;
        let mut beat = false;
        tokio::select! {
            () = feed.cursor.ready() => tokio::time::sleep_until(last_sent + LINGER).await,
            _ = heartbeat.tick() => beat = true,
            () = feed.drain.clone().begun() => drain = true,
            () = alarms::changed(&mut feed.alarms) => {}
            () = feed.out.closed() => return Err(Stop::Gone),
        }
        feed.tell_alarms();
        drain_channel(feed, beat || drain).await?;
        last_sent = Instant::now();
        if drain {
            return Ok(end::Reason::Draining);
        }
        if window_is_over(feed) {
            return Ok(end::Reason::Complete);
        }
    }
}

/// While history was read, the channel may have lost its oldest entries: those are read from the cache, until both meet.
async fn catch_up(feed: &mut Feed) -> Result<(), Stop> {
    loop {
        let routed = feed.hub.routed();
        read_through(feed, routed.epoch, routed.number, false).await?;
        if feed.cursor.skip_through(feed.position.number) {
            return Ok(());
        }
    }
}

fn window_is_over(feed: &Feed) -> bool {
    feed.plan
        .until
        .is_some_and(|until| feed.hub.now() >= until.saturating_add(GRACE.as_millis() as UnixMillis))
}

/// Sends what is in the channel; `beat`: progress even where there is nothing.
async fn drain_channel(feed: &mut Feed, beat: bool) -> Result<(), Stop> {
    loop {
        // Read before the channel: what is numbered up to here is in it.
        let routed = feed.hub.routed();
        match feed.cursor.take(MESSAGE_BYTES) {
            Err(overtaken) => {
                // Where only marks of life were lost, there is nothing to fetch.
                let after = feed.position.number;
                if overtaken.samples > 0 {
                    feed.out.item(item::Item::Lagged(Lagged {
                        epoch: Some(series::epoch_to_wire(routed.epoch)),
                        after,
                        through: overtaken.through,
                        count: overtaken.samples,
                    }));
                    feed.progress(routed.epoch, overtaken.through, false);
                }
                // What else was in there is told as it is now; increases begin anew, from the cache.
                feed.rates.forget();
                feed.texts.forget();
                feed.tell_lives().await?;
                if overtaken.redeclared {
                    feed.announced.forget_all();
                }
            }
            Ok((entries, all)) => {
                let last = entries.iter().rev().find_map(|entry| entry.item.last_number());
                for entry in &entries {
                    give_entry(feed, entry).await?;
                }
                let through = last.unwrap_or_default().max(if all { routed.number } else { 0 });
                if through > feed.position.number && (beat || !entries.is_empty()) {
                    feed.progress(routed.epoch, through, false);
                }
                feed.out.send().await?;
                if all {
                    return Ok(());
                }
            }
        }
        feed.out.send().await?;
    }
}

async fn give_entry(feed: &mut Feed, entry: &Arc<LiveEntry>) -> Result<(), Stop> {
    match &entry.item {
        LiveItem::Redeclared(id) => feed.announced.forget(*id),
        LiveItem::Life { mark, .. } => feed.life(mark).await?,
        LiveItem::Batch(numbered) if feed.plan.is_raw() && feed.plan.until.is_none() => {
            feed.tell(&numbered.batch.series).await?;
            feed.out.samples += numbered.batch.len() as u64;
            let item = |numbered: &_| Item { item: Some(item::Item::Batch(batch::to_wire(numbered))) };
            let filled = feed.texts.fill(&feed.hub, Arc::clone(numbered), false);
            let encoded = if Arc::ptr_eq(&filled, numbered) {
                entry.encoded(|| encode(&item(numbered)))
            } else {
                encode(&item(&filled))
            };
            feed.out.encoded(encoded);
            feed.heard(&numbered.batch.series);
        }
        LiveItem::Batch(numbered) => feed.give((**numbered).clone(), false).await?,
    }
    Ok(feed.out.send_if_full().await?)
}
