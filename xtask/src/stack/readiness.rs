//! The other end of `NOTIFY_SOCKET`: a datagram with the line `READY=1`.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Longest message; systemd's protocol knows no longer one.
const MESSAGE: usize = 4096;

/// A socket of one start of one component. Its path goes when this does.
#[derive(Debug)]
pub(super) struct Readiness {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Readiness {
    /// Makes the socket for `name` in `directory`.
    pub(super) fn listen(directory: &Path, name: &str) -> Result<Self> {
        let path = directory.join(format!("{name}.ready"));
        drop(std::fs::remove_file(&path));
        let socket = UnixDatagram::bind(&path)
            .and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
            .with_context(|| format!("cannot listen on {}", path.display()))?;
        Ok(Self { socket, path })
    }

    /// For `NOTIFY_SOCKET`.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// True once `READY=1` has come. Other messages are passed over.
    pub(super) fn is_ready(&self) -> Result<bool> {
        let mut message = [0; MESSAGE];
        loop {
            match self.socket.recv(&mut message) {
                Ok(length) if says_ready(&message[..length]) => return Ok(true),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("cannot hear whether it is ready"),
            }
        }
    }
}

impl Drop for Readiness {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.path));
    }
}

/// `READY=1` on a line of its own.
pub(super) fn says_ready(message: &[u8]) -> bool {
    message
        .split(|byte| *byte == b'\n')
        .any(|line| line == b"READY=1")
}
