//! The module `host`: what this machine's kernel says of it, under `/proc` and `/sys`, and how full its mounts are.
//!
//! Reads each file once a run and keeps series ids and earlier counters in the probe; an ordinary run costs some tenths
//! of a millisecond. What can hang (mounts, sensors, a walk over all processes) is asked on threads of its own
//! ([`asks`]), so it can never hold a worker, nor cost more than itself. All series stand in [`parameters`].

mod asks;
mod cpu;
mod files;
mod io;
mod kernel;
mod memory;
mod mounts;
mod network;
pub mod parameters;
mod processes;
mod rows;
mod sensors;
mod space;
#[cfg(test)]
mod tests;

pub use space::{Space, statvfs};

use crate::module::{BoxFuture, CollectError, Module, Probe, Run};
use crate::spec::{CollectorSpec, ModuleSpec, Target};
use asks::Asks;
use files::Files;
use hedgerow_model::glob::Glob;
use hedgerow_model::{Labels, Name, labels};
use parameters::{KERNEL, MEMORY, SYSTEM};
use rows::{Base, Out, Rows};
use space::Lines;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Kept back from the run's deadline, so that a run with a hung mount ends by itself and says which it was.
const RESERVE: Duration = Duration::from_millis(200);

/// How a mount is asked; see [`statvfs`].
pub type AskMount = Arc<dyn Fn(&Path) -> std::io::Result<Space> + Send + Sync>;

/// What may take for ever to answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Question {
    Mount(Arc<Path>),
    Chip(Arc<sensors::Chip>),
    Processes(Arc<Path>),
}

#[derive(Debug)]
enum Answer {
    Space(std::io::Result<Space>),
    Temperatures(Vec<Option<f64>>),
    Processes(std::io::Result<processes::Counts>),
}

/// The module.
pub struct HostModule {
    ask_mount: AskMount,
}

impl Default for HostModule {
    fn default() -> Self {
        Self::with_mounts(Arc::new(statvfs))
    }
}

impl HostModule {
    /// A module that asks mounts in another way: for tests of what hangs.
    pub fn with_mounts(ask_mount: AskMount) -> Self {
        Self { ask_mount }
    }
}

impl Module for HostModule {
    fn name(&self) -> &'static str {
        "host"
    }

    fn probe(&self, spec: &CollectorSpec, target: &Target) -> Result<Box<dyn Probe>, String> {
        let ModuleSpec::Host(host) = &spec.module else {
            return Err(format!(
                "collector `{}` is of module `{}`, not `host`",
                spec.name,
                spec.module.name()
            ));
        };
        let base = Base {
            cluster: Name::new(&spec.cluster)
                .map_err(|error| format!("cluster `{}` {error}", spec.cluster))?,
            node: Name::new(&target.node).map_err(|error| format!("node `{}` {error}", target.node))?,
            labels: target.labels.clone().into_iter().collect(),
            period: spec.period,
            lifetime: spec.lifetime,
        };
        let pairs = base.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        Labels::new(pairs.chain([(labels::ITEM, "x")])).map_err(|error| {
            format!("labels of node `{}`: {error}; the module itself adds `item`", target.node)
        })?;
        let globs = |key: &str, texts: &[String]| -> Result<Vec<Glob>, String> {
            texts
                .iter()
                .map(|text| Glob::new(text).map_err(|error| format!("{key}: `{text}`: {error}")))
                .collect()
        };
        let asks = |name| {
            let ask_mount = Arc::clone(&self.ask_mount);
            Asks::new(name, move |question: &Question| match question {
                Question::Mount(path) => Answer::Space(ask_mount(path)),
                Question::Chip(chip) => Answer::Temperatures(sensors::read(chip)),
                Question::Processes(proc) => Answer::Processes(processes::count(proc)),
            })
        };
        let files = Files::new(&host.root);
        Ok(Box::new(HostProbe {
            system: Rows::new(SYSTEM),
            memory: Rows::new(MEMORY),
            kernel: Rows::new(KERNEL),
            cores: cpu::Cores::new(rustix::param::clock_ticks_per_second()),
            devices: io::Devices::new(globs("skip_disks", &host.skip_disks)?),
            interfaces: network::Interfaces::new(globs("skip_interfaces", &host.skip_interfaces)?),
            file_systems: space::FileSystems::new(globs("skip_mounts", &host.skip_mounts)?),
            processes: processes::ProcessCounts::new(spec.period, &files.path("/proc")),
            sensors: sensors::Sensors::new(),
            lines: Lines { local: asks("host-local"), remote: asks("host-remote") },
            mount_deadline: host.mount_deadline,
            narrow: is_narrow(),
            boot: None,
            uptime: None,
            base,
            files,
        }))
    }
}

