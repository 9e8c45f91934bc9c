//! Prints one run of the module `host` on this machine; with a number, runs it so often and prints what a run costs.
#![expect(clippy::print_stdout, reason = "that is what it is for")]

use hedgerow_collect::host::HostModule;
use hedgerow_collect::module::{CollectError, Module, Run};
use hedgerow_collect::spec::{CollectorSpec, HostSpec, ModuleSpec, Target};
use hedgerow_model::{Life, Mark, SeriesDef, SeriesId, UnixMillis, Value};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

#[derive(Default)]
struct Printer {
    defs: Vec<SeriesDef>,
    samples: usize,
    quiet: bool,
}

impl Run for Printer {
    fn started(&self) -> UnixMillis {
        0
    }
    fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_secs(8)
    }
    fn series(&mut self, def: &SeriesDef) -> Option<SeriesId> {
        self.defs.push(def.clone());
        u32::try_from(self.defs.len()).ok().map(SeriesId)
    }
    fn push(&mut self, series: SeriesId, _: UnixMillis, value: Value, mark: Option<Mark>) {
        self.samples += 1;
        if let (false, Some(def)) = (self.quiet, self.defs.get(series.0 as usize - 1)) {
            let item = def.key.labels.get("item").map_or_else(String::new, |item| format!("[{item}]"));
            println!("{}{item} {value:?} {} {} {mark:?}", def.key.parameter, def.unit, def.kind);
        }
    }
    fn part_failed(&mut self, part: &str, error: CollectError) {
        println!("FAILED {part}: {error}");
    }
    fn set_life(&mut self, series: &[SeriesId], life: Life, reason: &str) {
        println!("{} series {}: {reason}", series.len(), life.as_str());
    }
}

/// CPU of this process and all its threads so far, in ticks of 1/100 s.
fn cpu_ticks() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let words: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    Some(words.get(11)?.parse::<u64>().ok()? + words.get(12)?.parse::<u64>().ok()?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let spec = CollectorSpec {
        name: "host".into(),
        cluster: "hosts".into(),
        period: Duration::from_secs(10),
        deadline: Duration::from_secs(8),
        targets: Vec::new(),
        lifetime: None,
        module: ModuleSpec::Host(HostSpec::default()),
    };
    let target = Target { node: "here".into(), address: "here".into(), labels: BTreeMap::new() };
    let mut probe = HostModule::default().probe(&spec, &target)?;
    let mut printer = Printer::default();
    match std::env::args().nth(1) {
        None => probe.run(&mut printer).await?,
        Some(times) => {
            let times: u64 = times.parse()?;
            printer.quiet = true;
            let before = cpu_ticks().ok_or("no /proc/self/stat")?;
            for _ in 0..times {
                probe.run(&mut printer).await?;
            }
            let ticks = cpu_ticks().ok_or("no /proc/self/stat")? - before;
            let each = ticks * 10_000 / times.max(1);
            println!("{} series; {each} us of CPU a run over {times} runs", printer.defs.len());
        }
    }
    Ok(())
}
