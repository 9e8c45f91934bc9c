//! The door with real senders: `snmptrap` and `snmpinform` of net-snmp, in all versions, over loopback.

#![allow(clippy::unwrap_used, clippy::panic)]

mod recorder;

use hedgerow_model::{Kind, Name};
use hedgerow_snmp::{AuthProtocol, PrivacyProtocol, Secret, Security, V3User};
use hedgerow_snmp_profile::Library;
use hedgerow_traps::{Counted, Door, DoorHandle, DoorOptions, TrapSettings};
use recorder::{Recorder, patiently};
use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::UdpSocket;
use tokio::process::{Child, Command};

const START: i64 = 1_793_000_000_000;

fn user(name: &str, auth: bool, privacy: bool) -> Security {
    Security::V3(V3User {
        name: name.to_owned(),
        auth: auth.then(|| (AuthProtocol::Sha256, Secret::new("correct horse"))),
        privacy: privacy.then(|| (PrivacyProtocol::Aes128, Secret::new("battery staple"))),
        context: String::new(),
    })
}

fn settings() -> TrapSettings {
    let community = Security::V2c { community: Secret::new("traps") };
    let all =
        [community, user("plain", false, false), user("signed", true, false), user("secret", true, true)];
    TrapSettings {
        listen: vec![([127, 0, 0, 1], 0).into()],
        allow: vec!["127.0.0.1".parse().unwrap()],
        relays: Vec::new(),
        cluster: Name::new("traps").unwrap(),
        credentials: all.into_iter().map(Arc::new).collect(),
        rate: 1000,
        burst: 1000,
        duplicates: Duration::from_secs(10),
        lifetime: None,
        library: Arc::new(Library::shipped()),
        nodes: vec![("127.0.0.1".to_owned(), Name::new("sw1").unwrap())],
    }
}

struct Ground {
    handle: DoorHandle,
    recorder: Arc<Recorder>,
    at: SocketAddr,
    folder: TempDir,
    wall: Arc<AtomicI64>,
}

impl Ground {
    async fn new(settings: TrapSettings) -> Self {
        Self::opened(settings, tempfile::tempdir().unwrap()).await
    }

    async fn opened(settings: TrapSettings, folder: TempDir) -> Self {
        let (recorder, wall) = (Arc::new(Recorder::default()), Arc::new(AtomicI64::new(START)));
        let clock = Arc::clone(&wall);
        let (door, handle) = Door::new(DoorOptions {
            front: recorder.clone(),
            folder: folder.path().to_owned(),
            wall: Arc::new(move || clock.load(Ordering::Relaxed)),
        });
        tokio::spawn(door.run());
        handle.apply(settings).await.unwrap();
        let at = handle.state().borrow().bound[0];
        Self { handle, recorder, at, folder, wall }
    }

    fn count(&self, what: Counted) -> u64 {
        self.handle.counts().get(what)
    }

    /// `snmptrap` or `snmpinform`, which reads no configuration and keeps its state in a folder of its own.
    fn sender(&self, command: &str, arguments: &[&str]) -> Child {
        let state = self.folder.path().join("sender");
        let all = arguments.iter().map(|word| word.replace("AGENT", &self.at.to_string()));
        Command::new(command)
            .args(all)
            .env("SNMPCONFPATH", self.folder.path())
            .env("SNMP_PERSISTENT_DIR", state)
            .env("MIBS", "")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{command}: {error}; it is in Debian's package snmp"))
    }

    async fn send(&self, command: &str, arguments: &[&str]) -> Output {
        self.sender(command, arguments).wait_with_output().await.unwrap()
    }

    async fn stored(&self, many: u64) {
        patiently(|| self.count(Counted::Stored) >= many, || self.told()).await;
    }

    fn told(&self) -> String {
        let counts = Counted::ALL.iter().map(|what| (what.as_str(), self.count(*what)));
        format!("{:?} {:?}", counts.filter(|(_, n)| *n > 0).collect::<Vec<_>>(), self.recorder.lines())
    }
}

