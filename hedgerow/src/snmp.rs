//! `snmp`: a look at what an agent says, with names. Needs no farm and keeps nothing.

mod agent;
mod shown;

use crate::outcome::{CommandError, Outcome};
use crate::output::events::plural;
use crate::output::{Out, say};
use agent::{AgentOptions, Asked};
use clap::Subcommand;
use hedgerow_collect::snmp::address::Address;
use hedgerow_collect::snmp::look::{self, LookError, WalkLimits};
use hedgerow_snmp::{Agent, AskError, Engine, EngineOptions, Oid, Security, Value};
use hedgerow_snmp_profile::Names;
use parking_lot::Mutex;
use shown::Shown;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Where a walk begins that is told nothing.
const ROOT: &str = "mib-2";
/// No look takes longer.
const LONGEST: Duration = Duration::from_secs(3600);

const AFTER: &str = "\
Examples:
  hedgerow snmp walk 10.0.0.1 system
  hedgerow snmp walk 10.0.0.1 ifXTable --community-file switches.community
  hedgerow snmp get 10.0.0.1:1161 sysName.0 ifHCInOctets.3 --version 1
  hedgerow snmp walk 10.0.0.1 --user hedgerow --auth SHA-256 --auth-password-file a --privacy AES-128
      --privacy-password-file p
  hedgerow snmp walk --config ./mesh --target core ifTable      asked as the farm asks it

Exit status: 0 done, 1 no answer or nothing there, 2 misused, 3 done in part.";

/// Look at what an SNMP agent says, with names
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Walk(Walk),
    Get(Get),
}

/// Everything below a root, in order
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Walk {
    /// Where the agent is: HOST, HOST:PORT, an IP address or [IPV6]:PORT; not with --target
    #[arg(value_name = "ADDRESS", required_unless_present = "target")]
    first: Option<String>,
    /// Where to begin, by name or number: ifXTable, system, 1.3.6.1.4.1 [default: mib-2]
    #[arg(value_name = "ROOT")]
    second: Option<String>,
    /// Stop after so many values
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    max_values: usize,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    agent: AgentOptions,
}

/// Exactly these objects
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Get {
    /// Where the agent is, not with --target; then objects by name or number: sysUpTime.0, 1.3.6.1.2.1.1.3.0
    #[arg(value_names = ["ADDRESS", "OID"], required = true)]
    words: Vec<String>,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    agent: AgentOptions,
}

/// How it is printed.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Form {
    /// Print numbers instead of names
    #[arg(long)]
    pub numeric: bool,
    /// Print JSON, one value a line, instead of text for people
    #[arg(long)]
    pub json: bool,
}

/// Asks, and prints what comes.
///
/// # Errors
/// Where nothing came, and why.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    match &args.what {
        What::Walk(args) => {
            let (address, root) = match (&args.agent.target, &args.first, &args.second) {
                (Some(_), Some(_), Some(second)) => {
                    let text = format!("{second}: with --target expected ROOT only, and no ADDRESS");
                    return Err(CommandError::Misuse(text));
                }
                (Some(_), root, _) => (None, root),
                (None, address, root) => (address.as_deref(), root),
            };
            let asked = args.agent.asked(address)?;
            let names = Names::of(&asked.library);
            let root = oid(&names, root.as_deref().unwrap_or(ROOT))?;
            crate::runtime::client(walk(args, asked, &names, root))
        }
        What::Get(args) => {
            let (address, oids) = match (&args.agent.target, args.words.split_first()) {
                (None, Some((address, oids))) => (Some(address.as_str()), oids),
                _ => (None, args.words.as_slice()),
            };
            if oids.is_empty() {
                return Err(CommandError::Misuse(
                    "get: expected an OID behind ADDRESS, as sysUpTime.0".to_owned(),
                ));
            }
            let asked = args.agent.asked(address)?;
            let names = Names::of(&asked.library);
            let oids = oids.iter().map(|text| oid(&names, text)).collect::<Result<Vec<_>, _>>()?;
            crate::runtime::client(get(args.form, asked, &names, &oids))
        }
    }
}

/// The OID that a word means.
fn oid(names: &Names, text: &str) -> Result<Oid, CommandError> {
    names.find(text).ok_or_else(|| {
        let likely = names.meant(text).map(|likely| format!("; did you mean {likely}?")).unwrap_or_default();
        let expected = "expected a name that a profile knows, as ifXTable or sysName.0, or numbers with dots";
        CommandError::Misuse(format!("{text}: no such object: {expected}{likely}"))
    })
}

