//! One way of misbehaving per test: what is no answer is counted under its name, and the real answer is heard all the
//! same, or else the time-out says what came instead.

use crate::scripted::{Heard, Scripted, message};
use crate::{ask, engine, oids, v2c};
use async_snmp::pdu::StandardPduType;
use async_snmp::{Value, VarBind, Version};
use hedgerow_snmp::{AskError, Counts, Engine, EngineOptions, Patience, Request};
use std::net::UdpSocket;
use std::time::Duration;

const NAMES: [&str; 3] = ["1.3.6.1.2.1.1.3.0", "1.3.6.1.2.1.1.5.0", "1.3.6.1.2.1.1.7.0"];

fn get() -> Request {
    Request::Get(oids(&NAMES))
}

fn is_right(reply: &hedgerow_snmp::Reply) {
    let expected = (0..3).map(|i| VarBind::new(oids(&NAMES)[i].clone(), Value::Integer(i as i32)));
    assert!(reply.varbinds.iter().cloned().eq(expected), "a wrong value: {:?}", reply.varbinds);
}

/// What must have been counted, and nothing else but the answers.
fn counted(counts: &Counts, name: &str, many: usize) {
    let all = counts.all();
    let value = |name: &str| all.iter().find(|(known, ..)| *known == name).unwrap().1;
    assert_eq!(value(name), many as u64, "{name}: {all:?}");
    let others: u64 = all
        .iter()
        .filter(|(known, ..)| {
            ![name, "sent", "repeated", "received", "answered", "timed_out"].contains(known)
        })
        .map(|(_, value, _)| value)
        .sum();
    assert_eq!(others, 0, "{all:?}");
    assert_eq!(value("received"), value("answered") + value(name), "each datagram has one name");
}

/// An agent sends what `bad` makes of a request, and `after` it the right answer: that must be heard.
/// Then one that sends nothing but the bad: that is a time-out which says so.
async fn never_ends_the_wait(
    name: &str,
    said: &str,
    bad: impl Fn(&Heard) -> Vec<Vec<u8>> + Clone + Send + 'static,
) {
    let sends = |socket: &UdpSocket, to, messages: Vec<Vec<u8>>| {
        for message in messages {
            socket.send_to(&message, to).unwrap();
        }
    };
    never_ends_the_wait_from(name, said, move |socket, heard| sends(socket, heard.from, bad(heard))).await;
}

async fn never_ends_the_wait_from(
    name: &str,
    said: &str,
    bad: impl Fn(&UdpSocket, &Heard) + Clone + Send + 'static,
) {
    let then_good = {
        let bad = bad.clone();
        Scripted::start(move |socket, heard| {
            bad(socket, &heard);
            socket.send_to(&heard.answer(), heard.from).unwrap();
        })
    };
    let asking = engine();
    is_right(&ask(&asking, &v2c(then_good.address), get()).await.unwrap());
    let many = asking.counts().received.get() as usize - 1;
    assert!(many > 0, "nothing bad was received");
    counted(&asking.counts(), name, many);

    let only_bad = Scripted::start(move |socket, heard| bad(socket, &heard));
    let asking = engine();
    let error = ask(&asking, &v2c(only_bad.address), get()).await.unwrap_err();
    assert!(matches!(error, AskError::TimedOut { attempts: 2, .. }), "{error}");
    assert!(error.to_string().contains(said), "{error}");
    counted(&asking.counts(), name, 2 * many);
}

#[tokio::test]
async fn from_another_port() {
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    let other = std::sync::Arc::new(other);
    let said = format!("came from another address ({})", other.local_addr().unwrap());
    never_ends_the_wait_from("wrong_address", &said, move |_, heard| {
        other.send_to(&heard.answer(), heard.from).unwrap();
    })
    .await;
}

#[tokio::test]
async fn from_another_address_with_the_same_port() {
    never_ends_the_wait_from("wrong_address", "came from another address (127.0.0.2:", |socket, heard| {
        let port = socket.local_addr().unwrap().port();
        UdpSocket::bind(("127.0.0.2", port)).unwrap().send_to(&heard.answer(), heard.from).unwrap();
    })
    .await;
}