const LINK_DOWN: &str = "1.3.6.1.6.3.1.1.5.3";
/// ifIndex.3, ifName.3 and ifOperStatus.3.
const ROW: [&str; 9] = [
    "1.3.6.1.2.1.2.2.1.1.3",
    "i",
    "3",
    "1.3.6.1.2.1.31.1.1.1.1.3",
    "s",
    "Gi0/3",
    "1.3.6.1.2.1.2.2.1.8.3",
    "i",
    "2",
];

/// Options of net-snmp for each way in which v3 is protected.
fn protected(user: &str) -> Vec<&str> {
    let mut words = vec!["-v3", "-u", user];
    match user {
        "plain" => words.extend(["-l", "noAuthNoPriv"]),
        "signed" => words.extend(["-l", "authNoPriv", "-a", "SHA-256", "-A", "correct horse"]),
        _ => words.extend([
            "-l",
            "authPriv",
            "-a",
            "SHA-256",
            "-A",
            "correct horse",
            "-x",
            "AES",
            "-X",
            "battery staple",
        ]),
    }
    words
}

fn notification<'a>(options: &[&'a str]) -> Vec<&'a str> {
    [options, &["AGENT", "", LINK_DOWN], &ROW].concat()
}

#[tokio::test]
async fn traps_of_all_versions_become_events_and_states() {
    let ground = Ground::new(settings()).await;
    let engine = ["-e", "0x8000000001020304"];
    let v1 = ["-v1", "-c", "traps", "AGENT", "1.3.6.1.4.1.9", "10.0.0.9", "2", "0", "77"];
    ground.send("snmptrap", &[&v1[..], &ROW].concat()).await;
    ground.stored(1).await;
    ground.send("snmptrap", &notification(&["-v2c", "-c", "traps"])).await;
    ground.stored(2).await;
    for (number, user) in ["plain", "signed", "secret"].into_iter().enumerate() {
        let sent = ground.send("snmptrap", &notification(&[&protected(user)[..], &engine].concat())).await;
        assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
        ground.stored(3 + number as u64).await;
    }
    let line = "linkDown ifIndex=3 ifName=Gi0/3 ifOperStatus=down(2)";
    let events = ground.recorder.values("traps/sw1/trap[linkDown]");
    let expected = [&format!("{line} agent-addr=10.0.0.9"), line, line, line, line];
    // All of one millisecond, by the clock of this test: each has a time of its own, in their order.
    let expected: Vec<(i64, String)> =
        (START..).zip(expected).map(|(time, line)| (time, line.to_owned())).collect();
    assert_eq!(events, expected, "{}", ground.told());
    let def = ground.recorder.def("traps/sw1/trap[linkDown]");
    assert_eq!((def.kind, def.interval), (Kind::Text, Some(Duration::ZERO)));
    let states: Vec<String> =
        ground.recorder.series().into_iter().filter(|path| !path.contains("trap[")).collect();
    for state in &states {
        assert_eq!(ground.recorder.def(state).kind, Kind::State);
        assert_eq!(ground.recorder.values(state).len(), 5);
    }
    assert_eq!(ground.count(Counted::Stored), ground.count(Counted::Received));
}

