//! What a deployment logged: the last lines, bounded in number, bytes and rate. No clock: times are given.

use hedgerow_model::UnixMillis;
use hedgerow_proto::filter::{LogLevel, LogLine};
use std::collections::VecDeque;

/// Lines that are kept of one deployment; the oldest go.
pub const MAX_LINES: usize = 1000;
/// Bytes of text that are kept of one deployment; the oldest lines go.
pub const MAX_BYTES: usize = 256 * 1024;
/// Bytes of one line; the rest is cut.
pub const MAX_LINE_BYTES: usize = 4096;
const MINUTE_MS: i64 = 60_000;

/// The lines of one deployment, numbered from 0.
#[derive(Debug, Default)]
pub struct Log {
    lines: VecDeque<LogLine>,
    bytes: usize,
    /// The number of the first that is kept.
    first: u64,
    /// Lines that were too many to be taken.
    dropped: u64,
    /// The minute that is counted, and lines in it.
    minute: (i64, u32),
}

/// How far a reader has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// The number of the next line.
    pub line: u64,
    /// Of the lines that were not taken, how many it was told of.
    pub dropped: u64,
}

/// Some lines.
#[derive(Debug, Default, PartialEq)]
pub struct Read {
    /// The lines.
    pub lines: Vec<LogLine>,
    /// Lines left out since the reader's place: not taken, or gone before they were read.
    pub dropped: u64,
    /// Where to go on.
    pub next: Place,
}

impl Log {
    /// A line of the filter's: at most `rate` in a minute are taken.
    pub fn said(&mut self, time: UnixMillis, level: LogLevel, text: &str, rate: u32) {
        let minute = time.div_euclid(MINUTE_MS);
        if self.minute.0 != minute {
            self.minute = (minute, 0);
        }
        if self.minute.1 >= rate {
            self.dropped += 1;
            return;
        }
        self.minute.1 += 1;
        self.push(time, level, text, false);
    }

    /// A line of the farm's about it.
    pub fn of_farm(&mut self, time: UnixMillis, level: LogLevel, text: &str) {
        self.push(time, level, text, true);
    }

    /// Lines that never came here.
    pub fn dropped_before(&mut self, count: u64) {
        self.dropped += count;
    }

    /// Lines that were not taken.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Where to begin for the `last` lines; 0: all that is kept.
    pub fn begin(&self, last: u32) -> Place {
        let line = match last {
            0 => self.first,
            last => self.first.max(self.next().saturating_sub(u64::from(last))),
        };
        Place { line, dropped: 0 }
    }

    /// At most `most` lines from a place on.
    pub fn read(&self, from: Place, most: usize) -> Read {
        let begin = from.line.max(self.first);
        let at = usize::try_from(begin - self.first).unwrap_or(usize::MAX);
        let lines: Vec<LogLine> = self.lines.iter().skip(at).take(most).cloned().collect();
        let next = Place { line: begin + lines.len() as u64, dropped: self.dropped };
        Read { lines, dropped: begin - from.line + self.dropped.saturating_sub(from.dropped), next }
    }

    fn next(&self) -> u64 {
        self.first + self.lines.len() as u64
    }

    fn push(&mut self, time: UnixMillis, level: LogLevel, text: &str, of_farm: bool) {
        let mut end = text.len().min(MAX_LINE_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = text.get(..end).unwrap_or_default().to_owned();
        self.bytes += text.len();
        self.lines.push_back(LogLine { time, level: level.into(), text, of_farm });
        while self.lines.len() > MAX_LINES || self.bytes > MAX_BYTES {
            let Some(gone) = self.lines.pop_front() else { break };
            self.bytes -= gone.text.len();
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Place = Place { line: 0, dropped: 0 };

    #[test]
    fn the_last_lines_are_kept_and_what_is_gone_is_counted() {
        let mut log = Log::default();
        for n in 0..MAX_LINES + 5 {
            log.of_farm(0, LogLevel::Info, &n.to_string());
        }
        let read = log.read(NONE, 2);
        assert_eq!((read.lines.len(), read.dropped, read.next.line), (2, 5, 7));
        assert_eq!(read.lines.first().map(|line| line.text.as_str()), Some("5"));
        assert_eq!(log.read(log.begin(3), 10).lines.len(), 3);
        assert_eq!(log.begin(0).line, 5);
        let end = log.read(log.begin(1), 10).next;
        assert_eq!(log.read(end, 10), Read { lines: vec![], dropped: 0, next: end });
    }

    #[test]
    fn a_flood_keeps_its_first_lines_of_each_minute() {
        let mut log = Log::default();
        for n in 0..10 {
            log.said(59_999, LogLevel::Debug, &n.to_string(), 4);
        }
        log.said(60_000, LogLevel::Debug, "next minute", 4);
        let read = log.read(NONE, 100);
        assert_eq!((read.lines.len(), read.dropped), (5, 6));
        assert_eq!(log.read(read.next, 100).dropped, 0, "told once");
    }

    #[test]
    fn long_lines_are_cut_between_characters_and_bytes_are_bounded() {
        let mut log = Log::default();
        for _ in 0..200 {
            log.of_farm(0, LogLevel::Error, &"ä€".repeat(2000));
        }
        let read = log.read(log.begin(1), 1);
        assert!(read.lines.iter().all(|line| line.text.len() <= MAX_LINE_BYTES && line.text.len() > 4000));
        assert!(log.bytes <= MAX_BYTES && log.lines.len() > 60);
    }
}
