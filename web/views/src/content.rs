//! What a view holds: what is asked of every kind's core.

use hedgerow_model::UnixMillis;
use serde::Serialize;

/// The state of one view. Fed by its shell; asked for frames by whoever gives them out.
///
/// The law of frames: a difference, taken after a full frame and all differences between them, makes of it what a full frame would
/// be then. It holds also where the full frame was made later than the difference before it.
pub(crate) trait Content: Send + 'static {
    /// All of it, as JSON.
    fn full(&mut self, now: UnixMillis) -> String;

    /// What changed since this was last asked, as JSON; `None`: nothing.
    fn difference(&mut self, now: UnixMillis) -> Option<String>;

    /// About how much it holds, in points of charts (about 100 bytes each).
    fn weight(&self) -> usize;
}

/// A frame as JSON text.
pub(crate) fn json<T: Serialize>(frame: &T) -> String {
    // Nothing in a frame can fail to be written: no maps with odd keys, no failing readers.
    serde_json::to_string(frame).unwrap_or_default()
}
