//! What the machine is, what is installed on it, and what a process on it takes.

use std::fs;
use std::time::Duration;
use tokio::process::Command;

/// Processor, kernel, and how many there are to share.
pub fn machine() -> String {
    let first = |file: &str, key: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default().to_owned();
        line.split_once(':').map_or(line.clone(), |(_, value)| value.trim().to_owned())
    };
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let kernel = first("/proc/sys/kernel/osrelease", "");
    format!("Machine: {processors} × {}, Linux {kernel}, loopback.\n", first("/proc/cpuinfo", "model name"))
}

/// How many processes ran or wanted to, on average over the last minute.
pub fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(f64::NAN)
}

/// The version of a package, for the page.
pub async fn version(package: &str) -> String {
    let output = Command::new("dpkg-query").args(["-W", "-f=${Version}", package]).output().await;
    output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The processor time that a process took with all its threads, user and system: fields 14 and 15, in hundredths of a
/// second (the second field may hold blanks).
pub fn cpu(process: u32) -> Result<Duration, String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).map_err(|error| error.to_string())?;
    let behind = stat.rsplit_once(')').map(|(_, behind)| behind).unwrap_or_default();
    let ticks = behind.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
    Ok(Duration::from_millis(ticks.sum::<u64>() * 10))
}
