//! Whole runs of the module, on trees of files and on this machine.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

mod hostile;
mod node_exporter;

use super::*;
use crate::spec::HostSpec;
use hedgerow_model::{Kind, Life, Mark, SeriesDef, SeriesId, UnixMillis, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Mutex;
use std::sync::mpsc;
use tempfile::TempDir;

/// What a run gave: the samples of the last run by `parameter[item]`, and everything told since the start.
#[derive(Default)]
struct Seen {
    ids: BTreeMap<String, SeriesId>,
    defs: Vec<SeriesDef>,
    samples: BTreeMap<String, (Value, Option<Mark>)>,
    failures: Vec<(String, CollectError)>,
    lives: Vec<(String, Life, String)>,
    runs: UnixMillis,
    refuse: bool,
}

impl Run for Seen {
    fn started(&self) -> UnixMillis {
        self.runs * 10_000
    }
    fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_secs(60)
    }
    fn series(&mut self, def: &SeriesDef) -> Option<SeriesId> {
        if self.refuse {
            return None;
        }
        self.defs.push(def.clone());
        let item = def.key.labels.get("item").map_or_else(String::new, |item| format!("[{item}]"));
        let next = SeriesId(u32::try_from(self.ids.len()).unwrap() + 1);
        Some(*self.ids.entry(format!("{}{item}", &*def.key.parameter)).or_insert(next))
    }
    fn push(&mut self, series: SeriesId, time: UnixMillis, value: Value, mark: Option<Mark>) {
        assert_eq!(time, self.started());
        let name = self.name(series);
        assert!(self.samples.insert(name.clone(), (value, mark)).is_none(), "{name} twice in a run");
    }
    fn part_failed(&mut self, part: &str, error: CollectError) {
        self.failures.push((part.to_owned(), error));
    }
    fn set_life(&mut self, series: &[SeriesId], life: Life, reason: &str) {
        let names: Vec<_> = series.iter().map(|id| self.name(*id)).collect();
        self.lives.extend(names.into_iter().map(|name| (name, life, reason.to_owned())));
    }
}

impl Seen {
    fn name(&self, id: SeriesId) -> String {
        self.ids.iter().find(|(_, known)| **known == id).unwrap().0.clone()
    }
    async fn run(&mut self, probe: &mut dyn Probe) -> Result<(), CollectError> {
        self.runs += 1;
        self.samples.clear();
        self.failures.clear();
        self.lives.clear();
        probe.run(self).await
    }
    fn number(&self, name: &str) -> f64 {
        match self.samples.get(name) {
            Some((Value::F64(value), _)) => *value,
            Some((Value::I64(value) | Value::State(value, _), _)) => *value as f64,
            other => panic!("{name}: {other:?}"),
        }
    }
    fn mark(&self, name: &str) -> Option<Mark> {
        self.samples.get(name).unwrap_or_else(|| panic!("no {name}")).1
    }
    fn items(&self, parameter: &str) -> BTreeSet<String> {
        let prefix = format!("{parameter}[");
        let items = self.samples.keys().filter_map(|name| name.strip_prefix(&prefix)?.strip_suffix(']'));
        items.map(str::to_owned).collect()
    }
    fn ended(&self) -> BTreeSet<(&str, &str)> {
        self.lives.iter().filter(|l| l.1 == Life::Ended).map(|l| (l.0.as_str(), l.2.as_str())).collect()
    }
}

fn spec(host: HostSpec) -> CollectorSpec {
    CollectorSpec {
        name: "host".into(),
        cluster: "hosts".into(),
        period: Duration::from_secs(10),
        deadline: Duration::from_secs(8),
        targets: Vec::new(),
        lifetime: None,
        module: ModuleSpec::Host(host),
    }
}

fn target() -> Target {
    Target { node: "n1".into(), address: "n1".into(), labels: BTreeMap::new() }
}

const NET_HEAD: &str = "Inter-|   Receive  |  Transmit\n face |bytes    packets |bytes    packets\n";

