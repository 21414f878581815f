//! The end of a listening socket. What lies in its queue when it closes is reset, and a visitor cannot
//! know whether his request was lost; one who is not let in at all may safely try again. So first the
//! kernel lets nobody in any more, then the queue is emptied, then the socket closes.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{Domain, SockFilter, SockRef};

/// Handshakes that have begun when nobody is let in any more come to their end meanwhile.
pub const LAST_HANDSHAKES: Duration = Duration::from_millis(250);

/// Classic BPF over a TCP segment (Linux `networking/filter`): whatever has SYN set is dropped, the rest
/// passes. A visitor repeats his SYN after a second and is refused by then.
const WITHOUT_SYN: [SockFilter; 4] = [
    // The flags are byte 13 of the header (RFC 9293 3.1).
    SockFilter::new(0x30, 0, 0, 13),
    // SYN?
    SockFilter::new(0x45, 0, 1, 0x02),
    // Yes: nothing of it.
    SockFilter::new(0x06, 0, 0, 0),
    // No: all of it.
    SockFilter::new(0x06, 0, 0, u32::MAX),
];

/// No connection begins on `listener` from here on; those in its queue stay. It holds for the socket,
/// whoever else has a descriptor of it. A Unix socket stays as it is.
///
/// # Errors
/// The kernel knows no filters; new connections go on to come.
pub fn let_nobody_in(listener: &impl AsFd) -> io::Result<()> {
    let socket = SockRef::from(listener);
    match socket.domain()? {
        Domain::IPV4 | Domain::IPV6 => socket.attach_filter(&WITHOUT_SYN),
        _ => Ok(()),
    }
}
