//! An alarm as a line for people.

use crate::output::clock::Zone;
use crate::output::safe::clean;
use hedgerow_proto::filter::{Alarm, AlarmLevel};
pub use hedgerow_shown::alarms::{AlarmLine, id, level, paths};
use std::io::{self, IsTerminal as _};

/// How much of an id is shown to people.
const SHOWN_ID: usize = 8;

/// Its id, for people.
pub fn short(alarm: &Alarm) -> String {
    id(alarm).chars().take(SHOWN_ID).collect()
}

/// Why an alarm is as it is, beside its text: unknown, acknowledged, silenced, cleared.
pub fn marks(alarm: &Alarm, zone: &Zone) -> String {
    let mut marks = Vec::new();
    if alarm.level() == AlarmLevel::Unknown {
        marks.push(format!("was {}: {}", level(alarm.level_before()), alarm.unknown_reason));
    }
    if let Some(cleared) = alarm.cleared_ms {
        marks.push(format!("cleared {}", zone.print(cleared)));
    }
    if let Some(said) = &alarm.acknowledged {
        let colon = if said.comment.is_empty() { "" } else { ": " };
        marks.push(format!("acknowledged by {}{colon}{}", said.by, said.comment));
    }
    if alarm.silence != 0 {
        marks.push(format!("silence {}", alarm.silence));
    }
    marks.join("; ")
}

/// A line among the samples of a stream.
pub fn in_a_line(farm: &str, alarm: &Alarm, zone: &Zone) -> String {
    let (word, marks) = (level(alarm.level()), marks(alarm, zone));
    let marks = if marks.is_empty() { marks } else { format!(" ({marks})") };
    let text = format!("{farm}: alarm {} of {}: {}{marks}", short(alarm), alarm.deployment, alarm.text);
    format!("{}  {}  {}", zone.print(alarm.changed_ms), coloured(word, word), clean(&text))
}

/// `text` in the colour of a level, where a terminal shows it and the user wants colours.
pub fn coloured(level: &str, text: &str) -> String {
    let wanted = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
    let code = match level {
        "critical" => "1;31",
        "warning" => "33",
        "info" => "36",
        "unknown" => "35",
        "ok" => "32",
        _ => return text.to_owned(),
    };
    if wanted { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}