/// The probe of one machine.
#[derive(Debug)]
struct HostProbe {
    base: Base,
    files: Files,
    system: Rows<()>,
    memory: Rows<()>,
    kernel: Rows<()>,
    cores: cpu::Cores,
    devices: io::Devices,
    interfaces: network::Interfaces,
    file_systems: space::FileSystems,
    processes: processes::ProcessCounts,
    sensors: sensors::Sensors,
    lines: Lines,
    mount_deadline: Duration,
    /// The kernel counts in words of 32 bits.
    narrow: bool,
    boot: Option<String>,
    uptime: Option<f64>,
}

impl Probe for HostProbe {
    fn run<'a>(&'a mut self, run: &'a mut dyn Run) -> BoxFuture<'a, Result<(), CollectError>> {
        Box::pin(async move {
            let end = run.deadline();
            let until = (Instant::now() + self.mount_deadline).min(end.checked_sub(RESERVE).unwrap_or(end));
            self.lines.local.begin();
            self.lines.remote.begin();
            let answers = self.read(run);
            let (local, remote) =
                tokio::join!(self.lines.local.gather(until), self.lines.remote.gather(until));
            for error in [local, remote].into_iter().filter_map(Result::err) {
                run.part_failed("mounts", CollectError::Failed(format!("starting a thread: {error}")));
            }
            self.take(run);
            if answers == 0 {
                let proc = self.files.path("/proc");
                return Err(CollectError::Unreachable(format!(
                    "{}: nothing of it can be read",
                    proc.display()
                )));
            }
            Ok(())
        })
    }
}

impl HostProbe {
    fn out<'a>(base: &'a Base, run: &'a mut dyn Run, narrow: bool, rebooted: bool) -> Out<'a> {
        Out { time: run.started(), run, base, rebooted, narrow, answers: 0 }
    }

    /// Asks what may hang and reads everything else; gives how many files could be read.
    fn read(&mut self, run: &mut dyn Run) -> usize {
        let uptime = self.files.text("/proc/uptime").ok().and_then(kernel::parse_uptime);
        let boot = self.files.text("/proc/sys/kernel/random/boot_id").ok().map(str::to_owned);
        // A machine that was frozen and thawed elsewhere boots anew without ending this process.
        let another = matches!((&self.boot, &boot), (Some(before), Some(now)) if before != now);
        let younger = matches!((self.uptime, uptime), (Some(before), Some(now)) if now < before);
        (self.boot, self.uptime) = (boot, uptime);

        let mut out = Self::out(&self.base, run, self.narrow, another || younger);
        let files = &mut self.files;
        self.file_systems.ask(&mut out, files, &mut self.lines);
        self.sensors.ask(files, &mut self.lines.local);
        self.processes.ask(&mut self.lines.local);

        let system = self.system.row(&mut out, "");
        self.cores.run(&mut out, files, system);
        kernel::system(&mut out, files, system, uptime);
        let row = self.memory.row(&mut out, "");
        memory::run(&mut out, files, row, page_size());
        self.devices.run(&mut out, files);
        self.interfaces.run(&mut out, files);
        let row = self.kernel.row(&mut out, "");
        kernel::waits_and_sockets(&mut out, files, row);
        out.answers
    }

    /// Takes the answers of what was asked.
    fn take(&mut self, run: &mut dyn Run) {
        let mut out = Self::out(&self.base, run, self.narrow, false);
        self.file_systems.take(&mut out, &mut self.lines);
        self.sensors.take(&mut out, &mut self.lines.local);
        self.processes.take(&mut out, &mut self.lines.local);
    }
}

fn page_size() -> u64 {
    u64::try_from(rustix::param::page_size()).unwrap_or(4096)
}

/// Whether the kernel counts in words of 32 bits: a program of 32 bits may run on a wider kernel.
fn is_narrow() -> bool {
    let wide = ["64", "s390x", "alpha"];
    let system = rustix::system::uname();
    let machine = system.machine().to_string_lossy();
    !wide.iter().any(|part| machine.contains(part)) && usize::BITS == 32
}
