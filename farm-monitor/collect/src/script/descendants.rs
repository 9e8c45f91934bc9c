//! Killing what a process has started, whatever it did to get away.
//!
//! Invariant: under a child subreaper, whoever loses its parent becomes a direct child. So it is enough to kill direct
//! children, again and again, until there are none. Only direct children are ever signalled: nobody but
//! the caller can reap them, so their ids cannot have been given to another process meanwhile.

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};

/// Sends SIGKILL to each direct child that is not spared, and to its process group if that belongs to another session
/// (at once for the whole group, so that its members cannot fork away one after the other).
/// Gives the first that was found.
pub fn kill_children(spared: impl Fn(Pid) -> bool) -> Option<Pid> {
    let own_session = rustix::process::getsid(None).ok();
    let victims: Vec<Pid> = children().into_iter().filter(|pid| !spared(*pid)).collect();
    for pid in &victims {
        if let (Ok(group), Ok(session)) =
            (rustix::process::getpgid(Some(*pid)), rustix::process::getsid(Some(*pid)))
            && Some(session) != own_session
        {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        let _ = rustix::process::kill_process(*pid, Signal::KILL);
    }
    victims.first().copied()
}

/// Reaps one dead child. `Ok(None)`: there are children, all alive. `Err`: there are none.
pub fn reap() -> Result<Option<(Pid, WaitStatus)>, NoChildren> {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Err(Errno::INTR) => {}
            Err(_) => return Err(NoChildren),
            Ok(reaped) => return Ok(reaped),
        }
    }
}

/// This process has no children, dead or alive.
#[derive(Debug)]
pub struct NoChildren;

/// What a person wants to know of a process that cannot be killed: `1234 (nfsd-probe, state D)`.
pub fn describe(pid: Pid) -> String {
    let number = pid.as_raw_nonzero();
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{number}/stat")) else { return number.to_string() };
    match stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(") ")) {
        Some((name, rest)) => format!("{number} ({name}, state {})", rest.get(..1).unwrap_or("?")),
        None => number.to_string(),
    }
}

fn children() -> Vec<Pid> {
    match std::fs::read_to_string("/proc/thread-self/children") {
        Ok(list) => {
            list.split_ascii_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
        }
        // Kernels built without that file.
        Err(_) => children_by_parent(),
    }
}

fn children_by_parent() -> Vec<Pid> {
    let own = std::process::id().to_string();
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?;
            (parent == own).then_some(pid)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_found_with_and_without_the_kernels_list() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        assert!(children().contains(&pid));
        assert!(children_by_parent().contains(&pid));
        assert!(describe(pid).starts_with(&format!("{} (", child.id())), "{}", describe(pid));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!children_by_parent().contains(&pid));
    }
}
