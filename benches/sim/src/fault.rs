//! The ways in which an agent misbehaves, each by its name, and what they do to a reply.

use crate::device::mix;
use crate::message::{NO_SUCH_NAME, Reply, TOO_BIG, TRAP, put_varbind};
use crate::value::Value;
use std::str::FromStr;
use std::time::Duration;

/// How long a reply is held back that others shall overtake.
const OVERTAKEN_AFTER: Duration = Duration::from_millis(50);
/// About the longest datagram that UDP carries.
const HUGE: usize = 65_000;

/// One way to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misbehaviour {
    /// No answer. Always: a dead host. With a chance: a network that loses.
    Silent,
    /// The answer comes so much later.
    Late(Duration),
    /// The answer comes twice.
    Double,
    /// The answer comes from another port of the same address.
    OtherPort,
    /// The answer comes from another address, from the same port where that is free there.
    OtherAddress,
    /// The answer is held back for 50 ms. With a chance of one half, later ones overtake it.
    OutOfOrder,
    /// The answer carries another request id.
    WrongRequestId,
    /// The answer carries another community.
    WrongCommunity,
    /// The answer says that it is of the other version.
    WrongVersion,
    /// The answer is a notification by its tag.
    NotAReply,
    /// GETNEXT and GETBULK answer with the name that was asked, where it exists.
    NotIncreasing,
    /// Columns have no last row: one more is made up each time.
    Endless,
    /// Behind the last row of a column comes its first.
    Circular,
    /// The datagram ends too early.
    Truncated,
    /// The datagram is noise.
    Noise,
    /// A length within claims more than there is.
    OverLong,
    /// The datagram is about 64 KiB long, all of it well-formed, with more names than asked for.
    Huge,
    /// No names.
    NoVarbinds,
    /// More names than asked for.
    MoreVarbinds,
    /// The names of the answer are moved by one: values stand behind names they are not of, at names not asked for.
    OtherNames,
    /// Values are of a type that their objects cannot have.
    WrongTypes,
    /// This error status, always.
    Status(i32),
    /// `noSuchObject` for every name.
    NoSuchObject,
    /// `noSuchInstance` for every name.
    NoSuchInstance,
    /// `endOfMibView` for every name.
    EndOfMibView,
}

/// A misbehaviour, and how often.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fault {
    /// What.
    pub what: Misbehaviour,
    /// Of how many answers, from 0 to 1.
    pub chance: f64,
    /// Whether the right answer follows the wrong one.
    pub then_right: bool,
}

impl Fault {
    /// Each time.
    pub const fn always(what: Misbehaviour) -> Self {
        Self { what, chance: 1.0, then_right: false }
    }

    /// Now and then.
    pub const fn sometimes(what: Misbehaviour, chance: f64) -> Self {
        Self { what, chance, then_right: false }
    }

    /// Each time, and the right answer behind it.
    pub const fn before_right(what: Misbehaviour) -> Self {
        Self { what, chance: 1.0, then_right: true }
    }
}

const WORDS: [(&str, Misbehaviour); 27] = [
    ("silent", Misbehaviour::Silent),
    ("late", Misbehaviour::Late(Duration::from_secs(2))),
    ("double", Misbehaviour::Double),
    ("other-port", Misbehaviour::OtherPort),
    ("other-address", Misbehaviour::OtherAddress),
    ("out-of-order", Misbehaviour::OutOfOrder),
    ("wrong-request-id", Misbehaviour::WrongRequestId),
    ("wrong-community", Misbehaviour::WrongCommunity),
    ("wrong-version", Misbehaviour::WrongVersion),
    ("not-a-reply", Misbehaviour::NotAReply),
    ("not-increasing", Misbehaviour::NotIncreasing),
    ("endless", Misbehaviour::Endless),
    ("circular", Misbehaviour::Circular),
    ("truncated", Misbehaviour::Truncated),
    ("noise", Misbehaviour::Noise),
    ("over-long", Misbehaviour::OverLong),
    ("huge", Misbehaviour::Huge),
    ("no-varbinds", Misbehaviour::NoVarbinds),
    ("more-varbinds", Misbehaviour::MoreVarbinds),
    ("other-names", Misbehaviour::OtherNames),
    ("wrong-types", Misbehaviour::WrongTypes),
    ("too-big", Misbehaviour::Status(TOO_BIG)),
    ("no-such-name", Misbehaviour::Status(NO_SUCH_NAME)),
    ("gen-err", Misbehaviour::Status(5)),
    ("no-such-object", Misbehaviour::NoSuchObject),
    ("no-such-instance", Misbehaviour::NoSuchInstance),
    ("end-of-mib-view", Misbehaviour::EndOfMibView),
];

