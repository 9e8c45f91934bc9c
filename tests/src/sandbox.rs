//! A place of its own for one test: folders, ports, a user's token, and the processes that are started in it.

use crate::binary::binary;
use crate::foreign::Foreign;
use crate::output::Finished;
use crate::patience::{PATIENCE, wait_for};
use crate::ports::{BLOCK, Ports};
use crate::process::Process;
use crate::processes::Snapshot;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use tempfile::TempDir;

/// The sandbox. Everything in it is gone when it is dropped, also when the test fails.
#[derive(Debug)]
pub struct Sandbox {
    folder: TempDir,
    ports: Ports,
    runs: AtomicU32,
    given: AtomicU16,
}

/// The first port above the base that no role of a mesh takes.
const FREE: u16 = 6;

impl Sandbox {
    /// An empty one.
    #[expect(clippy::new_without_default, reason = "it takes ports and makes folders")]
    pub fn new() -> Self {
        let folder = TempDir::with_prefix("hedgerow-e2e-").unwrap();
        for inner in ["home", "state", "logs", "scripts"] {
            fs::create_dir(folder.path().join(inner)).unwrap();
        }
        Self { folder, ports: Ports::take(), runs: AtomicU32::new(0), given: AtomicU16::new(FREE) }
    }

    /// A path in it.
    pub fn path(&self, inner: &str) -> PathBuf {
        self.folder.path().join(inner)
    }

    /// The port from which all others count.
    pub fn base_port(&self) -> u16 {
        self.ports.base
    }

    /// A port for something else, never given before. There are four.
    pub fn port(&self) -> u16 {
        let above = self.given.fetch_add(1, Ordering::Relaxed);
        assert!(above < BLOCK, "this sandbox has no port left");
        self.ports.base + above
    }

    /// A name for a run, never given before.
    pub fn unique(&self, name: &str) -> String {
        format!("{name}-{}", self.runs.fetch_add(1, Ordering::Relaxed))
    }

    /// The address of a role: so many ports above the base.
    pub fn url(&self, above: u16) -> String {
        format!("http://127.0.0.1:{}", self.ports.base + above)
    }

    /// The addresses of both lookups of `up`.
    pub fn lookups(&self) -> Vec<String> {
        vec![self.url(1), self.url(2)]
    }

    /// The token of this sandbox's user.
    pub fn token(&self) -> String {
        fs::read_to_string(self.path("state/hedgerow/token")).unwrap().trim().to_owned()
    }

    /// A program with the environment of this sandbox's user, and nothing else.
    pub fn program(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(self.folder.path());
        let tools = binary().parent().unwrap().display().to_string();
        let path = format!("{tools}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("PATH", path).env("LANG", "C.UTF-8").env("TZ", "UTC").env("RUST_BACKTRACE", "1");
        command.env("HOME", self.path("home")).env("XDG_STATE_HOME", self.path("state"));
        command
    }

    /// The binary under test.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = self.program(&binary());
        command.args(words);
        command
    }

    /// Starts the binary; its output goes to files of this name.
    pub fn start(&self, name: &str, words: &[&str]) -> Process {
        Process::start(self.command(words), &self.path("logs"), name)
    }

    /// Runs the binary to its end.
    pub fn run(&self, words: &[&str]) -> Finished {
        self.start(&self.unique("run"), words).finished(PATIENCE)
    }

