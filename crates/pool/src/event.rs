//! What happens outside of the supervisor's loop, on its way there.

use rustix::process::Pid;
use tokio::sync::mpsc;

use crate::command::Order;

/// Events that wait to be read; whoever has more to say waits, or is refused.
const MOST_EVENTS: usize = 256;

/// Something happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// A child said that it may receive work, or answered its probe.
    Ready(Pid),
    /// A child said that it has stopped taking work.
    Stopping(Pid),
    /// Somebody wants something of the pool.
    Order(Order),
    /// What must be there before the first child is there, or never came.
    Prepared(Result<(), String>),
    /// The hooks of the end are over.
    Stopped,
    /// The pool's new program accepts the settings, or does not.
    Checked(Result<(), String>),
}

/// Sends one pool's events to the supervisor.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    pool: usize,
    sender: mpsc::Sender<(usize, Event)>,
}

/// The events of all pools, each with the number of its pool.
pub(crate) type Inbox = mpsc::Receiver<(usize, Event)>;

impl Outbox {
    /// The one of pool 0, and where all arrive.
    pub(crate) fn new() -> (Self, Inbox) {
        let (sender, inbox) = mpsc::channel(MOST_EVENTS);
        (Self { pool: 0, sender }, inbox)
    }

    /// The one of another pool.
    pub(crate) fn of(&self, pool: usize) -> Self {
        let sender = self.sender.clone();
        Self { pool, sender }
    }

    /// Waits for a place. False when the supervisor is gone.
    pub(crate) async fn send(&self, event: Event) -> bool {
        self.sender.send((self.pool, event)).await.is_ok()
    }

    /// # Errors
    /// There is no place, or the supervisor is gone.
    pub(crate) fn try_send(&self, event: Event) -> Result<(), mpsc::error::TrySendError<()>> {
        self.sender
            .try_send((self.pool, event))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => mpsc::error::TrySendError::Full(()),
                mpsc::error::TrySendError::Closed(_) => mpsc::error::TrySendError::Closed(()),
            })
    }
}
