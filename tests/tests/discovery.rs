//! Promise: on a local network lookups announce themselves as strangers' tools can see, a lookup that strangers announce is
//! found, and one of another mesh is named and not followed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use hedgerow_e2e::{Net, Node, PATIENCE, Process, Sandbox, python, root, wait_until};
use rustix::process::Signal;
use std::fs;
use std::path::Path;

const LOOKUP: usize = 0;
const OTHER: usize = 1;

/// Starts a role on an address off loopback.
fn role(net: &Net, at: usize, sandbox: &Sandbox, name: &str, words: &[&str]) -> Process {
    let mut command = net.node(at).command(sandbox, words);
    command.arg("--unsafe-clear-bind");
    let mut role = Process::start(command, &sandbox.path("logs"), name);
    role.prints("Ctrl-C stops", PATIENCE);
    role
}

/// Whether the farm knows a lookup here: what answered it keeps for its next start. Registering takes the token, which does
/// not leave the machine in this release.
fn knows(data: &str, url: &str) -> bool {
    let kept = fs::read_to_string(format!("{data}/farm/lookups")).unwrap_or_default();
    kept.lines().any(|line| line == url)
}

/// Python zeroconf announces a lookup at the address: PORT, and what else it says.
fn announce(net: &Net, sandbox: &Sandbox, name: &str, address: &str, words: &[&str]) -> Process {
    let mut announce = net.node(LOOKUP).program(sandbox, &python());
    announce.arg(root().join("tests/python/announce.py")).args([name, address]).args(words);
    let mut announce = Process::start(announce, &sandbox.path("logs"), name);
    announce.prints("announced", PATIENCE);
    announce
}

/// Avahi at a node, with a bus of its own: that of this machine is not looked at.
struct Avahi<'a> {
    node: &'a Node,
    sandbox: &'a Sandbox,
    bus: String,
    _daemons: [Process; 2],
}

impl<'a> Avahi<'a> {
    fn start(node: &'a Node, sandbox: &'a Sandbox) -> Self {
        let socket = sandbox.path("bus");
        let bus = format!("unix:path={}", socket.display());
        let policy = sandbox.path("bus.conf");
        let anything = "<policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\
                        <allow eavesdrop=\"true\"/><allow own=\"*\"/></policy>";
        fs::write(
            &policy,
            format!("<busconfig><type>system</type><listen>{bus}</listen><auth>EXTERNAL</auth>{anything}</busconfig>"),
        )
        .unwrap();
        let config = sandbox.path("avahi.conf");
        fs::write(&config, "[server]\nhost-name=stranger\nallow-interfaces=eth0\nuse-ipv6=no\n[wide-area]\nenable-wide-area=no\n")
            .unwrap();
        let start = |name: &str, program: &str, words: &[&str]| {
            let mut command = node.program(sandbox, Path::new("unshare"));
            // Its pid file, too, is not that of this machine.
            command.args([
                "--mount",
                "--",
                "sh",
                "-c",
                "mount -t tmpfs none /run && mkdir -p /run/avahi-daemon && exec \"$@\"",
                "sh",
            ]);
            command.arg(program).args(words).env("DBUS_SYSTEM_BUS_ADDRESS", &bus);
            Process::start(command, &sandbox.path("logs"), name)
        };
        let policy = format!("--config-file={}", policy.display());
        let dbus = start("dbus", "dbus-daemon", &[&policy, "--nofork", "--nopidfile"]);
        wait_until("the bus", PATIENCE, || socket.exists());
        let config = config.display().to_string();
        let avahi =
            start("avahi", "avahi-daemon", &["--no-drop-root", "--no-chroot", "--no-rlimits", "-f", &config]);
        let avahi = Self { node, sandbox, bus, _daemons: [dbus, avahi] };
        wait_until("avahi", PATIENCE, || avahi.run("avahi-browse", &["-at", "-p"]).0);
        avahi
    }

    fn command(&self, program: &str, words: &[&str]) -> std::process::Command {
        let mut command = self.node.program(self.sandbox, Path::new(program));
        command.args(words).env("DBUS_SYSTEM_BUS_ADDRESS", &self.bus);
        command
    }

    /// Whether it went well, and what it printed.
    fn run(&self, program: &str, words: &[&str]) -> (bool, String) {
        let logs = self.sandbox.path("logs");
        let ended = Process::start(self.command(program, words), &logs, &self.sandbox.unique(program));
        let ended = ended.finished(PATIENCE);
        (ended.code() == 0, ended.stdout)
    }

    /// What `avahi-browse` says of lookups that it resolved: one line each.
    fn lookups(&self) -> Vec<String> {
        let (_, said) = self.run("avahi-browse", &["-rtp", "_hedgerow-lookup._tcp"]);
        said.lines().filter(|line| line.starts_with('=')).map(str::to_owned).collect()
    }
}

