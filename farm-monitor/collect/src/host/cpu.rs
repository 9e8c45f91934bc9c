//! Cores and the kernel's own counts: `/proc/stat`.

use super::files::{Files, Skipped};
use super::parameters::{CPU, Cpu, System};
use super::rows::{Out, Row, Rows, float};

/// Modes of a core, in the order of the file and of the family.
const MODES: usize = 10;
/// Modes whose sum is all of a core's time: guests are in user and nice already.
const DISJOINT: usize = 8;
/// How far idle and iowait may run back before that means that the core was taken out and put in, in seconds.
const SLACK: f64 = 3.0;
const FILE: &str = "/proc/stat";

/// One line of cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Core<'t> {
    /// Its number; empty for all together.
    pub name: &'t str,
    /// Ticks in each mode.
    pub ticks: [u64; MODES],
    /// How many modes this kernel knows.
    pub modes: usize,
}

/// What `/proc/stat` says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stat<'t> {
    pub cores: Vec<Core<'t>>,
    pub interrupts: Option<u64>,
    pub soft_interrupts: Option<u64>,
    pub context_switches: Option<u64>,
    pub boot_time: Option<u64>,
    pub forks: Option<u64>,
    pub running: Option<u64>,
    pub blocked: Option<u64>,
    pub skipped: Skipped,
}

/// Reads `/proc/stat`. Lines of unknown names are ignored: kernels add some.
pub(super) fn parse(text: &str) -> Stat<'_> {
    let mut stat = Stat::default();
    for line in text.lines() {
        let Some((key, rest)) = line.split_once(' ') else { continue };
        let place = match key {
            "intr" => &mut stat.interrupts,
            "softirq" => &mut stat.soft_interrupts,
            "ctxt" => &mut stat.context_switches,
            "btime" => &mut stat.boot_time,
            "processes" => &mut stat.forks,
            "procs_running" => &mut stat.running,
            "procs_blocked" => &mut stat.blocked,
            _ => {
                if let Some(name) = key.strip_prefix("cpu") {
                    match core(name, rest) {
                        Some(core) => stat.cores.push(core),
                        None => stat.skipped.line(line),
                    }
                }
                continue;
            }
        };
        // The first number is the sum; the line of interrupts goes on with thousands.
        *place = rest.split_ascii_whitespace().next().and_then(|word| word.parse().ok());
        if place.is_none() {
            stat.skipped.line(line);
        }
    }
    stat
}

fn core<'t>(name: &'t str, rest: &str) -> Option<Core<'t>> {
    let mut core = Core { name, ticks: [0; MODES], modes: 0 };
    if !name.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    for (place, word) in core.ticks.iter_mut().zip(rest.split_ascii_whitespace()) {
        *place = word.parse().ok()?;
        core.modes += 1;
    }
    (core.modes > usize::from(Cpu::Idle)).then_some(core)
}

/// Idle and all ticks at the last run.
#[derive(Debug, Default)]
struct Before(Option<(u64, u64)>);

/// The cores.
#[derive(Debug)]
pub(super) struct Cores {
    rows: Rows<Before>,
    ticks_per_second: f64,
}

impl Cores {
    pub fn new(ticks_per_second: u64) -> Self {
        Self { rows: Rows::new(CPU), ticks_per_second: float(ticks_per_second.max(1)) }
    }

    pub fn run(&mut self, out: &mut Out<'_>, files: &mut Files, system: &mut Row<()>) {
        let Some(text) = out.read(FILE, files.text(FILE), false) else { return };
        let stat = parse(text);
        for core in &stat.cores {
            let row = self.rows.row(out, core.name);
            for (mode, ticks) in core.ticks.iter().enumerate().take(core.modes) {
                row.seconds(out, mode, float(*ticks) / self.ticks_per_second, SLACK);
            }
            busy(out, row, core);
        }
        let counts = [
            (System::ContextSwitches, stat.context_switches),
            (System::Interrupts, stat.interrupts),
            (System::SoftInterrupts, stat.soft_interrupts),
            (System::Forks, stat.forks),
        ];
        for (place, value) in counts.into_iter().filter_map(|(place, value)| Some((place, value?))) {
            system.count(out, place, value);
        }
        let cores = u64::try_from(stat.cores.iter().filter(|core| !core.name.is_empty()).count()).ok();
        let gauges = [
            (System::CpuCount, cores.filter(|cores| *cores > 0)),
            (System::TasksRunning, stat.running),
            (System::TasksBlocked, stat.blocked),
            (System::BootTime, stat.boot_time),
        ];
        for (place, value) in gauges.into_iter().filter_map(|(place, value)| Some((place, value?))) {
            system.gauge(out, place, value);
        }
        if out.understood(FILE, &stat.skipped) {
            self.rows.sweep(out, "core offline");
        }
    }
}

fn busy(out: &mut Out<'_>, row: &mut Row<Before>, core: &Core<'_>) {
    let sum = |from: usize, to: usize| {
        core.ticks.iter().take(to).skip(from).fold(0_u64, |sum, ticks| sum.saturating_add(*ticks))
    };
    // Idle and iowait stand side by side.
    let now = (sum(Cpu::Idle.into(), usize::from(Cpu::IoWait) + 1), sum(0, DISJOINT));
    if let Some((idle, all)) = row.extra.0.replace(now)
        && let Some(all) = now.1.checked_sub(all)
        && !out.rebooted
    {
        row.share(out, Cpu::Busy, all.saturating_sub(now.0.saturating_sub(idle)), all);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn kernels_of_all_ages_are_read() {
        let new = parse(include_str!("fixtures/stat-6.18"));
        assert_eq!(new.cores.len(), 3);
        assert_eq!(new.cores[0].name, "");
        assert_eq!(
            new.cores[2],
            Core { name: "1", ticks: [1439, 0, 815, 117_913, 183, 0, 17, 5, 0, 0], modes: 10 }
        );
        assert_eq!((new.interrupts, new.soft_interrupts), (Some(113_097), Some(79_040)));
        assert_eq!((new.context_switches, new.forks), (Some(219_903), Some(5214)));
        assert_eq!((new.running, new.blocked, new.boot_time), (Some(2), Some(0), Some(1_795_172_321)));
        assert_eq!(new.skipped.lines, 0);
        // The shape of 2.6.11: eight modes, no soft interrupts, an ARM board with a hole in the numbering.
        let old = parse(include_str!("fixtures/stat-2.6"));
        assert_eq!(
            old.cores.iter().map(|c| (c.name, c.modes)).collect::<Vec<_>>(),
            [("", 8), ("0", 8), ("3", 8)]
        );
        assert_eq!((old.soft_interrupts, old.boot_time, old.skipped.lines), (None, Some(1_130_000_000), 0));
    }

    #[test]
    fn bad_lines_are_skipped_and_counted() {
        let stat = parse(
            "cpu 1 2 3\ncpu0 1 2 3 4 x\ncpux 1 2 3 4\nctxt many\ncpu1 1 2 3 99999999999999999999\nbtime 5\nnew_in_7 1\n",
        );
        assert_eq!((stat.cores.len(), stat.skipped.lines, stat.boot_time), (0, 5, Some(5)));
    }
}
