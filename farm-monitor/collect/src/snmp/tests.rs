//! The module against agents in memory, in virtual time: what is handed in, and what never is.

mod agent;
mod crowd;
mod look;
mod turns;

use super::*;
use crate::module::CollectError;
use crate::spec::SnmpSpec;
use agent::{Memory, Notes, oid, text};
use hedgerow_model::{Life, Mark, Value as Shown};
use hedgerow_snmp::{Secret, Security, Value};
use hedgerow_snmp_profile::Library;
use std::collections::BTreeMap;
use tokio::time::Instant;

/// A target, its probe, and what its runs gave.
struct Bench {
    agent: Memory,
    probe: Box<dyn Probe>,
    counts: Arc<Counts>,
    notes: Notes,
}

fn security(agent: &Memory) -> Security {
    let community = Secret::new("public");
    if agent.lock().v1 { Security::V1 { community } } else { Security::V2c { community } }
}

fn spec(agent: &Memory, library: Library, profiles: ProfileChoice) -> CollectorSpec {
    let access = SnmpAccess { port: 161, security: Arc::new(security(agent)), profiles };
    CollectorSpec {
        name: "net".to_owned(),
        cluster: "net".to_owned(),
        period: Duration::from_secs(60),
        deadline: Duration::from_secs(48),
        targets: Vec::new(),
        lifetime: None,
        module: ModuleSpec::Snmp(SnmpSpec {
            access,
            targets: BTreeMap::new(),
            library: Arc::new(library),
            timeout: Duration::from_secs(1),
            attempts: 3,
            window: 4,
            max_rows: 1000,
        }),
    }
}

fn target() -> Target {
    Target { node: "sw1".to_owned(), address: "192.0.2.1".to_owned(), labels: BTreeMap::new() }
}

impl Bench {
    fn with(agent: Memory, library: Library, profiles: ProfileChoice) -> Self {
        let counts = Arc::new(Counts::default());
        let module = SnmpModule::new(Arc::new(agent.clone()), counts.clone());
        let probe = module.probe(&spec(&agent, library, profiles), &target()).unwrap();
        Self { agent, probe, counts, notes: Notes::default() }
    }

    /// A switch with three interfaces, detected.
    fn switch() -> Self {
        let agent = Memory::new();
        agent.system();
        for (index, name) in [(1, "Gi0/1"), (2, "Gi0/2"), (3, "Gi0/3")] {
            agent.lock().interface(index, name, u64::from(index) * 1000);
        }
        Self::with(agent, Library::shipped(), ProfileChoice::Detect)
    }

    /// From the next run's n-th request on (from 0) nothing is answered.
    fn dies_at(&self, request: usize) {
        let mut agent = self.agent.lock();
        let at = agent.asked.len() + request;
        agent.names = 12;
        agent.turns.insert(at, Box::new(|agent| agent.dead = true));
    }

    /// One run, a minute after the last.
    async fn run(&mut self) -> Result<(), CollectError> {
        self.run_within(Duration::from_secs(48)).await
    }

    async fn run_within(&mut self, deadline: Duration) -> Result<(), CollectError> {
        let begun = Instant::now();
        self.notes.time += 60_000;
        self.notes.parts.clear();
        self.notes.deadline = Some(begun + deadline);
        let done = self.probe.run(&mut self.notes).await;
        tokio::time::sleep_until(begun + Duration::from_secs(60)).await;
        done
    }

    fn octets(&self) -> BTreeMap<String, Shown> {
        self.notes.all("in")
    }
}

fn octets<const N: usize>(rows: [(&str, u64); N]) -> BTreeMap<String, Shown> {
    rows.into_iter().map(|(item, value)| (format!("in[{item}]"), Shown::counter(value))).collect()
}

