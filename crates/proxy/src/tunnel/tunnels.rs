//! All open WebSockets, and how they end with the proxy: later than answers do, and one after the other,
//! so that their visitors do not all come back in the same moment.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;

/// For the close frame and the visitor's answer to it.
pub(super) const GOODBYE: Duration = Duration::from_secs(2);

/// The WebSockets of a target that is taken out of use leave within this time.
const TARGET_SPREAD_MS: u64 = 5000;

/// All open WebSockets. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Tunnels {
    tracker: TaskTracker,
    leave: CancellationToken,
    cut: CancellationToken,
    spread_ms: Arc<AtomicU64>,
}

impl Tunnels {
    /// Runs a tunnel on this thread until it ends or is cut.
    pub(super) fn spawn_local(&self, tunnel: impl Future<Output = ()> + 'static) {
        let cut = self.cut.clone();
        self.tracker.spawn_local(async move {
            tokio::select! {
                () = tunnel => {}
                () = cut.cancelled() => {}
            }
        });
    }

    /// How many are open.
    #[must_use]
    pub fn count(&self) -> usize {
        self.tracker.len()
    }

    /// For a tunnel to poll beside its work. `target` is cancelled when its application goes.
    pub(super) fn leaving(&self, target: &CancellationToken) -> Leaving {
        Leaving {
            state: State::Staying {
                told: Box::pin(self.leave.clone().cancelled_owned()),
                target: Box::pin(target.clone().cancelled_owned()),
            },
            spread_ms: Arc::clone(&self.spread_ms),
        }
    }

    /// Cuts them all at once.
    pub fn cut(&self) {
        self.cut.cancel();
    }

    /// Resolves when they are cut.
    pub async fn cutting(&self) {
        self.cut.cancelled().await;
    }

    /// Waits until all have ended by themselves; at `deadline` tells the rest to leave, spread over
    /// `spread`, and waits for that. Returns how many were told.
    pub async fn drain(&self, deadline: Duration, spread: Duration) -> usize {
        self.tracker.close();
        if self.ended_within(deadline).await {
            return 0;
        }
        let told = self.count();
        let spread_ms = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX);
        self.spread_ms.store(spread_ms, Ordering::Release);
        self.leave.cancel();
        self.ended_within(spread + GOODBYE).await;
        self.cut.cancel();
        self.tracker.wait().await;
        told
    }

    async fn ended_within(&self, limit: Duration) -> bool {
        tokio::select! {
            () = self.tracker.wait() => true,
            () = tokio::time::sleep(limit) => false,
            () = self.cut.cancelled() => false,
        }
    }
}

/// The moment when a tunnel is to leave: a random one after all were told.
pub(super) struct Leaving {
    state: State,
    spread_ms: Arc<AtomicU64>,
}

enum State {
    Staying {
        told: Pin<Box<WaitForCancellationFutureOwned>>,
        target: Pin<Box<WaitForCancellationFutureOwned>>,
    },
    Waiting(Pin<Box<Sleep>>),
    Left,
}

impl Leaving {
    /// Ready once, when the moment has come.
    pub(super) fn poll_leave(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.state {
                State::Staying { told, target } => {
                    let most = if told.as_mut().poll(cx).is_ready() {
                        self.spread_ms.load(Ordering::Acquire)
                    } else {
                        ready!(target.as_mut().poll(cx));
                        TARGET_SPREAD_MS
                    };
                    let wait = Duration::from_millis(rand::random_range(0..=most));
                    self.state = State::Waiting(Box::pin(tokio::time::sleep(wait)));
                }
                State::Waiting(sleep) => {
                    ready!(sleep.as_mut().poll(cx));
                    self.state = State::Left;
                    return Poll::Ready(());
                }
                State::Left => return Poll::Pending,
            }
        }
    }
}
