//! What the kernel says of this process, under the names that Prometheus's own libraries use. Elsewhere than on Linux it
//! says nothing.

use super::exposition::{Family, FamilyKind, rounded};
use std::fs::{read_dir, read_to_string};

/// What can be read now.
pub fn families() -> Vec<Family> {
    let stat = read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in brackets may hold anything: the figures begin behind its end, with the third of the page proc(5).
    let figures = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let figure = |number: usize| -> Option<f64> { figures.split_whitespace().nth(number - 3)?.parse().ok() };
    let ticks = rounded(rustix::param::clock_ticks_per_second());
    let page = rounded(u64::try_from(rustix::param::page_size()).unwrap_or(0));
    let booted: Option<f64> = read_to_string("/proc/stat")
        .ok()
        .and_then(|stat| stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok()));
    let files = read_dir("/proc/self/fd").ok().map(|files| rounded(files.count() as u64));
    let cpu = figure(14).zip(figure(15)).map(|(user, system)| (user + system) / ticks);
    let started = booted.zip(figure(22)).map(|(booted, since)| booted + since / ticks);
    let resident = figure(24).map(|pages| pages * page);
    [
        (FamilyKind::Counter, "process_cpu_seconds_total", "CPU time of the process.", cpu),
        (FamilyKind::Gauge, "process_resident_memory_bytes", "Resident memory of the process.", resident),
        (FamilyKind::Gauge, "process_open_fds", "Open file descriptors of the process.", files),
        (FamilyKind::Gauge, "process_start_time_seconds", "When the process started, in Unix time.", started),
    ]
    .into_iter()
    .filter_map(|(kind, name, help, value)| Some(Family::new(kind, name, help).with(&[], value?)))
    .collect()
}
