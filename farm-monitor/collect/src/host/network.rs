//! Network interfaces: `/proc/net/dev`, and their attributes under `/sys/class/net`.

use super::files::{Files, Skipped};
use super::parameters::{NETWORK, Net};
use super::rows::{Out, Row, Rows};
use hedgerow_model::glob::Glob;
use std::path::PathBuf;

const FILE: &str = "/proc/net/dev";
/// Numbers of an interface in the file.
const FIELDS: usize = 16;
/// Which of them are taken, and where they go.
const TAKEN: [(usize, Net); 10] = [
    (0, Net::In),
    (1, Net::InPackets),
    (2, Net::InErrors),
    (3, Net::InDrops),
    (7, Net::InMulticast),
    (8, Net::Out),
    (9, Net::OutPackets),
    (10, Net::OutErrors),
    (11, Net::OutDrops),
    (13, Net::OutCollisions),
];
/// Bytes per second of one Mbit/s.
const MEGABIT: u64 = 125_000;
/// What `operstate` can say, with the numbers of ifOperStatus.
const STATES: [(&str, i64); 7] = [
    ("up", 1),
    ("down", 2),
    ("testing", 3),
    ("unknown", 4),
    ("dormant", 5),
    ("notpresent", 6),
    ("lowerlayerdown", 7),
];

/// One line of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interface<'t> {
    pub name: &'t str,
    pub fields: [u64; FIELDS],
}

/// Reads `/proc/net/dev`.
pub(super) fn parse(text: &str) -> (Vec<Interface<'_>>, Skipped) {
    let (mut interfaces, mut skipped) = (Vec::new(), Skipped::default());
    // Two lines of head.
    for line in text.lines().skip(2) {
        match parse_line(line) {
            Some(interface) => interfaces.push(interface),
            None => skipped.line(line),
        }
    }
    (interfaces, skipped)
}

fn parse_line(line: &str) -> Option<Interface<'_>> {
    // The last colon: aliases have one in their name; old kernels put no space behind it.
    let (name, rest) = line.rsplit_once(':')?;
    let mut interface = Interface { name: name.trim(), fields: [0; FIELDS] };
    let mut words = rest.split_ascii_whitespace();
    for place in &mut interface.fields {
        *place = words.next()?.parse().ok()?;
    }
    (!interface.name.is_empty()).then_some(interface)
}

/// Where the attributes of an interface are, and its number at the last run.
#[derive(Debug, Default)]
struct Attributes {
    files: Option<[PathBuf; 3]>,
    index: Option<u64>,
}

/// The interfaces.
#[derive(Debug)]
pub(super) struct Interfaces {
    rows: Rows<Attributes>,
    skip: Vec<Glob>,
}

impl Interfaces {
    pub fn new(skip: Vec<Glob>) -> Self {
        Self { rows: Rows::new(NETWORK), skip }
    }

    pub fn run(&mut self, out: &mut Out<'_>, files: &mut Files) {
        let Some(text) = out.read(FILE, files.process_text("net/dev").map(str::to_owned), false) else {
            return;
        };
        let (interfaces, skipped) = parse(&text);
        for interface in interfaces {
            if self.skip.iter().any(|glob| glob.matches(interface.name)) {
                continue;
            }
            let row = self.rows.row(out, interface.name);
            attributes(out, files, row, interface.name);
            for (at, place) in TAKEN {
                if let Some(value) = interface.fields.get(at) {
                    row.count(out, place, *value);
                }
            }
            row.renewed = false;
        }
        if out.understood(FILE, &skipped) {
            self.rows.sweep(out, "interface gone");
        }
    }
}

/// State and speed; and whether the interface is another one of the same name, whose counters begin anew.
fn attributes(out: &mut Out<'_>, files: &mut Files, row: &mut Row<Attributes>, name: &str) {
    let folder = || files.path("/sys/class/net").join(name);
    let paths = row
        .extra
        .files
        .take()
        .unwrap_or_else(|| ["ifindex", "operstate", "speed"].map(|file| folder().join(file)));
    let [index, operstate, speed] = &paths;
    let index = files.word(index).and_then(|word| word.parse().ok());
    if let (Some(index), Some(before)) = (index, row.extra.index) {
        row.renewed = index != before;
    }
    row.extra.index = index.or(row.extra.index);
    let state = files.word(operstate).and_then(|word| STATES.iter().find(|(text, _)| *text == word));
    if let Some((text, code)) = state {
        row.state(out, Net::Link, *code, text);
        // Without a link the driver has nothing to say; −1, also as 32 bits, means unknown.
        let megabits =
            if *code == 1 { files.word(speed).and_then(|word| word.parse::<u32>().ok()) } else { None };
        if let Some(megabits) = megabits.filter(|megabits| *megabits != u32::MAX) {
            row.gauge(out, Net::Speed, u64::from(megabits) * MEGABIT);
        }
    }
    row.extra.files = Some(paths);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    const HEAD: &str = "Inter-|   Receive  |  Transmit\n face |bytes    packets |bytes    packets\n";

    #[test]
    fn interfaces_are_read_in_old_and_new_form() {
        let text = format!(
            "{HEAD}    lo:    3193      29    0    0    0     0          0         0     3193      29    0    0    0     0       0          0\n\
             eth0:27680086 2073 1 2 3 4 5 6 227634 1768 7 8 9 10 11 12\neth0:1: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 18446744073709551615\n"
        );
        let (interfaces, skipped) = parse(&text);
        assert_eq!(skipped.lines, 0);
        assert_eq!(interfaces.iter().map(|i| i.name).collect::<Vec<_>>(), ["lo", "eth0", "eth0:1"]);
        assert_eq!(interfaces[1].fields[8], 227_634);
    }

    #[test]
    fn bad_lines_are_skipped_and_counted() {
        let text = format!("{HEAD}eth0 1 2\neth1: 1 2\n: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
        let (interfaces, skipped) = parse(&text);
        assert_eq!((interfaces.len(), skipped.lines), (0, 3));
    }
}
