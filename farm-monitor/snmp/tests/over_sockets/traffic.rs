//! Many requests at once: windows, dead agents, agents that nobody is there for, and the end of an engine.

use crate::scripted::{Heard, Scripted};
use crate::snmpd::free_address;
use crate::{PATIENCE, ask, engine, oids, v2c};
use hedgerow_snmp::{Ask, AskError, Engine, EngineOptions, Patience, Request};
use std::net::UdpSocket;
use std::time::Duration;
use tokio::time::Instant;

fn get() -> Request {
    Request::Get(oids(&["1.3.6.1.2.1.1.3.0"]))
}

#[tokio::test]
async fn no_agent_has_more_requests_in_flight_than_its_window() {
    let mut held: Vec<Heard> = Vec::new();
    let mut answered = 0;
    let agent = Scripted::start(move |socket, heard| {
        // Where this machine is slow, requests are repeated: it is the same request still.
        if held.iter().any(|held| held.varbinds == heard.varbinds) {
            return;
        }
        held.push(heard);
        assert!(held.len() <= 3, "more than the window is in flight");
        // Answers only when the window is full, or when the last few are left.
        if held.len() == 3 || answered + held.len() == 30 {
            answered += held.len();
            for heard in held.drain(..) {
                socket.send_to(&heard.answer(), heard.from).unwrap();
            }
        }
    });
    let patience = Patience { first_timeout: PATIENCE, attempts: 1 };
    let engine = Engine::start(EngineOptions { window: 3, patience, ..EngineOptions::default() }).unwrap();
    let agent_seen = v2c(agent.address);
    let get = |i| Request::Get(oids(&[&format!("1.3.6.1.2.1.1.{i}.0")]));
    let asks = (0..30).map(|i| ask(&engine, &agent_seen, get(i)));
    for answer in futures_util::future::join_all(asks).await {
        answer.unwrap();
    }
    let counts = engine.counts();
    assert_eq!(counts.sent.get(), 30 + counts.repeated.get());
}

