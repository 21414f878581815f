//! Celery's remote control: what `celery inspect`, `celery control` and Flower ask of this worker.

mod commands;
mod node;
mod revoked;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kiuas_common::Shutdown;
use kiuas_queue::control::{Clock, Mailbox};
use kiuas_queue::{Broker, QueueError};

use crate::execute::Executor;

pub(crate) use node::node_name;
pub(crate) use revoked::Revoked;

const FIRST_PAUSE: Duration = Duration::from_millis(300);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What the remote control knows and changes, beside what runs.
#[derive(Debug)]
pub(crate) struct Control {
    /// This worker's name in Celery's world, `name@host`.
    pub(crate) node: String,
    pub(crate) clock: Clock,
    pub(crate) revoked: Revoked,
    pub(crate) concurrency: usize,
    pub(crate) queues: Vec<String>,
    pub(crate) started: Instant,
}

impl Control {
    pub(crate) fn new(concurrency: usize, queues: Vec<String>) -> Self {
        Self {
            node: node_name(),
            clock: Clock::default(),
            revoked: Revoked::default(),
            concurrency,
            queues,
            started: Instant::now(),
        }
    }
}

impl<S: Send + Sync + 'static, B: Broker> Executor<S, B> {
    /// Hears requests and answers them until the drain begins. Without its broker it waits for it.
    pub(crate) async fn follow_requests(self: Arc<Self>, shutdown: Shutdown) {
        let mut pause = FIRST_PAUSE;
        while !shutdown.is_draining() {
            let heard = tokio::select! {
                () = shutdown.draining() => return,
                heard = self.hear(&shutdown, &mut pause) => heard,
            };
            if let Err(error) = heard {
                tracing::debug!(error = %error.with_causes(), "no remote control now");
            }
            tokio::select! {
                () = shutdown.draining() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Learns what was revoked before this worker was there, and while it did not hear.
    pub(crate) async fn recall_revoked(&self) -> Result<(), QueueError> {
        for id in self.queue.revoked().await? {
            self.control.revoked.add(id);
        }
        Ok(())
    }

    async fn hear(&self, shutdown: &Shutdown, pause: &mut Duration) -> Result<(), QueueError> {
        let mut mailbox = self.queue.mailbox(&self.control.node).await?;
        self.recall_revoked().await?;
        *pause = FIRST_PAUSE;
        loop {
            self.answer(&mut mailbox, shutdown).await?;
        }
    }

    async fn answer(&self, mailbox: &mut Mailbox, shutdown: &Shutdown) -> Result<(), QueueError> {
        let request = mailbox.next().await?;
        self.control.clock.hear(request.clock);
        let answer = self.obey(&request, shutdown).await;
        if let Some(answer) = answer {
            mailbox
                .reply(&request, &answer, &self.control.clock)
                .await?;
        }
        Ok(())
    }
}

/// Seconds since 1970, as Python's `time.time()`.
#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds of this century fit"
)]
pub(crate) fn seconds(at: Timestamp) -> f64 {
    at.as_microsecond() as f64 / 1e6
}
