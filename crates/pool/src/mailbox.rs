//! What children say: one private datagram socket a child (`NOTIFY_SOCKET`, `sd_notify(3)`), in a
//! directory that only this user may enter, or, where children are of another user, only this user may
//! list.

use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiuas_common::Shutdown;
use rustix::process::Pid;
use tokio::net::UnixDatagram;
use tokio::task::JoinHandle;

use crate::event::{Event, Outbox};

/// Longer datagrams are cut off: the messages that count are short.
const LONGEST_MESSAGE: usize = 4096;

/// The private directory of the sockets; goes with its owner.
#[derive(Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    /// A new one. `shared` if children of another user must reach their sockets in it.
    pub(crate) fn create(shared: bool) -> io::Result<Self> {
        let name = format!(
            "kiuas-pool-{}-{:08x}",
            std::process::id(),
            rand::random::<u32>()
        );
        let path = std::env::temp_dir().join(name);
        // Fails if the path exists: nobody can have prepared it for us.
        DirBuilder::new()
            .mode(if shared { 0o711 } else { 0o700 })
            .create(&path)
            .map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            })?;
        Ok(Self(path))
    }

    /// The one that the program before has made.
    pub(crate) fn restore(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, path = %self.0.display(), "could not remove the pool's runtime directory");
        }
    }
}

/// The socket of a child that is about to be started.
#[derive(Debug)]
pub(crate) struct Mailbox {
    path: PathBuf,
    socket: UnixDatagram,
}

impl Mailbox {
    /// The socket of start `number`, which user `uid` may write to.
    pub(crate) fn open(directory: &Directory, number: u64, uid: Option<u32>) -> io::Result<Self> {
        let path = directory.path().join(number.to_string());
        let socket = UnixDatagram::bind(&path)?;
        if uid.is_some() {
            std::os::unix::fs::chown(&path, uid, None)?;
        }
        Ok(Self { path, socket })
    }

    /// The one that the program before has opened.
    pub(crate) fn restore(path: PathBuf, socket: OwnedFd) -> io::Result<Self> {
        let socket = std::os::unix::net::UnixDatagram::from(socket);
        socket.set_nonblocking(true)?;
        let socket = UnixDatagram::from_std(socket)?;
        Ok(Self { path, socket })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Passes on what `pid` says, until the result is dropped. That it is ready counts only if it
    /// `tells_ready`: gunicorn says so before its workers have read the application.
    pub(crate) fn listen(
        self,
        pid: Pid,
        tells_ready: bool,
        outbox: Outbox,
        tasks: &Shutdown,
    ) -> Listening {
        let Self { path, socket } = self;
        let socket = Arc::new(socket);
        let heard = Arc::clone(&socket);
        let task = tasks.spawn(async move {
            let mut buffer = [0; LONGEST_MESSAGE];
            loop {
                match heard.recv(&mut buffer).await {
                    Ok(length) => {
                        for event in read(&buffer[..length], pid) {
                            if matches!(event, Event::Ready(_)) && !tells_ready {
                                continue;
                            }
                            if !outbox.send(event).await {
                                return;
                            }
                        }
                    }
                    Err(error) => {
                        tracing::error!(%error, child.pid = pid.as_raw_nonzero().get(), "cannot hear a child");
                        return;
                    }
                }
            }
        });
        Listening { path, socket, task }
    }
}

/// A child's mailbox in use.
#[derive(Debug)]
pub(crate) struct Listening {
    path: PathBuf,
    socket: Arc<UnixDatagram>,
    task: JoinHandle<()>,
}

impl Listening {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl AsFd for Listening {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
        drop(std::fs::remove_file(&self.path));
    }
}

/// The lines that matter here; everything else a child may say is none of the pool's business.
fn read(message: &[u8], pid: Pid) -> Vec<Event> {
    let lines = message.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| match line {
            b"READY=1" => Some(Event::Ready(pid)),
            b"STOPPING=1" => Some(Event::Stopping(pid)),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests;
