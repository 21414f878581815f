//! Section `[worker]`.

use kiuas_common::{Address, Period};
use serde::{Deserialize, Serialize};

/// Section `[worker]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerSettings {
    /// Tasks that run at once in this process. Nothing is fetched that cannot run at once.
    pub concurrency: usize,
    /// Queues to serve.
    pub queues: Vec<String>,
    /// How long the worker may be silent before its tasks are given to others. Renewed three times
    /// as often, by a thread of its own.
    pub lease: Period,
    /// How long running tasks may take to finish when the process stops; what is left goes back to the
    /// front of its queue.
    pub drain_timeout: Period,
    /// A task that holds its thread so long after its time is over is ended by the pool, with its process.
    pub hard_grace: Period,
    /// Hear Celery's remote control and give signs of life, for `celery inspect`, `celery control` and
    /// Flower.
    pub remote_control: bool,
    /// Send an event for each task from the start on; the remote control can turn it on later.
    pub events: bool,
    /// Address of `/healthz`, `/readyz` and `/metrics`; absent: none. `{pid}` in a socket's path stands
    /// for the process id.
    pub admin: Option<Address>,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            concurrency: 8,
            queues: vec!["celery".to_owned()],
            lease: Period::seconds(10),
            drain_timeout: Period::seconds(30),
            hard_grace: Period::seconds(10),
            remote_control: true,
            events: false,
            admin: None,
        }
    }
}
