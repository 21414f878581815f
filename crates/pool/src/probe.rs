//! Asks a new child over HTTP until it answers: `ready = "http"`.

use std::path::PathBuf;
use std::time::Duration;

use kiuas_common::{Address, Shutdown};
use rustix::process::Pid;
use tokio::task::JoinHandle;

use crate::event::{Event, Outbox};
use crate::health::get;
use crate::settings::WaitFor;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);
/// For one answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whom to ask for what.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// The socket that the child alone has.
    Private { socket: PathBuf, path: String },
    /// An address of its own.
    Public(WaitFor),
}

/// The asking; ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Probe {
    task: JoinHandle<()>,
    socket: Option<PathBuf>,
}

impl Probe {
    /// Asks `target` until it answers with a status below 400, and reports `pid` as ready then. How long it
    /// may take is for the roster to say.
    pub(crate) fn start(target: Target, pid: Pid, outbox: Outbox, tasks: &Shutdown) -> Self {
        let socket = match &target {
            Target::Private { socket, .. } => Some(socket.clone()),
            Target::Public(_) => None,
        };
        let task = tasks.spawn(async move {
            while !target.answers().await {
                tokio::time::sleep(PAUSE).await;
            }
            outbox.send(Event::Ready(pid)).await;
        });
        Self { task, socket }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.task.abort();
        if let Some(socket) = &self.socket {
            drop(std::fs::remove_file(socket));
        }
    }
}

impl Target {
    async fn answers(&self) -> bool {
        match self {
            Self::Private { socket, path } => {
                http_answers(&Address::Unix(socket.clone()), path).await
            }
            Self::Public(WaitFor::Http { authority, path }) => {
                let address = tokio::net::lookup_host(authority.as_str()).await;
                let address = address.ok().and_then(|mut found| found.next());
                match address {
                    Some(address) => http_answers(&Address::Tcp(address), path).await,
                    None => false,
                }
            }
            Self::Public(_) => false,
        }
    }
}

/// True if `path` at `address` is answered with a status below 400 in time.
pub(crate) async fn http_answers(address: &Address, path: &str) -> bool {
    let answer = tokio::time::timeout(PATIENCE, get(address, path)).await;
    matches!(answer, Ok(Ok((status, _))) if status < 400)
}