#[tokio::test]
async fn with_an_id_that_no_request_has() {
    never_ends_the_wait("wrong_request_id", "had an id that no request has", |heard| {
        [heard.id + 1, heard.id ^ 1, 0, -heard.id]
            .map(|id| heard.message(StandardPduType::Response, id, heard.values()))
            .to_vec()
    })
    .await;
}

#[tokio::test]
async fn with_another_community_or_version() {
    never_ends_the_wait("wrong_security", "had another version, community", |heard| {
        let other = |version, community: &[u8]| {
            message(version, community, StandardPduType::Response, heard.id, heard.values())
        };
        vec![
            other(Version::V2c, b"Public"),
            other(Version::V2c, b"publi"),
            other(Version::V2c, b"public\0"),
            other(Version::V2c, b""),
            other(Version::V1, b"public"),
            v3_message_with(heard.id),
        ]
    })
    .await;
}

fn v3_message_with(id: i32) -> Vec<u8> {
    let size = async_snmp::MessageSize::new(65_507).unwrap();
    async_snmp::message::V3Message::discovery_request(id, size).unwrap().encode().unwrap().to_vec()
}

#[tokio::test]
async fn cut_at_every_byte_or_with_bytes_behind() {
    never_ends_the_wait("malformed", "were malformed", |heard| {
        let whole = heard.answer();
        let mut bad: Vec<Vec<u8>> = (0..whole.len()).map(|length| whole[..length].to_vec()).collect();
        bad.push([&whole[..], &[0]].concat());
        bad.push([&whole[..], &whole[..]].concat());
        bad
    })
    .await;
}

#[tokio::test]
async fn not_snmp_at_all() {
    never_ends_the_wait("malformed", "were malformed", |_| {
        vec![
            vec![],
            vec![0; 1_400],
            vec![0x30; 1_400],
            b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
            vec![0xff; 60_000],
        ]
    })
    .await;
}

#[tokio::test]
async fn names_that_were_not_asked_for() {
    never_ends_the_wait("wrong_shape", "had other names than the request allows", |heard| {
        let right = heard.values();
        let with = |change: &dyn Fn(&mut Vec<VarBind>)| {
            let mut varbinds = right.clone();
            change(&mut varbinds);
            heard.message(StandardPduType::Response, heard.id, varbinds)
        };
        vec![
            with(&|varbinds| varbinds.swap(0, 1)),
            with(&|varbinds| {
                varbinds.pop();
            }),
            with(&|varbinds| varbinds.push(right[0].clone())),
            with(&|varbinds| varbinds[1].oid = right[0].oid.clone()),
            with(&Vec::clear),
        ]
    })
    .await;
}

#[tokio::test]
async fn requests_and_traps_instead_of_a_reply() {
    never_ends_the_wait("not_a_reply", "were no replies but requests or traps", |heard| {
        [StandardPduType::GetRequest, StandardPduType::GetNextRequest, StandardPduType::SetRequest]
            .map(|kind| heard.message(kind, heard.id, heard.values()))
            .to_vec()
    })
    .await;
}

#[tokio::test]
async fn longer_than_is_read() {
    let agent = Scripted::start(|socket, heard| {
        let long = VarBind::new(heard.varbinds[0].oid.clone(), Value::OctetString(vec![b'x'; 2_000].into()));
        socket.send_to(&heard.message(StandardPduType::Response, heard.id, vec![long]), heard.from).unwrap();
        socket.send_to(&heard.answer(), heard.from).unwrap();
    });
    let engine =
        Engine::start(EngineOptions { longest_datagram: 1_000, ..EngineOptions::default() }).unwrap();
    is_right(&ask(&engine, &v2c(agent.address), get()).await.unwrap());
    counted(&engine.counts(), "huge", 1);
}

