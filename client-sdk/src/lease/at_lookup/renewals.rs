//! The stream of renewals: one message and its answer at a time, on a stream that stays open.

use super::ANSWER_PATIENCE;
use crate::channel::{Connection, in_time};
use crate::error::ClientError;
use hedgerow_proto::lookup::{RenewRequest, RenewResponse};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

const RENEW: &str = "renew the lease";

/// An open stream.
pub(super) struct Renewals {
    requests: mpsc::Sender<RenewRequest>,
    answers: Streaming<RenewResponse>,
}

/// Renews `leases` on the open stream, or on a new one; gives the stream back as long as it is good.
pub(super) async fn exchange(
    connection: &Connection,
    open: Option<Renewals>,
    leases: Vec<u64>,
) -> Result<(Renewals, RenewResponse), ClientError> {
    let asked = leases.len();
    let request = RenewRequest { leases };
    let call = async {
        let mut renewals = match open {
            Some(open) => {
                let ended = |_| Status::unavailable("the stream of renewals has ended");
                open.requests.send(request).await.map_err(ended)?;
                open
            }
            None => begin(connection, request).await?,
        };
        let answer = renewals.answers.message().await?;
        Ok((renewals, answer))
    };
    let (renewals, answer) = in_time(RENEW, connection.url(), ANSWER_PATIENCE, call).await?;
    match answer {
        Some(answer) if answer.renewed.len() == asked => Ok((renewals, answer)),
        _ => {
            let status = Status::unavailable("the lookup ended the stream of renewals");
            Err(ClientError::of_status(RENEW, connection.url(), &status))
        }
    }
}

/// Opens a stream with its first message: a lookup may answer with headers only once it has seen one.
async fn begin(connection: &Connection, request: RenewRequest) -> Result<Renewals, Status> {
    // One message is under way at a time: the next waits for the answer to this one.
    let (requests, mut waiting) = mpsc::channel(1);
    let outgoing = async_stream::stream! {
        while let Some(request) = waiting.recv().await { yield request; }
    };
    let _ = requests.try_send(request);
    let answers = connection.lookup().renew(outgoing).await?.into_inner();
    Ok(Renewals { requests, answers })
}
