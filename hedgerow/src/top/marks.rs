//! How things look: a status is a shape and a word before it is a colour. The colours are those of the terminal's own palette, so
//! that they are readable on it, and chosen so that no two that stand for different things are red and green.

use ratatui::style::{Color, Modifier, Style};

/// What the terminal can show, and what its user wants.
#[derive(Debug, Clone, Copy)]
pub struct Looks {
    /// Letters only.
    pub plain: bool,
    /// Colours are wanted.
    pub colour: bool,
}

impl Looks {
    fn paint(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    /// What is beside the point.
    pub fn quiet(self) -> Style {
        if self.colour { Style::new().fg(Color::DarkGray) } else { Style::new().add_modifier(Modifier::DIM) }
    }

    /// The shape and the style of a level.
    pub fn level(self, word: &str) -> (&'static str, Style) {
        let (shape, plain, style) = match word {
            "ok" => ("●", "+", self.paint(Color::Cyan)),
            "info" => ("■", "i", self.paint(Color::LightBlue)),
            "warning" => ("▲", "!", self.paint(Color::Yellow).add_modifier(Modifier::BOLD)),
            "critical" => ("◆", "X", self.paint(Color::LightRed).add_modifier(Modifier::BOLD)),
            _ => ("○", "?", self.paint(Color::Magenta)),
        };
        (if self.plain { plain } else { shape }, style)
    }

    /// The shape and the style of the state of a farm or of a series; of a farm that went, why.
    pub fn state(self, word: &str) -> (&'static str, Style) {
        let (shape, plain, style) = match word {
            "live" | "up" => ("●", "+", self.paint(Color::Cyan)),
            "suspect" => ("◐", "~", self.paint(Color::Yellow)),
            "unconfirmed" => ("◌", "~", self.paint(Color::Yellow)),
            "lost" | "DOWN" => ("✕", "X", self.paint(Color::LightRed).add_modifier(Modifier::BOLD)),
            "left" | "unmatched" | "ended" => ("–", "-", self.quiet()),
            _ => ("○", "?", self.paint(Color::Magenta)),
        };
        (if self.plain { plain } else { shape }, style)
    }

    /// Behind a text that is cut.
    pub fn cut(self) -> char {
        if self.plain { '~' } else { '…' }
    }

    /// Between two parts of a line.
    pub fn between(self) -> &'static str {
        if self.plain { " | " } else { " · " }
    }
}

/// By how much a level matters.
pub fn gravity(level: &str) -> u8 {
    match level {
        "ok" => 0,
        "info" => 1,
        "warning" => 3,
        "critical" => 4,
        _ => 2,
    }
}

/// The word for a farm that went.
pub fn gone(why: &str) -> &'static str {
    match why {
        "expired" => "lost",
        "cancelled" => "left",
        _ => "unmatched",
    }
}
