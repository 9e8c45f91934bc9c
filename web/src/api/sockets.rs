//! `/api/v1/live/views`: a WebSocket over which a page opens and closes views. What is equal is made once by `hedgerow-views`,
//! however many sockets look; here frames are only carried.
//!
//! Nothing queues: a view's next frame is taken when the socket has room, and says what changed since the last one taken.

use crate::app::{App, Connected, MAX_SOCKETS};
use crate::error::{ApiError, ErrorBody};
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use futures_util::stream::{BoxStream, SelectAll};
use futures_util::{SinkExt as _, Stream, StreamExt as _, stream};
use hedgerow_service::drain::Drain;
use hedgerow_views::{Look, Told, ViewSpec};
use http::StatusCode;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Views of one socket; one more is refused, and the others go on.
pub const MAX_VIEWS: usize = 1_000;
/// Bytes of one message that is taken; a longer one ends the socket.
const MAX_MESSAGE: usize = 128 * 1024;
/// Bytes of the reason of a close; of a longer one the rest is left out.
const MAX_REASON: usize = 123;
/// How often it is asked whether the page is still there.
const PING: Duration = Duration::from_secs(20);
/// How long a page may say nothing, not even that it is there; then the socket is closed.
const SILENCE: Duration = Duration::from_secs(60);
/// How long a frame may take to be taken; then the socket is closed.
const SEND_PATIENCE: Duration = Duration::from_secs(30);

/// What a page says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, untagged)]
enum Said {
    Open { open: u64, view: serde_json::Value },
    Close { close: u64 },
}

/// Views of the page, live
///
/// A WebSocket. The page sends `{"open":7,"view":{…}}` and `{"close":7}`; the server `{"view":7,"frame":{…}}`, and
/// `{"view":7,"error":"…"}` when a view is over.
#[utoipa::path(get, path = "/api/v1/live/views", tag = "data", responses(
    (status = 101, description = "It is open"),
    (status = 400, description = "No WebSocket was asked for", body = ErrorBody),
    (status = 429, description = "Too many are open", body = ErrorBody),
))]
pub async fn views(
    State(app): State<Arc<App>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|error| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "no_websocket",
            format!("a WebSocket is expected here: {error}"),
        )
    })?;
    let connected = app.connected().await?;
    let place = Arc::clone(&app.sockets).try_acquire_owned().map_err(|_| {
        ApiError::too_much(format!("{MAX_SOCKETS} pages are open, the most there may be: close one first"))
    })?;
    let drain = app.drain.clone();
    let upgrade = upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE);
    Ok(upgrade.on_upgrade(move |socket| async move {
        carry(socket, &connected, drain).await;
        drop(place);
    }))
}

/// The views of one socket.
struct Open<'a> {
    connected: &'a Connected,
    /// Ends one each.
    ends: HashMap<u64, oneshot::Sender<()>>,
    frames: SelectAll<BoxStream<'static, (u64, Told)>>,
}

async fn carry(socket: WebSocket, connected: &Connected, drain: Drain) {
    let (mut to, mut from) = socket.split();
    let mut open = Open { connected, ends: HashMap::new(), frames: SelectAll::new() };
    let mut pings = interval(PING);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    let ending = drain.begun();
    tokio::pin!(ending);
    loop {
        let message = tokio::select! {
            biased;
            () = &mut ending => {
                let reason = "this server is stopping".into();
                let _ = to.send(Message::Close(Some(CloseFrame { code: close_code::AWAY, reason }))).await;
                break;
            }
            said = from.next() => {
                let said = match said {
                    Some(Ok(said)) => said,
                    Some(Err(error)) => {
                        let close = Message::Close(Some(fault(&error.to_string())));
                        let _ = tokio::time::timeout(SEND_PATIENCE, to.send(close)).await;
                        break;
                    }
                    None => break,
                };
                heard = Instant::now();
                match said {
                    Message::Text(text) => open.hear(&text),
                    Message::Close(_) => break,
                    Message::Binary(_) => Some(refusal(None, "text is expected here")),
                    Message::Ping(_) | Message::Pong(_) => None,
                }
            }
            Some((view, told)) = open.frames.next() => open.told(view, told),
            _ = pings.tick() => {
                if heard.elapsed() > SILENCE {
                    break;
                }
                Some(Message::Ping(Default::default()))
            }
        };
        let Some(message) = message else { continue };
        if !matches!(tokio::time::timeout(SEND_PATIENCE, to.send(message)).await, Ok(Ok(()))) {
            break;
        }
    }
}

