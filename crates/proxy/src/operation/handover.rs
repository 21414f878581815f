//! What passes between the process that is replaced and the one that replaces it: over a socket pair
//! that is the new process's standard input, so that no descriptor number has to be agreed on.
//!
//! ```text
//! old → new   one line of JSON (Handover)
//! new → old   `ready`, or `failed: …`
//! ```

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::{Deserialize, Serialize};

use crate::listeners::Handed;

/// Set for a process that replaces another.
pub(super) const VARIABLE: &str = "KIUAS_PROXY_HANDOVER";
/// The only form so far. A process that does not know a form says so, and the older one goes on.
pub(super) const FORM: &str = "1";
/// What comes over the socket pair in either direction, in bytes.
pub(super) const MOST: u64 = 1024 * 1024;
pub(super) const READY: &str = "ready";
const PATIENCE: Duration = Duration::from_secs(10);

/// What the new process is told.
#[derive(Serialize, Deserialize)]
pub(super) struct Handover {
    /// In the order of the descriptors.
    pub(super) listeners: Vec<Handed>,
    /// Keys of TLS session tickets, in base64: visitors resume with the new process.
    #[serde(default)]
    pub(super) tickets: Option<String>,
}

/// Without the keys.
impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handover({:?})", self.listeners)
    }
}

/// The new process's end.
#[derive(Debug)]
pub struct Predecessor {
    stream: UnixStream,
    handover: Handover,
}

impl Predecessor {
    /// Hears what the older process hands over; `None` if this process replaces none.
    ///
    /// # Errors
    /// It says nothing, or nothing that can be understood.
    pub fn hear() -> io::Result<Option<Self>> {
        let Ok(form) = std::env::var(VARIABLE) else {
            return Ok(None);
        };
        if form != FORM {
            return Err(io::Error::other(format!(
                "the older process hands over in the form `{form}`; this one knows `{FORM}`"
            )));
        }
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        let nothing = std::fs::File::open("/dev/null")?;
        rustix::stdio::dup2_stdin(&nothing)?;
        let stream = UnixStream::from(input);
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut line = String::new();
        BufReader::new(io::Read::take(&stream, MOST)).read_line(&mut line)?;
        let handover = serde_json::from_str(&line)?;
        Ok(Some(Self { stream, handover }))
    }

    /// The sockets it hands over.
    pub(crate) fn listeners(&self) -> &[Handed] {
        &self.handover.listeners
    }

    /// The keys of session tickets that it hands over.
    pub(crate) fn tickets(&self) -> Option<Vec<u8>> {
        BASE64_STANDARD.decode(self.handover.tickets.as_ref()?).ok()
    }

    /// From here on this process serves.
    pub(crate) fn replace(self) {
        self.say(READY);
    }

    /// This process ends; the older one goes on.
    pub fn give_up(&self, problem: &str) {
        self.say(&format!("failed: {}", problem.trim().replace('\n', "; ")));
    }

    fn say(&self, line: &str) {
        if let Err(error) = (&self.stream).write_all(format!("{line}\n").as_bytes()) {
            tracing::warn!(%error, "cannot tell the older process `{line}`");
        }
    }
}
