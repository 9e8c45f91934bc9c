//! net-snmp's tools, which know nothing of this project, read what simulated agents say.
#![expect(clippy::unwrap_used, reason = "tests")]

use hedgerow_sim::{Agent, AgentConfig, Fault, Misbehaviour, Oid, Sim, Value, Versions};
use std::process::Command;
use std::time::Duration;

const IF_TABLE: &str = "1.3.6.1.2.1.2.2";
const IF_NAME: &str = "1.3.6.1.2.1.31.1.1.1.1";
const HC_IN_OCTETS: &str = "1.3.6.1.2.1.31.1.1.1.6";
const UPTIME: &str = "1.3.6.1.2.1.1.3.0";

fn oid(text: &str) -> Oid {
    text.parse().unwrap()
}

/// The lines that a tool prints, numbers as numbers; or what it complains of.
fn tool(sim: &Sim, program: &str, options: &[&str], names: &[&str]) -> Result<Vec<String>, String> {
    let mut command = Command::new(program);
    command.args(options).args(["-c", "public", "-On", "-OQ", "-Oe", "-Ot", "-t", "1", "-r", "0"]);
    let output = command.arg(sim.addresses()[0].to_string()).args(names).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        let lines = text(&output.stdout);
        let lines =
            lines.lines().filter(|line| !line.contains("No more variables left") && *line != "End of MIB");
        Ok(lines.map(|line| line.trim_start_matches('.').trim_end().to_owned()).collect())
    } else {
        Err(text(&output.stderr) + &text(&output.stdout))
    }
}

/// What the agent itself says of the names below one, as the tools print it.
fn said(sim: &Sim, below: &str) -> Vec<String> {
    let root = oid(below);
    let list = |agent: &mut Agent| {
        let mut lines = Vec::new();
        let mut name = root.clone();
        while let Some((next, value)) = agent.device.next(&name, false)
            && next.starts_with(&root)
        {
            lines.push(format!("{next} = {}", shown(&value)));
            name = next;
        }
        lines
    };
    sim.with(0, list).unwrap()
}

