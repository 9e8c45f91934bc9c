//! A network that can be cut: nodes, each a network namespace of its own, side by side on a switch.
//!
//! Nodes have addresses of 127.0.0.0/8, which the kernel routes between them when asked: so everything that holds on
//! loopback holds here, too (roles bind without TLS, the user's token is sent), and the faults are real. The namespaces live
//! as long as a process of this rig, and that as long as the test, however it ends: nothing is left behind.

use crate::binary::binary;
use crate::sandbox::Sandbox;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A switch and its nodes.
#[derive(Debug)]
pub struct Net {
    nodes: Vec<Node>,
    _switch: Namespace,
}

/// A machine of a [`Net`].
#[derive(Debug)]
pub struct Node {
    address: String,
    namespace: Namespace,
}

/// Packets that are lost on the way; nodes by number.
#[derive(Debug, Clone, Copy)]
pub struct Loss {
    /// Sent by this one.
    pub from: usize,
    /// Arriving there.
    pub to: usize,
    /// So many of a hundred, at random.
    pub percent: u32,
}

impl Loss {
    /// Between two nodes, both ways.
    pub fn between(a: usize, b: usize, percent: u32) -> [Self; 2] {
        [Self { from: a, to: b, percent }, Self { from: b, to: a, percent }]
    }
}

impl Net {
    /// So many nodes that reach each other. Where that is impossible: none, and it is said aloud that the test was not run.
    pub fn new(nodes: usize) -> Option<Self> {
        match Self::make(nodes) {
            Ok(net) => Some(net),
            Err(problem) => {
                eprintln!("NOT RUN: this test needs network namespaces, and so root: {problem}");
                None
            }
        }
    }

    fn make(nodes: usize) -> Result<Self, String> {
        let switch = Namespace::new()?;
        switch.sh("ip link add switch type bridge && ip link set switch up")?;
        let nodes =
            (1..=nodes).map(|number| Node::plugged_into(&switch, number)).collect::<Result<_, _>>()?;
        Ok(Self { nodes, _switch: switch })
    }

    /// The node of this number, from 0.
    pub fn node(&self, number: usize) -> &Node {
        &self.nodes[number]
    }

    /// From now on these are lost, and only these.
    pub fn lose(&self, losses: &[Loss]) {
        for (to, node) in self.nodes.iter().enumerate() {
            let here = losses.iter().filter(|loss| loss.to == to);
            node.drop_from(here.map(|loss| (self.nodes[loss.from].address(), loss.percent))).unwrap();
        }
    }

    /// How many packets were lost since [`Net::lose`] was last called.
    pub fn lost(&self) -> u64 {
        self.nodes.iter().map(Node::dropped).sum()
    }
}

impl Node {
    fn plugged_into(switch: &Namespace, number: usize) -> Result<Self, String> {
        let (address, namespace) = (format!("127.77.0.{number}"), Namespace::new()?);
        let pid = namespace.holder.id();
        switch.sh(&format!(
            "ip link add port{number} type veth peer name eth0 netns {pid} && \
             ip link set port{number} master switch up"
        ))?;
        namespace.sh(&format!(
            "set -e
             echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet
             ip link set lo up
             ip link set eth0 up
             ip route del local 127.0.0.0/8 dev lo table local
             ip route add local 127.0.0.0/16 dev lo table local
             ip addr add {address}/32 dev eth0
             ip route add 127.77.0.0/24 dev eth0 src {address}"
        ))?;
        let node = Self { address, namespace };
        node.drop_from(std::iter::empty())?;
        Ok(node)
    }

    /// Its address, on which others reach it.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A service of it.
    pub fn url(&self, port: u16) -> String {
        format!("http://{}:{port}", self.address)
    }

    /// The binary under test, to be started there.
    pub fn command(&self, sandbox: &Sandbox, words: &[&str]) -> Command {
        let mut command = sandbox.program(Path::new("nsenter"));
        command.arg(format!("--net={}", self.namespace.path())).arg("--").arg(binary()).args(words);
        command
    }

    /// Gives it a second address, `10.77.0.NUMBER`, which is no loopback address: for what is done only off loopback.
    pub fn off_loopback(&self) -> String {
        let address = self.address.replace("127.", "10.");
        self.namespace.sh(&format!("ip addr add {address}/24 brd + dev eth0")).unwrap();
        address
    }

    /// A program of others, to be started there.
    pub fn program(&self, sandbox: &Sandbox, program: &Path) -> Command {
        let mut command = sandbox.program(Path::new("nsenter"));
        command.arg(format!("--net={}", self.namespace.path())).arg("--").arg(program);
        command
    }

    /// From now on it drops what comes from these addresses, so many of a hundred packets, and nothing else.
    fn drop_from<'a>(&self, losses: impl Iterator<Item = (&'a str, u32)>) -> Result<(), String> {
        let mut rules = String::new();
        for (from, percent) in losses {
            let share =
                if percent < 100 { format!("numgen random mod 100 < {percent}") } else { String::new() };
            let _ = writeln!(rules, "ip saddr {from} {share} counter drop");
        }
        let table = format!(
            "table inet faults\ndelete table inet faults\ntable inet faults {{\nchain in {{\n\
             type filter hook input priority 0;\n{rules}}}\n}}\n"
        );
        let mut command = self.namespace.command("nft");
        command.args(["-f", "-"]);
        run(command, &table).map(drop)
    }

    /// How many packets it dropped since it last began to.
    fn dropped(&self) -> u64 {
        let mut command = self.namespace.command("nft");
        command.args(["list", "table", "inet", "faults"]);
        let listed = run(command, "").unwrap();
        let counts = listed.split("counter packets ").skip(1);
        counts.filter_map(|rest| rest.split(' ').next()?.parse::<u64>().ok()).sum()
    }

    pub(crate) fn door(&self) -> Door {
        Door(File::open(self.namespace.path()).unwrap())
    }
}

/// The way into a namespace.
#[derive(Debug)]
pub(crate) struct Door(File);

impl Door {
    /// The calling thread goes in, for good.
    pub(crate) fn enter(&self) {
        move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    }
}

/// A network namespace, there while its holder runs; which ends when its standard input does, so with this process at the
/// latest.
#[derive(Debug)]
struct Namespace {
    holder: Child,
}

impl Namespace {
    fn new() -> Result<Self, String> {
        let mut command = Command::new("unshare");
        command.args(["--net", "--", "sh", "-c", "echo ready; exec cat"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut holder = command.spawn().map_err(|error| format!("unshare: {error}"))?;
        let mut ready = [0; 6];
        if holder.stdout.as_mut().unwrap().read_exact(&mut ready).is_err() {
            let mut problem = String::new();
            let _ = holder.stderr.as_mut().unwrap().read_to_string(&mut problem);
            let _ = holder.wait();
            return Err(problem.trim().to_owned());
        }
        Ok(Self { holder })
    }

    fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.holder.id())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path())).arg("--").arg(program);
        // A user's PATH may lack what only root uses.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
        command
    }

    fn sh(&self, script: &str) -> Result<(), String> {
        run(self.command("sh"), script).map(drop)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Gives what it printed.
fn run(mut command: Command, input: &str) -> Result<String, String> {
    let line = crate::process::line(&command);
    let fails = |error: &dyn std::fmt::Display| format!("`{line}`: {error}");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| fails(&error))?;
    child.stdin.take().unwrap().write_all(input.as_bytes()).map_err(|error| fails(&error))?;
    let output = child.wait_with_output().map_err(|error| fails(&error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(fails(&String::from_utf8_lossy(&output.stderr).trim()))
}
