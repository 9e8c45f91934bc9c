//! What is pending for one subscriber, put together into messages.

use bytes::Bytes;
use hedgerow_model::Position;
use hedgerow_proto::convert::series::epoch_to_wire;
use hedgerow_proto::farm::{Item, Progress, item};
use hedgerow_proto::stream::{StreamMessage, encode};
use hedgerow_service::drain::Drain;
use std::time::Duration;
use tokio::sync::mpsc;
use tonic::Status;

/// A message is sent when it has grown to this: a reader that stops holds two of them at most.
pub const MESSAGE_BYTES: usize = 256 * 1024;

/// How long a subscriber may take to accept a message once the farm is stopping.
const DRAIN_PATIENCE: Duration = Duration::from_millis(500);

/// The subscriber is gone.
#[derive(Debug)]
pub struct Gone;

/// Items on their way to one subscriber.
#[derive(Debug)]
pub struct Outbox {
    out: mpsc::Sender<Result<StreamMessage, Status>>,
    drain: Drain,
    pending: Vec<Bytes>,
    bytes: usize,
    /// Samples sent, for the end item.
    pub samples: u64,
}

impl Outbox {
    /// An empty one.
    pub fn new(out: mpsc::Sender<Result<StreamMessage, Status>>, drain: Drain) -> Self {
        Self { out, drain, pending: Vec::new(), bytes: 0, samples: 0 }
    }

    /// Adds an item.
    pub fn item(&mut self, item: item::Item) {
        self.encoded(encode(&Item { item: Some(item) }));
    }

    /// Adds an item that is encoded already.
    pub fn encoded(&mut self, item: Bytes) {
        self.bytes += item.len();
        self.pending.push(item);
    }

    /// Sends what is pending, if that is a message's worth.
    pub async fn send_if_full(&mut self) -> Result<(), Gone> {
        if self.bytes >= MESSAGE_BYTES { self.send().await } else { Ok(()) }
    }

    /// Sends what is pending, in one message; waits while the subscriber does not take it, but not long once the farm is
    /// stopping.
    pub async fn send(&mut self) -> Result<(), Gone> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        let message = StreamMessage { items: std::mem::take(&mut self.pending) };
        let stopping = async {
            self.drain.clone().begun().await;
            tokio::time::sleep(DRAIN_PATIENCE).await;
        };
        tokio::select! {
            biased;
            sent = self.out.send(Ok(message)) => sent.map_err(|_| Gone),
            () = stopping => Err(Gone),
        }
    }

    /// Whether the subscriber is gone.
    pub fn is_closed(&self) -> bool {
        self.out.is_closed()
    }

    /// Ends the stream with an error.
    pub async fn fail(&mut self, status: Status) {
        let _ = self.out.send(Err(status)).await;
    }

    /// Waits until the subscriber is gone.
    pub async fn closed(&self) {
        self.out.closed().await;
    }
}

/// A progress item: everything with `after` < number <= `through.number` of that epoch is said.
pub fn progress(after: u64, through: Position, epoch_ended: bool, token: Vec<u8>) -> item::Item {
    item::Item::Progress(Progress {
        epoch: Some(epoch_to_wire(through.epoch)),
        after,
        through: through.number,
        epoch_ended,
        token: token.into(),
    })
}
