//! Texts from elsewhere, made fit for a terminal: whatever a name or a value holds, it cannot move the cursor, change
//! colours, or turn the reading direction of what stands beside it.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` with control characters and direction marks written as `\n`, `\t` or `\u{202e}`.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            c if is_unsafe(c) => {
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// Longest words of somebody else's that are shown in one line, in characters. What is past it is cut, and an ellipsis says so.
pub const MAX_LINE: usize = 1000;

/// `text` as one line that a person reads: clean, and not longer than [`MAX_LINE`].
pub fn in_a_line(text: &str) -> String {
    let mut kept: String = text.chars().take(MAX_LINE).collect();
    if kept.len() < text.len() {
        kept.push('…');
    }
    clean(&kept).into_owned()
}

/// Control characters, separators of lines, and marks that turn or embed a direction.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_are_one_line_of_bounded_length() {
        assert_eq!(in_a_line("one\ntwo"), "one\\ntwo");
        let long = in_a_line(&"é".repeat(MAX_LINE + 1));
        assert_eq!(long.chars().count(), MAX_LINE + 1);
        assert!(long.ends_with("é…"));
    }

    #[test]
    fn what_could_lie_on_a_terminal_is_spelled_out() {
        assert_eq!(clean("sw-ä1 שלום"), "sw-ä1 שלום");
        assert_eq!(clean("a\u{202e}cba"), "a\\u{202e}cba");
        assert_eq!(clean("x\u{2066}y\u{2069}"), "x\\u{2066}y\\u{2069}");
        assert_eq!(clean("one\n\ttwo\u{1b}[31m\u{9b}1m"), "one\\n\\ttwo\\u{1b}[31m\\u{9b}1m");
    }
}
