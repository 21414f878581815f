//! Orderly end of a process: one value, passed down, that everything long-lived listens to.
//!
//! The first SIGTERM or SIGINT begins the drain: accept loops stop, work in flight finishes. The
//! second one, or the deadline, cuts what is left. Nothing dies on SIGHUP.

use std::future::Future;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainOutcome {
    /// Everything finished by itself.
    Complete,
    /// The deadline passed, or a second signal came, while `remaining` tasks were still running.
    Cut {
        /// Number of tracked tasks that were abandoned.
        remaining: usize,
    },
}

/// Tells tasks to stop and waits for them. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    cut: CancellationToken,
    tracker: TaskTracker,
}

impl Shutdown {
    /// A shutdown that nobody has asked for yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everything to finish: first step of the end.
    pub fn begin(&self) {
        self.drain.cancel();
    }

    /// Asks everything to stop now: second step of the end.
    pub fn cut(&self) {
        self.drain.cancel();
        self.cut.cancel();
    }

    /// True once the drain has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Resolves when the drain begins.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Resolves when what is left must stop at once.
    pub async fn cutting(&self) {
        self.cut.cancelled().await;
    }

    /// Spawns a tracked task; [`Shutdown::drain`] waits for it.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tracker.spawn(future)
    }

    /// Spawns a tracked task on the current thread's local set.
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.tracker.spawn_local(future)
    }

    /// Begins the drain on the first SIGTERM or SIGINT and cuts on the second.
    ///
    /// # Errors
    /// The operating system refused to install a signal handler.
    pub fn listen_for_signals(&self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = self.clone();
        // Not tracked: it lives as long as the process and must not hold up the drain.
        #[expect(
            clippy::disallowed_methods,
            reason = "the signal listener outlives the drain on purpose"
        )]
        tokio::spawn(async move {
            loop {
                let name = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                };
                if shutdown.is_draining() {
                    tracing::warn!(signal = name, "received {name} again, stopping now");
                    shutdown.cut();
                    return;
                }
                tracing::info!(signal = name, "received {name}, draining");
                shutdown.begin();
            }
        });
        Ok(())
    }

    /// Begins the drain and waits until every tracked task has ended, or `deadline` has passed, or
    /// [`Shutdown::cut`] was called.
    pub async fn drain(&self, deadline: Duration) -> DrainOutcome {
        self.begin();
        self.tracker.close();
        let complete = tokio::select! {
            () = self.tracker.wait() => true,
            () = tokio::time::sleep(deadline) => false,
            () = self.cut.cancelled() => false,
        };
        if complete {
            return DrainOutcome::Complete;
        }
        let remaining = self.tracker.len();
        self.cut();
        DrainOutcome::Cut { remaining }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn drain_waits_for_tracked_tasks() {
        let shutdown = Shutdown::new();
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        let task = shutdown.spawn(async move { receiver.await.is_ok() });
        let drain = {
            let shutdown = shutdown.clone();
            async move { shutdown.drain(Duration::from_secs(60)).await }
        };
        let finish = async { sender.send(()).is_ok() };
        let (outcome, sent) = tokio::join!(drain, finish);
        assert_eq!(outcome, DrainOutcome::Complete);
        assert!(sent && task.await.is_ok_and(|ok| ok));
    }

    #[tokio::test]
    async fn drain_reports_what_the_deadline_cut() {
        let shutdown = Shutdown::new();
        shutdown.spawn(std::future::pending::<()>());
        assert_eq!(
            shutdown.drain(Duration::from_millis(5)).await,
            DrainOutcome::Cut { remaining: 1 }
        );
    }
}
