//! What a person sees.

use super::agent::{Memory, oid};
use super::security;
use crate::snmp::look::{LookError, WalkLimits, get, walk};
use hedgerow_snmp::{Agent, Oid, Value};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

fn switch(v1: bool, names: usize) -> (Memory, Agent) {
    let memory = Memory::new();
    memory.system();
    for index in 1..=30 {
        memory.lock().interface(index, &format!("e{index}"), 5);
    }
    memory.lock().mib.retain(|_, value| !matches!(value, Value::Counter64(_)));
    (memory.lock().v1, memory.lock().names) = (v1, names);
    let agent = Agent { address: "192.0.2.1:161".parse().unwrap(), security: Arc::new(security(&memory)) };
    (memory, agent)
}

async fn walked(
    memory: &Memory,
    agent: &Agent,
    root: &str,
    values: usize,
) -> (Vec<Oid>, Result<usize, LookError>) {
    let limits = WalkLimits { values, until: Instant::now() + Duration::from_secs(60) };
    let mut found = Vec::new();
    let done = walk(memory, agent, &oid(root), limits, &mut |oid, _| found.push(oid)).await;
    (found, done)
}

#[tokio::test(start_paused = true)]
async fn a_walk_gives_all_below_its_root_and_nothing_else() {
    for (v1, names) in [(false, 40), (false, 3), (true, 40)] {
        let (memory, agent) = switch(v1, names);
        let below: Vec<Oid> = memory
            .lock()
            .mib
            .keys()
            .filter(|name| name.starts_with(&oid("1.3.6.1.2.1.2")))
            .cloned()
            .collect();
        let (found, done) = walked(&memory, &agent, "1.3.6.1.2.1.2", 1000).await;
        assert_eq!((found, done), (below, Ok(120)), "v1: {v1}");
        let (found, done) = walked(&memory, &agent, "1.3.6.1.2.1.1.5.0", 1000).await;
        assert_eq!((found, done), (vec![oid("1.3.6.1.2.1.1.5.0")], Ok(1)), "an instance is shown itself");
        assert_eq!(walked(&memory, &agent, "1.3.6.1.4", 1000).await, (Vec::new(), Ok(0)));
        let (found, done) = walked(&memory, &agent, "1.3.6.1.2.1.2", 50).await;
        assert_eq!((found.len(), done), (50, Err(LookError::Endless(50))));
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_agent_has_not_got_is_said_of_each() {
    for v1 in [false, true] {
        let (memory, agent) = switch(v1, 40);
        let names = [oid("1.3.6.1.9.1.0"), oid("1.3.6.1.2.1.1.5.0"), oid("1.3.6.1.9.2.0")];
        let found = get(&memory, &agent, &names, Instant::now() + Duration::from_secs(60)).await.unwrap();
        let shown: Vec<bool> = found.iter().map(|(_, value)| *value == Value::NoSuchObject).collect();
        assert_eq!(shown, [true, false, true], "v1: {v1}");
        assert_eq!(found.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), names);
    }
}