#[tokio::test]
async fn from_strangers() {
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let agent = Scripted::start(move |socket, heard| {
        let with_another_id = heard.message(StandardPduType::Response, heard.id ^ 1, heard.values());
        for bytes in [&with_another_id[..], b"", b"noise", &v3_message_with(5)] {
            stranger.send_to(bytes, heard.from).unwrap();
        }
        socket.send_to(&heard.answer(), heard.from).unwrap();
    });
    let engine = engine();
    is_right(&ask(&engine, &v2c(agent.address), get()).await.unwrap());
    counted(&engine.counts(), "stranger", 4);
}

#[tokio::test]
async fn late() {
    let mut held = None;
    let agent = Scripted::start(move |socket, heard| match held.take() {
        None => held = Some(heard.answer()),
        Some(late) => {
            socket.send_to(&late, heard.from).unwrap();
            socket.send_to(&heard.answer(), heard.from).unwrap();
        }
    });
    let engine = engine();
    let hasty = engine.with_patience(Patience { first_timeout: Duration::from_millis(1), attempts: 1 });
    let error = ask(&hasty, &v2c(agent.address), get()).await.unwrap_err();
    assert!(matches!(error, AskError::TimedOut { attempts: 1, ref seen, .. } if seen.is_empty()), "{error}");
    is_right(&ask(&engine, &v2c(agent.address), get()).await.unwrap());
    counted(&engine.counts(), "late", 1);
}

#[tokio::test]
async fn twice() {
    let agent = Scripted::start(|socket, heard| {
        socket.send_to(&heard.answer(), heard.from).unwrap();
        socket.send_to(&heard.answer(), heard.from).unwrap();
    });
    let engine = engine();
    for _ in 0..50 {
        is_right(&ask(&engine, &v2c(agent.address), get()).await.unwrap());
    }
    while engine.counts().received.get() < 100 {
        tokio::task::yield_now().await;
    }
    counted(&engine.counts(), "double", 50);
}

#[tokio::test]
async fn an_answer_to_the_first_sending_counts_after_the_second() {
    let mut first = None;
    let agent = Scripted::start(move |socket, heard| match first.take() {
        None => first = Some(heard),
        Some(first) => {
            assert_ne!(first.id, heard.id);
            socket.send_to(&first.answer(), first.from).unwrap();
            socket.send_to(&heard.answer(), heard.from).unwrap();
        }
    });
    let engine = engine();
    is_right(&ask(&engine, &v2c(agent.address), get()).await.unwrap());
    while engine.counts().received.get() < 2 {
        tokio::task::yield_now().await;
    }
    counted(&engine.counts(), "double", 1);
    assert_eq!(engine.counts().repeated.get(), 1);
}

#[tokio::test]
async fn answers_of_two_agents_changed_over() {
    let (one, other) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let (one_address, other_address) = (one.local_addr().unwrap(), other.local_addr().unwrap());
    let other_writes = other.try_clone().unwrap();
    let one_writes = one.try_clone().unwrap();
    // Each answers over the other's socket first: the right id, from an agent that was asked, but not for this.
    let one = Scripted::on(one, move |socket, heard| {
        let swapped = vec![VarBind::new(heard.varbinds[0].oid.clone(), Value::Integer(666)); 3];
        let swapped = heard.message(StandardPduType::Response, heard.id, swapped);
        other_writes.send_to(&swapped, heard.from).unwrap();
        socket.send_to(&heard.answer(), heard.from).unwrap();
    });
    let other = Scripted::on(other, move |socket, heard| {
        one_writes.send_to(&heard.answer(), heard.from).unwrap();
        socket.send_to(&heard.answer(), heard.from).unwrap();
    });
    let engine = engine();
    for _ in 0..50 {
        let (agent, second) = (v2c(one_address), v2c(other_address));
        let (a, b) = tokio::join!(ask(&engine, &agent, get()), ask(&engine, &second, get()));
        is_right(&a.unwrap());
        is_right(&b.unwrap());
    }
    counted(&engine.counts(), "wrong_address", 100);
    drop((one, other));
}