/// What asks, and whom.
async fn ready(asked: &Asked) -> Result<(Engine, Agent), CommandError> {
    let until = Instant::now() + LONGEST;
    let mut address = Address::read(&asked.address, asked.port).map_err(CommandError::Misuse)?;
    let address = address.resolve(until).await.map_err(|error| CommandError::failed(&error))?;
    let options = EngineOptions { patience: asked.patience, ..EngineOptions::default() };
    let engine = Engine::start(options).map_err(|error| CommandError::failed(&error))?;
    Ok((engine, Agent { address, security: asked.security.clone() }))
}

async fn get(form: Form, asked: Asked, names: &Names, oids: &[Oid]) -> Result<Outcome, CommandError> {
    let (engine, agent) = ready(&asked).await?;
    let found = look::get(&engine, &agent, oids, Instant::now() + LONGEST).await;
    let found = found.map_err(|error| CommandError::Failed(said(&error, &agent)))?;
    let mut out = Out::new();
    for (oid, value) in &found {
        out.line(Shown::new(names, form, oid, value).line()?)?;
    }
    out.flush()?;
    match found.iter().filter(|(_, value)| value.is_exception()).count() {
        0 => Ok(Outcome::Done),
        missing if missing == found.len() => Err(CommandError::Silent),
        _ => Ok(Outcome::InPart),
    }
}

async fn walk(args: &Walk, asked: Asked, names: &Names, root: Oid) -> Result<Outcome, CommandError> {
    let (engine, agent) = ready(&asked).await?;
    let limits = WalkLimits { values: args.max_values, until: Instant::now() + LONGEST };
    // What one reply brought, until it is printed: between two replies.
    let (came, news) = (Mutex::new(Vec::new()), Notify::new());
    let mut found = |oid: Oid, value: Value| {
        came.lock().push((oid, value));
        news.notify_one();
    };
    let mut out = Out::new();
    let mut count = 0;
    let mut print = |last: bool| -> Result<usize, CommandError> {
        let lines = std::mem::take(&mut *came.lock());
        for (oid, value) in &lines {
            out.line(Shown::new(names, args.form, oid, value).line()?)?;
        }
        count += lines.len();
        // Who reads along sees each reply; who pages does not wait for all of a large table.
        if last || !lines.is_empty() {
            out.flush()?;
        }
        Ok(count)
    };
    let walking = look::walk(&engine, &agent, &root, limits, &mut found);
    tokio::pin!(walking);
    let ended = loop {
        tokio::select! {
            ended = &mut walking => break ended,
            () = news.notified() => drop(print(false)?),
        }
    };
    match (ended, print(true)?) {
        (Ok(_), 0) => {
            let shown =
                if names.show(&root) == root.to_string() { String::new() } else { format!(" ({root})") };
            let text =
                format!("{} has nothing at {}{shown}, or does not show it", asked.name, names.show(&root));
            Err(CommandError::Failed(text))
        }
        (Ok(_), _) => Ok(Outcome::Done),
        (Err(error), 0) => Err(CommandError::Failed(said(&error, &agent))),
        (Err(error), count) => {
            let values = plural(count as u64, "value");
            say(&format!("hedgerow: not all: after {values}: {}", said(&error, &agent)));
            Ok(Outcome::InPart)
        }
    }
}

/// What went wrong, with what to look at.
fn said(error: &LookError, agent: &Agent) -> String {
    let hint = match (error, &*agent.security) {
        (LookError::Asking(AskError::TimedOut { .. }), security) => look::silent(security),
        (LookError::Asking(AskError::Refused(text)), Security::V3(_))
            if text.contains("authorizationError") =>
        {
            "; may this user see it, signed and encrypted no better than this?"
        }
        (LookError::Endless(_), _) => "; more with --max-values",
        _ => "",
    };
    format!("{error}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_meant_by_name_or_number() {
        let names = Names::standard();
        for (text, expected) in [
            ("sysName.0", "1.3.6.1.2.1.1.5.0"),
            ("IF-MIB::ifHCInOctets.3", "1.3.6.1.2.1.31.1.1.1.6.3"),
            (".1.3.6.1.4.1", "1.3.6.1.4.1"),
            (ROOT, "1.3.6.1.2.1"),
        ] {
            assert_eq!(oid(names, text).unwrap().to_string(), expected, "{text}");
        }
        let error = oid(names, "sysNmae.0").unwrap_err().to_string();
        assert!(error.ends_with("did you mean sysName?"), "{error}");
    }
}
