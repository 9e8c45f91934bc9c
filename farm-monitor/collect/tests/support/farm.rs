//! Plays the farm's binary for the tests of scripts: with `keeper` it is the keeper; with `farm COMMAND…` it is a farm
//! that runs one command for ever, to be killed, and prints the keeper's process id once it runs.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code")]

use hedgerow_collect::script::{Keeper, KeeperCommand, ScriptRun, keeper};
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((word, [])) if word == "keeper" => keeper::main(),
        Some((word, command)) if word == "farm" => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(farm(command.to_vec()));
            ExitCode::SUCCESS
        }
        _ => ExitCode::from(2),
    }
}

async fn farm(command: Vec<String>) {
    let keeper =
        Keeper::start(KeeperCommand { program: "/proc/self/exe".into(), args: vec!["keeper".into()] });
    let run = keeper.run(&ScriptRun {
        command,
        environment: std::env::vars().filter(|(key, _)| key == "PATH" || key == "RUN_MARK").collect(),
        directory: "/".into(),
        deadline: Duration::from_secs(600),
        max_output: 1024,
        max_memory: None,
    });
    while keeper.pid().is_none() {
        tokio::task::yield_now().await;
    }
    println!("{}", keeper.pid().unwrap());
    run.await;
}
