//! How many connections wait in the accept queue of a listening socket: the kernel's `sock_diag(7)`, for
//! TCP and Unix sockets alike.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use kiuas_common::{Address, Listener};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

/// `SOCK_DIAG_BY_FAMILY`: the kind of the question and of its answer.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
const HEADER: usize = 16;
const AF_UNIX: u8 = 1;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
/// `TCP_LISTEN`; Unix sockets use the same number.
const LISTEN: u8 = 10;
const ANY_STATE: u32 = u32::MAX;
/// `UDIAG_SHOW_RQLEN`, and the attribute of the answer.
const SHOW_QUEUE: u32 = 0x10;
const QUEUE_ATTRIBUTE: u16 = 4;
/// The answers about one socket are a tenth of this.
const LONGEST_ANSWER: usize = 4096;

/// The accept queue of a listening socket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Depth {
    /// Connections that wait to be accepted.
    pub(crate) waiting: u32,
    /// How many may wait; more are refused or tried again by the kernel.
    pub(crate) limit: u32,
}

/// Asks the kernel about one listening socket.
#[derive(Debug)]
pub(crate) struct Gauge {
    netlink: OwnedFd,
    question: Vec<u8>,
    is_unix: bool,
}

impl Gauge {
    /// For `listener`.
    ///
    /// # Errors
    /// The kernel has no `sock_diag`, or this process may not use it.
    pub(crate) fn new(listener: &Listener) -> io::Result<Self> {
        let netlink = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            // The kernel answers inside the system call that asks: there is nothing to wait for.
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            Some(netlink::SOCK_DIAG),
        )?;
        let (question, is_unix) = match listener.local_address() {
            Ok(Address::Tcp(address)) => (tcp_question(address), false),
            // A Unix socket is known by its inode; it need not have a path.
            Ok(Address::Unix(_)) | Err(_) => (unix_question(listener)?, true),
        };
        Ok(Self {
            netlink,
            question,
            is_unix,
        })
    }

    /// The queue now.
    ///
    /// # Errors
    /// The kernel does not say.
    pub(crate) fn read(&self) -> io::Result<Depth> {
        // An answer to an earlier question that came late would be taken for this one's.
        let mut buffer = [0; LONGEST_ANSWER];
        while rustix::net::recv(&self.netlink, &mut buffer, RecvFlags::DONTWAIT).is_ok() {}
        rustix::net::send(&self.netlink, &self.question, SendFlags::empty())?;
        let (_, length) = rustix::net::recv(&self.netlink, &mut buffer, RecvFlags::DONTWAIT)?;
        let answer = buffer.get(..length).unwrap_or_default();
        let depth = if self.is_unix {
            unix_answer(answer)
        } else {
            tcp_answer(answer)
        };
        depth.ok_or_else(|| io::Error::other("the kernel does not know this socket"))
    }
}

/// `struct inet_diag_req_v2`, which asks for the socket with exactly this address.
fn tcp_question(address: SocketAddr) -> Vec<u8> {
    let mut body = Vec::with_capacity(56);
    body.extend([if address.is_ipv4() { AF_INET } else { AF_INET6 }]);
    body.extend([IPPROTO_TCP, 0, 0]);
    body.extend(ANY_STATE.to_ne_bytes());
    body.extend(address.port().to_be_bytes());
    body.extend([0; 2]);
    match address {
        SocketAddr::V4(address) => {
            body.extend(address.ip().octets());
            body.extend([0; 12]);
        }
        SocketAddr::V6(address) => body.extend(address.ip().octets()),
    }
    // No peer, any interface, and a cookie of all ones: any.
    body.extend([0; 16 + 4]);
    body.extend([0xff; 8]);
    message(&body)
}

/// `struct unix_diag_req`.
fn unix_question(listener: &Listener) -> io::Result<Vec<u8>> {
    let inode = rustix::fs::fstat(listener.as_fd())?.st_ino;
    // The protocol has room for 32 bits, as has the kernel's table of sockets.
    let inode = u32::try_from(inode).map_err(io::Error::other)?;
    let mut body = Vec::with_capacity(24);
    body.extend([AF_UNIX, 0, 0, 0]);
    body.extend(ANY_STATE.to_ne_bytes());
    body.extend(inode.to_ne_bytes());
    body.extend(SHOW_QUEUE.to_ne_bytes());
    body.extend([0xff; 8]);
    Ok(message(&body))
}

/// `struct nlmsghdr` before the body.
fn message(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    let mut message = Vec::with_capacity(HEADER + body.len());
    message.extend(length.to_ne_bytes());
    message.extend(BY_FAMILY.to_ne_bytes());
    message.extend(REQUEST.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    message
}

/// `struct inet_diag_msg`: for a listening socket the receive queue is the accept queue.
fn tcp_answer(answer: &[u8]) -> Option<Depth> {
    is_answer(answer)?;
    if *answer.get(HEADER + 1)? != LISTEN {
        return None;
    }
    Some(Depth {
        waiting: number(answer, HEADER + 56)?,
        limit: number(answer, HEADER + 60)?,
    })
}

/// `struct unix_diag_msg`, then attributes of which one is the queue.
fn unix_answer(answer: &[u8]) -> Option<Depth> {
    is_answer(answer)?;
    let mut at = HEADER + 16;
    loop {
        let head = answer.get(at..at.checked_add(4)?)?;
        let length = usize::from(u16::from_ne_bytes([head[0], head[1]]));
        if u16::from_ne_bytes([head[2], head[3]]) == QUEUE_ATTRIBUTE {
            return Some(Depth {
                waiting: number(answer, at + 4)?,
                limit: number(answer, at + 8)?,
            });
        }
        // Attributes begin at multiples of four; one without a length would never end.
        at = at.checked_add(length.max(4).next_multiple_of(4))?;
    }
}

fn is_answer(answer: &[u8]) -> Option<()> {
    let kind = answer.get(4..6)?;
    (u16::from_ne_bytes([kind[0], kind[1]]) == BY_FAMILY).then_some(())
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests;
