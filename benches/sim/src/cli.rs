//! The command line `agents …`: agents in a process of their own, for measurements and for trying things by hand.

use crate::{AgentConfig, Fault, Misbehaviour, Motion, Place, Sim, Versions};
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::time::Duration;

const USAGE: &str = "usage: hedgerow-sim agents [OPTIONS]

  --count N             how many agents (1)
  --rows N              interfaces of each (20)
  --big ROWS            the last agent has so many instead
  --first-port PORT     the first listens there on 127.0.0.1, the others on the ports behind it; 0: free ports (0)
  --first-address ADDR  each listens on an address of its own within 127/8, all on --first-port
  --community WORD      (public)
  --version 1|2c|both   which versions are answered (both)
  --cap BYTES           longest reply (1472)
  --delay MS            how long an answer takes (0)
  --misbehave KIND[:P]  misbehave so, always or with this chance; may be repeated
  --loss P              leave so many requests unanswered (0 to 1)
  --dead N              so many of them, evenly spread, never answer
  --closed N            so many of them, evenly spread, have their port closed
  --clock               counters and sysUpTime move
  --seed N              decides what is random (1)
  --print-targets FILE  write `NAME ADDRESS` of each there, a line each; `-`: standard output
  --until-eof           end when standard input does
";

struct Options {
    agents: Vec<AgentConfig>,
    place: Place,
    seed: u64,
    targets: Option<String>,
    until_eof: bool,
}

/// Runs agents by these words, until the process is ended.
///
/// # Errors
/// What is wrong with the words, or why there are no agents.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool")]
pub fn run(args: impl IntoIterator<Item = String>) -> Result<(), String> {
    let mut args = args.into_iter();
    if args.next().as_deref() != Some("agents") {
        return Err(USAGE.to_owned());
    }
    let options = options(args)?;
    let sim = Sim::start(options.agents, options.place, options.seed).map_err(|error| error.to_string())?;
    let list = sim.addresses().iter().enumerate().fold(String::new(), |mut list, (at, address)| {
        let _ = writeln!(list, "agent{at:05} {address}");
        list
    });
    match options.targets.as_deref() {
        None => {}
        Some("-") => print!("{list}"),
        Some(path) => std::fs::write(path, list).map_err(|error| format!("cannot write {path}: {error}"))?,
    }
    eprintln!("hedgerow-sim: {} agents listen", sim.addresses().len());
    if options.until_eof {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        return Ok(());
    }
    loop {
        std::thread::park();
    }
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut agent = AgentConfig::default();
    let (mut count, mut big, mut dead, mut closed) = (1usize, None, 0, 0);
    let (mut port, mut first) = (0, None);
    let mut options =
        Options { agents: Vec::new(), place: Place::Ports(0), seed: 1, targets: None, until_eof: false };
    while let Some(option) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{option} needs a value"));
        match option.as_str() {
            "--count" => count = read(&option, &value()?)?,
            "--rows" => agent.device.rows = read(&option, &value()?)?,
            "--big" => big = Some(read(&option, &value()?)?),
            "--first-port" => port = read(&option, &value()?)?,
            "--first-address" => first = Some(read::<Ipv4Addr>(&option, &value()?)?),
            "--community" => agent.community = value()?,
            "--version" => agent.versions = version(&value()?)?,
            "--cap" => agent.max_reply = read(&option, &value()?)?,
            "--delay" => {
                let delay = Duration::from_millis(read(&option, &value()?)?);
                agent.delay = delay..=delay;
            }
            "--misbehave" => agent.faults.push(fault(&value()?)?),
            "--loss" => {
                let chance = read(&option, &value()?)?;
                agent.faults.push(Fault::sometimes(Misbehaviour::Silent, chance));
            }
            "--dead" => dead = read(&option, &value()?)?,
            "--closed" => closed = read(&option, &value()?)?,
            "--clock" => agent.motion = Motion::Clock,
            "--seed" => options.seed = read(&option, &value()?)?,
            "--print-targets" => options.targets = Some(value()?),
            "--until-eof" => options.until_eof = true,
            _ => return Err(format!("no option `{option}`\n\n{USAGE}")),
        }
    }
    options.place = first.map_or(Place::Ports(port), |first| Place::Addresses(first, port));
    options.agents = vec![agent; count];
    spread(&mut options.agents, dead, |agent| agent.faults = vec![Fault::always(Misbehaviour::Silent)]);
    spread(&mut options.agents, closed, |agent| agent.is_closed = true);
    if let (Some(rows), Some(last)) = (big, options.agents.last_mut()) {
        last.device.rows = rows;
    }
    Ok(options)
}

/// Changes so many of them, evenly spread.
fn spread(agents: &mut [AgentConfig], many: usize, change: impl Fn(&mut AgentConfig)) {
    let count = agents.len();
    for number in 0..many.min(count) {
        if let Some(agent) = agents.get_mut(number * count / many) {
            change(agent);
        }
    }
}

fn read<T: FromStr>(option: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` cannot be the value of {option}"))
}

fn version(text: &str) -> Result<Versions, String> {
    match text {
        "1" => Ok(Versions::V1),
        "2c" => Ok(Versions::V2c),
        "both" => Ok(Versions::Both),
        _ => Err(format!("`{text}` cannot be the value of --version: expected 1, 2c or both")),
    }
}

fn fault(text: &str) -> Result<Fault, String> {
    let (word, chance) = text.split_once(':').unwrap_or((text, "1"));
    Ok(Fault::sometimes(word.parse()?, read("--misbehave", chance)?))
}
