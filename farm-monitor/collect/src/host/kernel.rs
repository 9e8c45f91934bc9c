//! Small files of the kernel: load, uptime, open files, pressure, sockets.

use super::files::{Files, Skipped};
use super::parameters::{Kernel, System};
use super::rows::{Out, Row, float};

/// `/proc/loadavg`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Load {
    /// Of 1, 5 and 15 minutes.
    pub averages: [f64; 3],
    /// All threads.
    pub threads: Option<u64>,
}

/// Reads `/proc/loadavg`: `0.08 0.04 0.01 3/97 5214`.
pub(super) fn parse_load(text: &str) -> Option<Load> {
    let mut words = text.split_ascii_whitespace();
    let mut averages = [0.0; 3];
    for place in &mut averages {
        *place = words.next()?.parse().ok().filter(|load: &f64| load.is_finite())?;
    }
    let threads = words.next().and_then(|word| word.split_once('/')).and_then(|(_, all)| all.parse().ok());
    Some(Load { averages, threads })
}

/// Reads the first number of `/proc/uptime`, in seconds.
pub(super) fn parse_uptime(text: &str) -> Option<f64> {
    text.split_ascii_whitespace()
        .next()?
        .parse()
        .ok()
        .filter(|uptime: &f64| uptime.is_finite() && *uptime >= 0.0)
}

/// Reads `/proc/sys/fs/file-nr`: open files and their bound.
pub(super) fn parse_open_files(text: &str) -> Option<(u64, u64)> {
    let mut words = text.split_ascii_whitespace();
    Some((words.next()?.parse().ok()?, words.nth(1)?.parse().ok()?))
}

/// Reads `/proc/pressure/*`: the totals of `some` and `full`, in microseconds.
pub(super) fn parse_pressure(text: &str) -> (Option<u64>, Option<u64>) {
    let total = |name: &str| {
        let line = text.lines().find(|line| line.split(' ').next() == Some(name))?;
        line.split_ascii_whitespace().find_map(|word| word.strip_prefix("total="))?.parse().ok()
    };
    (total("some"), total("full"))
}

/// Reads `/proc/net/sockstat` or `sockstat6`: calls `found` with protocol, word and number.
pub(super) fn parse_sockets(text: &str, mut found: impl FnMut(&str, &str, u64)) -> Skipped {
    let mut skipped = Skipped::default();
    for line in text.lines() {
        let Some((protocol, rest)) = line.split_once(':') else {
            skipped.line(line);
            continue;
        };
        let mut words = rest.split_ascii_whitespace();
        while let Some(word) = words.next() {
            match words.next().and_then(|number| number.parse().ok()) {
                Some(number) => found(protocol, word, number),
                None => {
                    skipped.line(line);
                    break;
                }
            }
        }
    }
    skipped
}

fn not_understood(out: &mut Out<'_>, file: &str, text: &str) {
    let mut skipped = Skipped::default();
    skipped.line(text.trim_end());
    out.understood(file, &skipped);
}

/// Load, uptime and open files. `uptime` was read before: it tells of reboots, too.
pub(super) fn system(out: &mut Out<'_>, files: &mut Files, row: &mut Row<()>, uptime: Option<f64>) {
    const LOAD: &str = "/proc/loadavg";
    if let Some(text) = out.read(LOAD, files.text(LOAD), false) {
        match parse_load(text) {
            Some(Load { averages: [one, five, fifteen], threads }) => {
                row.measure(out, System::Load1, one);
                row.measure(out, System::Load5, five);
                row.measure(out, System::Load15, fifteen);
                if let Some(threads) = threads {
                    row.gauge(out, System::Threads, threads);
                }
            }
            None => not_understood(out, LOAD, text),
        }
    }
    if let Some(uptime) = uptime {
        row.measure(out, System::Uptime, uptime);
    }
    const OPEN: &str = "/proc/sys/fs/file-nr";
    if let Some(text) = out.read(OPEN, files.text(OPEN), true) {
        match parse_open_files(text) {
            Some((open, most)) => {
                row.gauge(out, System::FilesOpen, open);
                row.gauge(out, System::FilesMax, most);
            }
            None => not_understood(out, OPEN, text),
        }
    }
}

