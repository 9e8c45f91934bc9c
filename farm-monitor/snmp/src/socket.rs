//! UDP sockets as the system offers them and no library does in one piece: many datagrams per call, the count of what the
//! kernel dropped, and ICMP errors with the address they are about. Knows nothing of SNMP.
#![allow(
    unsafe_code,
    reason = "recvmmsg, the error queue and these options have no safe wrapper; each call says why it is sound"
)]

use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// So many datagrams are taken per call.
pub(crate) const BATCH: usize = 32;
/// Room for what the kernel says beside a datagram.
const CONTROL: usize = 128;

/// A socket on a free port, and how large its receive buffer became.
pub(crate) fn bind(any: SocketAddr, buffer: usize) -> io::Result<(UdpSocket, usize)> {
    let (family, level, recverr) = match any {
        SocketAddr::V4(_) => (rustix::net::AddressFamily::INET, libc::IPPROTO_IP, libc::IP_RECVERR),
        SocketAddr::V6(_) => (rustix::net::AddressFamily::INET6, libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
    };
    let flags = rustix::net::SocketFlags::NONBLOCK | rustix::net::SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, rustix::net::SocketType::DGRAM, flags, None)?;
    if any.is_ipv6() {
        rustix::net::sockopt::set_ipv6_v6only(&socket, true)?;
    }
    rustix::net::bind(&socket, &any)?;
    let socket = UdpSocket::from(socket);
    set(&socket, level, recverr, 1)?;
    set(&socket, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1)?;
    let wanted = libc::c_int::try_from(buffer).unwrap_or(libc::c_int::MAX);
    // Past `net.core.rmem_max` only with privilege; without, as much as there is.
    if set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, wanted).is_err() {
        set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUF, wanted)?;
    }
    let got = rustix::net::sockopt::socket_recv_buffer_size(&socket)?;
    Ok((socket, got))
}

/// Registers a socket for what comes, and not for room to write: each datagram that left would make that anew, and wake the
/// task for nothing.
pub(crate) fn to_listen(socket: UdpSocket) -> io::Result<AsyncFd<UdpSocket>> {
    // SAFETY: a `UdpSocket` owns its descriptor, gives the same one each time, and keeps it open until it is dropped.
    Ok(unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE | Interest::ERROR) }?)
}

fn set(socket: &UdpSocket, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    // SAFETY: the descriptor is open while `socket` is borrowed; pointer and length are those of a live integer.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Room for [`BATCH`] datagrams, used again and again.
pub(crate) struct Batch {
    bytes: Vec<u8>,
    each: usize,
    names: Vec<libc::sockaddr_storage>,
    controls: Vec<[u64; CONTROL / 8]>,
    taken: Vec<Taken>,
}

struct Taken {
    peer: SocketAddr,
    length: usize,
    cut: bool,
}

/// One datagram of a batch.
pub(crate) struct Datagram<'a> {
    /// Whence.
    pub peer: SocketAddr,
    /// What, up to the longest that is read.
    pub bytes: &'a [u8],
    /// Whether it was longer.
    pub cut: bool,
}

impl Batch {
    /// For datagrams of at most `longest` bytes.
    pub fn new(longest: usize) -> Self {
        Self {
            bytes: vec![0; BATCH * longest],
            each: longest,
            // SAFETY: a plain C structure for which zero is a value.
            names: vec![unsafe { zeroed() }; BATCH],
            controls: vec![[0; CONTROL / 8]; BATCH],
            taken: Vec::with_capacity(BATCH),
        }
    }

    /// Takes what has come, without waiting; gives how many datagrams the kernel dropped since the socket was made, where
    /// it says so.
    pub fn receive(&mut self, socket: RawFd) -> io::Result<Option<u32>> {
        self.taken.clear();
        // SAFETY: plain C structures for which zero is a value.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { zeroed() };
        let mut vectors = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; BATCH];
        let rooms = self.bytes.chunks_exact_mut(self.each).zip(&mut self.names).zip(&mut self.controls);
        for (((room, name), control), (header, vector)) in rooms.zip(headers.iter_mut().zip(&mut vectors)) {
            *vector = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
            let header = &mut header.msg_hdr;
            header.msg_name = (&raw mut *name).cast();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_iov = &raw mut *vector;
            header.msg_iovlen = 1;
            header.msg_control = control.as_mut_ptr().cast();
            header.msg_controllen = CONTROL as _;
        }
        // SAFETY: each header points to its own name, vector, bytes and control room, which live until after the call
        // and are written by it alone.
        let many = unsafe {
            libc::recvmmsg(
                socket,
                headers.as_mut_ptr(),
                BATCH as _,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        let many = usize::try_from(many).map_err(|_| io::Error::last_os_error())?;
        let mut dropped = None;
        for (header, name) in headers.iter().zip(&self.names).take(many) {
            for_each_control(&header.msg_hdr, |level, kind, data| {
                if (level, kind) == (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) {
                    dropped = data.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes)).or(dropped);
                }
            });
            self.taken.push(Taken {
                // An address of another family cannot be; it would be a stranger's.
                peer: address(name).unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0))),
                length: (header.msg_len as usize).min(self.each),
                cut: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            });
        }
        Ok(dropped)
    }

    /// How many datagrams were taken.
    pub fn len(&self) -> usize {
        self.taken.len()
    }

    /// The datagrams that were taken.
    pub fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> {
        self.taken.iter().zip(self.bytes.chunks_exact(self.each)).map(|(taken, bytes)| Datagram {
            peer: taken.peer,
            bytes: bytes.get(..taken.length).unwrap_or_default(),
            cut: taken.cut,
        })
    }
}