impl Misbehaviour {
    /// Each of them; delays and error statuses are examples.
    pub fn all() -> Vec<Self> {
        WORDS.iter().map(|(_, what)| *what).collect()
    }

    /// What it does to the reply before it is written.
    pub(crate) fn spoil(self, reply: &mut Reply) {
        match self {
            Self::WrongRequestId => reply.id ^= 0x55,
            Self::WrongCommunity => reply.community.push(b'x'),
            Self::WrongVersion => reply.version ^= 1,
            Self::NotAReply => reply.tag = TRAP,
            Self::NoVarbinds => reply.varbinds.clear(),
            Self::MoreVarbinds => more(reply, 0),
            Self::Huge => more(reply, HUGE),
            Self::OtherNames => {
                for (name, _) in &mut reply.varbinds {
                    if let Some((last, object)) = name.split_last() {
                        let moved: Vec<u32> = object.iter().copied().chain([last.wrapping_add(1)]).collect();
                        *name = moved.into();
                    }
                }
            }
            Self::WrongTypes => {
                for (_, value) in &mut reply.varbinds {
                    *value = match value {
                        Value::Octets(_) | Value::ObjectId(_) => Value::Counter32(7),
                        _ => Value::text("seven"),
                    };
                }
            }
            Self::Status(status) => (reply.status, reply.index) = (status, 1),
            Self::NoSuchObject => say(reply, &Value::NoSuchObject),
            Self::NoSuchInstance => say(reply, &Value::NoSuchInstance),
            Self::EndOfMibView => say(reply, &Value::EndOfMibView),
            _ => {}
        }
    }

    /// What it does to the datagram. `random` makes it differ from one to the next.
    pub(crate) fn garble(self, datagram: &mut Vec<u8>, random: u64) {
        let length = datagram.len().max(1) as u64;
        let place = |below: u64| usize::try_from(mix(random) % below.max(1)).unwrap_or_default();
        match self {
            Self::Truncated => datagram.truncate(place(length)),
            Self::Noise => {
                let mut state = random;
                for byte in datagram.iter_mut() {
                    state = mix(state);
                    *byte = state.to_be_bytes()[0];
                }
            }
            // The datagram begins with a sequence and its length: 0x84 takes four bytes as length, all within the datagram.
            Self::OverLong => {
                if let Some(byte) = datagram.get_mut(1) {
                    *byte = 0x84;
                }
            }
            _ => {}
        }
    }

    /// How much later it lets the answer come.
    pub(crate) fn delay(self) -> Duration {
        match self {
            Self::Late(by) => by,
            Self::OutOfOrder => OVERTAKEN_AFTER,
            _ => Duration::ZERO,
        }
    }
}

/// More of the last, at names behind it, until the reply is about `size` bytes long.
fn more(reply: &mut Reply, size: usize) {
    let Some((last, value)) = reply.varbinds.last().cloned() else { return };
    let mut bytes = reply.write().len();
    for number in 1.. {
        let name = last.child(&[number]);
        let mut varbind = Vec::new();
        put_varbind(&mut varbind, &name, &value);
        reply.varbinds.push((name, value.clone()));
        bytes += varbind.len();
        if bytes >= size {
            break;
        }
    }
}

fn say(reply: &mut Reply, what: &Value) {
    reply.varbinds.iter_mut().for_each(|(_, value)| *value = what.clone());
}

impl FromStr for Misbehaviour {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        WORDS.iter().find(|(known, _)| *known == word).map(|(_, what)| *what).ok_or_else(|| {
            let known: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
            format!("`{word}` is no misbehaviour: expected one of {}", known.join(", "))
        })
    }
}