    /// Runs a client command: with the addresses of the lookups.
    pub fn client(&self, words: &[&str]) -> Finished {
        self.run(&self.client_words(words).iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Starts a client command.
    pub fn start_client(&self, name: &str, words: &[&str]) -> Process {
        self.start(name, &self.client_words(words).iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn client_words(&self, words: &[&str]) -> Vec<String> {
        let mut words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        for lookup in self.lookups() {
            words.extend(["--lookup".to_owned(), lookup]);
        }
        words
    }

    /// Starts `hedgerow up` on the folder `mesh`, and waits until its farm is found.
    pub fn up(&self) -> Process {
        let (data, port) = (self.path("mesh"), self.ports.base.to_string());
        let words = ["up", "--data", data.to_str().unwrap(), "--base-port", &port];
        let mut up = self.start(&self.unique("up"), &words);
        up.prints("Ctrl-C stops", PATIENCE);
        self.farm();
        up
    }

    /// Starts the first lookup of the folder `mesh` by itself, for a new mesh, and waits until it serves.
    pub fn first_lookup(&self) -> Process {
        let (data, address) = (self.path("mesh"), format!("127.0.0.1:{}", self.ports.base + 1));
        let words = ["lookup", "--data", data.to_str().unwrap(), "--listen", &address, "--name", "lookup-1"];
        let mut lookup = self.start(&self.unique("lookup-1"), &words);
        lookup.prints("Ctrl-C stops", PATIENCE);
        lookup
    }

    /// Starts the lookup `name` of the folder `mesh` by itself, so many ports above the base, and waits until it serves.
    pub fn lookup(&self, name: &str, above: u16) -> Process {
        let (data, address) = (self.path("mesh"), format!("127.0.0.1:{}", self.ports.base + above));
        let mut words =
            vec!["lookup", "--data", data.to_str().unwrap(), "--listen", &address, "--name", name];
        let other = self.url(3 - above);
        words.extend(["--peer", &other]);
        let mut lookup = self.start(&self.unique(name), &words);
        lookup.prints("Ctrl-C stops", PATIENCE);
        lookup
    }

    /// Starts the farm of the folder `mesh` by itself, and waits until it serves.
    pub fn farm_alone(&self) -> Process {
        let (data, address) = (self.path("mesh"), format!("127.0.0.1:{}", self.ports.base + 3));
        let lookups = self.lookups();
        let words = [
            "farm",
            "--data",
            data.to_str().unwrap(),
            "--listen",
            &address,
            "--lookup",
            &lookups[0],
            "--lookup",
            &lookups[1],
        ];
        let mut farm = self.start(&self.unique("farm"), &words);
        farm.prints("Ctrl-C stops", PATIENCE);
        farm
    }

    /// What `find` finds now; nothing while no lookup answers.
    pub fn find(&self, template: &str) -> Vec<Value> {
        let found = self.client(&["find", template, "--json"]);
        if found.code() == 0 { crate::json_lines(&found.stdout) } else { Vec::new() }
    }

    /// The only farm, as `find` has it, once it is there.
    pub fn farm(&self) -> Value {
        wait_for("the farm in `find`", PATIENCE, || {
            let mut farms = self.find("kind=farm");
            assert!(farms.len() < 2, "expected one farm: {farms:?}");
            farms.pop()
        })
    }

    /// How the farm is, by its own account.
    pub fn status(&self) -> Value {
        wait_for("the farm's status", PATIENCE, || {
            let asked = self.client(&["farm", "status", "--json"]);
            if asked.code() == 0 { crate::json_lines(&asked.stdout).pop() } else { None }
        })
    }

    /// The last number that the farm has given.
    pub fn number(&self) -> u64 {
        self.status()["number"].as_u64().unwrap()
    }

    /// The configuration of the farm of `up`.
    pub fn farm_toml(&self) -> PathBuf {
        self.path("mesh/farm.toml")
    }

    /// Replaces the configuration of the farm, as an editor does, and waits until it is applied.
    pub fn configure(&self, text: &str) {
        let fresh = self.path("mesh/farm.toml.new");
        fs::write(&fresh, text).unwrap();
        fs::rename(&fresh, self.farm_toml()).unwrap();
    }

    /// Adds to the configuration of the farm.
    pub fn configure_more(&self, text: &str) {
        let before = fs::read_to_string(self.farm_toml()).unwrap();
        self.configure(&format!("{before}\n{text}\n"));
    }

    /// Writes an executable script, and gives its path.
    pub fn script(&self, name: &str, text: &str) -> String {
        let path = self.path("scripts").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A client by strangers.
    pub fn foreign(&self) -> Foreign {
        Foreign::new(&self.path("logs"), self.lookups())
    }

    /// Processes whose command line names this sandbox.
    pub fn processes(&self) -> Snapshot {
        Snapshot::of_command(self.folder.path().to_str().unwrap())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Scripts that outlived their farm are a finding elsewhere; here they only must not stay.
        self.processes().kill();
    }
}
