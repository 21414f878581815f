//! What children say: one private datagram socket a child (`NOTIFY_SOCKET`, `sd_notify(3)`), in a
//! directory that only this user may enter.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use kiuas_common::Shutdown;
use rustix::process::Pid;
use tokio::net::UnixDatagram;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinHandle;

/// Longer datagrams are cut off: the messages that count are short.
const LONGEST_MESSAGE: usize = 4096;

/// What a child said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// It may receive work.
    Ready(Pid),
    /// It has stopped taking work.
    Stopping(Pid),
}

/// The private directory of the sockets; goes with its owner.
#[derive(Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn create() -> io::Result<Self> {
        let name = format!(
            "kiuas-pool-{}-{:08x}",
            std::process::id(),
            rand::random::<u32>()
        );
        let path = std::env::temp_dir().join(name);
        // Fails if the path exists: nobody can have prepared it for us.
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            })?;
        Ok(Self(path))
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
    pub(crate) fn open(directory: &Directory, number: u64) -> io::Result<Self> {
        let path = directory.path().join(number.to_string());
        let socket = UnixDatagram::bind(&path)?;
        Ok(Self { path, socket })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Passes on what `pid` says, until the result is dropped.
    pub(crate) fn listen(self, pid: Pid, notices: Sender<Notice>, tasks: &Shutdown) -> Listening {
        let Self { path, socket } = self;
        let task = tasks.spawn(async move {
            let mut buffer = [0; LONGEST_MESSAGE];
            loop {
                match socket.recv(&mut buffer).await {
                    Ok(length) => {
                        for notice in read(&buffer[..length], pid) {
                            if notices.send(notice).await.is_err() {
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
        Listening { path, task }
    }
}

/// A child's mailbox in use.
#[derive(Debug)]
pub(crate) struct Listening {
    path: PathBuf,
    task: JoinHandle<()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
        drop(std::fs::remove_file(&self.path));
    }
}

/// The lines that matter here; everything else a child may say is none of the pool's business.
fn read(message: &[u8], pid: Pid) -> Vec<Notice> {
    let lines = message.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| match line {
            b"READY=1" => Some(Notice::Ready(pid)),
            b"STOPPING=1" => Some(Notice::Stopping(pid)),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests;