#[tokio::test]
async fn an_inform_is_acknowledged_when_it_is_committed_and_not_before() {
    let ground = Ground::new(settings()).await;
    let versions =
        [vec!["-v2c", "-c", "traps"], protected("plain"), protected("signed"), protected("secret")];
    for (number, options) in (1..).zip(versions) {
        ground.recorder.hold();
        let repeated = ground.count(Counted::Duplicate);
        let options = [&options[..], &["-t", "1", "-r", "60"]].concat();
        let mut sender = ground.sender("snmpinform", &notification(&options));
        // It asks again, which is how it shows that it has no answer.
        patiently(|| ground.count(Counted::Duplicate) > repeated, || ground.told()).await;
        assert!(sender.try_wait().unwrap().is_none(), "answered before the commit");
        assert_eq!(ground.count(Counted::Acknowledged), number - 1);
        assert_eq!(ground.count(Counted::Stored), number, "stored once, however often it comes");
        ground.recorder.commit();
        let output = sender.wait_with_output().await.unwrap();
        assert!(output.status.success(), "{options:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(ground.count(Counted::Acknowledged), number);
    }
    assert_eq!(ground.recorder.values("traps/sw1/trap[linkDown]").len(), 4);
}

#[tokio::test]
async fn what_was_not_kept_is_not_acknowledged_and_its_repetition_is_stored() {
    let ground = Ground::new(settings()).await;
    ground.recorder.hold();
    let sender = ground.sender("snmpinform", &notification(&["-v2c", "-c", "traps", "-t", "1", "-r", "60"]));
    ground.stored(1).await;
    ground.recorder.lose();
    patiently(|| ground.count(Counted::NotKept) == 1, || ground.told()).await;
    assert_eq!(ground.count(Counted::Acknowledged), 0);
    ground.stored(2).await;
    ground.recorder.commit();
    assert!(sender.wait_with_output().await.unwrap().status.success());
    assert_eq!(ground.count(Counted::Acknowledged), 1);
}

#[tokio::test]
async fn what_the_hub_refuses_is_not_acknowledged() {
    let ground = Ground::new(settings()).await;
    ground.recorder.refuse(true);
    let sender = ground.sender("snmpinform", &notification(&["-v2c", "-c", "traps", "-t", "1", "-r", "60"]));
    patiently(|| ground.count(Counted::NotStored) >= 2, || ground.told()).await;
    assert_eq!(ground.count(Counted::Acknowledged), 0);
    ground.recorder.refuse(false);
    ground.recorder.commit();
    assert!(sender.wait_with_output().await.unwrap().status.success());
    assert_eq!(ground.count(Counted::Stored), 1);
}

#[tokio::test]
async fn an_inform_that_comes_again_after_its_commit_is_answered_again_and_stored_once() {
    let ground = Ground::new(settings()).await;
    ground.recorder.commit();
    let datagram = recorded(&ground, "snmpinform", &["-v2c", "-c", "traps"]).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut answers = Vec::new();
    for _ in 0..3 {
        socket.send_to(&datagram, ground.at).await.unwrap();
        let mut buffer = [0; 2000];
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        assert_eq!(from, ground.at);
        answers.push(buffer[..length].to_vec());
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!((ground.count(Counted::Stored), ground.count(Counted::AcknowledgedAgain)), (1, 2));
    assert_eq!(ground.recorder.values("traps/sw1/trap[linkDown]").len(), 1);
}

#[tokio::test]
async fn who_is_not_let_in_leaves_nothing_but_a_count() {
    let ground = Ground::new(settings()).await;
    let engine = ["-e", "0x8000000001020304"];
    let wrong_password = ["-v3", "-u", "signed", "-l", "authNoPriv", "-a", "SHA-256", "-A", "wrong password"];
    let unknown = ["-v3", "-u", "nobody", "-l", "authNoPriv", "-a", "SHA-256", "-A", "correct horse"];
    let weak = ["-v3", "-u", "secret", "-l", "noAuthNoPriv"];
    for (options, expected) in [
        (&["-v2c", "-c", "public"][..], Counted::WrongCommunity),
        (&[&wrong_password[..], &engine].concat(), Counted::WrongDigest),
        (&[&unknown[..], &engine].concat(), Counted::UnknownUser),
        (&[&weak[..], &engine].concat(), Counted::WrongLevel),
    ] {
        ground.send("snmptrap", &notification(options)).await;
        patiently(|| ground.count(expected) == 1, || ground.told()).await;
    }
    // The same as an inform: the sender is told why.
    for (options, said, expected) in [
        (&wrong_password[..], "Authentication failure", Counted::WrongDigest),
        (&unknown, "Unknown user name", Counted::UnknownUser),
        (&weak, "Unsupported security level", Counted::WrongLevel),
    ] {
        let output =
            ground.send("snmpinform", &notification(&[options, &["-t", "5", "-r", "0"]].concat())).await;
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && told.contains(said), "{told}");
        assert_eq!(ground.count(expected), 2);
    }
    assert_eq!(ground.recorder.series(), [""; 0]);
    let shut_out = TrapSettings { allow: vec!["10.0.0.0/8".parse().unwrap()], ..settings() };
    ground.handle.apply(shut_out).await.unwrap();
    ground.send("snmptrap", &notification(&["-v2c", "-c", "traps"])).await;
    patiently(|| ground.count(Counted::NotAllowed) == 1, || ground.told()).await;
    assert_eq!(ground.count(Counted::Stored), 0);
}

/// What a real sender sends, taken by another socket.
async fn recorded(ground: &Ground, command: &str, options: &[&str]) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = socket.local_addr().unwrap().to_string();
    let words = [options, &["-t", "1", "-r", "0"]].concat();
    let words: Vec<String> = notification(&words).iter().map(|word| word.replace("AGENT", &at)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let _sender = ground.sender(command, &words);
    let mut buffer = [0; 2000];
    let (length, _) = socket.recv_from(&mut buffer).await.unwrap();
    buffer[..length].to_vec()
}

#[tokio::test]
async fn a_trap_that_comes_over_two_ways_is_one_and_the_next_one_is_another() {
    let ground = Ground::new(settings()).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let first = recorded(&ground, "snmptrap", &["-v2c", "-c", "traps"]).await;
    let second = recorded(&ground, "snmptrap", &["-v2c", "-c", "traps"]).await;
    for datagram in [&first, &first, &second, &first] {
        socket.send_to(datagram, ground.at).await.unwrap();
    }
    patiently(|| ground.count(Counted::Received) == 4, || ground.told()).await;
    assert_eq!((ground.count(Counted::Stored), ground.count(Counted::Duplicate)), (2, 2));
    assert_eq!(ground.recorder.values("traps/sw1/trap[linkDown]").len(), 2);
}

#[tokio::test]
async fn a_signed_trap_that_was_recorded_is_refused_also_after_a_restart() {
    let ground = Ground::new(settings()).await;
    let engine = ["-e", "0x8000000001020304"];
    let started = |boots| [&protected("secret")[..], &engine, &["-Z", boots]].concat();
    let old = recorded(&ground, "snmptrap", &started("1,1000")).await;
    // Meanwhile the device has started again.
    ground.send("snmptrap", &notification(&started("2,10"))).await;
    ground.stored(1).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(&old, ground.at).await.unwrap();
    patiently(|| ground.count(Counted::NotInTimeWindow) == 1, || ground.told()).await;
    ground.handle.close(Duration::from_secs(1)).await;
    let again = Ground::opened(settings(), ground.folder).await;
    socket.send_to(&old, again.at).await.unwrap();
    patiently(|| again.count(Counted::NotInTimeWindow) == 1, || again.told()).await;
    assert_eq!(again.recorder.series(), [""; 0]);
}

#[tokio::test]
async fn a_storm_is_dropped_counted_and_told() {
    let ground = Ground::new(TrapSettings { rate: 1, burst: 20, ..settings() }).await;
    let datagram = recorded(&ground, "snmptrap", &["-v2c", "-c", "traps"]).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for _ in 0..100 {
        socket.send_to(&datagram, ground.at).await.unwrap();
    }
    patiently(|| ground.count(Counted::Received) == 100, || ground.told()).await;
    // Some tokens may have come back meanwhile, however slow the machine.
    assert!((1..=80).contains(&ground.count(Counted::Storm)), "{}", ground.told());
    assert_eq!(ground.count(Counted::Storms), 1);
    let told = ground.recorder.values("traps/sw1/storm");
    assert_eq!(
        told[0],
        (
            START,
            "storm from 127.0.0.1: more than 1 a second (20 at once); what is above is dropped".to_owned()
        )
    );
}

#[tokio::test]
async fn a_door_that_cannot_listen_says_so_and_does_once_it_can() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let ground = Ground::new(settings()).await;
    let listen = vec![taken.local_addr().unwrap()];
    ground.handle.apply(TrapSettings { listen: listen.clone(), ..settings() }).await.unwrap();
    let mut state = ground.handle.state();
    let trouble = state.borrow().trouble.clone();
    assert_eq!(trouble, format!("cannot listen on {}: Address already in use (os error 98)", listen[0]));
    drop(taken);
    let listens = state.wait_for(|state| state.trouble.is_empty());
    let bound = tokio::time::timeout(Duration::from_secs(60), listens).await.unwrap().unwrap().bound.clone();
    assert_eq!(bound, listen);
    // Shut, and open again with the same engine.
    ground.handle.apply(TrapSettings { listen: Vec::new(), ..settings() }).await.unwrap();
    assert_eq!(state.borrow().bound, []);
    ground.handle.apply(settings()).await.unwrap();
    assert_eq!(state.borrow().bound.len(), 1);
    let engine = std::fs::read_to_string(ground.folder.path().join("snmp_engine")).unwrap();
    assert!(engine.ends_with(" 1\n"), "{engine}");
}

