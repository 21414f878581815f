//! What xtask says, and the one stream that the logs of all services share.
//!
//! One thread owns standard output, so that lines of different services never mix. Its queue is
//! bounded: when the terminal is slow, the services' pipes fill and they wait, nothing is lost.

mod prefix;

use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use anyhow::{Context, Result};

pub(crate) use prefix::Prefix;

use crate::process::Failed;

/// Lines waiting to be written.
const QUEUE: usize = 1024;
/// Longest line that is kept in one piece, in bytes.
const LONGEST_LINE: u64 = 16 * 1024;

/// Writes one line to standard output.
pub(crate) fn say(text: &str) {
    // A closed terminal is no reason to fail.
    drop(writeln!(io::stdout().lock(), "{text}"));
}

/// Writes an error with its causes, once, as one block. What has explained itself already is only
/// named, so that a failure is one message.
pub(crate) fn complain(error: &anyhow::Error) {
    let label = if error.is::<Failed>() {
        "stopped"
    } else {
        "error"
    };
    let mut block = format!("{label}: {error}\n");
    for cause in error.chain().skip(1) {
        block.push_str(&format!("caused by: {cause}\n"));
    }
    drop(io::stderr().lock().write_all(block.as_bytes()));
}

/// True when colours are welcome: a terminal, and `NO_COLOR` is not set.
pub(crate) fn colours() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The shared stream. Clones write to the same one.
#[derive(Debug, Clone)]
pub(crate) struct Console {
    messages: SyncSender<Message>,
    colour: bool,
}

#[derive(Debug)]
enum Message {
    Line(String),
    Flush(SyncSender<()>),
}

impl Console {
    /// Starts the stream on standard output.
    pub(crate) fn start() -> Result<Self> {
        let (messages, queue) = sync_channel(QUEUE);
        thread::Builder::new()
            .name("console".to_owned())
            .spawn(move || write(&queue))
            .context("cannot start the console's thread")?;
        Ok(Self {
            messages,
            colour: colours(),
        })
    }

    /// True when the stream is coloured.
    pub(crate) fn coloured(&self) -> bool {
        self.colour
    }

    /// Writes one line of `service`.
    pub(crate) fn line(&self, service: &str, text: &str) {
        let line = Prefix::new(service, self.colour).line(text);
        // The other end only goes with the process.
        drop(self.messages.send(Message::Line(line)));
    }

    /// Copies what `service` writes to `source` into the stream, until it ends.
    pub(crate) fn follow(
        &self,
        service: &str,
        source: impl Read + Send + 'static,
    ) -> io::Result<()> {
        let (this, service) = (self.clone(), service.to_owned());
        thread::Builder::new()
            .name(format!("log of {service}"))
            .spawn(move || {
                let mut source = BufReader::new(source);
                while let Some(line) = next_line(&mut source) {
                    this.line(&service, &line);
                }
            })?;
        Ok(())
    }

    /// Returns when everything written so far is out.
    pub(crate) fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.messages.send(Message::Flush(done)).is_ok() {
            wait.recv().ok();
        }
    }
}

fn write(queue: &Receiver<Message>) {
    for message in queue {
        match message {
            // Errors are ignored: a terminal that went away must not stop the services' logs.
            Message::Line(line) => drop(io::stdout().lock().write_all(line.as_bytes())),
            Message::Flush(done) => {
                drop(io::stdout().lock().flush());
                done.send(()).ok();
            }
        }
    }
}

/// The next line without its end, or a piece of one that is too long; `None` at the end.
fn next_line(source: &mut impl BufRead) -> Option<String> {
    let mut bytes = Vec::new();
    let count = source
        .take(LONGEST_LINE)
        .read_until(b'\n', &mut bytes)
        .ok()?;
    if count == 0 {
        return None;
    }
    Some(
        String::from_utf8_lossy(&bytes)
            .trim_end_matches(['\n', '\r'])
            .to_owned(),
    )
}

#[cfg(test)]
mod tests;
