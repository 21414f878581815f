//! The end: no new connections, what is under way finishes, what is left at the deadline is cut.

use kiuas_common::shutdown::DrainOutcome;

use super::{Running, Signals};

impl Running {
    /// Drains; a second signal cuts at once. False if a serving thread had panicked.
    pub(crate) async fn drain(self, signals: &mut Signals) -> bool {
        let Self {
            fronts,
            threads,
            shared,
            secrets,
            ..
        } = self;
        // From here on the threads alone hold the sockets: the last one to close has emptied the queue.
        drop(fronts);
        let shutdown = shared.shutdown;
        let drained = shutdown.drain(shared.plans.get().limits.drain);
        tokio::pin!(drained);
        let outcome = loop {
            tokio::select! {
                outcome = &mut drained => break outcome,
                signal = signals.end() => {
                    tracing::warn!(signal, "received {signal} again, stopping now");
                    shutdown.cut();
                }
            }
        };
        match outcome {
            DrainOutcome::Complete => tracing::info!("drained, nothing was cut"),
            DrainOutcome::Cut { remaining } => tracing::warn!(
                remaining,
                "the drain ended with {remaining} connections or WebSockets cut"
            ),
        }
        shutdown.cut();
        drop(secrets);
        threads.end().await
    }
}
