//! Block devices: `/proc/diskstats`. Whole devices only; partitions, loops, RAM disks and floppies are left out.

use super::files::{Files, Skipped};
use super::parameters::IO;
use super::rows::{Out, Rows, float};
use hedgerow_model::{Kind, glob::Glob};
use std::collections::HashSet;

/// Numbers of a device, in the order of the file and of the family.
const FIELDS: usize = IO.len();
/// Fewest numbers of a device; kernels up to 2.6.24 give fewer for partitions.
const LEAST_FIELDS: usize = 11;
/// The unit in which the file counts, whatever the device's own.
const SECTOR: u64 = 512;
/// Kinds of devices that are left out: beginnings of their names.
const LEFT_OUT: [&str; 3] = ["loop", "ram", "fd"];
const FILE: &str = "/proc/diskstats";

/// One line of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Device<'t> {
    pub name: &'t str,
    pub fields: [u64; FIELDS],
    /// How many fields this kernel knows.
    pub known: usize,
}

/// Reads `/proc/diskstats`.
pub(super) fn parse(text: &str) -> (Vec<Device<'_>>, Skipped) {
    let (mut devices, mut skipped) = (Vec::new(), Skipped::default());
    for line in text.lines() {
        match parse_line(line) {
            Some(device) if device.known >= LEAST_FIELDS => devices.push(device),
            Some(_) => {}
            None => skipped.line(line),
        }
    }
    (devices, skipped)
}

fn parse_line(line: &str) -> Option<Device<'_>> {
    let mut words = line.split_ascii_whitespace();
    words.next()?.parse::<u32>().ok()?;
    words.next()?.parse::<u32>().ok()?;
    let mut device = Device { name: words.next()?, fields: [0; FIELDS], known: 0 };
    for (place, word) in device.fields.iter_mut().zip(words) {
        *place = word.parse().ok()?;
        device.known += 1;
    }
    (device.known >= 4).then_some(device)
}

/// The block devices.
#[derive(Debug)]
pub(super) struct Devices {
    rows: Rows<()>,
    skip: Vec<Glob>,
    /// Names seen and left out; as many as the kernel lists.
    left_out: HashSet<String>,
}

impl Devices {
    pub fn new(skip: Vec<Glob>) -> Self {
        Self { rows: Rows::new(IO), skip, left_out: HashSet::new() }
    }

    pub fn run(&mut self, out: &mut Out<'_>, files: &mut Files) {
        let Some(text) = out.read(FILE, files.text(FILE).map(str::to_owned), true) else { return };
        let (devices, skipped) = parse(&text);
        self.left_out.retain(|name| devices.iter().any(|device| device.name == name));
        for device in &devices {
            if self.left_out.contains(device.name) {
                continue;
            }
            if !self.rows.has(device.name) && !self.wanted(files, device.name) {
                self.left_out.insert(device.name.to_owned());
                continue;
            }
            let row = self.rows.row(out, device.name);
            for (at, (value, parameter)) in device.fields.iter().zip(IO).enumerate().take(device.known) {
                match (parameter.kind, parameter.unit) {
                    (Kind::Gauge, _) => row.gauge(out, at, *value),
                    (_, "By") => row.count(out, at, value.saturating_mul(SECTOR)),
                    (_, "s") => row.seconds(out, at, float(*value) / 1000.0, 0.0),
                    _ => row.count(out, at, *value),
                }
            }
        }
        if out.understood(FILE, &skipped) {
            self.rows.sweep(out, "device gone");
        }
    }

    fn wanted(&self, files: &Files, name: &str) -> bool {
        // `/sys/block` lists whole devices only; a `/` in a name stands there as `!`.
        let whole = || {
            let listed = files.path("/sys/block");
            !listed.exists() || listed.join(name.replace('/', "!")).exists()
        };
        !LEFT_OUT.iter().any(|kind| name.starts_with(kind))
            && !self.skip.iter().any(|glob| glob.matches(name))
            && whole()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::super::parameters::Io;
    use super::*;

    #[test]
    fn kernels_of_all_ages_are_read() {
        let text = "   8       0 sda 10 20 30 40 50 60 70 80 0 90 100\n   8       1 sda1 5 6 7 8\n \
                    254       0 vda 14262 13053 2872538 8440 1214 8376 271568 745 0 2652 9361 3212 63 43776 171 114 3\n";
        let (devices, skipped) = parse(text);
        assert_eq!(skipped.lines, 0);
        assert_eq!(devices.iter().map(|d| (d.name, d.known)).collect::<Vec<_>>(), [("sda", 11), ("vda", 17)]);
        assert_eq!(devices[1].fields[usize::from(Io::Written)], 271_568);
        assert_eq!(devices[1].fields[usize::from(Io::FlushTime)], 3);
    }

    #[test]
    fn bad_lines_are_skipped_and_counted() {
        let (devices, skipped) = parse(
            "x 0 sda 1\n8 0\n8 0 sdb 1 2 3 4 5 6 7 -8 9 10 11\n8 0 sdc 1 2 3 4 5 6 7 8 9 10 11 later ones too\n",
        );
        assert_eq!((devices.len(), skipped.lines), (0, 4));
    }
}
