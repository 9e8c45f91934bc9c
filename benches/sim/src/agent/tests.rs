use super::*;
use crate::ber::{self, Reader};
use crate::message::RESPONSE;

const IF_NAME: [u32; 11] = [1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1];

/// A GETBULK behind `name`.
fn request(id: i64, name: &[u32], repetitions: i64) -> Vec<u8> {
    let (mut varbind, mut list, mut pdu, mut message, mut out) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    ber::put_oid(&mut varbind, 0x06, name);
    ber::put(&mut varbind, 0x05, &[]);
    ber::put(&mut list, 0x30, &varbind);
    for number in [id, 0, repetitions] {
        ber::put_signed(&mut pdu, 0x02, number);
    }
    ber::put(&mut pdu, 0x30, &list);
    ber::put_signed(&mut message, 0x02, V2C);
    ber::put(&mut message, 0x04, b"public");
    ber::put(&mut message, 0xa5, &pdu);
    ber::put(&mut out, 0x30, &message);
    out
}

/// Version, community, tag, id, status, names.
type Seen = (i64, Vec<u8>, u8, i64, i64, Vec<Vec<u32>>);

fn seen(datagram: &[u8]) -> Option<Seen> {
    let mut message = Reader(Reader(datagram).content(0x30)?);
    let (version, community) = (message.integer()?, message.content(0x04)?.to_vec());
    let (tag, content) = message.any()?;
    let mut pdu = Reader(content);
    let (id, status, _) = (pdu.integer()?, pdu.integer()?, pdu.integer()?);
    let mut list = Reader(pdu.content(0x30)?);
    let mut names = Vec::new();
    while !list.0.is_empty() {
        let mut varbind = Reader(list.content(0x30)?);
        names.push(varbind.oid()?);
        varbind.any()?;
    }
    Some((version, community, tag, id, status, names))
}

#[expect(clippy::disallowed_methods, reason = "an Instant has no other beginning")]
fn some_moment() -> Instant {
    Instant::now()
}

fn answers(what: Misbehaviour, name: &[u32]) -> Vec<Outgoing> {
    let mut agent = Agent::new(AgentConfig::default(), 7, None);
    agent.misbehave(what);
    agent.receive(&request(70_000, name, 5), some_moment())
}

#[test]
fn each_misbehaviour_spoils_the_answer_in_its_way_and_no_other() {
    let names: Vec<_> = (1..=5).map(|row| [&IF_NAME[..], &[row]].concat()).collect();
    let right = (V2C, b"public".to_vec(), RESPONSE, 70_000, 0, names.clone());
    for what in Misbehaviour::all() {
        let out = answers(what, &IF_NAME);
        if what == Misbehaviour::Silent {
            assert_eq!(out, []);
            continue;
        }
        let first = seen(&out[0].bytes);
        let mut expected = right.clone();
        match what {
            Misbehaviour::WrongRequestId => expected.3 ^= 0x55,
            Misbehaviour::WrongCommunity => expected.1.push(b'x'),
            Misbehaviour::WrongVersion => expected.0 = V1,
            Misbehaviour::NotAReply => expected.2 = 0xa7,
            Misbehaviour::NoVarbinds => expected.5.clear(),
            Misbehaviour::Status(status) => expected.4 = i64::from(status),
            Misbehaviour::OtherNames => {
                expected.5 = (2..=6).map(|row| [&IF_NAME[..], &[row]].concat()).collect();
            }
            Misbehaviour::NotIncreasing => expected.5 = vec![names[0].clone(); 5],
            Misbehaviour::MoreVarbinds => expected.5.push([&names[4][..], &[1]].concat()),
            Misbehaviour::Huge => {
                assert!((65_000..65_507).contains(&out[0].bytes.len()));
                assert!(first.is_some_and(|seen| seen.5.len() > 1000));
                continue;
            }
            Misbehaviour::Truncated | Misbehaviour::Noise | Misbehaviour::OverLong => {
                assert_eq!(first, None, "{what:?}");
                continue;
            }
            _ => {}
        }
        assert_eq!(first, Some(expected), "{what:?}");
        assert_eq!(out.len(), if what == Misbehaviour::Double { 2 } else { 1 }, "{what:?}");
    }
}

#[test]
fn columns_without_end_and_circles_begin_behind_the_last_row() {
    let last = [&IF_NAME[..], &[19]].concat();
    let rows = |what| {
        seen(&answers(what, &last)[0].bytes).unwrap().5.iter().map(|name| name[11]).collect::<Vec<_>>()
    };
    assert_eq!(rows(Misbehaviour::Endless), [20, 21, 22, 23, 24]);
    assert_eq!(rows(Misbehaviour::Circular), [20, 1, 2, 3, 4]);
}

#[test]
fn where_and_when_an_answer_comes_from_is_part_of_the_misbehaviour() {
    let now = some_moment();
    let one = |what| answers(what, &IF_NAME).remove(0);
    assert_eq!(one(Misbehaviour::OtherPort).via, Via::OtherPort);
    assert_eq!(one(Misbehaviour::OtherAddress).via, Via::OtherAddress);
    assert!(one(Misbehaviour::Late(Duration::from_secs(9))).at >= now + Duration::from_secs(9));
}

#[test]
fn one_seed_misbehaves_the_same_each_time_and_as_often_as_told() {
    let run = |seed| {
        let mut agent = Agent::new(AgentConfig::default(), seed, None);
        agent.config.faults = vec![Fault::sometimes(Misbehaviour::Silent, 0.05)];
        let now = some_moment();
        (0..2000).map(|id| agent.receive(&request(id, &IF_NAME, 1), now).is_empty()).collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    let lost = run(1).iter().filter(|lost| **lost).count();
    assert!((60..140).contains(&lost), "{lost}");
}

#[test]
fn an_agent_that_does_one_thing_at_a_time_lets_the_others_wait() {
    let delay = Duration::from_millis(10);
    let mut agent = Agent::new(
        AgentConfig { delay: delay..=delay, one_at_a_time: true, ..AgentConfig::default() },
        1,
        None,
    );
    let now = some_moment();
    let at = |agent: &mut Agent| agent.receive(&request(1, &IF_NAME, 1), now)[0].at - now;
    assert_eq!((at(&mut agent), at(&mut agent)), (delay, delay * 2));
}