impl Open<'_> {
    /// Does what the page says; what is to be answered at once.
    fn hear(&mut self, text: &str) -> Option<Message> {
        match serde_json::from_str(text) {
            Ok(Said::Open { open, view }) => {
                if self.ends.contains_key(&open) {
                    return Some(refusal(
                        Some(open),
                        "a view of this number is open: close it first, or take another number",
                    ));
                }
                if self.ends.len() >= MAX_VIEWS {
                    return Some(refusal(
                        Some(open),
                        &format!("{MAX_VIEWS} views are open here, the most there may be"),
                    ));
                }
                let look = ViewSpec::from_json(view).and_then(|spec| self.connected.views.open(spec));
                match look {
                    Ok(look) => {
                        let (end, ended) = oneshot::channel();
                        self.ends.insert(open, end);
                        let frames = frames(look).map(move |told| (open, told));
                        self.frames.push(frames.take_until(ended).boxed());
                        None
                    }
                    Err(refused) => Some(refusal(Some(open), &refused.to_string())),
                }
            }
            Ok(Said::Close { close }) => {
                self.ends.remove(&close);
                None
            }
            Err(_) => Some(refusal(None, "expected {\"open\":NUMBER,\"view\":{…}} or {\"close\":NUMBER}")),
        }
    }

    /// What is sent of a frame; of a view that was closed meanwhile nothing.
    fn told(&mut self, view: u64, told: Told) -> Option<Message> {
        if !self.ends.contains_key(&view) {
            return None;
        }
        match told {
            // A frame is JSON as it comes, written once for all who look.
            Told::Frame(frame) => Some(Message::text(format!("{{\"view\":{view},\"frame\":{frame}}}"))),
            Told::Over(why) => {
                self.ends.remove(&view);
                Some(refusal(Some(view), &why))
            }
        }
    }
}

/// Why a socket is closed whose page sent what no WebSocket may send, or too much of it.
fn fault(error: &str) -> CloseFrame {
    let code = match error.to_lowercase() {
        error if error.contains("too long") || error.contains("too big") => close_code::SIZE,
        error if error.contains("utf-8") => close_code::INVALID,
        _ => close_code::PROTOCOL,
    };
    let mut reason = format!("{error}; a message has at most {MAX_MESSAGE} bytes of text");
    reason.truncate(reason.floor_char_boundary(MAX_REASON));
    CloseFrame { code, reason: reason.into() }
}

fn frames(look: Look) -> impl Stream<Item = Told> + Send {
    stream::unfold(look, |mut look| async move { Some((look.next().await?, look)) })
}

fn refusal(view: Option<u64>, why: &str) -> Message {
    Message::text(serde_json::json!({ "view": view, "error": why }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_socket_is_closed_fits_into_its_last_frame() {
        let close = fault(&format!("Space limit exceeded: Message too long: 9 > 8 {}", "ü".repeat(200)));
        assert_eq!(close.code, close_code::SIZE);
        assert!(close.reason.len() <= MAX_REASON && close.reason.starts_with("Space limit"));
        assert_eq!(fault("UTF-8 encoding error").code, close_code::INVALID);
        assert_eq!(fault("reserved bits are non-zero").code, close_code::PROTOCOL);
    }
}