/// A machine as a tree of files.
struct Machine {
    root: TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { root: tempfile::tempdir().unwrap() };
        for (path, text) in [
            ("proc/stat", include_str!("fixtures/stat-6.18")),
            ("proc/meminfo", include_str!("fixtures/meminfo-6.18")),
            ("proc/loadavg", "0.50 0.25 0.10 3/97 5214\n"),
            ("proc/uptime", "1206.53 2363.00\n"),
            (
                "proc/vmstat",
                "nr_free_pages 5\npswpin 2\npswpout 3\npgfault 10137526\npgmajfault 1716\noom_kill 0\n",
            ),
            ("proc/sys/fs/file-nr", "577\t0\t2466177\n"),
            ("proc/sys/kernel/random/boot_id", "5ad0b7af-951e-45f0-9cf5-0add668bfd74\n"),
            (
                "proc/diskstats",
                "   7 0 loop0 0 0 0 0 0 0 0 0 0 0 0\n 254 0 vda 14262 13053 2872538 8440 1214 8376 271568 745 1 2652 9361 3212 63 43776 171 114 3\n 254 1 vda1 1 2 3 4 5 6 7 8 9 10 11\n",
            ),
            (
                "proc/self/mountinfo",
                "27 1 254:0 / / rw - ext4 /dev/vda rw\n28 27 254:1 / /data ro - xfs /dev/vdb rw\n29 27 0:50 / /nfs rw - nfs4 fs:/x rw\n22 27 0:21 / /proc rw - proc proc rw\n",
            ),
            (
                "proc/self/net/dev",
                &format!(
                    "{NET_HEAD}  lo: 3193 29 0 0 0 0 0 0 3193 29 0 0 0 0 0 0\neth0: 27680086 2073 1 2 0 0 0 3 227634 1768 4 5 0 6 0 0\n"
                ),
            ),
            (
                "proc/self/net/sockstat",
                "sockets: used 15\nTCP: inuse 1 orphan 0 tw 2 alloc 1 mem 221\nUDP: inuse 4 mem 0\n",
            ),
            (
                "proc/pressure/cpu",
                "some avg10=0.00 avg60=0.64 avg300=3.58 total=34492659\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
            ),
            ("proc/1/stat", "1 (init) S 0 1 1 0 -1\n"),
            ("proc/7/stat", "7 (a) Z (b) R 1 1 1 0 -1\n"),
            ("proc/8/stat", "8 (kworker/0:0) I 2 0 0 0 -1\n"),
            ("sys/class/net/eth0/ifindex", "4\n"),
            ("sys/class/net/eth0/operstate", "up\n"),
            ("sys/class/net/eth0/speed", "1000\n"),
            ("sys/class/net/lo/ifindex", "1\n"),
            ("sys/class/net/lo/operstate", "unknown\n"),
            ("sys/block/vda/size", "1\n"),
            ("sys/devices/coretemp.0/x", ""),
            ("sys/devices/coretemp.1/x", ""),
            ("sys/class/hwmon/hwmon0/name", "coretemp\n"),
            ("sys/class/hwmon/hwmon0/temp2_label", "Core 0\n"),
            ("sys/class/hwmon/hwmon0/temp2_input", "45000\n"),
            ("sys/class/hwmon/hwmon1/name", "coretemp\n"),
            ("sys/class/hwmon/hwmon1/temp2_label", "Core 0\n"),
            ("sys/class/hwmon/hwmon1/temp2_input", "47500\n"),
            ("sys/class/hwmon/hwmon2/name", "acpitz\n"),
            ("sys/class/hwmon/hwmon2/temp1_input", "27800\n"),
            ("sys/class/thermal/thermal_zone0/type", "acpitz\n"),
            ("sys/class/thermal/thermal_zone0/temp", "27800\n"),
            ("sys/class/thermal/thermal_zone1/type", "soc-thermal\n"),
            ("sys/class/thermal/thermal_zone1/temp", "-5125\n"),
        ] {
            machine.put(path, text);
        }
        for n in 0..2 {
            let device = machine.root.path().join(format!("sys/devices/coretemp.{n}"));
            let link = machine.root.path().join(format!("sys/class/hwmon/hwmon{n}/device"));
            std::os::unix::fs::symlink(device, link).unwrap();
        }
        machine
    }
    fn put(&self, path: &str, text: &str) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fn change(&self, path: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.root.path().join(path)).unwrap();
        assert!(text.contains(from), "{path} has no {from}");
        self.put(path, &text.replace(from, to));
    }
    fn spec(&self) -> HostSpec {
        HostSpec { root: self.root.path().to_owned(), ..HostSpec::default() }
    }
    fn probe(&self) -> Box<dyn Probe> {
        HostModule::with_mounts(Arc::new(|_| Ok(SPACE))).probe(&spec(self.spec()), &target()).unwrap()
    }
}

