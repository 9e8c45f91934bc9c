//! What a run through the keeper costs beside a bare `posix_spawn` of the same program, interleaved, medians.
//! Run by hand: `cargo test --release -p hedgerow-collect --test script_overhead -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "a measurement")]

use hedgerow_collect::script::{Ending, Keeper, KeeperCommand, ScriptRun};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PAIRS: usize = 9;
const RUNS: usize = 300;

/// Nothing but the process; or, with `READ` in the environment, with its output read through pipes, as the keeper does.
fn bare() {
    let mut command = Command::new("/bin/true");
    command.env_clear().stdin(Stdio::null());
    let status = if std::env::var_os("READ").is_some() {
        command.output().unwrap().status
    } else {
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap()
    };
    assert!(status.success());
}

fn run() -> ScriptRun {
    ScriptRun {
        command: vec!["/bin/true".into()],
        environment: vec![],
        directory: "/".into(),
        deadline: Duration::from_secs(60),
        max_output: 1 << 20,
        max_memory: None,
    }
}

/// CPU seconds of the children of this process that were waited for, and of theirs.
fn children_cpu() -> f64 {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return 0.0 };
    let fields: Vec<f64> =
        stat.rsplit_once(") ").unwrap().1.split(' ').map(|f| f.parse().unwrap_or(0.0)).collect();
    // utime, stime, cutime, cstime from the third field on, in hundredths.
    fields[11..15].iter().sum::<f64>() / 100.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[tokio::test]
#[ignore = "a measurement, to be read by a person"]
async fn a_run_costs_little_more_than_a_bare_spawn() {
    let keeper = Keeper::start(KeeperCommand {
        program: env!("CARGO_BIN_EXE_script-test-farm").into(),
        args: vec!["keeper".into()],
    });
    let run = run();
    assert_eq!(keeper.run(&run).await.ending, Ending::Exited(0));
    for abreast in [1, 8] {
        let (mut bare_us, mut kept_us, mut ratios) = (vec![], vec![], vec![]);
        for _ in 0..PAIRS {
            let began = Instant::now();
            if abreast == 1 {
                (0..RUNS).for_each(|_| bare());
            } else {
                std::thread::scope(|scope| {
                    for _ in 0..abreast {
                        scope.spawn(|| (0..RUNS / abreast).for_each(|_| bare()));
                    }
                });
            }
            let alone = began.elapsed().as_secs_f64();
            let began = Instant::now();
            let mut lanes = tokio::task::JoinSet::new();
            for _ in 0..abreast {
                let (keeper, run) = (keeper.clone(), run.clone());
                lanes.spawn(async move {
                    for _ in 0..RUNS / abreast {
                        assert_eq!(keeper.run(&run).await.ending, Ending::Exited(0));
                    }
                });
            }
            lanes.join_all().await;
            let kept = began.elapsed().as_secs_f64();
            bare_us.push(alone / RUNS as f64 * 1e6);
            kept_us.push(kept / RUNS as f64 * 1e6);
            ratios.push(kept / alone);
        }
        println!(
            "{abreast} abreast: posix_spawn {:.0} us, keeper {:.0} us a run, ratio {:.3} (medians of {PAIRS})",
            median(bare_us),
            median(kept_us),
            median(ratios)
        );
    }
    drop(keeper);
}

#[tokio::test]
#[ignore = "a measurement, to be read by a person"]
async fn a_run_costs_little_more_cpu() {
    const MANY: usize = 3000;
    let mut ratios = vec![];
    for _ in 0..5 {
        let began = children_cpu();
        (0..MANY).for_each(|_| bare());
        let alone = children_cpu() - began;
        let began = children_cpu();
        let keeper = Keeper::start(KeeperCommand {
            program: env!("CARGO_BIN_EXE_script-test-farm").into(),
            args: vec!["keeper".into()],
        });
        let run = run();
        for _ in 0..MANY {
            assert_eq!(keeper.run(&run).await.ending, Ending::Exited(0));
        }
        let pid = keeper.pid().unwrap();
        drop(keeper);
        while std::path::Path::new(&format!("/proc/{pid}")).exists() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let kept = children_cpu() - began;
        println!(
            "CPU: posix_spawn {:.0} us, keeper {:.0} us a run",
            alone / MANY as f64 * 1e6,
            kept / MANY as f64 * 1e6
        );
        ratios.push(kept / alone);
    }
    println!("CPU ratio {:.3} (median of 5)", median(ratios));
}
