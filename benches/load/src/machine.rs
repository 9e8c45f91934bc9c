//! What the machine is, what is installed on it, and what a process on it takes.

use rustix::process::Pid;
use rustix::thread::{sched_getaffinity, sched_setaffinity};
use std::fs;
use std::path::Path;
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

/// Memory of a process, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Resident, with pages of files.
    pub resident: u64,
    /// Resident without pages of files.
    pub own: u64,
    /// The most that was resident.
    pub peak: u64,
}

/// The memory of a process.
pub fn memory(process: u32) -> Result<Memory, String> {
    let status = fs::read_to_string(format!("/proc/{process}/status"));
    let status = status.map_err(|error| error.to_string())?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        kib.map(|kib| kib * 1024).ok_or_else(|| format!("no {name} in /proc"))
    };
    Ok(Memory { resident: field("VmRSS:")?, own: field("RssAnon:")?, peak: field("VmHWM:")? })
}

/// A program on the processor of the servers.
pub fn pinned(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &server_processor().to_string()]).arg(program);
    command
}

/// The last one.
fn server_processor() -> usize {
    let online = fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    online.trim().rsplit(['-', ',']).next().and_then(|last| last.parse().ok()).unwrap_or(0)
}

/// Keeps all threads of this process off the servers' processor, where there is another. Says what it did.
pub fn keep_off() -> Result<String, String> {
    let servers = server_processor();
    let mut others = sched_getaffinity(None).map_err(|error| error.to_string())?;
    others.unset(servers);
    if others.count() == 0 {
        return Ok("One processor for servers and clients.".to_owned());
    }
    for thread in fs::read_dir("/proc/self/task").map_err(|error| error.to_string())?.flatten() {
        let id = thread.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw);
        sched_setaffinity(id, &others).map_err(|error| error.to_string())?;
    }
    Ok(format!("Servers run on processor {servers} alone, one at work at a time; clients on the others."))
}
