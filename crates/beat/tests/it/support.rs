//! A stack for beats, and what it must look like afterwards.

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::time::{Duration, Instant};

use kiuas_beat::{Beat, BeatSettings, Schedule};
use kiuas_common::admin::Health;
use kiuas_common::metrics::Metrics;
use kiuas_common::postgres::Postgres;
use kiuas_common::testing::{TestDatabase, TestRedis};
use kiuas_common::{Period, Shutdown};
use kiuas_migrate::MigrateSettings;
use kiuas_queue::message::Envelope;
use kiuas_queue::outbox::Relay;
use kiuas_queue::{Context, Queue, QueueSettings, Task, TaskError};
use serde::{Deserialize, Serialize};

const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const LEASE: Period = Period::seconds(1);

#[derive(Serialize, Deserialize)]
pub(crate) struct Tidy {
    pub(crate) entry: String,
}

impl Task<()> for Tidy {
    const NAME: &'static str = "test.tidy";
    type Output = ();

    async fn run(self, _: Context<()>) -> Result<(), TaskError> {
        Ok(())
    }
}

/// Entries with a period in milliseconds each.
pub(crate) fn schedule(entries: &[(&str, u64)]) -> Schedule {
    let mut schedule = Schedule::new();
    for (name, period) in entries {
        let task = Tidy {
            entry: (*name).to_owned(),
        };
        schedule.every(name, Period::milliseconds(*period), task);
    }
    schedule
}

/// A database with the stack's tables, and a Redis.
pub(crate) struct Stack {
    pub(crate) database: TestDatabase,
    pub(crate) redis: TestRedis,
    pub(crate) postgres: Postgres,
}

impl Stack {
    pub(crate) async fn start() -> Self {
        let stack = Self::without_tables().await;
        stack.migrate().await;
        stack
    }

    pub(crate) async fn without_tables() -> Self {
        let database = TestDatabase::create().await;
        Self {
            postgres: database.open(),
            redis: TestRedis::start(),
            database,
        }
    }

    pub(crate) async fn migrate(&self) {
        kiuas_migrate::up(&self.database.settings(), &MigrateSettings::default(), &[])
            .await
            .expect("migrations");
    }

    pub(crate) fn queue(&self) -> Queue {
        Queue::open(self.redis.queue(), QueueSettings::default()).expect("a queue")
    }

    /// Runs a beat with a pool of its own until `shutdown`.
    pub(crate) fn beat(&self, schedule: &Schedule, shutdown: &Shutdown) -> (Health, Metrics) {
        let settings = BeatSettings {
            lease: LEASE,
            ..BeatSettings::default()
        };
        let metrics = Metrics::new();
        let beat = Beat::new(
            settings,
            self.database.open(),
            self.queue(),
            schedule,
            metrics.clone(),
        );
        let beat = beat.expect("beat");
        let health = beat.health();
        let until = shutdown.clone();
        shutdown.spawn(async move { beat.run(until).await.expect("beat") });
        (health, metrics)
    }

    pub(crate) async fn execute(&self, sql: &str) {
        let connection = self.postgres.get().await.expect("connection");
        connection.batch_execute(sql).await.expect(sql);
    }

    /// Due times of the enqueued ticks in milliseconds, for each entry.
    pub(crate) async fn ticks(&self) -> BTreeMap<String, Vec<i64>> {
        let connection = self.postgres.get().await.expect("connection");
        let rows = connection
            .query(
                "SELECT entry, due_at FROM kiuas.beat_tick ORDER BY entry, due_at",
                &[],
            )
            .await
            .expect("ticks");
        let mut ticks: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for row in rows {
            let due: jiff::Timestamp = row.get(1);
            ticks
                .entry(row.get(0))
                .or_default()
                .push(due.as_millisecond());
        }
        ticks
    }

    pub(crate) async fn count(&self, entry: &str) -> usize {
        self.ticks().await.get(entry).map_or(0, Vec::len)
    }

    /// Who enqueued the newest tick: its process id.
    pub(crate) async fn newest_pid(&self) -> Option<i32> {
        let connection = self.postgres.get().await.expect("connection");
        let row = connection
            .query_opt(
                "SELECT host FROM kiuas.beat_tick ORDER BY enqueued_at DESC LIMIT 1",
                &[],
            )
            .await
            .expect("newest tick")?;
        let host: String = row.get(0);
        host.rsplit(':').next()?.parse().ok()
    }

    /// Relays what is left in the outbox and returns all messages of the queue.
    pub(crate) async fn messages(&self) -> Vec<Envelope> {
        let shutdown = Shutdown::new();
        let relay = Relay::new(self.postgres.clone(), self.queue());
        let until_drain = shutdown.clone();
        shutdown.spawn(async move { relay.run(until_drain).await });
        until("the outbox is empty", async || self.outbox().await == 0).await;
        shutdown.drain(Duration::from_secs(5)).await;
        let mut connection = self.redis.queue().get().await.expect("Redis");
        let texts: Vec<String> = redis::cmd("LRANGE")
            .arg(self.queue().keys().list("celery", 0))
            .arg(0)
            .arg(-1)
            .query_async(&mut connection)
            .await
            .expect("messages");
        let parsed = texts
            .iter()
            .map(|text| serde_json::from_str(text).expect("envelope"));
        parsed.collect()
    }

    async fn outbox(&self) -> i64 {
        let connection = self.postgres.get().await.expect("connection");
        let row = connection
            .query_one("SELECT count(*) FROM kiuas.outbox", &[])
            .await;
        row.expect("outbox").get(0)
    }

    /// Every tick between an entry's first and last is there, and each has one task. A task may have
    /// been relayed twice when a relay was killed: its id is the same then.
    pub(crate) async fn check_each_tick_once(&self, entries: &[(&str, u64)]) {
        let ticks = self.ticks().await;
        for (name, period) in entries {
            let period = i64::try_from(*period).expect("period");
            let due = &ticks[*name];
            let gaps: Vec<_> = due
                .windows(2)
                .filter(|pair| pair[1] - pair[0] != period)
                .collect();
            assert!(gaps.is_empty(), "`{name}` has gaps: {gaps:?}");
            assert!(
                due.iter().all(|due| due % period == 0),
                "`{name}` is not aligned"
            );
        }
        let messages = self.messages().await;
        let ids: HashSet<String> = messages
            .into_iter()
            .map(|message| message.headers.id)
            .collect();
        let all: usize = ticks.values().map(Vec::len).sum();
        assert_eq!(ids.len(), all, "tasks and ticks");
    }
}

/// Waits until `condition` holds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let begin = Instant::now();
    while !condition().await {
        assert!(begin.elapsed() < PATIENCE, "gave up waiting until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