/// Pressure and sockets.
pub(super) fn waits_and_sockets(out: &mut Out<'_>, files: &mut Files, row: &mut Row<()>) {
    // `full` of cores has no meaning for a whole machine.
    let pressure = [
        ("/proc/pressure/cpu", Kernel::CpuWaiting, None),
        ("/proc/pressure/io", Kernel::IoWaiting, Some(Kernel::IoStalled)),
        ("/proc/pressure/memory", Kernel::MemoryWaiting, Some(Kernel::MemoryStalled)),
    ];
    for (file, waiting, stalled) in pressure {
        let Some(text) = out.read(file, files.text(file), true) else { continue };
        let (some, full) = parse_pressure(text);
        if some.is_none() {
            not_understood(out, file, text);
        }
        for (place, total) in [(Some(waiting), some), (stalled, full)] {
            if let (Some(place), Some(total)) = (place, total) {
                row.seconds(out, place, float(total) / 1e6, 0.0);
            }
        }
    }
    for name in ["net/sockstat", "net/sockstat6"] {
        let file = format!("/proc/{name}");
        let Some(text) = out.read(&file, files.process_text(name), true) else { continue };
        let skipped = parse_sockets(text, |protocol, word, number| {
            let place = match (protocol, word) {
                ("sockets", "used") => Kernel::Sockets,
                ("TCP", "inuse") => Kernel::Tcp,
                ("TCP", "orphan") => Kernel::TcpOrphaned,
                ("TCP", "tw") => Kernel::TcpTimeWait,
                ("UDP", "inuse") => Kernel::Udp,
                ("TCP6", "inuse") => Kernel::Tcp6,
                ("UDP6", "inuse") => Kernel::Udp6,
                _ => return,
            };
            row.gauge(out, place, number);
        });
        out.understood(&file, &skipped);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn loads_uptimes_and_open_files_are_read() {
        let load = parse_load("0.08 0.04 0.01 3/97 5214\n").unwrap();
        assert_eq!((load.averages, load.threads), ([0.08, 0.04, 0.01], Some(97)));
        assert_eq!(parse_load("0.08 0.04 0.01").unwrap().threads, None, "before 2.4");
        assert_eq!(parse_load("0.08 nan 0.01 1/2 3"), None);
        assert_eq!(parse_uptime("1206.53 2363.00\n"), Some(1206.53));
        assert_eq!(parse_uptime("inf"), None);
        assert_eq!(parse_open_files("577\t0\t2466177\n"), Some((577, 2_466_177)));
        assert_eq!(
            parse_open_files("1024\t0\t9223372036854775807\n"),
            Some((1024, i64::MAX.cast_unsigned()))
        );
        assert_eq!(parse_open_files("577"), None);
    }

    #[test]
    fn pressure_is_read_with_and_without_full() {
        let cpu = "some avg10=0.00 avg60=0.64 avg300=3.58 total=34492659\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
        assert_eq!(parse_pressure(cpu), (Some(34_492_659), Some(0)));
        assert_eq!(
            parse_pressure("some avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"),
            (Some(7), None),
            "4.20 to 5.12"
        );
        assert_eq!(parse_pressure("something else"), (None, None));
    }

    #[test]
    fn sockets_are_read_and_odd_lines_counted() {
        let mut seen = Vec::new();
        let text = "sockets: used 15\nTCP: inuse 1 orphan 0 tw 2 alloc 1 mem 221\nUDP: inuse\nnonsense\nFRAG: inuse 0 memory 0\n";
        let skipped =
            parse_sockets(text, |protocol, word, number| seen.push(format!("{protocol} {word} {number}")));
        assert_eq!(skipped.lines, 2);
        assert_eq!(seen[0], "sockets used 15");
        assert!(seen.contains(&"TCP tw 2".to_owned()) && seen.contains(&"FRAG memory 0".to_owned()));
    }
}
