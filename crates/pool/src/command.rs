//! What others ask of a running pool: its control socket, its monitor, and the signals of its operator.
//!
//! Orders wait in the supervisor's queue of events, which is bounded; each may carry a place for its
//! answer. The supervisor takes them one by one between two looks at its children.

use std::path::PathBuf;

use rustix::process::Pid;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;

use crate::event::{Event, Outbox};
use crate::roster::Cause;
use crate::scale::Load;

/// Whom an order is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Every child, and those to come.
    All,
    /// This child.
    Child(Pid),
}

/// What a pool can be told to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Replace every child, with `command` from now on if there is one. Answered when it is done or given
    /// up.
    Roll {
        /// Program and arguments of the new version.
        command: Option<Vec<String>>,
    },
    /// Replace the pool's own program in place, by `program` or by what is in its file now. Answered just
    /// before, or when nothing came of it.
    Upgrade {
        /// The new program.
        program: Option<PathBuf>,
    },
    /// Take no new work.
    Pause(Which),
    /// Take work again.
    Resume(Which),
    /// Keep so many more children.
    Add(usize),
    /// Keep so many fewer children.
    Remove(usize),
    /// Ask a child to finish; its seat is filled at the same time.
    Terminate(Pid),
    /// Start a successor, and ask the child to finish once that is ready.
    Replace {
        /// Who.
        pid: Pid,
        /// Why.
        cause: Cause,
    },
    /// Kill a child now; its seat is filled at the same time.
    Kill {
        /// Who.
        pid: Pid,
        /// Why.
        cause: Cause,
    },
    /// How busy the children are: what an adaptive pool counts by.
    Load(Load),
    /// Nothing ran and nobody came for `idle`.
    Idle,
    /// Somebody waits for a pool that sleeps.
    Wake,
    /// Call somebody because of this.
    Alarm(String),
    /// End the pool as SIGTERM does.
    Stop,
}

/// What came of an order: a sentence for its operator, or why nothing came of it.
pub(crate) type Answer = Result<String, String>;

/// An order and where its answer goes.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) command: Command,
    pub(crate) reply: Option<oneshot::Sender<Answer>>,
}

/// Gives orders to one pool.
#[derive(Debug, Clone)]
pub(crate) struct Commander(Outbox);

/// The pool ends, or has too many orders to carry out already.
#[derive(Debug, thiserror::Error)]
#[error("the pool takes no orders now: {0}")]
pub(crate) struct NotTaken(&'static str);

impl Commander {
    /// For the pool of `outbox`.
    pub(crate) fn new(outbox: Outbox) -> Self {
        Self(outbox)
    }

    /// Gives an order and returns where its answer will come. The caller sets the deadline; an answer that
    /// nobody waits for is dropped.
    ///
    /// # Errors
    /// The order was not taken.
    pub(crate) fn ask(&self, command: Command) -> Result<oneshot::Receiver<Answer>, NotTaken> {
        let (reply, answer) = oneshot::channel();
        let reply = Some(reply);
        self.send(Order { command, reply })?;
        Ok(answer)
    }

    /// Gives an order whose answer nobody needs.
    ///
    /// # Errors
    /// The order was not taken.
    pub(crate) fn tell(&self, command: Command) -> Result<(), NotTaken> {
        let reply = None;
        self.send(Order { command, reply })
    }

    fn send(&self, order: Order) -> Result<(), NotTaken> {
        self.0.try_send(Event::Order(order)).map_err(|error| {
            NotTaken(match error {
                TrySendError::Full(()) => "too many wait already",
                TrySendError::Closed(()) => "it ends",
            })
        })
    }
}
