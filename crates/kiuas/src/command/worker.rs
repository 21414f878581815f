//! `worker`: runs tasks.

use std::sync::Arc;

use kiuas_common::Settings;
use kiuas_migrate::MigrateSettings;
use kiuas_queue::Registry;
use kiuas_worker::{Drained, Worker, WorkerSettings};

use crate::Application;
use crate::process::{Process, large_runtime};
use crate::schema;

pub(super) fn run<A: Application>(settings: Settings) -> anyhow::Result<()> {
    let worker: WorkerSettings = settings.section("worker")?;
    let migrate: MigrateSettings = settings.section("migrate")?;
    let process = Process::start(settings, A::NAME, "worker")?;
    process.run(&large_runtime()?, async move |process| {
        process.serve_admin(worker.admin.as_ref())?;
        let Some(resources) = process.resources().await? else {
            return Ok(());
        };
        tokio::select! {
            current = schema::wait::<A>(&resources.postgres, &migrate) => current?,
            () = process.shutdown.draining() => return Ok(()),
        }
        let mut registry = Registry::new();
        A::tasks(&mut registry);
        let state = Arc::new(A::state(&resources).await?);
        let worker = Worker::new(worker, resources.queue, registry, state, &process.metrics)
            .with_outbox(resources.postgres)
            .with_health(&process.health);
        match worker.run(process.shutdown.clone()).await {
            Drained::Complete => tracing::info!("drained, every task finished"),
            Drained::Released(tasks) => {
                tracing::warn!(tasks, "gave {tasks} running tasks back to their queues");
            }
        }
        Ok(())
    })
}
