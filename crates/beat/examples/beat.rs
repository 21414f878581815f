//! A beat as small as it can be: two entries, settings from the environment.
//!
//! ```text
//! KIUAS__POSTGRES__URL=postgres:///site?host=/run/postgresql KIUAS__BEAT__LEASE=1s \
//!     cargo run --package kiuas-beat --example beat
//! ```
//!
//! The database needs the stack's tables (`site migrate up`).

use std::time::Duration;

use kiuas_beat::{Beat, BeatSettings, Schedule};
use kiuas_common::metrics::Metrics;
use kiuas_common::postgres::{Postgres, PostgresSettings};
use kiuas_common::redis::{Redis, RedisSettings};
use kiuas_common::telemetry::{self, TelemetrySettings};
use kiuas_common::{Period, Settings, Shutdown, notify, tls};
use kiuas_queue::{Context, Queue, QueueSettings, Task, TaskError};
use serde::{Deserialize, Serialize};

/// What a worker would do.
#[derive(Serialize, Deserialize)]
struct Tidy {
    every: String,
}

impl Task<()> for Tidy {
    const NAME: &'static str = "example.tidy";
    type Output = ();

    async fn run(self, _: Context<()>) -> Result<(), TaskError> {
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    tls::install_provider();
    let settings = Settings::from_process()?;
    let telemetry: TelemetrySettings = settings.section("telemetry")?;
    let _telemetry = telemetry::start(&telemetry, "example-beat")?;
    notify::follow_parent()?;

    let postgres: PostgresSettings = settings.section("postgres")?;
    let redis: RedisSettings = settings.section("redis")?;
    let queue: QueueSettings = settings.section("queue")?;
    let beat: BeatSettings = settings.section("beat")?;
    let postgres = Postgres::open(&postgres, "example-beat")?;
    let queue = Queue::open(Redis::queue(&redis)?, queue)?;

    let mut schedule = Schedule::new();
    for (name, milliseconds) in [("fast", 200), ("slow", 500)] {
        let period = Period::milliseconds(milliseconds);
        let every = period.to_string();
        schedule.every(name, period, Tidy { every });
    }

    let shutdown = Shutdown::new();
    shutdown.listen_for_signals()?;
    Beat::new(beat, postgres, queue, &schedule, Metrics::new())?
        .run(shutdown.clone())
        .await?;
    shutdown.drain(Duration::from_secs(5)).await;
    Ok(())
}