#[tokio::test]
async fn events_never_go_back_in_time_more_than_the_clock_does() {
    let ground = Ground::new(settings()).await;
    for step in [0, 5_000, -60_000] {
        ground.wall.fetch_add(step, Ordering::Relaxed);
        let before = ground.count(Counted::Stored);
        ground.send("snmptrap", &notification(&["-v2c", "-c", "traps"])).await;
        ground.stored(before + 1).await;
    }
    let times: Vec<i64> =
        ground.recorder.values("traps/sw1/trap[linkDown]").iter().map(|(time, _)| *time).collect();
    assert_eq!(times, [START, START + 5_000, START - 55_000]);
}

#[tokio::test]
async fn a_relay_is_believed_where_it_is_configured_and_nobody_else() {
    let ground = Ground::new(settings()).await;
    let v1 = ["-v1", "-c", "traps", "AGENT", "1.3.6.1.4.1.9", "10.0.0.9", "0", "0", "1"];
    ground.send("snmptrap", &v1).await;
    ground.stored(1).await;
    let relays = vec!["127.0.0.0/8".parse().unwrap()];
    let listen = vec![ground.at];
    ground.handle.apply(TrapSettings { relays, listen, ..settings() }).await.unwrap();
    let v1 = ["-v1", "-c", "traps", "AGENT", "1.3.6.1.4.1.9", "10.0.0.9", "0", "0", "2"];
    ground.send("snmptrap", &v1).await;
    ground.stored(2).await;
    assert_eq!(ground.recorder.series(), ["traps/10.0.0.9/trap[coldStart]", "traps/sw1/trap[coldStart]"]);
}