#[tokio::test(start_paused = true)]
async fn what_an_agent_has_is_found_and_read() {
    let mut bench = Bench::switch();
    bench.run().await.unwrap();
    assert_eq!(bench.notes.parts(), [""; 0]);
    assert_eq!(bench.octets(), octets([("Gi0/1", 1000), ("Gi0/2", 2000), ("Gi0/3", 3000)]));
    assert_eq!(bench.notes.last("system_name").unwrap().0, Shown::Text("sw1".into()));
    assert_eq!(bench.notes.last("link[Gi0/2]").unwrap().0, Shown::State(1, Some("up".into())));
    let Some((Shown::F64(up_time), _)) = bench.notes.last("agent_uptime") else { panic!() };
    assert!((100_000.0..100_001.0).contains(&up_time), "in seconds: {up_time}");
    let def = bench.notes.named("in[Gi0/1]").unwrap();
    assert_eq!(
        (def.kind, def.unit.as_str(), def.source.as_str()),
        (hedgerow_model::Kind::Counter, "By", "snmp:net")
    );
    let first = bench.agent.lock().asked.len();
    bench.run().await.unwrap();
    bench.run().await.unwrap();
    let asked = bench.agent.lock().asked.len() - first;
    assert!(asked < 2 * first, "what is known is not found out again: {first}, then {asked} for two");
    assert_eq!(bench.octets().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_hole_in_a_column_moves_nothing_and_is_filled_only_by_what_stands_for_it() {
    let mut bench = Bench::switch();
    {
        let mut agent = bench.agent.lock();
        agent.remove_below("1.3.6.1.2.1.31.1.1.1.6.2");
        agent.remove_below("1.3.6.1.2.1.31.1.1.1.6.3");
        agent.remove_below("1.3.6.1.2.1.2.2.1.10.3");
    }
    for run in 0..3 {
        bench.run().await.unwrap();
        assert_eq!(bench.octets(), octets([("Gi0/1", 1000), ("Gi0/2", 2000)]), "run {run}");
        let mark = (run == 0).then_some(Mark::Discontinuity);
        assert_eq!(bench.notes.last("in[Gi0/1]").unwrap().1, mark, "run {run}");
        assert_eq!(bench.notes.all("link").len(), 3);
    }
    // It begins to serve the wide one: the two are not one counter.
    bench.agent.lock().interface(2, "Gi0/2", (1 << 40) + 2000);
    bench.run().await.unwrap();
    let expected = (Shown::counter((1 << 40) + 2000), Some(Mark::Discontinuity));
    assert_eq!(bench.notes.last("in[Gi0/2]"), Some(expected));
    // A hole that comes later is filled one run later.
    bench.agent.lock().remove_below("1.3.6.1.2.1.31.1.1.1.6.1");
    bench.run().await.unwrap();
    bench.run().await.unwrap();
    assert_eq!(bench.notes.last("in[Gi0/1]"), Some((Shown::counter(1000), Some(Mark::Discontinuity))));
}

#[tokio::test(start_paused = true)]
async fn rows_of_one_name_get_their_index_all_of_them_and_only_they() {
    let mut bench = Bench::switch();
    bench.agent.lock().interface(7, "Gi0/2", 7000);
    bench.run().await.unwrap();
    let expected = octets([("Gi0/1", 1000), ("Gi0/2#2", 2000), ("Gi0/2#7", 7000), ("Gi0/3", 3000)]);
    assert_eq!(bench.octets(), expected);
    assert_eq!(bench.notes.parts(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn where_the_agent_numbers_anew_values_go_on_under_their_names() {
    let mut bench = Bench::switch();
    bench.run().await.unwrap();
    {
        let mut agent = bench.agent.lock();
        for index in 1..=3 {
            agent.remove_interface(index);
        }
        for (index, name, value) in [(2, "Gi0/1", 1001), (3, "Gi0/2", 2001), (4, "Gi0/3", 3001)] {
            agent.interface(index, name, value);
        }
    }
    bench.run().await.unwrap();
    assert_eq!(bench.octets(), octets([("Gi0/1", 1001), ("Gi0/2", 2001), ("Gi0/3", 3001)]));
    assert_eq!(bench.notes.last("in[Gi0/1]").unwrap().1, Some(Mark::Discontinuity), "it may be another port");
    for _ in 0..4 {
        bench.run().await.unwrap();
        assert_eq!(bench.notes.last("in[Gi0/1]").unwrap().1, None);
    }
    assert_eq!(bench.notes.lives(), [], "nothing ended");
    assert_eq!(bench.notes.parts(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn rows_that_swap_their_names_in_a_reboot_take_no_value_along() {
    let mut bench = Bench::switch();
    bench.run().await.unwrap();
    {
        let mut agent = bench.agent.lock();
        agent.restart();
        agent.interface(1, "Gi0/3", 33);
        agent.interface(3, "Gi0/1", 11);
    }
    bench.run().await.unwrap();
    assert_eq!(bench.octets(), octets([("Gi0/1", 11), ("Gi0/2", 2000), ("Gi0/3", 33)]));
    for row in ["Gi0/1", "Gi0/2", "Gi0/3"] {
        assert_eq!(bench.notes.last(&format!("in[{row}]")).unwrap().1, Some(Mark::Reset), "{row}");
    }
    assert_eq!((bench.notes.lives(), bench.notes.parts()), (Vec::new(), Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_restart_in_the_middle_of_a_sweep_throws_it_away() {
    let mut bench = Bench::switch();
    bench.agent.lock().names = 12;
    bench.run().await.unwrap();
    bench.run().await.unwrap();
    let before = bench.agent.lock().asked.len();
    let (at, agent) = (before + 2, bench.agent.clone());
    agent.lock().turns.insert(
        at,
        Box::new(|agent| {
            agent.restart();
            agent.interface(1, "Gi0/3", 33);
            agent.interface(2, "Gi0/2", 22);
            agent.interface(3, "Gi0/1", 11);
        }),
    );
    bench.run().await.unwrap();
    assert!(bench.agent.lock().asked.len() > at, "the agent did restart in the middle");
    assert_eq!(bench.octets(), octets([("Gi0/1", 11), ("Gi0/2", 22), ("Gi0/3", 33)]));
    for row in ["Gi0/1", "Gi0/2", "Gi0/3"] {
        assert_eq!(bench.notes.last(&format!("in[{row}]")).unwrap().1, Some(Mark::Reset), "{row}");
    }
}

#[tokio::test(start_paused = true)]
async fn rows_that_change_while_they_are_read_are_left_out_and_said() {
    let mut bench = Bench::switch();
    bench.run().await.unwrap();
    bench.run().await.unwrap();
    bench.agent.lock().interface(2, "Gi0/9", 2000);
    // The same row gets a third name before it is read again.
    let before = bench.agent.lock().asked.len();
    let turn = |agent: &mut agent::Simulated| agent.interface(2, "Gi0/8", 8000);
    for at in before + 2..before + 8 {
        bench.agent.lock().turns.insert(at, Box::new(turn));
    }
    bench.run().await.unwrap();
    assert_eq!(bench.octets(), octets([("Gi0/1", 1000), ("Gi0/3", 3000)]));
    let said =
        "ifTable: bad answer: 1 rows could not be read twice alike after names changed: left out of this run";
    assert_eq!(bench.notes.parts(), [said]);
    bench.agent.lock().turns.clear();
    bench.run().await.unwrap();
    assert_eq!(bench.octets(), octets([("Gi0/1", 1000), ("Gi0/3", 3000), ("Gi0/8", 8000)]));
    let ended: Vec<_> = bench.notes.lives().into_iter().filter(|(path, ..)| path == "in[Gi0/2]").collect();
    assert_eq!(ended, [("in[Gi0/2]".to_owned(), Life::Ended, "renamed to Gi0/8".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_row_ends_when_two_whole_sweeps_miss_it_and_lives_again_when_it_returns() {
    let mut bench = Bench::switch();
    bench.run().await.unwrap();
    bench.agent.lock().remove_interface(3);
    bench.run().await.unwrap();
    assert_eq!((bench.octets().len(), bench.notes.lives()), (2, Vec::new()), "once may be a slip");
    // What is not read whole counts neither way.
    bench.dies_at(1);
    bench.run().await.unwrap();
    assert_eq!(bench.notes.lives(), []);
    bench.agent.lock().dead = false;
    bench.run().await.unwrap();
    let reason = "row gone: ifIndex 3 no longer in ifTable".to_owned();
    assert!(bench.notes.lives().contains(&("in[Gi0/3]".to_owned(), Life::Ended, reason)));
    assert!(bench.notes.lives().iter().all(|(path, ..)| path.ends_with("[Gi0/3]")));
    let ended = bench.notes.lives().len();
    bench.agent.lock().interface(3, "Gi0/3", 5000);
    bench.run().await.unwrap();
    assert_eq!(bench.octets(), octets([("Gi0/1", 1000), ("Gi0/2", 2000), ("Gi0/3", 5000)]));
    let back = bench.notes.last("in[Gi0/3]").unwrap().1;
    assert_eq!(back, Some(Mark::Discontinuity), "more than before is no increase: it was away");
    bench.run().await.unwrap();
    assert_eq!(bench.notes.last("in[Gi0/3]").unwrap().1, None);
    assert_eq!(bench.notes.lives().len(), ended);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_fills_its_tables_slowly_after_a_restart_ends_nothing() {
    let mut bench = Bench::switch();
    bench.run().await.unwrap();
    let full = bench.agent.lock().mib.clone();
    {
        let mut agent = bench.agent.lock();
        agent.restart();
        for index in 1..=3 {
            agent.remove_interface(index);
        }
    }
    for _ in 0..4 {
        bench.run().await.unwrap();
        assert_eq!(bench.octets().len(), 0);
    }
    bench.agent.lock().mib = full;
    bench.run().await.unwrap();
    assert_eq!(bench.octets(), octets([("Gi0/1", 1000), ("Gi0/2", 2000), ("Gi0/3", 3000)]));
    assert_eq!((bench.notes.lives(), bench.notes.named("in[1]")), (Vec::new(), None));
}

#[tokio::test(start_paused = true)]
async fn what_a_young_agent_itself_has_shown_may_end() {
    let mut bench = Bench::switch();
    bench.agent.lock().restart();
    bench.run().await.unwrap();
    bench.agent.lock().remove_interface(3);
    bench.run().await.unwrap();
    bench.run().await.unwrap();
    assert!(bench.notes.lives().iter().any(|(path, ..)| path == "in[Gi0/3]"));
}

#[tokio::test(start_paused = true)]
async fn a_table_that_stays_empty_ends_its_rows_in_the_end() {
    let mut bench = Bench::switch();
    bench.run().await.unwrap();
    for index in 1..=3 {
        bench.agent.lock().remove_interface(index);
    }
    for _ in 0..4 {
        bench.run().await.unwrap();
        assert_eq!(bench.notes.lives(), []);
    }
    bench.run().await.unwrap();
    let rows = bench.notes.lives();
    assert_eq!(rows.iter().filter(|(path, ..)| path.starts_with("in[")).count(), 3, "{rows:?}");
}

#[tokio::test(start_paused = true)]
async fn an_object_that_the_agent_never_answers_for_is_told_from_a_dead_agent() {
    let mut bench = Bench::switch();
    bench.agent.lock().lost.push(oid("1.3.6.1.2.1.31.1.1.1.18"));
    bench.run().await.unwrap();
    bench.run().await.unwrap();
    for run in 0..4 {
        assert_eq!(bench.run().await, Ok(()), "run {run}: the agent is there");
        let parts = bench.notes.parts();
        assert!(
            parts.iter().any(|part| part.contains(": timed out: no answer from 192.0.2.1:161")),
            "{parts:?}"
        );
    }
    assert_eq!(bench.notes.lives(), []);
}

#[tokio::test(start_paused = true)]
async fn an_agent_without_the_wide_table_is_read_by_the_narrow_one() {
    let mut bench = Bench::switch();
    bench.agent.lock().remove_below("1.3.6.1.2.1.31");
    bench.run().await.unwrap();
    bench.run().await.unwrap();
    let expected = octets([("interface Gi0/1", 1000), ("interface Gi0/2", 2000), ("interface Gi0/3", 3000)]);
    assert_eq!(bench.octets(), expected);
    assert_eq!(bench.notes.parts(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_agent_of_version_1_is_read_without_bulk() {
    let agent = Memory::new();
    agent.lock().v1 = true;
    agent.system();
    for (index, name) in [(1, "e1"), (2, "e2")] {
        agent.lock().interface(index, name, u64::from(index));
        agent.lock().remove_below(&format!("1.3.6.1.2.1.31.1.1.1.6.{index}"));
    }
    let mut bench = Bench::with(agent, Library::shipped(), ProfileChoice::Detect);
    for _ in 0..2 {
        bench.run().await.unwrap();
        assert_eq!(bench.octets(), octets([("e1", 1), ("e2", 2)]));
        assert_eq!(bench.notes.parts(), [""; 0]);
    }
    let agent = bench.agent.lock();
    assert!(!agent.asked.iter().any(|request| matches!(request, hedgerow_snmp::Request::GetBulk { .. })));
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_hides_its_up_time_is_read_all_the_same() {
    for v1 in [false, true] {
        let agent = Memory::new();
        agent.system();
        agent.lock().v1 = v1;
        agent.lock().booted.1 = u32::MAX;
        agent.lock().interface(1, "e1", 5);
        agent.lock().remove_below("1.3.6.1.2.1.31.1.1.1.6");
        let mut bench = Bench::with(agent, Library::shipped(), ProfileChoice::Detect);
        for _ in 0..2 {
            bench.run().await.unwrap();
            assert_eq!((bench.octets(), bench.notes.parts()), (octets([("e1", 5)]), Vec::new()), "v1: {v1}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_of_the_wrong_type_is_none_and_is_named() {
    let mut bench = Bench::switch();
    bench.agent.set("1.3.6.1.2.1.31.1.1.1.6.2", text("2000"));
    bench.agent.set("1.3.6.1.2.1.31.1.1.1.15.3", Value::IpAddress([10, 0, 0, 1]));
    bench.run().await.unwrap();
    assert_eq!(bench.octets(), octets([("Gi0/1", 1000), ("Gi0/3", 3000)]));
    assert_eq!(bench.counts.wrong_type.get(), 2);
    let parts = bench.notes.parts();
    assert!(
        parts.iter().any(|part| part.starts_with("ifHCInOctets: bad answer: ifHCInOctets.2 (Gi0/2) is ")),
        "{parts:?}"
    );
    assert!(
        parts.iter().any(|part| part.starts_with("ifHighSpeed: bad answer: ifHighSpeed.3 (Gi0/3) is ")),
        "{parts:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn codes_without_a_word_are_shown_as_the_number_and_bytes_without_text_in_hex() {
    let mut bench = Bench::switch();
    bench.agent.set("1.3.6.1.2.1.2.2.1.8.1", Value::Integer(42));
    bench.agent.set("1.3.6.1.2.1.1.5.0", Value::OctetString(vec![0xff, 0x00, 0x17].into()));
    bench.agent.set("1.3.6.1.2.1.31.1.1.1.6.1", Value::Counter64(u64::MAX));
    bench.run().await.unwrap();
    assert_eq!(bench.notes.last("link[Gi0/1]").unwrap().0, Shown::State(42, Some("42".into())));
    assert_eq!(bench.notes.last("system_name").unwrap().0, Shown::Text("ff 00 17".into()));
    assert_eq!(bench.notes.last("in[Gi0/1]").unwrap().0, Shown::I64(-1), "bit for bit");
}

#[tokio::test(start_paused = true)]
async fn an_alias_describes_the_series_of_its_row_and_may_change() {
    let mut bench = Bench::switch();
    for (alias, described) in
        [("", ""), ("uplink to core", ": uplink to core"), ("spare", ": spare"), ("", "")]
    {
        bench.agent.set("1.3.6.1.2.1.31.1.1.1.18.1", text(alias));
        bench.run().await.unwrap();
        let expected = format!("Bytes received, framing included{described}");
        assert_eq!(bench.notes.named("in[Gi0/1]").unwrap().description, expected);
    }
    assert_eq!(bench.notes.named("in[Gi0/2]").unwrap().description, "Bytes received, framing included");
}

const SILENT: &str = "timed out: no answer from 192.0.2.1:161 to 3 requests in 3s";

#[tokio::test(start_paused = true)]
async fn an_agent_that_gives_no_answer_costs_no_more_than_its_attempts() {
    let mut bench = Bench::switch();
    for known in [false, true] {
        bench.agent.lock().dead = true;
        for _ in 0..2 {
            let (begun, asked) = (Instant::now(), bench.agent.lock().asked.len());
            let error = {
                bench.notes.deadline = Some(begun + Duration::from_secs(48));
                bench.probe.run(&mut bench.notes).await.unwrap_err()
            };
            let said =
                (error.to_string().starts_with(SILENT), error.to_string().contains("community right?"));
            assert_eq!(said, (true, !known), "{error}");
            assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
            assert!(bench.agent.lock().asked.len() - asked <= if known { 4 } else { 1 });
        }
        bench.agent.lock().dead = false;
        bench.run().await.unwrap();
        assert_eq!(bench.octets().len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_another_word_than_silence() {
    let mut bench = Bench::switch();
    bench.agent.lock().refuses = true;
    assert_eq!(bench.run().await.unwrap_err().to_string(), "refused credentials: unknownUserName");
    bench.agent.lock().refuses = false;
    bench.run().await.unwrap();
    bench.agent.lock().refuses = true;
    assert_eq!(bench.run().await.unwrap_err().word(), "refused_credentials");
    assert_eq!(bench.notes.lives(), []);
}

#[tokio::test(start_paused = true)]
async fn what_was_read_when_the_deadline_comes_is_handed_in() {
    let mut bench = Bench::switch();
    bench.run().await.unwrap();
    bench.dies_at(1);
    bench.agent.lock().patience = Duration::from_secs(3600);
    let begun = Instant::now();
    bench.notes.time += 1;
    bench.notes.deadline = Some(begun + Duration::from_secs(5));
    bench.notes.parts.clear();
    bench.probe.run(&mut bench.notes).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "in time to be handed in");
    assert!(bench.notes.last("system_name").is_some());
    let parts = bench.notes.parts();
    assert!(
        parts.contains(&"sweep: timed out: the deadline came before all was read".to_owned()),
        "{parts:?}"
    );
    assert_eq!(bench.notes.lives(), []);
}

#[tokio::test(start_paused = true)]
async fn what_an_agent_has_not_got_of_a_named_profile_is_said() {
    let named = |names: &[&str]| ProfileChoice::Named(names.iter().map(|name| (*name).to_owned()).collect());
    let agent = Memory::new();
    agent.system();
    let module = SnmpModule::new(Arc::new(agent.clone()), Arc::default());
    let wrong = module.probe(&spec(&agent, Library::shipped(), named(&["system", "toaster"])), &target());
    let error = wrong.err().unwrap();
    assert!(error.starts_with("no profile `toaster`: expected one of "), "{error}");

    let mut bench = Bench::with(agent, Library::shipped(), named(&["system", "interfaces"]));
    bench.run().await.unwrap();
    assert_eq!(bench.notes.last("system_name").unwrap().0, Shown::Text("sw1".into()));
    assert_eq!(
        bench.notes.parts(),
        [
            "profile system: no such object: sysContact.0",
            "profile system: no such object: sysLocation.0",
            "profile interfaces: no such object: the agent has nothing of it",
        ]
    );
    // The same, detected, is no error.
    let mut bench = Bench::with(bench.agent.clone(), Library::shipped(), ProfileChoice::Detect);
    bench.run().await.unwrap();
    assert_eq!(bench.notes.parts(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_an_agent_learns_later_is_found() {
    let mut bench = Bench::with(Memory::new(), Library::shipped(), ProfileChoice::Detect);
    let booted = std::mem::replace(&mut bench.agent.lock().booted.1, u32::MAX);
    bench.run().await.unwrap();
    bench.agent.system().lock().booted.1 = booted;
    bench.run().await.unwrap();
    assert_eq!((bench.notes.all("system_name").len(), bench.notes.all("in").len()), (1, 0), "at once");
    bench.agent.lock().interface(1, "Gi0/1", 1000);
    for _ in 0..61 {
        bench.run().await.unwrap();
    }
    assert_eq!(bench.octets(), octets([("Gi0/1", 1000)]), "within the hour");
    // Another device in its place is found out at once.
    bench.agent.lock().remove_interface(1);
    bench.agent.set("1.3.6.1.2.1.1.2.0", Value::ObjectIdentifier(oid("1.3.6.1.4.1.2636.1")));
    bench.run().await.unwrap();
    bench.agent.lock().interface(1, "ge-0/0/0", 7);
    bench.run().await.unwrap();
    bench.run().await.unwrap();
    assert_eq!(bench.octets(), octets([("ge-0/0/0", 7)]));
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_answers_with_errors_only_is_quoted() {
    let mut bench = Bench::with(Memory::new(), Library::shipped(), ProfileChoice::Detect);
    bench.agent.system().lock().names = 0;
    bench.run().await.unwrap();
    let parts = bench.notes.parts();
    assert!(
        parts.iter().any(|part| part.contains("bad answer: no profile") && part.contains("tooBig")),
        "{parts:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_of_a_table_without_end_and_it_is_counted() {
    let mut bench = Bench::switch();
    for index in 4..=1100 {
        bench.agent.lock().interface(index, &format!("Gi1/{index}"), 1);
    }
    bench.run().await.unwrap();
    assert_eq!(bench.counts.endless.get(), 1);
    let parts = bench.notes.parts();
    assert!(parts.iter().any(|part| part.contains("has no end, or more than 1000 rows")), "{parts:?}");
    assert_eq!((bench.octets(), bench.notes.lives()), (octets([]), vec![]));
}

/// Ports of a bridge, named by the interface behind them; and a second profile that claims the same series.
const BRIDGE: &str = r#"
description = "ports"
[detect]
serves = ["1.3.6.1.2.1.17"]
[table.dot1dStpPortTable]
index = "port"
item = ["{ifName}", "port {port}"]
[table.dot1dStpPortTable.lookup]
ifIndex = "1.3.6.1.2.1.17.1.4.1.2"
ifName = { oid = "1.3.6.1.2.1.31.1.1.1.1", key = "{ifIndex}" }
[table.dot1dStpPortTable.column.dot1dStpPortState]
oid = "1.3.6.1.2.1.17.2.15.1.3"
parameter = "stp"
kind = "state"
words = { 2 = "blocking", 5 = "forwarding" }
"#;

#[tokio::test(start_paused = true)]
async fn a_row_can_be_named_by_another_table_and_a_series_has_one_writer() {
    let agent = Memory::new();
    agent.system();
    for (port, index, name) in [(1, 10, "lan1"), (2, 20, "lan2")] {
        agent.set(&format!("1.3.6.1.2.1.17.1.4.1.2.{port}"), Value::Integer(index));
        agent.set(&format!("1.3.6.1.2.1.17.2.15.1.3.{port}"), Value::Integer(5));
        agent.set(&format!("1.3.6.1.2.1.31.1.1.1.1.{index}"), text(name));
    }
    agent.set("1.3.6.1.2.1.17.2.15.1.3.3", Value::Integer(2));
    let mut library = Library::default();
    let profile = hedgerow_snmp_profile::read("bridge.toml", BRIDGE).unwrap();
    library.add(profile.clone());
    library.add(hedgerow_snmp_profile::profile::Profile { name: "copy".to_owned(), ..profile });
    let mut bench = Bench::with(agent, library, ProfileChoice::Detect);
    bench.run().await.unwrap();
    let ports = ["stp[lan1]", "stp[lan2]", "stp[port 3]"];
    assert_eq!(bench.notes.all("stp").into_keys().collect::<Vec<_>>(), ports);
    assert_eq!(
        bench.notes.parts(),
        ["dot1dStpPortState: failed: 3 series are written by another object already: left out"]
    );
}

#[test]
fn a_target_that_has_all_the_series_it_may_have_gets_no_more_and_that_is_said() {
    use crate::engine::MAX_TARGET_SERIES;
    use hedgerow_model::{Labels, Name, SeriesId};
    let library = Library::shipped();
    let object = &library.get("system").unwrap().scalars[0];
    let base = Base {
        cluster: Name::new("net").unwrap(),
        node: Name::new("sw").unwrap(),
        source: "snmp:net".to_owned(),
        interval: Duration::from_secs(60),
        lifetime: None,
    };
    let (mut notes, counts) = (Notes::default(), Counts::default());
    // Ids that no declaration of this test gets.
    let mut taken = (1..MAX_TARGET_SERIES).map(|id| SeriesId(u32::try_from(id + 1000).unwrap())).collect();
    let mut out = series::Out::new(&mut notes, &counts, None, 0);
    for (labels, fits) in [(Labels::none(), true), (Labels::new([("item", "b")]).unwrap(), false)] {
        let mut slot = series::Slot::default();
        let seen = out.seen(&Value::Integer(1), Shown::I64(1), None, None);
        slot.push(&mut out, &base, &mut taken, object, (&labels, ""), seen);
        assert_eq!(slot.id.is_some(), fits);
    }
    out.finish();
    let said: Vec<String> = notes.parts();
    assert_eq!((notes.series.len(), said.len()), (1, 1));
    let words = format!("left out: 1 series more than the {MAX_TARGET_SERIES} of a target");
    assert!(said[0].contains(&words), "{said:?}");
}

#[test]
fn a_device_of_5000_ports_has_room_for_all_their_series() {
    let library = Library::shipped();
    let interfaces = library.get("interfaces").unwrap();
    let of_a_port: usize = interfaces.tables.iter().map(|table| table.columns.len()).sum();
    let most = crate::engine::MAX_TARGET_SERIES;
    assert!(5000 * of_a_port < most, "{of_a_port} series a port, at most {most}");
}
