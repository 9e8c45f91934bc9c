//! Packages of the distribution. Never asks a question and never changes a machine it is not root on.

use std::os::unix::fs::MetadataExt;
use std::process::Command;

use crate::{Outcome, process};

/// Installs the packages by apt, or tells the person the command that would. Services that came with them are stopped and do
/// not start again with the machine: they would listen, and nobody asked for that.
pub fn install(packages: &[&str], services: &[&str]) -> Outcome {
    if !is_debian() {
        return Err(format!("install these first (names as in Debian): {}", packages.join(" ")));
    }
    if !is_root() {
        return Err(format!(
            "run this, then the same command again:\n\n    {}\n",
            by_hand(packages, services)
        ));
    }
    process::run(&mut apt_get(&["update"]))?;
    // Recommended packages would start services and pull in a mail server.
    process::run(apt_get(&["install", "--yes", "--no-install-recommends"]).args(packages))?;
    if services.is_empty() || !has_systemd() {
        return Ok(());
    }
    process::run(Command::new("systemctl").args(DISABLE).args(services))
}

/// Stops services now, and at every start of the machine.
const DISABLE: [&str; 2] = ["disable", "--now"];

fn apt_get(args: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    // Another apt may be at work, at boot for instance: wait for it, but not for ever.
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["--quiet", "-o", "DPkg::Lock::Timeout=120"])
        .args(args);
    command
}

fn by_hand(packages: &[&str], services: &[&str]) -> String {
    let packages = packages.join(" ");
    let mut line =
        format!("sudo apt-get update && sudo apt-get install --yes --no-install-recommends {packages}");
    if !services.is_empty() && has_systemd() {
        line += &format!(" && sudo systemctl {} {}", DISABLE.join(" "), services.join(" "));
    }
    line
}

/// Whether services are started here at all.
fn has_systemd() -> bool {
    std::path::Path::new("/run/systemd/system").is_dir()
}

fn is_debian() -> bool {
    std::path::Path::new("/etc/debian_version").exists() && process::find("apt-get").is_some()
}

fn is_root() -> bool {
    // The owner of our own entry in /proc is who we run as.
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_by_hand_can_be_pasted() {
        assert_eq!(
            by_hand(&["gcc", "libc6-dev"], &[]),
            "sudo apt-get update && sudo apt-get install --yes --no-install-recommends gcc libc6-dev"
        );
        assert_eq!(by_hand(&["snmpd"], &["snmpd"]).contains("systemctl disable --now snmpd"), has_systemd());
    }
}
