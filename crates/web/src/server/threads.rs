//! The serving threads as the main thread sees them: it waits for their end, and gives up those that can
//! have none.

use std::time::Duration;

use futures_util::future::join_all;
use kiuas_common::{Shutdown, notify};
use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use super::ServerError;
use super::drain::Left;
use super::service::FLUSH;

/// A thread that has not ended so long after `web.drain_timeout` is stuck in a handler.
const STUCK_AFTER: Duration = Duration::from_secs(5);
/// The same after a second signal: those that hear it only close their connections.
const CUT_AFTER: Duration = FLUSH.saturating_add(Duration::from_secs(1));
/// The same in a process that nobody supervises any more, for a thread that has not even heard of the drain:
/// it holds the listening sockets, which a new supervisor wants.
const DEAF_AFTER: Duration = Duration::from_secs(1);

/// What is left of a thread.
pub(super) type Ended = Result<Left, ServerError>;

/// All of them.
#[derive(Debug)]
pub(super) struct Threads {
    ended: Vec<oneshot::Receiver<Ended>>,
    /// Each says that it has heard of the drain.
    heard: Vec<oneshot::Receiver<()>>,
    /// Those that still need the others.
    peers: TaskTracker,
}

impl Threads {
    pub(super) fn new(peers: TaskTracker) -> Self {
        Self {
            ended: Vec::new(),
            heard: Vec::new(),
            peers,
        }
    }

    pub(super) fn add(&mut self, ended: oneshot::Receiver<Ended>, heard: oneshot::Receiver<()>) {
        self.ended.push(ended);
        self.heard.push(heard);
    }

    /// What became of each, once the drain has begun; `None` if one of them is stuck for ever.
    pub(super) async fn end(self, patience: Duration, shutdown: &Shutdown) -> Option<Vec<Ended>> {
        let Self {
            ended,
            heard,
            peers,
        } = self;
        let left = tokio::select! {
            left = join_all(ended) => left,
            () = sleep(patience + STUCK_AFTER) => return None,
            () = cut(shutdown) => return None,
            () = orphaned(heard, &peers) => return None,
        };
        let left = left.into_iter();
        Some(
            left.map(|left| left.unwrap_or(Err(ServerError::Died)))
                .collect(),
        )
    }
}

/// Resolves when a second signal was long enough ago.
async fn cut(shutdown: &Shutdown) {
    shutdown.cutting().await;
    sleep(CUT_AFTER).await;
}

/// Resolves when nobody supervises this process any more, and only threads are left that have not even
/// heard of the drain.
async fn orphaned(mut heard: Vec<oneshot::Receiver<()>>, peers: &TaskTracker) {
    loop {
        sleep(DEAF_AFTER).await;
        if !notify::supervisor_is_gone() {
            continue;
        }
        let is_deaf = |it: &mut oneshot::Receiver<()>| it.try_recv() == Err(TryRecvError::Empty);
        heard = heard
            .into_iter()
            .filter_map(|mut it| is_deaf(&mut it).then_some(it))
            .collect();
        if !heard.is_empty() && peers.len() <= heard.len() {
            return;
        }
    }
}
