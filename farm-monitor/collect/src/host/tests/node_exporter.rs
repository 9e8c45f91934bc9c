//! Values and items agree with those of prometheus-node-exporter, asked just before and just after.

use super::*;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

const PROGRAM: &str = "/usr/bin/prometheus-node-exporter";

/// The exporter on a free port; ends with the test.
struct Exporter {
    child: Child,
    address: String,
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Values by name and labels, as it prints them: `node_load1`, `node_disk_io_now{device="vda"}`.
type Metrics = BTreeMap<String, f64>;

impl Exporter {
    fn start() -> Self {
        // Another program may take the port between the two lines: then the next one is tried.
        for _ in 0..20 {
            let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
            let child = Command::new(PROGRAM)
                .args([format!("--web.listen-address={address}"), "--collector.processes".to_owned()])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut exporter = Self { child, address };
            let end = Instant::now() + Duration::from_secs(60);
            while exporter.child.try_wait().unwrap().is_none() {
                if TcpStream::connect(&exporter.address).is_ok() {
                    return exporter;
                }
                assert!(Instant::now() < end, "the exporter does not listen");
                std::thread::yield_now();
            }
        }
        panic!("the exporter found no port");
    }

    fn metrics(&self) -> Metrics {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let lines = text.lines().filter(|line| line.starts_with("node_"));
        lines
            .map(|line| line.rsplit_once(' ').unwrap())
            .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
            .collect()
    }
}

/// The values of a label among the metrics of a name.
fn items(metrics: &Metrics, name: &str, label: &str) -> BTreeSet<String> {
    let pattern = format!("{label}=\"");
    let of_name = metrics.keys().filter(|key| key.split('{').next() == Some(name));
    of_name.map(|key| key.split_once(&pattern).unwrap().1.split_once('"').unwrap().0.to_owned()).collect()
}

/// The exporter's name for a series of ours.
fn theirs(metrics: &Metrics, node_exporter: &str, label: &str, item: &str) -> Option<String> {
    let (name, fixed) = node_exporter.split_once('{').unwrap_or((node_exporter, ""));
    let item = format!("{label}=\"{item}\"");
    metrics
        .keys()
        .find(|key| {
            key.split('{').next() == Some(name)
                && key.contains(fixed.trim_end_matches('}'))
                && (label.is_empty()
                    || key.contains(&format!("{{{item}"))
                    || key.contains(&format!(",{item}")))
        })
        .cloned()
}

/// What the exporter leaves out by default and we do not.
fn it_leaves_out(mount: &str) -> bool {
    let folders = ["/dev", "/proc", "/run", "/sys", "/mnt", "/media"];
    folders.iter().any(|folder| mount == *folder || mount.starts_with(&format!("{folder}/")))
}

#[tokio::test]
async fn values_and_items_agree_with_node_exporter() {
    if !Path::new(PROGRAM).exists() {
        eprintln!("SKIPPED: {PROGRAM} is not installed; `cargo xtask setup` installs it");
        return;
    }
    let exporter = Exporter::start();
    let mut seen = Seen::default();
    let mut probe = HostModule::default().probe(&spec(HostSpec::default()), &target()).unwrap();
    // The first answer wakes caches on both sides.
    exporter.metrics();
    let before = exporter.metrics();
    seen.run(&mut *probe).await.unwrap();
    let after = exporter.metrics();

    assert_eq!(seen.items("cpu_user"), items(&before, "node_cpu_seconds_total", "cpu"));
    let whole = |name: &String| Path::new("/sys/block").join(name.replace('/', "!")).exists();
    let disks =
        items(&before, "node_disk_reads_completed_total", "device").into_iter().filter(whole).collect();
    assert_eq!(seen.items("io_reads"), disks);
    let mut interfaces = seen.items("in");
    interfaces.remove("lo");
    assert_eq!(interfaces, items(&before, "node_network_receive_bytes_total", "device"));
    assert_eq!(seen.items("link"), items(&before, "node_network_up", "device"));
    assert_eq!(mounts_of_ours(&seen), mounts_of_theirs(&before));

    let mut compared = BTreeSet::new();
    for (name, (value, _)) in &seen.samples {
        let (parameter, item) =
            name.split_once('[').map_or((name.as_str(), ""), |(p, i)| (p, i.trim_end_matches(']')));
        let table = parameters::FAMILIES
            .iter()
            .flat_map(|(_, family)| *family)
            .find(|p| p.name == parameter)
            .unwrap();
        let label = match table.item.split(';').next() {
            Some("core") if !item.is_empty() => "cpu",
            Some("core") => continue,
            Some("mount point") => "mountpoint",
            Some("interface" | "device") => "device",
            Some("state") => continue,
            _ => "",
        };
        let Some(key) = theirs(&before, table.node_exporter, label, item) else { continue };
        let (Some(low), Some(high)) = (before.get(&key), after.get(&key)) else { continue };
        let ours = seen.number(name);
        match (table.kind, parameter) {
            // Idle time may run back a little, also on their side.
            (Kind::Counter, "cpu_idle" | "cpu_iowait") => {
                assert!(low - 3.0 <= ours && ours <= high + 3.0, "{name}: {low} {ours} {high}");
            }
            // Both sides divide; the last digit may differ.
            (Kind::Counter, _) => {
                assert!(low - 1e-6 <= ours && ours <= high + 1e-6, "{name}: {low} {ours} {high}")
            }
            (Kind::State, "link") => assert_eq!(ours == 1.0, *low == 1.0, "{name}: {value:?} {low}"),
            (Kind::State, _) => assert_eq!(ours, *low, "{name}"),
            // What changes under the hand is only known to be of the same size where it stood still around us.
            _ if low == high && is_fixed(parameter) => assert_eq!(ours, *low, "{name}"),
            _ => {}
        }
        compared.insert(parameter);
    }
    let expected = [
        "boot_time",
        "context_switches",
        "cpu_system",
        "cpu_user",
        "disk_inodes",
        "disk_size",
        "files_max",
        "forks",
        "in",
        "in_packets",
        "interrupts",
        "io_busy_time",
        "io_read",
        "io_written",
        "link",
        "memory_total",
        "out",
        "out_errors",
        "page_faults",
        "swap_total",
    ];
    for parameter in expected {
        assert!(compared.contains(parameter), "{parameter} was not compared");
    }
}

fn is_fixed(parameter: &str) -> bool {
    let fixed = [
        "boot_time",
        "disk_size",
        "disk_inodes",
        "files_max",
        "memory_total",
        "memory_commit_limit",
        "speed",
        "swap_total",
    ];
    fixed.contains(&parameter)
}

fn mounts_of_ours(seen: &Seen) -> BTreeSet<String> {
    seen.items("disk_size").into_iter().filter(|mount| !it_leaves_out(mount)).collect()
}

/// Theirs, without what is empty by nature, and each file system once, as the kernel tells them apart.
fn mounts_of_theirs(metrics: &Metrics) -> BTreeSet<String> {
    let (mounts, _) = mounts::parse(&fs::read_to_string("/proc/self/mountinfo").unwrap());
    let device =
        |point: &str| mounts.iter().rfind(|mount| mount.point == point).map(|mount| mount.device.clone());
    let mut once: BTreeMap<Option<String>, String> = BTreeMap::new();
    for (key, size) in metrics.iter().filter(|(key, _)| key.starts_with("node_filesystem_size_bytes{")) {
        let point = key.split_once("mountpoint=\"").unwrap().1.split_once('"').unwrap().0;
        if *size == 0.0 || key.contains("fstype=\"ramfs\"") {
            continue;
        }
        let place = once.entry(device(point)).or_insert_with(|| point.to_owned());
        if point.len() < place.len() {
            *place = point.to_owned();
        }
    }
    once.into_values().collect()
}
