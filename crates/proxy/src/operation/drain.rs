//! The end: no new connections, what is under way finishes, what is left at the deadlines is cut.

use std::pin::pin;

use kiuas_common::shutdown::DrainOutcome;

use super::{Running, Signals, reopen_logs};
use crate::worker::Shared;

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
        let mut finished = pin!(finish(&shared));
        loop {
            tokio::select! {
                () = finished.as_mut() => break,
                signal = signals.end(|| reopen_logs(&shared)) => {
                    tracing::warn!(signal, "received {signal} again, stopping now");
                    shared.shutdown.cut();
                    shared.tunnels.cut();
                }
            }
        }
        drop(secrets);
        let good = threads.end().await;
        if let Some(sink) = &shared.plans.get().log_sink {
            sink.finish();
        }
        good
    }
}

/// Answers have their deadline, WebSockets another.
async fn finish(shared: &Shared) {
    let plan = shared.plans.get();
    let limits = &plan.limits;
    let answers = async {
        match shared.shutdown.drain(limits.drain).await {
            DrainOutcome::Complete => tracing::info!("drained, nothing was cut"),
            DrainOutcome::Cut { remaining } => {
                tracing::warn!(
                    remaining,
                    "the drain ended with {remaining} connections cut"
                );
            }
        }
    };
    let tunnels = shared
        .tunnels
        .drain(limits.tunnel_drain, limits.tunnel_spread);
    let ((), told) = tokio::join!(answers, tunnels);
    if told > 0 {
        tracing::info!(
            told,
            "{told} WebSockets were closed with 1012, service restart"
        );
    }
    // Only now: what answers `/healthz` and `ctl` ends with it.
    shared.shutdown.cut();
}
