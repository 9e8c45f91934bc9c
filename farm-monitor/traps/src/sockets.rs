//! The sockets of the door: bound, with a receive buffer that takes a burst, and what the system dropped of it.

use hedgerow_snmp::notify::MAX_NOTIFICATION_BYTES;
use rustix::fs::fstat;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

/// Asked of the system for each socket: some thousand notifications. It gives at most net.core.rmem_max.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Longer than what is read, so that what is too long shows.
pub type Buffer = Box<[u8; MAX_NOTIFICATION_BYTES + 1]>;

/// One.
pub struct Socket {
    /// As configured; its port may be 0.
    pub configured: SocketAddr,
    /// As bound.
    pub bound: SocketAddr,
    socket: UdpSocket,
    inode: u64,
    dropped: u64,
}

impl Socket {
    /// Binds `address`. One of IPv6 takes IPv6 only, whatever the system's default.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(family, SocketType::DGRAM, flags, None)?;
        if address.is_ipv6() {
            sockopt::set_ipv6_v6only(&socket, true)?;
        }
        // Best effort: a smaller buffer loses more in a burst, and what it loses is counted.
        let _ = sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER);
        bind(&socket, &address)?;
        let inode = fstat(&socket)?.st_ino;
        let socket = UdpSocket::from_std(std::net::UdpSocket::from(socket))?;
        let bound = socket.local_addr()?;
        Ok(Self { configured: address, bound, socket, inode, dropped: 0 })
    }

    /// Sends what can be sent at once; says whether it was.
    pub fn send(&self, bytes: &[u8], to: SocketAddr) -> bool {
        self.socket.try_send_to(bytes, to).is_ok()
    }

    fn poll_receive(
        &self,
        context: &mut Context<'_>,
        buffer: &mut Buffer,
    ) -> Poll<Option<(usize, SocketAddr)>> {
        let mut read = ReadBuf::new(&mut buffer[..]);
        match self.socket.poll_recv_from(context, &mut read) {
            Poll::Ready(Ok(from)) => Poll::Ready(Some((read.filled().len(), from))),
            // An answer that reached nobody comes back as an error; it concerns no datagram.
            Poll::Ready(Err(_)) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// A datagram: the address of the socket that it came to, how long it is, who sent it.
pub type Received = (SocketAddr, usize, SocketAddr);

/// Waits for a datagram at any of them; looks at them in turn, so that none starves. `None`: nothing to read after all.
pub async fn receive(sockets: &[Socket], turn: &mut usize, buffer: &mut Buffer) -> Option<Received> {
    *turn = turn.wrapping_add(1);
    let first = *turn;
    std::future::poll_fn(|context| {
        for place in 0..sockets.len() {
            let at = first.wrapping_add(place) % sockets.len();
            let Some(socket) = sockets.get(at) else { continue };
            if let Poll::Ready(got) = socket.poll_receive(context, buffer) {
                return Poll::Ready(got.map(|(length, from)| (socket.bound, length, from)));
            }
        }
        Poll::Pending
    })
    .await
}

/// How many datagrams the system has dropped since the last time for want of room.
pub fn newly_dropped(sockets: &mut [Socket]) -> u64 {
    let now = dropped_by_inode();
    let mut new = 0;
    for socket in sockets {
        let dropped = now.get(&socket.inode).copied().unwrap_or(socket.dropped);
        new += dropped.saturating_sub(socket.dropped);
        socket.dropped = dropped;
    }
    new
}

fn dropped_by_inode() -> HashMap<u64, u64> {
    let tables = ["/proc/self/net/udp", "/proc/self/net/udp6"];
    let tables = tables.map(|path| std::fs::read_to_string(path).unwrap_or_default());
    tables.iter().flat_map(|table| table.lines().skip(1)).filter_map(inode_and_drops).collect()
}

/// The tenth and the last column.
fn inode_and_drops(line: &str) -> Option<(u64, u64)> {
    let columns: Vec<&str> = line.split_ascii_whitespace().collect();
    Some((columns.get(9)?.parse().ok()?, columns.get(12)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_the_system_drops_is_seen() {
        let mut sockets = vec![Socket::bind(([127, 0, 0, 1], 0).into()).unwrap()];
        let from = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(newly_dropped(&mut sockets), 0);
        // Nobody reads: the buffer fills up, whatever its size.
        let (mut dropped, mut sent) = (0, 0);
        while dropped == 0 && sent < 200_000 {
            for _ in 0..1000 {
                from.send_to(&[0; 1400], sockets[0].bound).unwrap();
            }
            sent += 1000;
            dropped = newly_dropped(&mut sockets);
        }
        assert!(dropped > 0, "{sent} sent, none dropped");
        assert_eq!(newly_dropped(&mut sockets), 0);
    }

    #[tokio::test]
    async fn an_address_in_use_is_an_error() {
        let first = Socket::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let again = Socket::bind(first.bound).err().unwrap();
        assert_eq!(again.kind(), io::ErrorKind::AddrInUse);
    }
}
