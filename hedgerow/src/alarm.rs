//! `alarm`: what filters raised, at all farms at once: shown, explained, acknowledged, silenced, closed.

mod ack;
mod close;
mod find;
mod line;
mod list;
mod show;
mod silence;
mod why;

pub use line::{AlarmLine, in_a_line};

use crate::outcome::{CommandError, Outcome};

const AFTER: &str = "\
An alarm is named by its id, or by as much of its beginning as no other has.

Examples:
  hedgerow alarm list                       what is open, the worst first
  hedgerow alarm why 3fa1                   what led to it
  hedgerow alarm ack 3fa1 --comment 'disk ordered' --until 2d
  hedgerow alarm silence --path '*/hosts/n12' --until 2h --comment 'being moved'
  hedgerow alarm close 3fa1 --comment 'host is gone'    what no filter speaks of any more
  hedgerow watch '*' --alarms               as they come";

/// List alarms, explain, acknowledge, silence and close them
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(list::Args),
    Show(show::Args),
    Ack(ack::Args),
    Close(close::Args),
    Silence(silence::Args),
    Why(why::Args),
}

/// Does what was asked for.
///
/// # Errors
/// Why it could not be done.
pub fn run(args: &Args) -> Result<Outcome, CommandError> {
    match &args.command {
        Command::List(args) => list::run(args),
        Command::Show(args) => show::run(args),
        Command::Ack(args) => ack::run(args),
        Command::Close(args) => close::run(args),
        Command::Silence(args) => silence::run(args),
        Command::Why(args) => why::run(args),
    }
}

/// Who says something, where nothing else is said: the user.
pub fn user() -> String {
    let said = ["USER", "LOGNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    let said = said.into_iter().find(|name| !name.is_empty());
    // Services and containers often have neither.
    let id = rustix::process::getuid().as_raw();
    said.or_else(|| named(&std::fs::read_to_string("/etc/passwd").ok()?, id))
        .unwrap_or_else(|| format!("user {id}"))
}

/// The name of a user in the words of passwd(5).
fn named(passwd: &str, id: u32) -> Option<String> {
    let fields = |line: &'_ str| {
        let mut fields = line.split(':');
        Some((fields.next()?.to_owned(), fields.nth(1)?.parse::<u32>().ok()?))
    };
    passwd.lines().filter_map(fields).find(|(_, of)| *of == id).map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_user_is_named_as_passwd_does() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nann:x:1000:1000::/:/bin/sh\n";
        assert_eq!(super::named(passwd, 1000).as_deref(), Some("ann"));
        assert_eq!(super::named(passwd, 7), None);
    }
}