const SPACE: Space = Space { size: 1000, free: 400, available: 300, inodes: 50, inodes_free: 40 };

#[tokio::test]
async fn a_run_gives_what_the_files_say() {
    let machine = Machine::new();
    let (mut seen, mut probe) = (Seen::default(), machine.probe());
    seen.run(&mut *probe).await.unwrap();
    assert_eq!(seen.failures, []);
    for (name, value) in [
        ("cpu_user", 27.67),
        ("cpu_user[1]", 14.39),
        ("cpu_softirq[0]", 0.05),
        ("cpu_count", 2.0),
        ("load1", 0.5),
        ("threads", 97.0),
        ("forks", 5214.0),
        ("boot_time", 1_795_172_321.0),
        ("uptime", 1206.53),
        ("files_max", 2_466_177.0),
        ("memory_total", 24_684_092.0 * 1024.0),
        ("memory_used", 1.0 - 24_355_820.0 / 24_684_092.0),
        ("swap_out", 3.0 * page_size() as f64),
        ("disk_size[/data]", 1000.0),
        ("disk_used[/]", 600.0 / 900.0),
        ("disk_inodes_used[/nfs]", 0.2),
        ("disk_read_only[/data]", 1.0),
        ("io_read[vda]", 2_872_538.0 * 512.0),
        ("io_busy_time[vda]", 2.652),
        ("io_in_flight[vda]", 1.0),
        ("in[eth0]", 27_680_086.0),
        ("out_drops[eth0]", 5.0),
        ("out_collisions[eth0]", 6.0),
        ("link[eth0]", 1.0),
        ("link[lo]", 4.0),
        ("speed[eth0]", 125e6),
        ("sockets_tcp_time_wait", 2.0),
        ("pressure_cpu_waiting", 34.492_659),
        ("processes", 3.0),
        ("processes[running]", 1.0),
        ("processes[idle]", 1.0),
        ("processes[zombie]", 0.0),
        ("temperature[coretemp@coretemp.1/Core 0]", 47.5),
        ("temperature[acpitz/temp1]", 27.8),
        ("temperature[soc-thermal]", -5.125),
    ] {
        assert!((seen.number(name) - value).abs() < 1e-9, "{name} is {}, not {value}", seen.number(name));
    }
    assert_eq!(seen.items("io_reads"), ["vda".to_owned()].into(), "neither partitions nor loops");
    assert_eq!(seen.items("temperature").len(), 4, "the zone a chip shows is not shown twice");
    assert!(!seen.samples.contains_key("swap_used") && !seen.samples.contains_key("cpu_busy"));
    assert!(seen.samples.values().all(|(_, mark)| mark.is_none()));
    let link = &seen.samples["link[eth0]"].0;
    assert_eq!(*link, Value::State(1, Some("up".into())));
}

#[tokio::test]
async fn series_are_declared_once_and_as_the_table_says() {
    let machine = Machine::new();
    let (mut seen, mut probe) = (Seen::default(), machine.probe());
    for _ in 0..4 {
        seen.run(&mut *probe).await.unwrap();
        machine.change("proc/stat", "cpu1 1", "cpu1 11");
    }
    let names: BTreeSet<_> = seen.defs.iter().map(|def| def.key.clone()).collect();
    assert_eq!(names.len(), seen.defs.len(), "declared twice");
    for def in &seen.defs {
        let parameter = parameters::FAMILIES
            .iter()
            .flat_map(|(_, family)| *family)
            .find(|p| p.name == &*def.key.parameter);
        let parameter = parameter.unwrap_or_else(|| panic!("{} is not in the table", def.key.parameter));
        assert_eq!((def.kind, def.unit.as_str()), (parameter.kind, parameter.unit));
        let every = if parameter.name == "processes" { 3 } else { 1 };
        assert_eq!(def.interval, Some(Duration::from_secs(10) * every));
    }
    assert_eq!(
        seen.samples.get("link[eth0]").unwrap().0,
        Value::State(1, None),
        "the text stands only where it changes"
    );
}

