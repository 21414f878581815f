//! The worker of a process, from start to drain.

use std::sync::Arc;

use kiuas_common::admin::Health;
use kiuas_common::metrics::Metrics;
use kiuas_common::postgres::Postgres;
use kiuas_common::scoreboard::State;
use kiuas_common::{Pause, Shutdown, notify};
use kiuas_queue::outbox::Relay;
use kiuas_queue::{Broker, Queue, Registry};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::board::Board;
use crate::control::Control;
use crate::events::Events;
use crate::execute::Executor;
use crate::lease::Lease;
use crate::limits::TaskLimits;
use crate::metrics::WorkerMetrics;
use crate::running::Running;
use crate::settings::WorkerSettings;
use crate::{consume, housekeeping};

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every running task finished.
    Complete,
    /// The deadline passed: so many tasks were stopped and given back to the front of their queues.
    Released(usize),
}

/// Runs the tasks of a registry.
#[derive(Debug)]
pub struct Worker<S> {
    settings: WorkerSettings,
    queue: Queue,
    registry: Registry<S>,
    state: Arc<S>,
    metrics: WorkerMetrics,
    relay: Option<Relay>,
    health: Health,
}

impl<S: Send + Sync + 'static> Worker<S> {
    /// A worker that serves `settings.queues` with the tasks of `registry`.
    #[must_use]
    pub fn new(
        settings: WorkerSettings,
        queue: Queue,
        registry: Registry<S>,
        state: Arc<S>,
        metrics: &Metrics,
    ) -> Self {
        Self {
            settings,
            queue,
            registry,
            state,
            metrics: WorkerMetrics::new(metrics),
            relay: None,
            health: Health::new(),
        }
    }

    /// Also relays the outbox of `postgres` to the broker.
    #[must_use]
    pub fn with_outbox(mut self, postgres: Postgres) -> Self {
        self.relay = Some(Relay::new(postgres, self.queue.clone()));
        self
    }

    /// Reports to `health`: ready from the first lease to the drain, and only while the lease is kept.
    #[must_use]
    pub fn with_health(mut self, health: &Health) -> Self {
        self.health = health.clone();
        self
    }

    /// Works until `shutdown` begins to drain, then finishes what runs. Tells the supervisor when it is
    /// ready and when it stops. A broker that is away is waited for, however long.
    pub async fn run(self, shutdown: Shutdown) -> Drained {
        let broker = self.queue.consumer(
            &self.settings.queues,
            self.settings.lease.duration(),
            self.settings.concurrency.max(1),
        );
        tracing::info!(
            worker.id = broker.worker_id(),
            concurrency = self.settings.concurrency,
            "working on {}",
            self.settings.queues.join(", ")
        );
        self.work(broker, shutdown).await
    }

    async fn work<B: Broker>(self, broker: B, shutdown: Shutdown) -> Drained {
        let running = Running::default();
        let until_drained = CancellationToken::new();
        let stop_lease = until_drained.clone().drop_guard();
        let lease = Lease::start(
            broker.clone(),
            self.settings.lease.duration(),
            running.clone(),
            self.metrics.clone(),
            until_drained,
        );
        lease.report_to(&self.health);
        let board = Board::of_this_process(self.settings.hard_grace.duration());
        let (pause, pauses) = (Pause::new(), board.hear_pauses());
        let due_soon = Arc::new(Notify::new());
        self.start_housekeeping(&broker, &due_soon, &shutdown);
        if lease.held_first(&shutdown).await {
            self.health.set_ready(true);
            board.show(State::Ready);
            notify::ready();
        }
        let concurrency = self.settings.concurrency.max(1);
        let queues = match self.settings.queues.as_slice() {
            [] => vec![self.queue.settings().default_queue.clone()],
            queues => queues.to_vec(),
        };
        let executor = Arc::new(Executor {
            broker: broker.clone(),
            queue: self.queue,
            registry: self.registry,
            state: self.state,
            metrics: self.metrics,
            running: running.clone(),
            due_soon,
            board,
            control: Control::new(concurrency, queues),
            events: Events::new(self.settings.events),
            limits: TaskLimits::default(),
        });
        if let Err(error) = executor.recall_revoked().await {
            let error = error.with_causes();
            tracing::warn!(error, "cannot tell yet what was revoked before");
        }
        if self.settings.remote_control {
            drop(shutdown.spawn(Arc::clone(&executor).follow_requests(shutdown.clone())));
            drop(shutdown.spawn(Arc::clone(&executor).send_events(shutdown.clone())));
        }
        let mut tasks = JoinSet::new();
        tokio::select! {
            () = consume::until_drain(&executor, concurrency, &mut tasks, &pause, &shutdown) => {}
            // For ever.
            () = executor.board.follow_pauses(pauses, &pause) => {}
        }
        executor.board.show(State::Draining);
        self.health.set_ready(false);
        notify::stopping();
        if let Err(error) = broker.withdraw().await {
            tracing::debug!(%error, "what was fetched ahead goes back when the connection ends");
        }
        let drained = consume::drain(
            &executor,
            tasks,
            self.settings.drain_timeout.duration(),
            &shutdown,
        )
        .await;
        drop(stop_lease);
        if let Err(error) = broker.leave().await {
            tracing::debug!(%error, "the lease runs out by itself");
        }
        drained
    }

    fn start_housekeeping<B: Broker>(&self, broker: &B, due: &Arc<Notify>, shutdown: &Shutdown) {
        drop(shutdown.spawn(housekeeping::move_due(
            broker.clone(),
            Arc::clone(due),
            self.metrics.clone(),
            shutdown.clone(),
        )));
        drop(shutdown.spawn(housekeeping::sweep(
            broker.clone(),
            self.metrics.clone(),
            shutdown.clone(),
        )));
        if let Some(relay) = self.relay.clone() {
            let relayed = self.metrics.relayed.clone();
            let relay = relay.counting(move |moved| {
                relayed.inc_by(moved);
            });
            let until = shutdown.clone();
            drop(shutdown.spawn(async move { relay.run(until).await }));
        }
    }
}
