//! Scripts against the real keeper: whatever a script does, nothing of it is left after its end, its deadline, the
//! death of its keeper, or the death of the farm.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests"
)]

use hedgerow_collect::module::{CollectError, Module, Run};
use hedgerow_collect::script::{
    Ending, Keeper, KeeperCommand, ScriptModule, ScriptOutcome, ScriptRun, Stage,
};
use hedgerow_collect::spec::{CollectorSpec, ModuleSpec, ScriptFormat, ScriptSpec, Target};
use hedgerow_model::{Kind, Life, Mark, SeriesDef, SeriesId, UnixMillis, Value};
use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// How long a condition may take to come true. Nothing waits this long unless the test fails.
const PATIENCE: Duration = Duration::from_secs(60);
const FARM: &str = env!("CARGO_BIN_EXE_script-test-farm");
/// A deadline that no run of these tests reaches.
const NEVER: Duration = Duration::from_secs(600);

fn keeper() -> Keeper {
    Keeper::start(KeeperCommand { program: FARM.into(), args: vec!["keeper".into()] })
}

/// A run whose processes can be told by their environment.
struct Marked {
    mark: String,
    run: ScriptRun,
}

fn marked(command: &[&str], deadline: Duration) -> Marked {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mark = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let run = ScriptRun {
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        environment: vec![
            ("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into()),
            ("RUN_MARK".into(), mark.clone()),
        ],
        directory: "/".into(),
        deadline,
        max_output: 64 * 1024,
        max_memory: None,
    };
    Marked { mark, run }
}

fn stat(pid: u32) -> Option<(u32, char)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((fields.next()?.parse().ok()?, state))
}

fn all_processes() -> Vec<u32> {
    let names =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).collect()
}

/// Processes with this mark in their environment.
fn with_mark(mark: &str) -> Vec<u32> {
    let wanted = format!("RUN_MARK={mark}\0");
    let has_it = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.windows(wanted.len()).any(|part| part == wanted.as_bytes())
    };
    all_processes().into_iter().filter(has_it).collect()
}

/// Zombies below `root`: those have no environment any more by which to tell them.
fn zombies_below(root: u32) -> Vec<u32> {
    let all: BTreeMap<u32, (u32, char)> =
        all_processes().into_iter().filter_map(|pid| Some((pid, stat(pid)?))).collect();
    let below = |pid: u32| {
        let mut at = pid;
        while let Some((parent, _)) = all.get(&at) {
            if *parent == root {
                return true;
            }
            at = *parent;
        }
        false
    };
    all.iter().filter(|(pid, (_, state))| *state == 'Z' && below(**pid)).map(|(pid, _)| *pid).collect()
}

async fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < end, "waited {PATIENCE:?} for: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether the file stands there, whole: what scripts write to say how far they have come.
async fn until_written(path: &Path, lines: usize) {
    until(&path.display().to_string(), || {
        std::fs::read_to_string(path).ok().filter(|text| text.lines().count() >= lines)
    })
    .await;
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Starts a wedged script; once it says (in its file) that it is wedged, lets the deadline come and checks
/// that nothing is left at the moment when the keeper says so.
async fn wedged(language: &str, script: &str, lines: usize) -> ScriptOutcome {
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let keeper = keeper();
    // The deadline is long enough for the slowest machine to wedge itself; the test does not wait for it but cancels
    // one run, and lets a second, surely wedged by then, come to its deadline.
    let cancelled = marked(&[language, "-c", script, told.to_str().unwrap()], NEVER);
    let cancelled_run = if language == "perl" {
        ScriptRun {
            command: vec!["perl".into(), "-e".into(), script.into(), told.to_str().unwrap().into()],
            ..cancelled.run.clone()
        }
    } else {
        cancelled.run.clone()
    };
    let running = keeper.run(&cancelled_run);
    let id = running.id();
    until_written(&told, lines).await;
    assert!(!with_mark(&cancelled.mark).is_empty(), "it runs, and is seen to run");
    drop(running);
    keeper.over(id, PATIENCE).await.unwrap();
    assert_eq!(with_mark(&cancelled.mark), [0_u32; 0], "left after the cancel");
    assert_eq!(zombies_below(keeper.pid().unwrap()), [0_u32; 0], "zombies after the cancel");

    let second = marked(&[], Duration::from_secs(1));
    let outcome = keeper
        .run(&ScriptRun {
            environment: second.run.environment.clone(),
            deadline: second.run.deadline,
            ..cancelled_run
        })
        .await;
    assert_eq!(with_mark(&second.mark), [0_u32; 0], "left after the deadline");
    assert_eq!(zombies_below(keeper.pid().unwrap()), [0_u32; 0], "zombies after the deadline");
    assert_eq!(keeper.counters().stuck, 0);
    outcome
}

#[tokio::test]
async fn a_double_fork_leaves_nothing() {
    let script =
        r#"(bash -c 'sleep 600 & sleep 600 & echo x >>"$0"; wait' "$0" >/dev/null 2>&1 &) ; sleep 600"#;
    let outcome = wedged("bash", script, 1).await;
    assert_eq!(outcome.ending, Ending::Deadline);
}

#[tokio::test]
async fn a_session_of_its_own_leaves_nothing() {
    let outcome =
        wedged("bash", r#"setsid setsid sh -c 'echo x >>"$0"; sleep 600' "$0" & sleep 600"#, 1).await;
    assert_eq!(outcome.ending, Ending::Deadline);
}

#[tokio::test]
async fn ignored_signals_leave_nothing() {
    let outcome = wedged(
        "bash",
        r#"trap '' HUP INT TERM QUIT USR1 USR2 ALRM CHLD PIPE; (trap '' TERM; echo x >>"$0"; while :; do sleep 600; done) & while :; do sleep 600; done"#,
        1,
    )
    .await;
    assert_eq!(outcome.ending, Ending::Deadline);
}

#[tokio::test]
async fn a_full_pipe_leaves_nothing_and_is_cut() {
    let outcome = wedged("bash", r#"yes & yes >&2 & echo x >>"$0"; yes"#, 1).await;
    assert_eq!(outcome.ending, Ending::Deadline);
    assert!(outcome.stdout_cut && outcome.stderr_cut);
    assert_eq!((outcome.stdout.len(), outcome.stderr.len()), (64 * 1024, 4096));
}

#[tokio::test]
async fn a_fork_chain_leaves_nothing() {
    // Each process forks the next, in a session of its own, and exits: there is no one process to kill.
    let script = r#"
        use POSIX;
        open(my $told, ">>", $ARGV[0]); $told->autoflush(1);
        my $steps = 0;
        while (1) {
            my $pid = fork();
            if (!defined $pid) { select(undef, undef, undef, 0.001); next }
            if ($pid) { if ($steps == 0) { sleep 600 } else { POSIX::_exit(0) } }
            POSIX::setsid();
            print $told "x\n" if $steps < 50;
            $steps++;
        }"#;
    let outcome = wedged("perl", script, 50).await;
    assert_eq!(outcome.ending, Ending::Deadline);
}

#[tokio::test]
async fn a_sleeping_grandchild_leaves_nothing() {
    let script = r#"
import os, sys, time
if os.fork() == 0:
    if os.fork() == 0:
        open(sys.argv[1], "a").write("x\n")
        time.sleep(600)
    os._exit(0)
time.sleep(600)
"#;
    let outcome = wedged("python3", script, 1).await;
    assert_eq!(outcome.ending, Ending::Deadline);
}

#[tokio::test]
async fn a_stopped_child_leaves_nothing() {
    let outcome = wedged(
        "bash",
        r#"(sleep 600 & kill -STOP $!; echo x >>"$0"; kill -STOP $BASHPID) & kill -STOP $$"#,
        1,
    )
    .await;
    assert_eq!(outcome.ending, Ending::Deadline);
}

#[tokio::test]
async fn what_a_script_leaves_behind_goes_when_it_exits() {
    let keeper = keeper();
    let run = marked(
        &["bash", "-c", "setsid sleep 600 & sleep 600 & (sleep 600 &) ; echo done; echo no >&2; exit 5"],
        NEVER,
    );
    let outcome = keeper.run(&run.run).await;
    assert_eq!(outcome.ending, Ending::Exited(5));
    assert_eq!((text(&outcome.stdout), text(&outcome.stderr)), ("done\n".into(), "no\n".into()));
    assert!(outcome.left_over >= 3, "{outcome:?}");
    assert_eq!(keeper.counters().left_over, u64::from(outcome.left_over));
    assert_eq!(with_mark(&run.mark), [0_u32; 0]);
    assert_eq!(zombies_below(keeper.pid().unwrap()), [0_u32; 0]);
}

#[tokio::test]
async fn everything_goes_with_a_farm_that_is_killed() {
    // Whoever loses its parent comes to this process, so that a zombie could not hide under another.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let run = marked(
        &[
            "bash",
            "-c",
            r#"setsid sleep 600 & (sleep 600 &); echo x >"$0"; sleep 600"#,
            told.to_str().unwrap(),
        ],
        NEVER,
    );
    let mut farm = std::process::Command::new(FARM)
        .arg("farm")
        .args(&run.run.command)
        .env("RUN_MARK", &run.mark)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufReader::new(farm.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let keeper: u32 = line.trim().parse().unwrap();
    until_written(&told, 1).await;
    assert!(with_mark(&run.mark).len() >= 4, "the farm, the script and its three children");
    farm.kill().unwrap();
    farm.wait().unwrap();
    until("no process of the run", || with_mark(&run.mark).is_empty().then_some(())).await;
    let keeper = rustix::process::Pid::from_raw(keeper.cast_signed()).unwrap();
    let status = until("the keeper's exit", || {
        rustix::process::waitpid(Some(keeper), rustix::process::WaitOptions::NOHANG).unwrap()
    })
    .await;
    assert_eq!(status.1.exit_status(), Some(0), "it left by itself");
    assert!(
        rustix::process::waitpid(None, rustix::process::WaitOptions::NOHANG).is_err(),
        "and nothing else came to us"
    );
}

#[tokio::test]
async fn a_killed_keeper_takes_its_runs_along_and_is_started_again() {
    let keeper = keeper();
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let run = marked(
        &["bash", "-c", r#"setsid sleep 600 & echo x >"$0"; sleep 600"#, told.to_str().unwrap()],
        NEVER,
    );
    let running = keeper.run(&run.run);
    until_written(&told, 1).await;
    let pid = keeper.pid().unwrap();
    kill(pid);
    assert_eq!(running.await.ending, Ending::Lost);
    until("no process of the run", || with_mark(&run.mark).is_empty().then_some(())).await;
    let next = keeper.run(&marked(&["echo", "again"], NEVER).run).await;
    assert_eq!(text(&next.stdout), "again\n");
    assert_ne!(keeper.pid(), Some(pid));
    let counters = keeper.counters();
    assert_eq!((counters.restarts, counters.lost, counters.ended), (1, 1, 1));
}

#[tokio::test]
async fn a_killed_warden_costs_its_own_run_only() {
    let keeper = keeper();
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let run = marked(
        &[
            "bash",
            "-c",
            r#"trap '' TERM; setsid sleep 600 & echo x >"$0"; sleep 600"#,
            told.to_str().unwrap(),
        ],
        NEVER,
    );
    let running = keeper.run(&run.run);
    until_written(&told, 1).await;
    let other = keeper.run(&marked(&["sh", "-c", "read x; sleep 0.1; echo mine"], NEVER).run);
    let watches = |warden: &u32| {
        let marked = with_mark(&run.mark);
        marked.iter().any(|pid| stat(*pid).is_some_and(|(parent, _)| parent == *warden))
    };
    let warden = || wardens(keeper.pid().unwrap()).into_iter().find(|warden| watches(warden));
    kill(until("the run's warden", warden).await);
    assert_eq!(running.await.ending, Ending::Lost);
    until("no process of the run", || with_mark(&run.mark).is_empty().then_some(())).await;
    assert_eq!(text(&other.await.stdout), "mine\n");
    until("no zombie", || zombies_below(keeper.pid().unwrap()).is_empty().then_some(())).await;
    assert_eq!(keeper.counters().restarts, 0);
}

#[tokio::test]
async fn the_keeper_goes_when_nobody_needs_it() {
    let keeper = keeper();
    let running = keeper.run(&marked(&["sleep", "600"], NEVER).run);
    let pid = until("a keeper", || keeper.pid()).await;
    drop(keeper);
    assert_eq!(running.await.ending, Ending::Lost);
    until("its end", || stat(pid).is_none().then_some(())).await;
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn hundreds_of_runs_at_once_all_end() {
    let keeper = keeper();
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let held = std::fs::File::create(&gate).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let gate = gate.to_str().unwrap();
    let wait: Vec<_> = (0..300)
        .map(|n| {
            keeper.run(
                &marked(&["flock", "-s", gate, "sh", "-c", "echo $0; exit 3", &n.to_string()], NEVER).run,
            )
        })
        .collect();
    let pid = until("a keeper", || keeper.pid()).await;
    until("300 runs at once", || (wardens(pid).len() == 300).then_some(())).await;
    drop(held);
    for (n, running) in wait.into_iter().enumerate() {
        let outcome = running.await;
        assert_eq!((outcome.ending, text(&outcome.stdout)), (Ending::Exited(3), format!("{n}\n")));
    }
    for _ in 0..3 {
        let wait: Vec<_> = (0..100).map(|_| keeper.run(&marked(&["true"], NEVER).run)).collect();
        for running in wait {
            assert_eq!(running.await.ending, Ending::Exited(0));
        }
    }
    let counters = keeper.counters();
    assert_eq!((counters.started, counters.ended, counters.lost, counters.refused), (600, 600, 0, 0));
    until("surplus wardens to go home", || (wardens(pid).len() <= 4).then_some(())).await;
    // Three streams, the farm's socket, the signals, a socket per warden.
    assert_eq!(open_files(pid), 5 + wardens(pid).len(), "descriptors of the keeper at rest");
    for warden in wardens(pid) {
        // Three streams, its socket, the signals, the null device.
        assert_eq!(open_files(warden), 6, "descriptors of a warden at rest");
    }
}

fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

fn wardens(keeper: u32) -> Vec<u32> {
    all_processes().into_iter().filter(|pid| stat(*pid).is_some_and(|(parent, _)| parent == keeper)).collect()
}

#[tokio::test]
async fn a_script_starts_clean() {
    // What the keeper has from us must not reach a script: descriptors, environment, signals, terminal.
    let leak = std::fs::File::open("/dev/zero").unwrap();
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).unwrap();
    let keeper = keeper();
    let mut run = marked(
        &["sh", "-c", "ls -l /proc/$$/fd; echo; env | sort; grep -E 'Sig(Blk|Ign)|NoNewPrivs' /proc/self/status; ulimit -c; cat; pwd"],
        NEVER,
    )
    .run;
    run.environment.push(("WORD".into(), "a b".into()));
    run.directory = "/usr".into();
    let outcome = keeper.run(&run).await;
    let said = text(&outcome.stdout);
    let (files, rest) = said.split_once("\n\n").unwrap();
    assert_eq!(files.lines().count(), 4, "only the three streams: {files}");
    assert!(files.contains(" 0 -> /dev/null"), "{files}");
    assert!(rest.contains("WORD=a b\n") && !rest.contains("CARGO"), "{rest}");
    assert!(rest.contains("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"), "{rest}");
    assert!(rest.ends_with("0\n/usr\n"), "{rest}");
    drop(leak);
}

#[tokio::test]
async fn memory_can_be_limited() {
    let keeper = keeper();
    let mut run = marked(&["python3", "-c", "x = bytearray(1 << 30); print(len(x))"], NEVER).run;
    run.max_memory = Some(512 << 20);
    let outcome = keeper.run(&run).await;
    assert_eq!(outcome.ending, Ending::Exited(1));
    assert!(text(&outcome.stderr).contains("MemoryError"), "{}", text(&outcome.stderr));
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let keeper = keeper();
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    std::fs::write(&plain, "echo x").unwrap();
    let no_shebang = folder.path().join("no_shebang");
    std::fs::write(&no_shebang, "echo x").unwrap();
    std::fs::set_permissions(&no_shebang, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for (program, errno) in [
        ("/no/such/program", libc::ENOENT),
        ("no-such-program", libc::ENOENT),
        (plain.to_str().unwrap(), libc::EACCES),
        (no_shebang.to_str().unwrap(), libc::ENOEXEC),
    ] {
        let outcome = keeper.run(&marked(&[program], NEVER).run).await;
        assert_eq!(outcome.ending, Ending::NotStarted { stage: Stage::Program, errno }, "{program}");
    }
    let mut run = marked(&["true"], NEVER).run;
    run.directory = "/no/such/directory".into();
    let ending = keeper.run(&run).await.ending;
    assert_eq!(ending, Ending::NotStarted { stage: Stage::Directory, errno: libc::ENOENT });
    let long = "x".repeat(70_000);
    let ending = keeper.run(&marked(&["echo", &long], NEVER).run).await.ending;
    assert!(matches!(ending, Ending::Refused(_)), "{ending:?}");
    assert_eq!(zombies_below(keeper.pid().unwrap()), [0_u32; 0]);
}

#[tokio::test]
async fn a_keeper_that_cannot_start_is_named() {
    let keeper = Keeper::start(KeeperCommand { program: "/no/such/farm".into(), args: vec![] });
    let down = until("a failed start", || keeper.down()).await;
    assert!(down.contains("/no/such/farm") && down.contains("No such file"), "{down}");
    let running = keeper.run(&marked(&["true"], NEVER).run);
    drop(running);
    assert_eq!(keeper.counters().cancelled, 1, "a run that waits for a keeper can be dropped");
}

/// A run of the engine, as a list.
struct Recorded {
    deadline: Instant,
    series: Vec<SeriesDef>,
    samples: Vec<(SeriesId, UnixMillis, Value)>,
    failed: Vec<(String, CollectError)>,
    declared: usize,
}

impl Recorded {
    fn new(deadline: Duration) -> Self {
        Self {
            deadline: Instant::now() + deadline,
            series: vec![],
            samples: vec![],
            failed: vec![],
            declared: 0,
        }
    }

    fn value(&self, parameter: &str) -> Option<(&SeriesDef, &Value)> {
        let at = self.series.iter().position(|def| def.key.parameter.as_str() == parameter)?;
        let (_, _, value) = self.samples.iter().rfind(|(id, ..)| id.0 as usize == at + 1)?;
        Some((self.series.get(at)?, value))
    }
}

impl Run for Recorded {
    fn started(&self) -> UnixMillis {
        1_700_000_000_000
    }
    fn deadline(&self) -> Instant {
        self.deadline
    }
    fn series(&mut self, def: &SeriesDef) -> Option<SeriesId> {
        self.declared += 1;
        let at = self.series.iter().position(|known| known.key == def.key).unwrap_or_else(|| {
            self.series.push(def.clone());
            self.series.len() - 1
        });
        Some(SeriesId(u32::try_from(at).unwrap() + 1))
    }
    fn push(&mut self, series: SeriesId, time: UnixMillis, value: Value, _: Option<Mark>) {
        self.samples.push((series, time, value));
    }
    fn part_failed(&mut self, part: &str, error: CollectError) {
        self.failed.push((part.to_owned(), error));
    }
    fn set_life(&mut self, _: &[SeriesId], _: Life, _: &str) {}
}

fn collector(format: ScriptFormat, command: &[&str]) -> (CollectorSpec, Target) {
    let target = Target {
        node: "n1".into(),
        address: "127.0.0.1".into(),
        labels: BTreeMap::from([("rack".to_owned(), "r7".to_owned())]),
    };
    let spec = CollectorSpec {
        name: "mine".into(),
        cluster: "jobs".into(),
        period: Duration::from_secs(60),
        deadline: Duration::from_secs(48),
        targets: vec![target.clone()],
        lifetime: None,
        module: ModuleSpec::Script(ScriptSpec {
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            format,
            environment: BTreeMap::new(),
            directory: "/".into(),
            max_output: 64 * 1024,
            max_memory: None,
        }),
    };
    (spec, target)
}

async fn collect(
    format: ScriptFormat,
    command: &[&str],
    deadline: Duration,
) -> (Recorded, Result<(), CollectError>) {
    let module = ScriptModule::new(keeper());
    let (spec, target) = collector(format, command);
    let mut probe = module.probe(&spec, &target).unwrap();
    let mut run = Recorded::new(deadline);
    let result = probe.run(&mut run).await;
    (run, result)
}

#[tokio::test]
async fn what_a_script_prints_becomes_samples_of_declared_series() {
    let module = ScriptModule::new(keeper());
    let script = r#"echo "x=1.5"; echo "depth[short] 7"; echo "at=$0 $1"; echo bad"#;
    let (spec, target) = collector(ScriptFormat::KeyValue, &["sh", "-c", script, "{node}", "{address}"]);
    let mut probe = module.probe(&spec, &target).unwrap();
    let mut run = Recorded::new(NEVER);
    probe.run(&mut run).await.unwrap();
    let (def, value) = run.value("depth").unwrap();
    assert_eq!(value, &Value::I64(7));
    assert_eq!(
        (def.key.cluster.as_str(), def.key.node.as_str(), &*def.source),
        ("jobs", "n1", "script:mine")
    );
    assert_eq!(def.key.labels.iter().collect::<Vec<_>>(), [("item", "short"), ("rack", "r7")]);
    assert_eq!(run.value("at").unwrap().1, &Value::Text("n1 127.0.0.1".into()));
    assert_eq!(run.failed.len(), 1);
    assert_eq!(run.failed[0].0, "line 4");
    assert_eq!(run.declared, 3);
    probe.run(&mut run).await.unwrap();
    assert_eq!((run.declared, run.samples.len()), (3, 6), "declared once, not with every sample");
}

#[tokio::test]
async fn failures_have_their_own_words_and_partial_results_are_kept() {
    let script = "echo a 1; echo 'cannot reach db' >&2; exit 7";
    let (run, result) = collect(ScriptFormat::KeyValue, &["sh", "-c", script], NEVER).await;
    assert_eq!(result, Err(CollectError::Failed("sh: exit status 7: cannot reach db".into())));
    assert_eq!(run.samples.len(), 1);

    let (run, result) = collect(
        ScriptFormat::KeyValue,
        &["sh", "-c", "echo a 1; printf 'b 1'; exec sleep 600"],
        Duration::from_secs(2),
    )
    .await;
    assert!(
        matches!(&result, Err(CollectError::TimedOut(what)) if what.starts_with("sh: killed after ")),
        "{result:?}"
    );
    assert_eq!(run.samples.len(), 1, "what was whole is kept, half a line is not");

    let (_, result) = collect(ScriptFormat::Json, &["/no/such"], NEVER).await;
    assert_eq!(
        result,
        Err(CollectError::Unreachable("/no/such: No such file or directory (os error 2)".into()))
    );

    let (_, result) = collect(ScriptFormat::Json, &["echo", "{oops"], NEVER).await;
    assert!(
        matches!(&result, Err(CollectError::BadAnswer(what)) if what.starts_with("line 1 column 2")),
        "{result:?}"
    );

    let (_, result) = collect(ScriptFormat::Influx, &["sh", "-c", "kill -SEGV $$"], NEVER).await;
    assert_eq!(result, Err(CollectError::Failed("sh: killed by signal 11".into())));

    let (run, result) =
        collect(ScriptFormat::KeyValue, &["sh", "-c", "yes 'a 1' | head -c 100000"], NEVER).await;
    assert_eq!(result, Ok(()));
    assert_eq!(run.failed[0].1.to_string(), "bad answer: cut at 65536 bytes (max_output)");
    assert_eq!(run.failed.len(), 1, "the half line at the cut is no error of the script: {:?}", run.failed);
}

/// The plugin, or a note that it is not there.
fn plugin(name: &str) -> Option<String> {
    let path = format!("/usr/lib/nagios/plugins/{name}");
    let found = Path::new(&path).exists();
    if !found {
        eprintln!("SKIPPED: {path} is not installed (Debian package monitoring-plugins-basic)");
    }
    found.then_some(path)
}

#[tokio::test]
async fn the_real_check_load_gives_the_kernels_load() {
    let Some(plugin) = plugin("check_load") else { return };
    let (run, result) = collect(ScriptFormat::Nagios, &[&plugin, "-w", "1000", "-c", "2000"], NEVER).await;
    assert_eq!((result, run.failed.len()), (Ok(()), 0), "{:?}", run.failed);
    let (def, status) = run.value("status").unwrap();
    assert_eq!(def.kind, Kind::State);
    assert!(matches!(status, Value::State(0, Some(text)) if text.contains("load average")), "{status:?}");
    let (def, load) = run.value("load15").unwrap();
    assert_eq!((def.kind, &*def.description), (Kind::Gauge, "warning 1000.000, critical 2000.000, min 0"));
    let kernel = std::fs::read_to_string("/proc/loadavg").unwrap();
    let kernel: f64 = kernel.split(' ').nth(2).unwrap().parse().unwrap();
    assert!(matches!(load, Value::F64(load) if (load - kernel).abs() < 2.0), "{load:?} and {kernel}");
}

#[tokio::test]
async fn the_real_check_disk_gives_bytes() {
    let Some(plugin) = plugin("check_disk") else { return };
    let (run, result) =
        collect(ScriptFormat::Nagios, &[&plugin, "-w", "0", "-c", "0", "-p", "/"], NEVER).await;
    assert_eq!((result, run.failed.len()), (Ok(()), 0), "{:?}", run.failed);
    let (def, used) = run.value("/").unwrap();
    assert_eq!(def.unit, "By");
    let total = rustix::fs::statvfs("/").unwrap();
    #[allow(clippy::cast_precision_loss)]
    let total = (total.f_blocks * total.f_frsize) as f64;
    assert!(matches!(used, Value::F64(used) if *used > 0.0 && *used <= total), "{used:?} of {total}");
}

#[tokio::test]
async fn the_real_check_procs_tells_its_states_apart() {
    let Some(plugin) = plugin("check_procs") else { return };
    for (arguments, code) in
        [(["-w", "100000", "-c", "200000"], 0), (["-w", "0", "-c", "200000"], 1), (["-w", "0", "-c", "0"], 2)]
    {
        let command: Vec<&str> = std::iter::once(&*plugin).chain(arguments).collect();
        let (run, result) = collect(ScriptFormat::Nagios, &command, NEVER).await;
        assert_eq!((result, run.failed.len()), (Ok(()), 0), "{:?}", run.failed);
        assert!(matches!(run.value("status").unwrap().1, Value::State(found, _) if *found == code));
        assert!(matches!(run.value("procs").unwrap().1, Value::F64(count) if *count >= 1.0));
    }
    let (run, result) = collect(ScriptFormat::Nagios, &[&plugin, "--no-such-option"], NEVER).await;
    assert_eq!(result, Ok(()), "unknown is a state");
    assert!(matches!(run.value("status").unwrap().1, Value::State(3, _)));
}
