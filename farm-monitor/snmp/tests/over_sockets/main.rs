//! The engine over real sockets: against agents that misbehave in one way each, and against the real `snmpd`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod misbehaviour;
mod scripted;
mod snmpd;
mod snmpd_tests;
mod tampering;
mod traffic;

use hedgerow_snmp::{
    Agent, Ask, AskError, Engine, EngineOptions, Oid, Patience, Reply, Request, Secret, Security,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Longer than anything here takes; only what hangs meets it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// An engine that asks again soon, so that tests of silence are short.
pub(crate) fn engine() -> Engine {
    Engine::start(EngineOptions {
        patience: Patience { first_timeout: Duration::from_millis(250), attempts: 2 },
        receive_buffer: 1 << 20,
        ..EngineOptions::default()
    })
    .unwrap()
}

pub(crate) fn v2c(address: SocketAddr) -> Agent {
    Agent { address, security: Arc::new(Security::V2c { community: Secret::new("public") }) }
}

pub(crate) fn oid(text: &str) -> Oid {
    Oid::parse(text).unwrap()
}

pub(crate) fn oids(texts: &[&str]) -> Vec<Oid> {
    texts.iter().map(|text| oid(text)).collect()
}

pub(crate) async fn ask(engine: &Engine, agent: &Agent, request: Request) -> Result<Reply, AskError> {
    engine.ask(agent, request, Instant::now() + PATIENCE).await
}
