//! What any worker does for all: restores what dead ones held, moves what is due.

use std::sync::Arc;
use std::time::Duration;

use kiuas_common::Shutdown;
use kiuas_queue::Broker;
use tokio::sync::Notify;

use crate::metrics::WorkerMetrics;

/// Pause between two sweeps; up to as much again is added, so that workers take turns.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);
/// How late a waiting task may be noticed that another worker has put there and not lived to move.
const DUE_PAUSE: Duration = Duration::from_secs(1);
/// Pause after trouble with the broker.
const TROUBLE_PAUSE: Duration = Duration::from_secs(1);

/// Restores what dead workers held, until the drain.
pub(crate) async fn sweep<B: Broker>(broker: B, metrics: WorkerMetrics, shutdown: Shutdown) {
    loop {
        match broker.sweep().await {
            Ok(swept) => {
                metrics.restored.inc_by(swept.restored);
                metrics.dead_letters.inc_by(swept.dead);
                if swept.restored > 0 {
                    tracing::warn!(
                        restored = swept.restored,
                        "gave {} tasks of dead workers to their queues again",
                        swept.restored
                    );
                }
            }
            Err(error) => {
                metrics.broker_errors.inc();
                tracing::debug!(%error, "cannot look after dead workers now");
            }
        }
        let pause = SWEEP_PAUSE + SWEEP_PAUSE.mul_f64(rand::random());
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.draining() => return,
        }
    }
}

/// Moves tasks whose time has come, until the drain. `soon` says that one was put there.
pub(crate) async fn move_due<B: Broker>(
    broker: B,
    soon: Arc<Notify>,
    metrics: WorkerMetrics,
    shutdown: Shutdown,
) {
    loop {
        let pause = match broker.move_due().await {
            Ok(due) => {
                metrics.due.inc_by(due.moved);
                due.next.map_or(DUE_PAUSE, |next| next.min(DUE_PAUSE))
            }
            Err(error) => {
                metrics.broker_errors.inc();
                tracing::debug!(%error, "cannot move due tasks now");
                TROUBLE_PAUSE
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = soon.notified() => {}
            () = shutdown.draining() => return,
        }
    }
}