#[tokio::test]
async fn busy_is_reckoned_between_runs() {
    let machine = Machine::new();
    let (mut seen, mut probe) = (Seen::default(), machine.probe());
    seen.run(&mut *probe).await.unwrap();
    // 25 ticks of user, 5 of system, 60 idle, 10 iowait.
    machine.change("proc/stat", "cpu1 1439 0 815 117913 183", "cpu1 1464 0 820 117973 193");
    seen.run(&mut *probe).await.unwrap();
    assert!((seen.number("cpu_busy[1]") - 0.3).abs() < 1e-9);
    assert!(!seen.samples.contains_key("cpu_busy[0]"), "no time has passed on this core");
    // The kernel takes back some idle time: the counter holds, nothing is marked.
    machine.change("proc/stat", "cpu1 1464 0 820 117973 193", "cpu1 1474 0 820 117970 193");
    seen.run(&mut *probe).await.unwrap();
    assert_eq!((seen.number("cpu_idle[1]"), seen.mark("cpu_idle[1]")), (1179.73, None));
    assert!((0.0..=1.0).contains(&seen.number("cpu_busy[1]")));
}

#[tokio::test]
async fn counters_that_begin_anew_are_marked() {
    let machine = Machine::new();
    let (mut seen, mut probe) = (Seen::default(), machine.probe());
    seen.run(&mut *probe).await.unwrap();
    machine.change("proc/self/net/dev", "eth0: 27680086 2073", "eth0: 86 2");
    machine.change("proc/self/net/dev", "lo: 3193 29", "lo: 999999 999");
    machine.change("sys/class/net/lo/ifindex", "1", "9");
    machine.change("proc/diskstats", "vda 14262", "vda 5");
    seen.run(&mut *probe).await.unwrap();
    for (name, mark) in [
        ("in[eth0]", Some(Mark::Reset)),
        ("out[eth0]", None),
        ("in[lo]", Some(Mark::Reset)),
        ("in_errors[lo]", Some(Mark::Reset)),
        ("io_reads[vda]", Some(Mark::Reset)),
        ("io_writes[vda]", None),
    ] {
        assert_eq!(seen.mark(name), mark, "{name}");
    }
    seen.run(&mut *probe).await.unwrap();
    assert!(seen.samples.values().all(|(_, mark)| mark.is_none()), "a mark stands once");
    // Thawed elsewhere: the counters may be higher and have begun anew all the same.
    machine.put("proc/sys/kernel/random/boot_id", "another\n");
    seen.run(&mut *probe).await.unwrap();
    let counter = |def: &&SeriesDef| def.kind == Kind::Counter;
    for def in seen.defs.iter().filter(counter) {
        let item = def.key.labels.get("item").map_or_else(String::new, |item| format!("[{item}]"));
        assert_eq!(seen.mark(&format!("{}{item}", &*def.key.parameter)), Some(Mark::Reset), "{def:?}");
    }
}

#[tokio::test]
async fn what_is_gone_has_ended_and_what_returns_is_declared_again() {
    let machine = Machine::new();
    let (mut seen, mut probe) = (Seen::default(), machine.probe());
    seen.run(&mut *probe).await.unwrap();
    let mountinfo = fs::read_to_string(machine.root.path().join("proc/self/mountinfo")).unwrap();
    machine.change("proc/self/mountinfo", "29 27 0:50 / /nfs rw - nfs4 fs:/x rw\n", "");
    machine.change("proc/stat", "cpu1 ", "new ");
    machine.change("proc/self/net/dev", "eth0: 27680086 2073 1 2 0 0 0 3 227634 1768 4 5 0 6 0 0\n", "");
    machine.put("proc/diskstats", "");
    seen.run(&mut *probe).await.unwrap();
    let ended = seen.ended();
    for expected in [
        ("disk_used[/nfs]", "mount gone"),
        ("cpu_idle[1]", "core offline"),
        ("in[eth0]", "interface gone"),
        ("io_reads[vda]", "device gone"),
    ] {
        assert!(ended.contains(&expected), "{expected:?} is not in {ended:?}");
    }
    assert!(!ended.iter().any(|(name, _)| ["disk_used[/]", "cpu_idle", "in[lo]"].contains(name)));
    machine.put("proc/self/mountinfo", &mountinfo);
    seen.run(&mut *probe).await.unwrap();
    assert!(seen.lives.is_empty() && seen.samples.contains_key("disk_used[/nfs]"));
}

