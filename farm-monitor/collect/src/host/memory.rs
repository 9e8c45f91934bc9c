//! Memory and swap: `/proc/meminfo`, `/proc/vmstat`.

use super::files::{Files, Skipped};
use super::parameters::{MEMORY, Memory};
use super::rows::{Out, Row};

const INFO: &str = "/proc/meminfo";
const EVENTS: &str = "/proc/vmstat";

/// The lines of `/proc/meminfo` that are taken as they are.
const FIELDS: [(&str, Memory); 17] = [
    ("MemTotal", Memory::Total),
    ("MemFree", Memory::Free),
    ("MemAvailable", Memory::Available),
    ("Buffers", Memory::Buffers),
    ("Cached", Memory::Cached),
    ("Shmem", Memory::Shared),
    ("AnonPages", Memory::Anonymous),
    ("Mapped", Memory::Mapped),
    ("Slab", Memory::Slab),
    ("SReclaimable", Memory::SlabReclaimable),
    ("PageTables", Memory::PageTables),
    ("Dirty", Memory::Dirty),
    ("Writeback", Memory::Writeback),
    ("Committed_AS", Memory::Committed),
    ("CommitLimit", Memory::CommitLimit),
    ("SwapTotal", Memory::SwapTotal),
    ("SwapFree", Memory::SwapFree),
];

/// What `/proc/meminfo` says, in bytes, by place in the family.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Info {
    values: [Option<u64>; MEMORY.len()],
    pub skipped: Skipped,
}

impl Info {
    /// The bytes at a place.
    pub fn get(&self, place: Memory) -> Option<u64> {
        self.values.get(usize::from(place)).copied().flatten()
    }

    fn set(&mut self, place: Memory, bytes: u64) {
        if let Some(value) = self.values.get_mut(usize::from(place)) {
            *value = Some(bytes);
        }
    }
}

/// Reads `/proc/meminfo`; what is available is reckoned where the kernel (before 3.14) does not say it.
pub(super) fn parse_info(text: &str) -> Info {
    let mut info = Info { values: [None; MEMORY.len()], skipped: Skipped::default() };
    for line in text.lines() {
        let Some((key, rest)) = line.split_once(':') else {
            info.skipped.line(line);
            continue;
        };
        let known = FIELDS.iter().find(|(name, _)| *name == key).map(|(_, place)| *place);
        let Some(place) = known else { continue };
        let mut words = rest.split_ascii_whitespace();
        let number = words.next().and_then(|word| word.parse::<u64>().ok());
        let factor = match words.next() {
            Some("kB") => Some(1024),
            None => Some(1),
            Some(_) => None,
        };
        match number.zip(factor).and_then(|(number, factor)| number.checked_mul(factor)) {
            Some(bytes) => info.set(place, bytes),
            None => info.skipped.line(line),
        }
    }
    if info.get(Memory::Available).is_none()
        && let (Some(free), Some(buffers), Some(cached)) =
            (info.get(Memory::Free), info.get(Memory::Buffers), info.get(Memory::Cached))
    {
        info.set(Memory::Available, free.saturating_add(buffers).saturating_add(cached));
    }
    info
}

/// Reads `/proc/vmstat`: calls `found` with each of the counts that are taken.
pub(super) fn parse_events(text: &str, mut found: impl FnMut(Memory, u64)) -> Skipped {
    let mut skipped = Skipped::default();
    for line in text.lines() {
        let Some((key, number)) = line.split_once(' ') else { continue };
        let place = match key {
            "pswpin" => Memory::SwapIn,
            "pswpout" => Memory::SwapOut,
            "pgfault" => Memory::PageFaults,
            "pgmajfault" => Memory::MajorPageFaults,
            "oom_kill" => Memory::OomKills,
            _ => continue,
        };
        match number.trim().parse() {
            Ok(number) => found(place, number),
            Err(_) => skipped.line(line),
        }
    }
    skipped
}

/// One run.
pub(super) fn run(out: &mut Out<'_>, files: &mut Files, row: &mut Row<()>, page_size: u64) {
    if let Some(text) = out.read(INFO, files.text(INFO), false) {
        let info = parse_info(text);
        for place in FIELDS.iter().map(|(_, place)| *place) {
            if let Some(bytes) = info.get(place) {
                row.gauge(out, place, bytes);
            }
        }
        let shares = [
            (Memory::Used, Memory::Available, Memory::Total),
            (Memory::SwapUsed, Memory::SwapFree, Memory::SwapTotal),
        ];
        for (place, rest, whole) in shares {
            if let (Some(rest), Some(whole)) = (info.get(rest), info.get(whole)) {
                row.share(out, place, whole.saturating_sub(rest), whole);
            }
        }
        out.understood(INFO, &info.skipped);
    }
    if let Some(text) = out.read(EVENTS, files.text(EVENTS), true) {
        let skipped = parse_events(text, |place, number| match place {
            Memory::SwapIn | Memory::SwapOut => row.count(out, place, number.saturating_mul(page_size)),
            _ => row.count(out, place, number),
        });
        out.understood(EVENTS, &skipped);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn memory_of_a_new_and_of_an_old_kernel_is_read() {
        let new = parse_info(include_str!("fixtures/meminfo-6.18"));
        assert_eq!(new.get(Memory::Total), Some(24_684_092 * 1024));
        assert_eq!(new.get(Memory::Available), Some(24_355_820 * 1024));
        assert_eq!(new.get(Memory::SwapTotal), Some(0));
        assert_eq!(new.skipped.lines, 0);
        let old = parse_info("MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 20 kB\nCached: 300 kB\n");
        assert_eq!(old.get(Memory::Available), Some(420 * 1024));
        assert_eq!(old.get(Memory::SwapFree), None);
    }

    #[test]
    fn odd_numbers_and_units_are_skipped() {
        let info = parse_info(
            "MemTotal: 18446744073709551615 kB\nMemFree: 7 MB\nCached: -1 kB\nnonsense\nDirty: 12\nNew: x\n",
        );
        assert_eq!(
            (info.skipped.lines, info.get(Memory::Dirty), info.get(Memory::Total)),
            (4, Some(12), None)
        );
    }

    #[test]
    fn events_are_read() {
        let mut seen = Vec::new();
        let skipped =
            parse_events("nr_free 5\npswpin 3\npgfault 10\npgmajfault x\noom_kill 1\n", |place, number| {
                seen.push((place, number));
            });
        assert_eq!(seen, [(Memory::SwapIn, 3), (Memory::PageFaults, 10), (Memory::OomKills, 1)]);
        assert_eq!(skipped.lines, 1);
    }
}
