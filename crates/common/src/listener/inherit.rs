//! Taking over the listening sockets that the parent process hands on.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use socket2::{Domain, Socket};

use super::{Listener, ListenerError};
use crate::kernel::descriptors;

const FIRST_INHERITED: i32 = 3;
const MOST_INHERITED: usize = 64;

/// An inherited listening socket and the name its owner gave it (empty if none).
#[derive(Debug)]
pub struct Inherited {
    /// From `LISTEN_FDNAMES`.
    pub name: String,
    /// The socket.
    pub listener: Listener,
}

/// The listening sockets that the parent process handed over; none if it handed over none.
///
/// # Errors
/// [`ListenerError::Inherit`] if the announcement is malformed, a descriptor is no listening socket,
/// or the sockets were taken before.
pub fn inherited() -> Result<Vec<Inherited>, ListenerError> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let Ok(announced) = std::env::var("LISTEN_FDS") else {
        return Ok(Vec::new());
    };
    let problem = |problem: String| ListenerError::Inherit {
        announced: announced.clone(),
        problem,
    };
    let count: usize = announced
        .parse()
        .map_err(|_| problem("it is no number".to_owned()))?;
    if count > MOST_INHERITED {
        return Err(problem(format!("at most {MOST_INHERITED} are supported")));
    }
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Err(problem("they were taken before".to_owned()));
    }
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    (0..count)
        .map(|index| {
            let number = FIRST_INHERITED + i32::try_from(index).unwrap_or(i32::MAX);
            let listener =
                take(number).map_err(|error| problem(format!("descriptor {number}: {error}")))?;
            Ok(Inherited {
                name: names.next().unwrap_or_default().to_owned(),
                listener,
            })
        })
        .collect()
}

/// Takes over the listening socket with the descriptor `number`, which came through execve(2).
///
/// # Errors
/// It is not open, was taken before, or is no listening socket.
pub fn take(number: i32) -> io::Result<Listener> {
    let socket = Socket::from(descriptors::inherit(number)?);
    if !socket.is_listener()? {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no listening socket",
        ));
    }
    socket.set_nonblocking(true)?;
    let domain = socket.domain()?;
    match domain {
        Domain::UNIX => Ok(Listener::Unix(socket.into())),
        Domain::IPV4 | Domain::IPV6 => Ok(Listener::Tcp(socket.into())),
        other => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("its domain {other:?} is neither Internet nor Unix"),
        )),
    }
}