#[tokio::test]
async fn every_datagram_has_one_fate_whatever_it_holds() {
    let ground = Ground::new(TrapSettings { rate: 1_000_000, burst: 1_000_000, ..settings() }).await;
    ground.recorder.commit();
    let mut seeds = vec![recorded(&ground, "snmptrap", &["-v2c", "-c", "traps"]).await];
    seeds.push(recorded(&ground, "snmpinform", &["-v2c", "-c", "traps"]).await);
    let engine = ["-e", "0x8000000001020304"];
    seeds.push(recorded(&ground, "snmptrap", &[&protected("secret")[..], &engine].concat()).await);
    seeds.push(recorded(&ground, "snmpinform", &protected("secret")).await);
    seeds.push(vec![0x30; 20_000]);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    // Mutations by a small generator of its own: the same in every run.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % below
    };
    let mut sent = 0;
    for round in 0..20_000_u64 {
        let mut datagram = seeds[random(seeds.len())].clone();
        if datagram.len() < 2000 {
            for _ in 0..=random(3) {
                let at = random(datagram.len());
                datagram[at] = u8::try_from(random(256)).unwrap();
            }
            datagram.truncate(datagram.len() - random(2) * random(datagram.len()));
        } else if round % 50 > 0 {
            continue;
        }
        socket.send_to(&datagram, ground.at).await.unwrap();
        sent += 1;
        // As fast as it is read: what the system drops has no fate.
        patiently(|| ground.count(Counted::Received) + 50 > sent, || ground.told()).await;
    }
    patiently(|| ground.count(Counted::Received) == sent, || ground.told()).await;
    let fates: u64 = Counted::ALL.iter().filter(|what| what.is_fate()).map(|what| ground.count(*what)).sum();
    assert_eq!(fates, sent, "{}", ground.told());
    assert!(ground.count(Counted::TooLong) > 0 && ground.count(Counted::Malformed) > 1000);
}
