//! What an exchange costs: 500 agents of one process, each answering one GETBULK of ten columns with 67 values, asked in
//! rounds. Prints CPU seconds per million values, of the asking thread alone.
//!
//! `cargo run --release -p hedgerow-snmp --example asking -- [ROUNDS] [VALUES]`
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement, run by hand")]

use async_snmp::message::CommunityMessage;
use async_snmp::pdu::{Pdu, PduBody, StandardPduType};
use async_snmp::{DecodeConfig, Oid, Value, VarBind};
use futures_util::future::join_all;
use futures_util::stream::{StreamExt, iter};
use hedgerow_snmp::{Agent, Ask, Engine, EngineOptions, Request, Secret, Security};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const AGENTS: usize = 500;
/// Asked at once.
const AT_ONCE: usize = 64;
const COLUMNS: u32 = 10;

fn main() {
    let argument = |at, or| std::env::args().nth(at).and_then(|text| text.parse().ok()).unwrap_or(or);
    let (rounds, values) = (argument(1, 200_u32), argument(2, 67_u32));
    let addresses = agents(values);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let engine = Engine::start(EngineOptions::default()).unwrap();
        let security = Arc::new(Security::V2c { community: Secret::new("public") });
        let agents: Vec<Agent> = addresses
            .iter()
            .map(|address| Agent { address: *address, security: Arc::clone(&security) })
            .collect();
        let column = |i| Oid::new([1, 3, 6, 1, 2, 1, 2, 2, 1, i]);
        let request = Request::GetBulk {
            non_repeaters: 0,
            max_repetitions: values.div_ceil(COLUMNS),
            oids: (0..COLUMNS).map(column).collect(),
        };
        let (began, cpu) = (Instant::now(), cpu_of_this_thread());
        let mut heard = 0;
        for _ in 0..rounds {
            let deadline = Instant::now() + Duration::from_secs(20);
            let asks = agents.iter().map(|agent| engine.ask(agent, request.clone(), deadline));
            let mut replies = iter(asks).buffer_unordered(AT_ONCE);
            while let Some(reply) = replies.next().await {
                heard += reply.unwrap().varbinds.len();
            }
        }
        let (took, used) = (began.elapsed(), cpu_of_this_thread() - cpu);
        let exchanges = f64::from(rounds) * AGENTS as f64;
        println!(
            "{heard} values in {exchanges} exchanges, {took:.2?}, receive buffer {}",
            engine.receive_buffer()
        );
        println!("{:.3} CPU-s per million values", used.as_secs_f64() / heard as f64 * 1e6);
        println!("{:.2} µs of CPU per exchange", used.as_secs_f64() / exchanges * 1e6);
        for (name, value, _) in engine.counts().all().into_iter().filter(|(_, value, _)| *value > 0) {
            println!("{name} {value}");
        }
    });
}

fn cpu_of_this_thread() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

/// Agents that answer anything with the same values; in one thread, which is not counted.
fn agents(values: u32) -> Vec<SocketAddr> {
    let varbinds = (0..values)
        .map(|i| {
            let name = Oid::new([1, 3, 6, 1, 2, 1, 2, 2, 1, i % COLUMNS, 1 + i / COLUMNS]);
            VarBind::new(name, Value::Counter32(1_000_000_000 + i))
        })
        .collect::<Vec<_>>();
    let reply_to = move |id| {
        let body = PduBody::Standard { pdu_type: StandardPduType::Response, error_status: 0, error_index: 0 };
        let pdu = Pdu::from_raw_parts(id, body, varbinds.clone());
        CommunityMessage::v2c("public", pdu).unwrap().encode().unwrap().to_vec()
    };
    // The id's place and width are the same in all but the smallest ids; those are answered slowly.
    const PROBE: i32 = 0x1122_3344;
    let model = reply_to(PROBE);
    let at = model.windows(4).position(|bytes| bytes == PROBE.to_be_bytes()).unwrap();
    let sockets: Vec<UdpSocket> = (0..AGENTS).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    let addresses = sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
    let thread = std::thread::Builder::new().name("agents".to_owned());
    let answering = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let reply_to = Arc::new(reply_to);
            let tasks = sockets.into_iter().map(|socket| {
                let (mut reply, reply_to) = (model.clone(), Arc::clone(&reply_to));
                tokio::spawn(async move {
                    socket.set_nonblocking(true).unwrap();
                    let socket = tokio::net::UdpSocket::from_std(socket).unwrap();
                    let mut request = [0; 2_000];
                    while let Ok((length, from)) = socket.recv_from(&mut request).await {
                        let request = &request[..length];
                        // Behind tag and length (in two bytes) of the PDU stands the id, mostly of four bytes.
                        let place = request.iter().position(|byte| *byte == 0xa5).unwrap() + 3;
                        let sent = if request[place..place + 2] == [2, 4] {
                            reply[at..at + 4].copy_from_slice(&request[place + 2..place + 6]);
                            socket.send_to(&reply, from).await
                        } else {
                            let message =
                                CommunityMessage::decode(request.to_vec().into(), DecodeConfig::STRICT);
                            let id = message.unwrap().value.into_pdu().unwrap().request_id();
                            socket.send_to(&reply_to(id), from).await
                        };
                        sent.unwrap();
                    }
                })
            });
            join_all(tasks).await;
        });
    };
    thread.spawn(answering).unwrap();
    addresses
}
