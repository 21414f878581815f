//! Keeps the lease: as long as it is renewed, nobody takes this worker's tasks away.
//!
//! It has a thread and a connection of its own, so that tasks which keep the runtime's threads busy
//! never cost the worker its lease.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kiuas_common::Shutdown;
use kiuas_common::admin::Health;
use kiuas_queue::Broker;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::metrics::WorkerMetrics;
use crate::running::Running;

/// Renewals in the time that the lease lasts.
const RENEWALS: u32 = 3;
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// The lease of a worker, seen from the worker.
pub(crate) struct Lease {
    renewed: Arc<Mutex<Option<Instant>>>,
    first: watch::Receiver<bool>,
    length: Duration,
}

struct Keeper<B> {
    broker: B,
    running: Running,
    metrics: WorkerMetrics,
    renewed: Arc<Mutex<Option<Instant>>>,
    first: watch::Sender<bool>,
    length: Duration,
}

impl Lease {
    /// Starts the thread, which ends with `until`.
    pub(crate) fn start<B: Broker>(
        broker: B,
        length: Duration,
        running: Running,
        metrics: WorkerMetrics,
        until: CancellationToken,
    ) -> Self {
        let renewed = Arc::new(Mutex::new(None));
        let (first, seen) = watch::channel(false);
        let keeper = Keeper {
            broker,
            running,
            metrics,
            renewed: Arc::clone(&renewed),
            first,
            length,
        };
        let started = std::thread::Builder::new()
            .name("lease".to_owned())
            .spawn(move || keeper.keep(&until));
        if let Err(error) = started {
            // Without a lease nothing is claimed for long: others restore it, and readiness says so.
            tracing::error!(%error, "cannot start the thread that keeps the lease");
        }
        Self {
            renewed,
            first: seen,
            length,
        }
    }

    /// Makes readiness depend on the lease.
    pub(crate) fn report_to(&self, health: &Health) {
        let (renewed, length) = (Arc::clone(&self.renewed), self.length);
        health.add_check("lease", move || {
            let age = renewed.lock().map(|at| at.elapsed());
            let verdict = match age {
                Some(age) if age < length => Ok(()),
                Some(age) => Err(format!("not renewed for {} s", age.as_secs())),
                None => Err("the broker has not answered yet".to_owned()),
            };
            std::future::ready(verdict)
        });
    }

    /// Waits for the first renewal: the broker answers. `false` if the drain begins before.
    pub(crate) async fn held_first(&self, shutdown: &Shutdown) -> bool {
        let mut first = self.first.clone();
        tokio::select! {
            seen = first.wait_for(|seen| *seen) => seen.is_ok(),
            () = shutdown.draining() => false,
        }
    }
}

impl<B: Broker> Keeper<B> {
    fn keep(&self, until: &CancellationToken) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        match runtime {
            Ok(runtime) => runtime.block_on(async {
                tokio::select! {
                    () = self.renew_for_ever() => {}
                    () = until.cancelled() => {}
                }
            }),
            Err(error) => tracing::error!(%error, "cannot keep the lease"),
        }
    }

    async fn renew_for_ever(&self) {
        loop {
            let pause = match self.broker.heartbeat().await {
                Ok(lost) => {
                    *self.renewed.lock() = Some(Instant::now());
                    self.first.send_replace(true);
                    self.stop(&lost);
                    self.length / RENEWALS
                }
                Err(error) => {
                    self.metrics.broker_errors.inc();
                    tracing::warn!(error = %error.with_causes(), "cannot renew the lease");
                    RETRY_PAUSE
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    fn stop(&self, lost: &[String]) {
        for tag in lost {
            tracing::warn!(
                tag,
                "somebody else has a task of ours now, stopping our run of it"
            );
            self.running.lose(tag);
        }
    }
}
