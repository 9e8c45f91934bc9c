//! The project's one door: `cargo xtask COMMAND`. People and `.ci/run` go through the same commands.
//!
//! One file per command. What is here is never linked into a release.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool speaks to who called it")]

mod bench;
mod filters;
mod process;
mod proto;
mod setup;
mod test;
mod tidy;
mod up;
mod web;
mod workspace;

use std::process::ExitCode;

/// What a command ends with; the error is one message for the person who typed it.
type Outcome = Result<(), String>;

struct Command {
    name: &'static str,
    usage: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Outcome,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "setup",
        usage: "[--for up|test]",
        about: "install what is missing (by default for everything)",
        run: setup::run,
    },
    Command {
        name: "up",
        usage: "[ARGS…]",
        about: "build the page and the release binary, and run `hedgerow up ARGS…`",
        run: up::run,
    },
    Command {
        name: "test",
        usage: "[FILTER…]",
        about: "run everything that has to hold; with a filter, only the tests it names",
        run: test::run,
    },
    Command {
        name: "bench",
        usage: "filter|latency|lookup|snmp [--save]",
        about: "measure, in a release build; --save: into benches/results",
        run: bench::run,
    },
    Command {
        name: "proto",
        usage: "[--baseline]",
        about: "make the committed code from the .proto files; --baseline only with a release",
        run: proto::run,
    },
    Command {
        name: "filters",
        usage: "[--check|--bindings]",
        about: "build the shipped filters as WASM; --check: whether what is committed is that",
        run: filters::run,
    },
    Command {
        name: "web",
        usage: "",
        about: "build the page (web/ui, with node and npm), where its sources changed",
        run: web::run,
    },
    Command {
        name: "tidy",
        usage: "",
        about: "check what no compiler checks: direction of crates, lengths, words, links",
        run: tidy::run,
    },
];

/// Exit status for a command line that cannot be understood.
const MISUSED: u8 = 2;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = args.split_first() else {
        eprint!("{}", usage());
        return ExitCode::from(MISUSED);
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        print!("{}", usage());
        return ExitCode::SUCCESS;
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprint!("xtask: there is no command `{name}`\n\n{}", usage());
        return ExitCode::from(MISUSED);
    };
    match (command.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask {name}: {message}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> String {
    let mut text = String::from("usage: cargo xtask COMMAND\n\n");
    for Command { name, usage, about, .. } in COMMANDS {
        let call = format!("{name} {usage}");
        text += &format!("  {call:<24} {about}\n");
    }
    text
}
