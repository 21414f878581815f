//! The listening sockets that the children share: opened here once, or inherited from whoever started
//! the pool (then their names are passed on as they came).

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use command_fds::FdMapping;
use kiuas_common::listener::{self, Inherited, ListenerError};
use kiuas_common::{Address, Listener};

const FIRST_DESCRIPTOR: i32 = 3;

/// The pool's own handles on the sockets.
#[derive(Debug)]
pub(crate) struct Sockets {
    sockets: Vec<Inherited>,
    /// Paths of the Unix sockets that were made here.
    made: Vec<PathBuf>,
}

impl Sockets {
    /// Inherits sockets or, if there are none, opens `addresses`, and announces each.
    pub(crate) fn open(name: &str, addresses: &[Address]) -> Result<Self, ListenerError> {
        let inherited = listener::inherited()?;
        let (sockets, made) = if inherited.is_empty() {
            bind(name, addresses)?
        } else {
            if !addresses.is_empty() {
                tracing::info!("sockets are inherited, so `pool.{name}.listen` is not used");
            }
            (inherited, Vec::new())
        };
        for socket in &sockets {
            if let Ok(address) = socket.listener.local_address() {
                listener::announce(name, &address);
            }
        }
        Ok(Self { sockets, made })
    }

    /// `LISTEN_FDNAMES` for the children.
    pub(crate) fn names(&self) -> String {
        let names: Vec<&str> = self
            .sockets
            .iter()
            .map(|socket| socket.name.as_str())
            .collect();
        names.join(":")
    }

    pub(crate) fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Copies for one child, at descriptors 3, 4, ….
    pub(crate) fn mappings(&self) -> io::Result<Vec<FdMapping>> {
        self.sockets
            .iter()
            .zip(FIRST_DESCRIPTOR..)
            .map(|(socket, child_fd)| {
                let parent_fd: OwnedFd = socket.listener.as_fd().try_clone_to_owned()?;
                Ok(FdMapping {
                    parent_fd,
                    child_fd,
                })
            })
            .collect()
    }

    /// Gives the sockets up. When the children are told to finish, nobody may be left who holds a
    /// socket and does not accept: a connection that is refused can be tried again elsewhere, one that
    /// waits in a queue and is then reset cannot.
    pub(crate) fn close(&mut self) {
        self.sockets.clear();
        // At once and not at the end: a successor may bind the same path while our children drain.
        for path in self.made.drain(..) {
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::debug!(%error, path = %path.display(), "could not remove the socket");
            }
        }
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        self.close();
    }
}

fn bind(
    name: &str,
    addresses: &[Address],
) -> Result<(Vec<Inherited>, Vec<PathBuf>), ListenerError> {
    let (mut sockets, mut made) = (Vec::new(), Vec::new());
    for address in addresses {
        let listener = Listener::bind(address)?;
        if let Address::Unix(path) = address {
            made.push(path.clone());
        }
        let name = name.to_owned();
        sockets.push(Inherited { name, listener });
    }
    Ok((sockets, made))
}
