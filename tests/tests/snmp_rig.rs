//! The agents by strangers that other tests rely on answer as they are told to.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use hedgerow_e2e::{Access, Said, Sandbox, Snmpd, Snmpsim, Stopwatch, get, numbers, walk};

#[test]
fn a_real_agent_answers_every_way_in() {
    let sandbox = Sandbox::new();
    let agent = Snmpd::start(&sandbox, "rig", "");
    let name = numbers("1.3.6.1.2.1.1.5.0").unwrap();
    for access in Access::all() {
        let said = get(&sandbox, &access, agent.address(), &["1.3.6.1.2.1.1.5.0"]);
        assert_eq!(said[&name], Said::Bytes(b"sw-rig".to_vec()), "{access:?}");
    }
    let walked = walk(&sandbox, &Access::V2c("public"), agent.address(), "1.3.6.1.2.1.2");
    assert!(walked.len() > 10, "{walked:?}");
}

#[test]
fn a_recorded_agent_is_late_and_refuses_as_its_file_says() {
    let sandbox = Sandbox::new();
    let late = "1.3.6.1.2.1.1.5.0|4:delay|value=late,wait=300\n";
    let refuses = "1.3.6.1.2.1.1.5.0|4:error|value=x,status=genError\n";
    let agent = Snmpsim::start(&sandbox, &[("late", late), ("refuses", refuses)]);
    let watch = Stopwatch::new();
    let said = get(&sandbox, &Access::V2c("late"), agent.address(), &["1.3.6.1.2.1.1.5.0"]);
    assert_eq!(said[&numbers("1.3.6.1.2.1.1.5.0").unwrap()], Said::Bytes(b"late".to_vec()));
    assert!(watch.elapsed().as_millis() >= 300);
    let words = ["-v2c", "-c", "refuses", "-On", agent.address(), "1.3.6.1.2.1.1.5.0"];
    let refused = hedgerow_e2e::net_snmp(&sandbox, "snmpget", &words);
    assert!(refused.stderr.contains("genError"), "{}", refused.told());
}
