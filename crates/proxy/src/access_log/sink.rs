//! Where lines are written: one thread for each log, behind a bounded queue.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

use crate::plan::LogTarget;

/// Buffers that wait to be written.
const MOST_WAITING: usize = 32;
/// For the last lines at the end of the process.
const LAST_LINES: Duration = Duration::from_secs(2);

/// A log cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the access log {}", path.display())]
pub struct SinkError {
    path: PathBuf,
    source: io::Error,
}

enum Message {
    Lines(Vec<u8>, u64),
    /// Look at the flag.
    Wake,
    /// Everything before was written.
    End(SyncSender<()>),
}

#[derive(Debug)]
struct State {
    reopen: AtomicBool,
    dropped: Counter,
}

/// A log that is open.
#[derive(Debug)]
pub struct Sink {
    target: LogTarget,
    queue: SyncSender<Message>,
    state: Arc<State>,
}

impl Sink {
    /// Opens the log and starts its writer, which ends with the last handle. `dropped` counts the lines that
    /// were dropped because it did not keep up or could not write.
    ///
    /// # Errors
    /// The file cannot be opened, or no thread is left.
    pub fn open(target: &LogTarget, dropped: Counter) -> Result<Self, SinkError> {
        let failed = |source| SinkError {
            path: match target {
                LogTarget::File(path) => path.clone(),
                LogTarget::Stdout => "stdout".into(),
                LogTarget::Stderr => "stderr".into(),
            },
            source,
        };
        let output = Output::open(target).map_err(failed)?;
        let (queue, messages) = sync_channel(MOST_WAITING);
        let state = Arc::new(State {
            reopen: AtomicBool::new(false),
            dropped,
        });
        let writer = Writer {
            target: target.clone(),
            output,
            state: Arc::clone(&state),
            told: false,
        };
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || writer.run(&messages))
            .map_err(failed)?;
        Ok(Self {
            target: target.clone(),
            queue,
            state,
        })
    }

    /// Where it writes.
    #[must_use]
    pub fn target(&self) -> &LogTarget {
        &self.target
    }

    /// Opens the file anew (logrotate has renamed it).
    pub fn reopen(&self) {
        self.state.reopen.store(true, Ordering::Release);
        // If the queue is full, the writer sees the flag with the next lines.
        drop(self.queue.try_send(Message::Wake));
    }

    /// Waits until what was taken is written, for a bounded time.
    pub fn finish(&self) {
        let (done, wait) = sync_channel(1);
        if self.queue.try_send(Message::End(done)).is_ok() {
            wait.recv_timeout(LAST_LINES).unwrap_or_default();
        }
    }

    pub(super) fn take(&self, buffer: Vec<u8>, lines: u64) {
        if self.queue.try_send(Message::Lines(buffer, lines)).is_err() {
            self.state.dropped.inc_by(lines);
        }
    }
}

enum Output {
    File(File),
    Stdout,
    Stderr,
}

impl Output {
    fn open(target: &LogTarget) -> io::Result<Self> {
        Ok(match target {
            LogTarget::Stdout => Self::Stdout,
            LogTarget::Stderr => Self::Stderr,
            LogTarget::File(path) => Self::File(
                OpenOptions::new()
                    .create(true)
                    .append(true)
                    .mode(0o640)
                    .open(path)?,
            ),
        })
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::File(file) => file.write_all(lines),
            Self::Stdout => {
                let mut output = io::stdout().lock();
                output.write_all(lines)?;
                output.flush()
            }
            Self::Stderr => io::stderr().lock().write_all(lines),
        }
    }
}

struct Writer {
    target: LogTarget,
    output: Output,
    state: Arc<State>,
    /// That it cannot write is in the process's log, once.
    told: bool,
}

impl Writer {
    fn run(mut self, messages: &Receiver<Message>) {
        for message in messages {
            if self.state.reopen.swap(false, Ordering::AcqRel) {
                self.reopen();
            }
            match message {
                Message::Lines(lines, count) => self.write(&lines, count),
                Message::Wake => {}
                // Nobody waits any more: fine.
                Message::End(done) => drop(done.try_send(())),
            }
        }
    }

    fn reopen(&mut self) {
        match Output::open(&self.target) {
            Ok(output) => self.output = output,
            Err(error) => tracing::error!(
                %error,
                "the access log cannot be opened anew, the old file is written on"
            ),
        }
    }

    fn write(&mut self, lines: &[u8], count: u64) {
        match self.output.write(lines) {
            Ok(()) => self.told = false,
            Err(error) => {
                self.state.dropped.inc_by(count);
                if !std::mem::replace(&mut self.told, true) {
                    tracing::error!(%error, "the access log cannot be written, lines are dropped");
                }
            }
        }
    }
}