/// Takes one error from the queue of `socket`: what the network says of a datagram sent to that address, as an `errno`.
/// `None`: there is none, or it is of no address.
pub(crate) fn take_error(socket: RawFd) -> Option<(SocketAddr, i32)> {
    // SAFETY: plain C structures for which zero is a value.
    let (mut name, mut header): (libc::sockaddr_storage, libc::msghdr) = unsafe { (zeroed(), zeroed()) };
    let mut control = [0_u64; 512 / 8];
    header.msg_name = (&raw mut name).cast();
    header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control) as _;
    // SAFETY: name and control live until after the call; there is no vector to write to.
    if unsafe { libc::recvmsg(socket, &raw mut header, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT) } < 0 {
        return None;
    }
    let mut error = None;
    for_each_control(&header, |level, kind, data| {
        let of_v4 = (level, kind) == (libc::IPPROTO_IP, libc::IP_RECVERR);
        let of_v6 = (level, kind) == (libc::IPPROTO_IPV6, libc::IPV6_RECVERR);
        // `sock_extended_err` begins with the errno.
        if of_v4 || of_v6 {
            error = data.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes));
        }
    });
    address(&name).zip(error)
}

/// Calls with level, kind and content of each control message.
fn for_each_control(header: &libc::msghdr, mut see: impl FnMut(libc::c_int, libc::c_int, &[u8])) {
    // SAFETY: the header was filled by the kernel; the macros stay within its control room, whose first bytes are aligned
    // for `cmsghdr`, and `cmsg_len` is what the kernel wrote there.
    unsafe {
        let mut at = libc::CMSG_FIRSTHDR(header);
        while let Some(control) = at.as_ref() {
            let length = control.cmsg_len.saturating_sub(libc::CMSG_LEN(0) as usize);
            see(
                control.cmsg_level,
                control.cmsg_type,
                std::slice::from_raw_parts(libc::CMSG_DATA(at), length),
            );
            at = libc::CMSG_NXTHDR(header, at);
        }
    }
}

fn address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match libc::c_int::from(name.ss_family) {
        libc::AF_INET => {
            let v4: libc::sockaddr_in = copied(name);
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 => {
            let v6: libc::sockaddr_in6 = copied(name);
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            // The flow label is not part of who somebody is; the scope is, for link-local addresses.
            Some(SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), 0, v6.sin6_scope_id).into())
        }
        _ => None,
    }
}

fn copied<T: Copy>(name: &libc::sockaddr_storage) -> T {
    const { assert!(size_of::<T>() <= size_of::<libc::sockaddr_storage>()) };
    let mut to = MaybeUninit::<T>::uninit();
    // SAFETY: `T` is a C structure of integers, no larger than what it is read from, and the family says that it is one.
    unsafe {
        std::ptr::copy_nonoverlapping(
            (&raw const *name).cast::<u8>(),
            to.as_mut_ptr().cast::<u8>(),
            size_of::<T>(),
        );
        to.assume_init()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(batch: &mut Batch, socket: &UdpSocket) -> Vec<(SocketAddr, Vec<u8>, bool)> {
        while batch.receive(socket.as_raw_fd()).is_err() {
            std::thread::yield_now();
        }
        batch.datagrams().map(|d| (d.peer, d.bytes.to_vec(), d.cut)).collect()
    }

    #[test]
    fn datagrams_come_with_their_senders_and_say_when_they_were_cut() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let (socket, buffer) = bind(any.parse().unwrap(), 1 << 20).unwrap();
            assert!(buffer > 0);
            let to = socket.local_addr().unwrap();
            let sender = UdpSocket::bind(any).unwrap();
            let mut batch = Batch::new(4);
            for bytes in [b"one".as_slice(), b"", b"four+", b"last"] {
                sender.send_to(bytes, to).unwrap();
            }
            let mut got = Vec::new();
            while got.len() < 4 {
                got.extend(take(&mut batch, &socket));
            }
            let from = sender.local_addr().unwrap();
            let expected = [(b"one".as_slice(), false), (b"", false), (b"four", true), (b"last", false)];
            assert_eq!(got, expected.map(|(bytes, cut)| (from, bytes.to_vec(), cut)));
        }
    }

    #[test]
    fn an_error_of_the_network_names_the_address_it_is_about() {
        let (socket, _) = bind("127.0.0.1:0".parse().unwrap(), 1 << 16).unwrap();
        let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(take_error(socket.as_raw_fd()), None);
        socket.send_to(b"anybody?", closed).unwrap();
        assert_eq!(take_error(socket.as_raw_fd()), Some((closed, libc::ECONNREFUSED)));
    }

    #[test]
    fn what_the_kernel_drops_is_told() {
        let (socket, _) = bind("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = socket.local_addr().unwrap();
        for _ in 0..2_000 {
            sender.send_to(&[0; 1_000], to).unwrap();
        }
        let mut batch = Batch::new(1_000);
        let mut got = 0;
        while batch.receive(socket.as_raw_fd()).is_ok() {
            got += batch.len() as u32;
        }
        sender.send_to(b"after", to).unwrap();
        let told = loop {
            if let Ok(told) = batch.receive(socket.as_raw_fd()) {
                break told;
            }
        };
        assert_eq!(told, Some(2_000 - got));
    }
}
