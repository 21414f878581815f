//! A small worker, whole: settings, telemetry, tasks, run, drain.
//!
//! The tests of this crate start it as a process of its own. By hand, with a Redis on its usual port:
//!
//! ```text
//! cargo run -p kiuas-worker --example worker
//! ```

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use kiuas_common::metrics::Metrics;
use kiuas_common::redis::Redis;
use kiuas_common::{Settings, Shutdown, notify, telemetry, tls};
use kiuas_queue::{Context, Queue, Registry, Task, TaskError, TaskOptions};
use kiuas_worker::Worker;
use serde::{Deserialize, Serialize};

/// What every task may use.
struct State {
    redis: Redis,
}

#[derive(Serialize, Deserialize)]
struct Add {
    x: i64,
    y: i64,
}

impl Task<State> for Add {
    const NAME: &'static str = "demo.add";
    type Output = i64;

    async fn run(self, _: Context<State>) -> Result<i64, TaskError> {
        self.x
            .checked_add(self.y)
            .ok_or_else(|| TaskError::fail("the sum is too large"))
    }
}

/// Waits, then puts its number on a list: an effect that outlives the process.
#[derive(Serialize, Deserialize)]
struct Mark {
    list: String,
    number: i64,
    pause_ms: u64,
}

impl Task<State> for Mark {
    const NAME: &'static str = "demo.mark";
    type Output = i64;

    fn options() -> TaskOptions {
        TaskOptions {
            soft_time_limit: Some(Duration::from_secs(600)),
            ..TaskOptions::default()
        }
    }

    async fn run(self, ctx: Context<State>) -> Result<i64, TaskError> {
        tokio::time::sleep(Duration::from_millis(self.pause_ms)).await;
        let mut connection = ctx.state.redis.get().await?;
        redis::cmd("RPUSH")
            .arg(&self.list)
            .arg(self.number)
            .exec_async(&mut connection)
            .await?;
        Ok(self.number)
    }
}

/// Does what no task may: keeps its thread, so that nothing in the process can end it.
#[derive(Serialize, Deserialize)]
struct Block {
    pause_ms: u64,
}

impl Task<State> for Block {
    const NAME: &'static str = "demo.block";
    type Output = ();

    fn options() -> TaskOptions {
        TaskOptions {
            soft_time_limit: Some(Duration::from_millis(300)),
            ..TaskOptions::default()
        }
    }

    async fn run(self, _: Context<State>) -> Result<(), TaskError> {
        std::thread::sleep(Duration::from_millis(self.pause_ms));
        Ok(())
    }
}

fn main() -> ExitCode {
    tls::install_provider();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write;
            // Nothing is left to do if standard error is closed.
            drop(writeln!(std::io::stderr().lock(), "error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let settings = Settings::from_process()?;
    notify::follow_parent()?;
    let _telemetry = telemetry::start(&settings.section("telemetry")?, "demo-worker")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(work(&settings))
}

async fn work(settings: &Settings) -> anyhow::Result<()> {
    let redis = Redis::queue(&settings.section("redis")?)?;
    let queue = Queue::open(redis.clone(), settings.section("queue")?)?;
    let mut registry = Registry::new();
    registry.add::<Add>().add::<Mark>().add::<Block>();
    let shutdown = Shutdown::new();
    shutdown.listen_for_signals()?;
    let worker = Worker::new(
        settings.section("worker")?,
        queue,
        registry,
        Arc::new(State { redis }),
        &Metrics::new(),
    );
    let drained = worker.run(shutdown).await;
    tracing::info!(?drained, "the worker has stopped");
    Ok(())
}
