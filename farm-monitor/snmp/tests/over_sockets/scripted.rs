//! Small agents of v2c that do what a test says, and the messages they say it with.

use async_snmp::message::{CommunityMessage, CommunityPdu};
use async_snmp::pdu::{Pdu, PduBody, StandardPduType};
use async_snmp::{DecodeConfig, Value, VarBind, Version};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// An agent in a thread, until it is dropped.
pub struct Scripted {
    pub address: SocketAddr,
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// A request that arrived.
pub struct Heard {
    pub from: SocketAddr,
    pub id: i32,
    pub version: Version,
    pub community: Vec<u8>,
    pub varbinds: Vec<VarBind>,
}

impl Scripted {
    /// On a free port of `127.0.0.1`; `play` is called with its socket and each request.
    pub fn start(play: impl FnMut(&UdpSocket, Heard) + Send + 'static) -> Self {
        Self::on(UdpSocket::bind("127.0.0.1:0").unwrap(), play)
    }

    pub fn on(socket: UdpSocket, mut play: impl FnMut(&UdpSocket, Heard) + Send + 'static) -> Self {
        Self::raw_on(socket, move |socket, bytes, from| play(socket, Heard::read(bytes, from)))
    }

    /// One that sees datagrams, of whatever kind.
    pub fn raw(play: impl FnMut(&UdpSocket, &[u8], SocketAddr) + Send + 'static) -> Self {
        Self::raw_on(UdpSocket::bind("127.0.0.1:0").unwrap(), play)
    }

    fn raw_on(
        socket: UdpSocket,
        mut play: impl FnMut(&UdpSocket, &[u8], SocketAddr) + Send + 'static,
    ) -> Self {
        let address = socket.local_addr().unwrap();
        let done = Arc::new(AtomicBool::new(false));
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let thread = std::thread::spawn({
            let done = Arc::clone(&done);
            move || {
                let mut buffer = vec![0; 65_536];
                while !done.load(Ordering::Relaxed) {
                    if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                        play(&socket, &buffer[..length], from);
                    }
                }
            }
        });
        Self { address, done, thread: Some(thread) }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        let ended = self.thread.take().unwrap().join();
        if !std::thread::panicking() {
            ended.expect("the agent of this test failed");
        }
    }
}

impl Heard {
    fn read(bytes: &[u8], from: SocketAddr) -> Self {
        let message = CommunityMessage::decode(bytes.to_vec().into(), DecodeConfig::STRICT).unwrap().value;
        let (version, community, pdu) = message.into_parts();
        let CommunityPdu::Standard(pdu) = pdu else { panic!("a trap was sent to an agent") };
        let (id, _, varbinds) = pdu.into_raw_parts();
        Self { from, id, version, community: community.as_bytes().to_vec(), varbinds }
    }

    /// The right answer to a GET: 0 for the first name, 1 for the second, and so on.
    pub fn values(&self) -> Vec<VarBind> {
        let value = |i| Value::Integer(i32::try_from(i).unwrap());
        self.varbinds
            .iter()
            .enumerate()
            .map(|(i, varbind)| VarBind::new(varbind.oid.clone(), value(i)))
            .collect()
    }

    /// It as a message.
    pub fn answer(&self) -> Vec<u8> {
        self.message(StandardPduType::Response, self.id, self.values())
    }

    /// Another message in the same version and community.
    pub fn message(&self, kind: StandardPduType, id: i32, varbinds: Vec<VarBind>) -> Vec<u8> {
        message(self.version, &self.community, kind, id, varbinds)
    }
}

/// Any message of v1 or v2c.
pub fn message(
    version: Version,
    community: &[u8],
    pdu_type: StandardPduType,
    id: i32,
    varbinds: Vec<VarBind>,
) -> Vec<u8> {
    let body = PduBody::Standard { pdu_type, error_status: 0, error_index: 0 };
    let pdu = Pdu::from_raw_parts(id, body, varbinds);
    let community = async_snmp::Community::from(community.to_vec());
    let made = match version {
        Version::V1 => CommunityMessage::v1(community, pdu),
        _ => CommunityMessage::v2c(community, pdu),
    };
    made.unwrap().encode().unwrap().to_vec()
}