#[test]
fn a_lookup_is_seen_by_avahi_and_farms_find_it_and_those_it_knows() {
    let Some(net) = Net::new(2) else { return };
    let sandbox = Sandbox::new();
    let [here, there] = [LOOKUP, OTHER].map(|node| net.node(node).off_loopback());
    let data = |name: &str| sandbox.path(name).display().to_string();
    let (first_data, listen) = (data("a"), format!("{here}:7401"));
    let words = ["lookup", "--data", &first_data, "--name", "first", "--listen", &listen];
    let mut first = role(&net, LOOKUP, &sandbox, "first", &words);
    let url = format!("http://{listen}");

    let avahi = Avahi::start(net.node(OTHER), &sandbox);
    wait_until("avahi sees the lookup", PATIENCE, || {
        avahi.lookups().iter().any(|line| line.contains(&here) && line.contains(";7401;"))
    });
    let seen = avahi.lookups().join("\n");
    println!("avahi-browse: {seen}");
    assert!(seen.contains("first") && seen.contains("\"v=1\""), "{seen}");
    assert!(seen.contains("\"mesh=") && seen.contains("\"mesh_id=") && seen.contains("\"id="), "{seen}");
    assert!(!seen.contains("127."), "nothing of loopback is announced: {seen}");

    let listen_quiet = format!("{here}:7402");
    let quiet = data("b");
    let words = [
        "lookup",
        "--data",
        &quiet,
        "--name",
        "quiet",
        "--listen",
        &listen_quiet,
        "--peer",
        &url,
        "--no-mdns",
    ];
    let _quiet = role(&net, LOOKUP, &sandbox, "quiet", &words);

    // A farm that is told nothing finds it.
    let (farm_data, listen) = (data("c"), format!("{there}:7403"));
    let words = ["farm", "--data", &farm_data, "--listen", &listen];
    let mut farm = role(&net, OTHER, &sandbox, "farm", &words);
    wait_until("the farm finds the lookup", PATIENCE, || knows(&farm_data, &url));
    assert_eq!(avahi.lookups().len(), 1, "--no-mdns");
    // So does whoever asks there without naming any.
    let mut find = net.node(OTHER).command(&sandbox, &["find", "--json", "kind=lookup"]);
    find.env("HOME", sandbox.path("nobody"));
    let found = Process::start(find, &sandbox.path("logs"), "find").finished(PATIENCE);
    // Nobody could register there: that takes the token.
    assert_eq!((found.code(), found.stdout.as_str()), (0, ""), "{}", found.told());
    assert!(found.stderr.contains(&format!("{url} (known from")), "{}", found.told());
    assert!(first.stop(Signal::TERM).0.success(), "{}", first.stderr());
    wait_until("good-bye", PATIENCE, || avahi.lookups().is_empty());
    assert!(farm.is_running());
    assert!(farm.stop(Signal::TERM).0.success(), "{}", farm.stderr());
}

#[test]
fn a_lookup_that_a_stranger_announces_is_found() {
    let Some(net) = Net::new(2) else { return };
    let sandbox = Sandbox::new();
    let [here, there] = [LOOKUP, OTHER].map(|node| net.node(node).off_loopback());
    let start = |name: &str, port: u16| {
        let (data, listen) = (sandbox.path(name).display().to_string(), format!("{here}:{port}"));
        let words = ["lookup", "--data", &data, "--name", name, "--listen", &listen, "--no-mdns"];
        role(&net, LOOKUP, &sandbox, name, &words)
    };
    let _by_python = start("by-python", 7401);
    // Without a word of its mesh, and with what is no use to us.
    let words = ["7401", "v=99", "mesh_id=nonsense", "more=x"];
    let _stranger = announce(&net, &sandbox, "stranger", &here, &words);
    let (farm_data, listen) = (sandbox.path("farm").display().to_string(), format!("{there}:7403"));
    let words = ["farm", "--data", &farm_data, "--listen", &listen];
    let mut farm = role(&net, OTHER, &sandbox, "farm", &words);
    let url = format!("http://{here}:7401");
    wait_until("the farm finds it, by Python's word", PATIENCE, || knows(&farm_data, &url));

    assert!(farm.stop(Signal::TERM).0.success(), "{}", farm.stderr());
}

#[test]
fn a_lookup_of_another_mesh_is_named_and_not_followed_whether_it_says_so_or_not() {
    let Some(net) = Net::new(2) else { return };
    let sandbox = Sandbox::new();
    let [here, there] = [LOOKUP, OTHER].map(|node| net.node(node).off_loopback());
    // Each is told of nobody, and so makes a mesh of its own.
    let start = |name: &str, port: u16, more: &[&str]| {
        let (data, listen) = (sandbox.path(name).display().to_string(), format!("{here}:{port}"));
        let words = ["lookup", "--data", &data, "--name", name, "--listen", &listen];
        role(&net, LOOKUP, &sandbox, name, &[&words[..], more].concat())
    };
    let _ours = start("ours", 7401, &[]);
    let (farm_data, listen) = (sandbox.path("farm").display().to_string(), format!("{there}:7403"));
    let words = ["farm", "--data", &farm_data, "--listen", &listen];
    let mut farm = role(&net, OTHER, &sandbox, "farm", &words);
    wait_until("the farm finds the lookup", PATIENCE, || knows(&farm_data, &format!("http://{here}:7401")));

    let _says_so = start("says-so", 7404, &[]);
    let _silent = start("silent", 7405, &["--no-mdns"]);
    let _stranger = announce(&net, &sandbox, "stranger", &here, &["7405", "v=1"]);
    for port in [7404, 7405] {
        let url = format!("http://{here}:{port}");
        wait_until("the other mesh is named", PATIENCE, || {
            farm.stderr().lines().any(|line| line.contains(&url) && line.contains("belongs to mesh"))
        });
        assert!(!knows(&farm_data, &url));
    }
    assert!(farm.stop(Signal::TERM).0.success(), "{}", farm.stderr());
}