fn shown(value: &Value) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        Value::Counter32(number) | Value::Gauge32(number) | Value::TimeTicks(number) => number.to_string(),
        Value::Counter64(number) => number.to_string(),
        Value::ObjectId(oid) => format!(".{oid}"),
        Value::IpAddress([a, b, c, d]) => format!("{a}.{b}.{c}.{d}"),
        Value::Octets(bytes) if bytes.iter().all(|byte| (32..127).contains(byte)) => {
            format!("\"{}\"", String::from_utf8_lossy(bytes))
        }
        Value::Octets(bytes) => {
            let hex = bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ");
            format!("\"{hex} \"")
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn each_value_is_read_as_the_agent_says_it() {
    let mut agent = AgentConfig::default();
    agent.device.counters_from = u64::MAX - 500_000;
    for (number, value) in [
        Value::Integer(i32::MIN),
        Value::Integer(-129),
        Value::Gauge32(u32::MAX),
        Value::Counter64(u64::MAX),
        Value::Counter64(1 << 63),
        Value::IpAddress([192, 0, 2, 1]),
        Value::ObjectId(oid("1.3.6.1.4.1.4294967295.128")),
        Value::Octets(vec![0, 200, 255]),
        Value::text("x".repeat(300)),
        Value::TimeTicks(u32::MAX),
    ]
    .into_iter()
    .enumerate()
    {
        agent
            .device
            .extra
            .insert(oid("1.3.6.1.4.1.32473.2").child(&[u32::try_from(number).unwrap(), 0]), value);
    }
    let sim = Sim::one(agent).unwrap();
    let expected = said(&sim, "1.3.6.1");
    assert_eq!(expected.len(), 7 + 1 + 20 * 37 + 10);
    assert_eq!(tool(&sim, "snmpwalk", &["-v2c"], &["1.3.6.1"]).unwrap(), expected);
    for repetitions in ["-Cr1", "-Cr10", "-Cr200"] {
        assert_eq!(tool(&sim, "snmpbulkwalk", &["-v2c", repetitions], &["1.3.6.1"]).unwrap(), expected);
    }
    assert!(sim.with(0, |agent| agent.counts().longest_reply).unwrap() <= 1472);
}

#[test]
fn version_1_has_no_counter64_and_one_word_for_what_is_missing() {
    let sim = Sim::one(AgentConfig { versions: Versions::V1, ..AgentConfig::default() }).unwrap();
    assert_eq!(tool(&sim, "snmpget", &["-v1"], &[UPTIME]).unwrap(), [format!("{UPTIME} = 360000")]);
    let wide = format!("{HC_IN_OCTETS}.1");
    assert!(tool(&sim, "snmpget", &["-v1"], &[UPTIME, &wide]).unwrap_err().contains("noSuchName"));
    let walked = tool(&sim, "snmpwalk", &["-v1"], &["1.3.6.1.2.1.31"]).unwrap();
    assert_eq!(walked.len(), 20 * 11);
    assert!(tool(&sim, "snmpget", &["-v2c"], &[UPTIME]).unwrap_err().contains("Timeout"));
    assert_eq!(sim.with(0, |agent| agent.counts().refused), Some(1));
}

#[test]
fn what_is_missing_is_named_and_holes_are_passed_over() {
    let mut agent = AgentConfig::default();
    agent.device.rows = 3;
    agent.device.absent = vec![oid("1.3.6.1.2.1.2.2.1.10.2"), oid("1.3.6.1.2.1.2.2.1.13")];
    let sim = Sim::one(agent).unwrap();
    let get = |name: &str| tool(&sim, "snmpget", &["-v2c"], &[name]).unwrap().remove(0);
    assert!(get("1.3.6.1.2.1.2.2.1.10.2").contains("No Such Instance"));
    assert!(get("1.3.6.1.2.1.2.2.1.13.1").contains("No Such Object"));
    assert!(get("1.3.6.1.2.1.1.3.1").contains("No Such Instance"));
    let walked = tool(&sim, "snmpbulkwalk", &["-v2c"], &["1.3.6.1.2.1.2.2.1.10"]).unwrap();
    assert_eq!(walked.len(), 2);
    let behind = tool(&sim, "snmpgetnext", &["-v2c"], &["1.3.6.1.3"]).unwrap();
    assert!(behind.is_empty(), "{behind:?}");
}

#[test]
fn a_reply_never_exceeds_what_the_agent_can_send() {
    let mut agent = AgentConfig { max_reply: 484, ..AgentConfig::default() };
    agent.device.extra.insert(oid("1.3.6.1.4.1.32473.2.0"), Value::text("x".repeat(500)));
    let sim = Sim::one(agent).unwrap();
    let walked = tool(&sim, "snmpbulkwalk", &["-v2c", "-Cr100"], &[IF_TABLE]).unwrap();
    assert_eq!(walked, said(&sim, IF_TABLE));
    assert!(sim.with(0, |agent| agent.counts().longest_reply).unwrap() <= 484);
    assert!(tool(&sim, "snmpget", &["-v2c"], &["1.3.6.1.4.1.32473.2.0"]).unwrap_err().contains("tooBig"));
    assert!(tool(&sim, "snmpget", &["-v1"], &["1.3.6.1.4.1.32473.2.0"]).unwrap_err().contains("tooBig"));
}

#[test]
fn what_happens_to_a_device_is_seen() {
    let mut agent = AgentConfig::default();
    agent.device.rows = 3;
    agent.device.uptime = Duration::from_millis(u64::from(u32::MAX) * 10);
    agent.device.counters_from = (1 << 32) - 2_000_000;
    agent.device.rate = 1_000_000;
    let sim = Sim::one(agent).unwrap();
    let get = |name: &str| {
        tool(&sim, "snmpget", &["-v2c"], &[name]).unwrap().remove(0).split_once(" = ").unwrap().1.to_owned()
    };
    let number = |name: &str| get(name).parse::<u64>().unwrap();
    let low = "1.3.6.1.2.1.2.2.1.10.1";
    assert_eq!(number(UPTIME), u64::from(u32::MAX));
    let before = number(low);
    sim.with(0, |agent| agent.device.advance(Duration::from_secs(1)));
    assert_eq!(number(UPTIME), 99, "after 497 days");
    assert!(before > 4_000_000_000);
    assert_eq!(number(low), before + 100_000_000 - (1 << 32), "wrapped");
    assert_eq!(number(&format!("{HC_IN_OCTETS}.1")), before + 100_000_000);

    let named = (get(&format!("{IF_NAME}.1")), get(&format!("{IF_NAME}.2")));
    let second = number(&format!("{HC_IN_OCTETS}.2"));
    sim.with(0, |agent| agent.device.renumber());
    assert_eq!((get(&format!("{IF_NAME}.2")), get(&format!("{IF_NAME}.3"))), named);
    assert_eq!(number(&format!("{HC_IN_OCTETS}.3")), second, "counters stay with their rows");

    sim.with(0, |agent| agent.device.discontinue(0));
    assert_eq!(number(&format!("{HC_IN_OCTETS}.2")), 0);
    assert_eq!(number("1.3.6.1.2.1.31.1.1.1.19.2"), 99);
    sim.with(0, |agent| agent.device.reboot());
    assert_eq!((number(UPTIME), number(&format!("{HC_IN_OCTETS}.3"))), (0, 0));

    sim.with(0, |agent| agent.device.remove_row(1));
    assert_eq!(tool(&sim, "snmpbulkwalk", &["-v2c"], &[IF_NAME]).unwrap().len(), 2);
    sim.with(0, |agent| agent.device.add_row(1));
    assert_eq!(tool(&sim, "snmpbulkwalk", &["-v2c"], &[IF_NAME]).unwrap().len(), 3);
}

#[test]
fn misbehaviour_is_what_the_tools_complain_of() {
    let sim = Sim::one(AgentConfig::default()).unwrap();
    for (what, complaint) in [
        (Misbehaviour::Silent, "Timeout"),
        (Misbehaviour::Late(Duration::from_secs(2)), "Timeout"),
        (Misbehaviour::WrongRequestId, "Timeout"),
        (Misbehaviour::Noise, "Timeout"),
        (Misbehaviour::Status(5), "genError"),
        (Misbehaviour::Status(1), "tooBig"),
    ] {
        sim.with(0, |agent| agent.misbehave(what));
        let seen = tool(&sim, "snmpget", &["-v2c"], &[UPTIME]).unwrap_err();
        assert!(seen.contains(complaint), "{what:?}: {seen}");
    }
    for (what, complaint) in
        [(Misbehaviour::NotIncreasing, "OID not increasing"), (Misbehaviour::Circular, "OID not increasing")]
    {
        sim.with(0, |agent| agent.misbehave(what));
        let seen = tool(&sim, "snmpwalk", &["-v2c"], &[IF_NAME]).unwrap_err();
        assert!(seen.contains(complaint), "{what:?}: {seen}");
    }
    sim.with(0, |agent| agent.behave());
    assert!(tool(&sim, "snmpget", &["-v2c"], &[UPTIME]).is_ok());
    sim.with(0, |agent| agent.config.faults = vec![Fault::before_right(Misbehaviour::WrongRequestId)]);
    assert!(tool(&sim, "snmpget", &["-v2c"], &[UPTIME]).is_ok());
    sim.close(0);
    assert!(tool(&sim, "snmpget", &["-v2c"], &[UPTIME]).is_err());
    sim.open(0).unwrap();
    assert!(tool(&sim, "snmpget", &["-v2c"], &[UPTIME]).is_ok());
}