#[tokio::test]
async fn who_waits_for_its_turn_waits_no_longer_than_its_deadline() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let engine = engine().with_patience(Patience { first_timeout: PATIENCE, attempts: 1 });
    let agent = v2c(silent.local_addr().unwrap());
    let deadline = Instant::now() + Duration::from_millis(50);
    let asks = (0..6).map(|_| engine.ask(&agent, get(), deadline));
    let answers = futures_util::future::join_all(asks).await;
    let attempts: Vec<u32> = answers
        .into_iter()
        .map(|answer| match answer {
            Err(AskError::TimedOut { attempts, .. }) => attempts,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(attempts, [1, 1, 1, 1, 0, 0]);
    assert_eq!(engine.counts().timed_out.get(), 6);
}

#[tokio::test]
async fn silent_agents_hold_up_nobody_else() {
    let silent: Vec<UdpSocket> = (0..50).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    let live = Scripted::start(|socket, heard| {
        socket.send_to(&heard.answer(), heard.from).unwrap();
    });
    let engine = engine().with_patience(Patience { first_timeout: PATIENCE, attempts: 1 });
    let waiting: Vec<_> = silent
        .iter()
        .flat_map(|socket| [socket; 8])
        .map(|socket| {
            let (engine, agent) = (engine.clone(), v2c(socket.local_addr().unwrap()));
            tokio::spawn(async move { ask(&engine, &agent, get()).await })
        })
        .collect();
    let agent = v2c(live.address);
    for _ in 0..100 {
        ask(&engine, &agent, get()).await.unwrap();
    }
    assert!(waiting.iter().all(|waiting| !waiting.is_finished()), "a silent agent was given up early");
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn where_nobody_listens_is_said_of_the_right_agent_and_not_waited_for() {
    let dead: Vec<_> = (0..20).map(|_| v2c(free_address())).collect();
    let live = Scripted::start(|socket, heard| {
        socket.send_to(&heard.answer(), heard.from).unwrap();
    });
    let live_agent = v2c(live.address);
    // The last wait alone would be a minute: only ICMP ends it sooner.
    let patience = Patience { first_timeout: Duration::from_secs(20), attempts: 1 };
    let engine = engine().with_patience(patience);
    let deads = dead.iter().map(|agent| ask(&engine, agent, get()));
    let lives = (0..200).map(|_| ask(&engine, &live_agent, get()));
    let began = Instant::now();
    let (deads, lives) =
        tokio::join!(futures_util::future::join_all(deads), futures_util::future::join_all(lives));
    for (agent, answer) in dead.iter().zip(deads) {
        match answer {
            Err(AskError::Unreachable(why)) => assert!(why.contains(&agent.address.to_string()), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(began.elapsed() < Duration::from_secs(20), "ICMP was not heard");
    for answer in lives {
        answer.unwrap();
    }
    assert_eq!(engine.counts().unreachable.get(), 20);
}

#[tokio::test]
async fn an_agent_that_is_just_restarting_is_asked_again() {
    let address = free_address();
    let engine = engine();
    let asking = tokio::spawn({
        let engine = engine.clone();
        async move { ask(&engine, &v2c(address), get()).await }
    });
    while engine.counts().unreachable.get() == 0 {
        tokio::task::yield_now().await;
    }
    let _agent = Scripted::on(UdpSocket::bind(address).unwrap(), |socket, heard| {
        socket.send_to(&heard.answer(), heard.from).unwrap();
    });
    asking.await.unwrap().unwrap();
}

/// Each request is lost twice after the first. An agent whose times were no longer known would be asked once only.
#[tokio::test]
async fn lost_datagrams_are_repeated_soon_as_long_as_patience_lasts_and_an_agents_times_stay_known() {
    let mut heard_so_far = 0;
    let agent = Scripted::start(move |socket, heard| {
        heard_so_far += 1;
        if heard_so_far % 3 == 1 {
            socket.send_to(&heard.answer(), heard.from).unwrap();
        }
    });
    let engine = engine().with_patience(Patience { first_timeout: Duration::from_secs(10), attempts: 1 });
    for _ in 0..4 {
        ask(&engine, &v2c(agent.address), get()).await.unwrap();
    }
    assert_eq!(engine.counts().repeated.get(), 6);
}

#[tokio::test]
async fn ipv6_is_spoken_too_and_mapped_addresses_are_ipv4() {
    let six = Scripted::on(UdpSocket::bind("[::1]:0").unwrap(), |socket, heard| {
        socket.send_to(&heard.answer(), heard.from).unwrap();
    });
    let four = Scripted::start(|socket, heard| {
        socket.send_to(&heard.answer(), heard.from).unwrap();
    });
    let engine = engine();
    ask(&engine, &v2c(six.address), get()).await.unwrap();
    let mapped = format!("[::ffff:127.0.0.1]:{}", four.address.port()).parse().unwrap();
    ask(&engine, &v2c(mapped), get()).await.unwrap();
}

#[tokio::test]
async fn the_end_of_an_engine_closes_its_sockets() {
    let engine = engine();
    let addresses = engine.local_addresses();
    assert!(!addresses.is_empty() && engine.receive_buffer() > 0);
    drop(engine.clone());
    assert!(UdpSocket::bind(addresses[0]).is_err(), "a clone took the sockets with it");
    drop(engine);
    // The tasks end at their next turn.
    while UdpSocket::bind(addresses[0]).is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn several_sockets_share_the_work_and_the_counts() {
    let agents: Vec<_> = (0..16)
        .map(|_| {
            Scripted::start(|socket, heard| {
                socket.send_to(&heard.answer(), heard.from).unwrap();
            })
        })
        .collect();
    let engine = Engine::start(EngineOptions { sockets: 3, ..EngineOptions::default() }).unwrap();
    assert_eq!(engine.local_addresses().iter().filter(|address| address.is_ipv4()).count(), 3);
    for agent in &agents {
        ask(&engine, &v2c(agent.address), get()).await.unwrap();
    }
    assert_eq!(engine.counts().answered.get(), 16);
}

#[tokio::test]
async fn what_cannot_be_put_is_said_at_once() {
    let engine = engine();
    let agent = v2c(free_address());
    let many = Request::Get(vec![oids(&["1.3.6.1.2.1.1.3.0"])[0].clone(); 10_000]);
    for request in [Request::Get(vec![]), many, Request::Get(vec![hedgerow_snmp::Oid::empty()])] {
        assert!(matches!(ask(&engine, &agent, request).await, Err(AskError::NotAskable(_))));
    }
    assert_eq!(engine.counts().sent.get(), 0);
}