#[tokio::test]
async fn a_hung_mount_costs_only_itself_and_recovers() {
    let machine = Machine::new();
    let (go, gate) = mpsc::sync_channel::<()>(1);
    let (gate, hang) = (Mutex::new(gate), Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let (asked, hanging) = (Arc::new(Mutex::new(0)), Arc::clone(&hang));
    let counted = Arc::clone(&asked);
    let module = HostModule::with_mounts(Arc::new(move |path| {
        if path.ends_with("nfs") && hanging.load(std::sync::atomic::Ordering::SeqCst) {
            *counted.lock().unwrap() += 1;
            let _ = gate.lock().unwrap().recv();
        }
        Ok(SPACE)
    }));
    // What answers has this long to do so; the one that hangs is waited for once.
    let host = HostSpec { mount_deadline: Duration::from_secs(4), ..machine.spec() };
    let mut probe = module.probe(&spec(host), &target()).unwrap();
    let mut seen = Seen::default();
    seen.run(&mut *probe).await.unwrap();
    assert!(seen.samples.contains_key("disk_used[/nfs]"));

    hang.store(true, std::sync::atomic::Ordering::SeqCst);
    seen.run(&mut *probe).await.unwrap();
    assert_eq!(seen.failures, [("/nfs".to_owned(), CollectError::TimedOut("/nfs: the mount hangs".into()))]);
    let stale = seen.lives.iter().map(|(name, life, _)| (name.as_str(), *life)).collect::<Vec<_>>();
    assert!(
        stale.contains(&("disk_used[/nfs]", Life::Stale))
            && stale.iter().all(|(name, _)| name.ends_with("[/nfs]"))
    );
    assert!(!stale.contains(&("disk_read_only[/nfs]", Life::Stale)), "that is known without asking");
    for name in ["disk_used[/]", "disk_used[/data]", "in[eth0]", "cpu_idle", "temperature[soc-thermal]"] {
        assert!(seen.samples.contains_key(name), "{name}");
    }
    for _ in 0..5 {
        seen.run(&mut *probe).await.unwrap();
        assert_eq!((seen.failures.len(), seen.lives.len()), (1, 0), "told each time, said to be stale once");
        assert!(seen.samples.contains_key("disk_used[/data]"));
    }
    assert_eq!(*asked.lock().unwrap(), 1, "no second thread for a mount that hangs");

    hang.store(false, std::sync::atomic::Ordering::SeqCst);
    go.send(()).unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while !seen.samples.contains_key("disk_used[/nfs]") {
        assert!(Instant::now() < end, "it never recovered");
        seen.run(&mut *probe).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(seen.failures, []);
}

#[tokio::test]
async fn a_line_that_is_not_understood_costs_only_itself() {
    let machine = Machine::new();
    let (mut seen, mut probe) = (Seen::default(), machine.probe());
    seen.run(&mut *probe).await.unwrap();
    machine.change("proc/self/net/dev", "eth0: 27680086", "eth0: x");
    machine.change("proc/self/mountinfo", "28 27 254:1", "28 27");
    machine.put("proc/loadavg", "nonsense");
    seen.run(&mut *probe).await.unwrap();
    let parts: BTreeSet<_> =
        seen.failures.iter().map(|(part, error)| (part.as_str(), error.word())).collect();
    assert_eq!(
        parts,
        ["/proc/loadavg", "/proc/net/dev", "/proc/self/mountinfo"].map(|part| (part, "bad_answer")).into()
    );
    assert!(seen.samples.contains_key("in[lo]") && seen.samples.contains_key("disk_used[/nfs]"));
    assert!(seen.ended().is_empty(), "what was not understood is not gone");
}

#[tokio::test]
async fn a_refused_or_unreadable_part_is_named_and_a_wrong_root_fails() {
    let machine = Machine::new();
    fs::remove_file(machine.root.path().join("proc/self/net/dev")).unwrap();
    fs::remove_file(machine.root.path().join("proc/pressure/cpu")).unwrap();
    let module = HostModule::with_mounts(Arc::new(|path| match path.ends_with("data") {
        true => Err(std::io::ErrorKind::PermissionDenied.into()),
        false => Ok(SPACE),
    }));
    let mut seen = Seen::default();
    let mut probe = module.probe(&spec(machine.spec()), &target()).unwrap();
    seen.run(&mut *probe).await.unwrap();
    let parts: BTreeSet<_> =
        seen.failures.iter().map(|(part, error)| (part.as_str(), error.word())).collect();
    assert_eq!(parts, [("/proc/net/dev", "no_such_object"), ("/data", "refused_credentials")].into());

    let nowhere = HostSpec { root: machine.root.path().join("nowhere"), ..HostSpec::default() };
    let mut probe = HostModule::default().probe(&spec(nowhere), &target()).unwrap();
    let error = seen.run(&mut *probe).await.unwrap_err();
    assert!(error.to_string().contains("nowhere/proc"), "{error}");
}

#[tokio::test]
async fn what_is_configured_to_be_skipped_is_not_asked() {
    let machine = Machine::new();
    let host = HostSpec {
        skip_mounts: vec!["/n*".into()],
        skip_interfaces: vec!["{lo,docker*}".into()],
        skip_disks: vec!["vd?".into()],
        ..machine.spec()
    };
    let asked = Arc::new(Mutex::new(Vec::new()));
    let paths = Arc::clone(&asked);
    let module = HostModule::with_mounts(Arc::new(move |path| {
        paths.lock().unwrap().push(path.to_owned());
        Ok(SPACE)
    }));
    let mut seen = Seen::default();
    seen.run(&mut *module.probe(&spec(host), &target()).unwrap()).await.unwrap();
    assert_eq!(seen.items("in"), ["eth0".to_owned()].into());
    assert!(seen.items("io_reads").is_empty());
    assert_eq!(*asked.lock().unwrap(), ["", "data"].map(|point| machine.root.path().join(point)));
}

#[tokio::test]
async fn strange_names_and_refused_series_harm_nothing() {
    let machine = Machine::new();
    let long = "x".repeat(300);
    machine.put(
        "proc/self/mountinfo",
        &format!("1 0 8:1 / /a\\040b/[שלום]=, rw - xfs /dev/a rw\n2 1 8:2 / /{long} rw - xfs /dev/b rw\n3 1 8:3 / /l\\012f rw - xfs /dev/c rw\n"),
    );
    let (mut seen, mut probe) = (Seen::default(), machine.probe());
    seen.run(&mut *probe).await.unwrap();
    assert_eq!(seen.items("disk_size"), ["/a b/[שלום]=,".to_owned()].into());
    let words: BTreeSet<_> = seen.failures.iter().map(|(_, error)| error.word()).collect();
    assert_eq!((words, seen.failures.len()), (["bad_answer"].into(), 2));

    let (mut seen, mut probe) = (Seen { refuse: true, ..Seen::default() }, machine.probe());
    seen.run(&mut *probe).await.unwrap();
    assert!(seen.samples.is_empty());
    seen.refuse = false;
    seen.run(&mut *probe).await.unwrap();
    assert!(seen.samples.contains_key("load1"), "asked again once there is room");
}

#[test]
fn a_wrong_specification_is_refused_in_words() {
    let probe = |host: HostSpec, target: &Target| {
        HostModule::default().probe(&spec(host), target).err().unwrap_or_default()
    };
    let glob = HostSpec { skip_disks: vec!["{a".into()], ..HostSpec::default() };
    assert!(probe(glob, &target()).starts_with("skip_disks: `{a`"));
    let labels = BTreeMap::from([("item".to_owned(), "x".to_owned())]);
    let error = probe(HostSpec::default(), &Target { labels, ..target() });
    assert!(error.contains("`item`"), "{error}");
    assert!(probe(HostSpec::default(), &Target { node: String::new(), ..target() }).contains("node"));
}

#[tokio::test]
async fn this_machine_can_be_read() {
    let (mut seen, module) = (Seen::default(), HostModule::default());
    let mut probe = module.probe(&spec(HostSpec::default()), &target()).unwrap();
    seen.run(&mut *probe).await.unwrap();
    assert_eq!(seen.failures, []);
    for name in [
        "cpu_user",
        "load1",
        "memory_used",
        "disk_used[/]",
        "in[lo]",
        "processes",
        "uptime",
        "context_switches",
    ] {
        assert!(seen.samples.contains_key(name), "{name}");
    }
    for (name, (value, _)) in &seen.samples {
        let id = seen.ids[name];
        let def = &seen.defs[usize::try_from(id.0).unwrap() - 1];
        if def.unit == "1" {
            assert!(matches!(value, Value::F64(value) if (0.0..=1.0).contains(value)), "{name} {value:?}");
        }
    }
}
