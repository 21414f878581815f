//! The beat: looks at the clock, claims what is due, looks again.

mod clock;
mod pass;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kiuas_common::admin::{self, Health};
use kiuas_common::metrics::Metrics;
use kiuas_common::postgres::Postgres;
use kiuas_common::{Period, Shutdown, notify};
use kiuas_queue::Queue;
use kiuas_queue::outbox::Relay;

use crate::entry::Checked;
use crate::error::BeatError;
use crate::health::{self, Lateness};
use crate::leader::Leader;
use crate::line::Line;
use crate::measure::Measure;
use crate::schedule::Schedule;
use crate::settings::BeatSettings;
use crate::tick;

use clock::Clock;
use pass::Pass;

const SHORTEST_LEASE: Period = Period::milliseconds(300);
/// Longest sleep: a clock that was set, or a machine that was suspended, is noticed after it.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// How often a follower asks whether it leads.
const ASK_AGAIN: Duration = Duration::from_millis(500);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Longest pass: a connection that hangs must not stop the beat.
const PASS_DEADLINE: Duration = Duration::from_secs(20);
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// Fires the entries of a schedule and relays the outbox.
#[derive(Debug)]
pub struct Beat {
    settings: BeatSettings,
    postgres: Postgres,
    queue: Queue,
    entries: Vec<Checked>,
    metrics: Metrics,
    measure: Measure,
    lateness: Lateness,
    health: Health,
    /// What the history says about who enqueued a tick.
    host: String,
}

impl Beat {
    /// Checks the settings and every entry; touches neither PostgreSQL nor Redis.
    ///
    /// # Errors
    /// [`BeatError::Entry`] names the first entry that is not usable.
    pub fn new(
        settings: BeatSettings,
        postgres: Postgres,
        queue: Queue,
        schedule: &Schedule,
        metrics: Metrics,
    ) -> Result<Self, BeatError> {
        if settings.lease < SHORTEST_LEASE {
            return Err(BeatError::Lease {
                lease: settings.lease,
                least: SHORTEST_LEASE,
            });
        }
        let lateness = Lateness::new(grace(&settings));
        Ok(Self {
            entries: schedule.checked()?,
            health: health::health(&postgres, &lateness),
            measure: Measure::new(&metrics),
            settings,
            postgres,
            queue,
            metrics,
            lateness,
            host: host(),
        })
    }

    /// What it says about itself: ready when the history is read, PostgreSQL answers and no tick is
    /// late by more than three leases.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Serves the admin listener, relays the outbox and fires what is due, until the drain begins.
    /// Trouble with PostgreSQL or Redis is logged and tried again, for ever.
    ///
    /// # Errors
    /// The admin listener cannot be bound.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), BeatError> {
        if let Some(address) = &self.settings.admin {
            let (health, metrics) = (self.health.clone(), self.metrics.clone());
            admin::serve(address, health, metrics, &shutdown)?;
        }
        let relay = Relay::new(self.postgres.clone(), self.queue.clone());
        let until = shutdown.clone();
        shutdown.spawn(async move { relay.run(until).await });
        let leads = Arc::new(AtomicBool::new(false));
        shutdown.spawn(self.forget(Arc::clone(&leads), shutdown.clone()));

        let lines = tokio::select! {
            lines = self.load() => lines,
            () = shutdown.draining() => return Ok(()),
        };
        self.health.set_ready(true);
        notify::ready();
        tracing::info!(
            beat.entries = lines.len(),
            "beat runs {} entries",
            lines.len()
        );
        self.beat(lines, &leads, &shutdown).await;
        self.health.set_ready(false);
        notify::stopping();
        Ok(())
    }

    /// Reads where the history ends, until PostgreSQL answers.
    async fn load(&self) -> Vec<Line> {
        let names: Vec<&str> = self
            .entries
            .iter()
            .map(|entry| entry.name.as_str())
            .collect();
        let mut backoff = Backoff::new();
        loop {
            let now = Timestamp::now();
            match tick::newest(&self.postgres, &names, now).await {
                Ok(newest) => {
                    let line = |entry: &Checked| {
                        let last = newest.get(&entry.name).copied();
                        Line::new(entry.clone(), last, now)
                    };
                    return self.entries.iter().map(line).collect();
                }
                Err(error) => backoff.wait(&error.into()).await,
            }
        }
    }

    async fn beat(&self, lines: Vec<Line>, leads: &AtomicBool, shutdown: &Shutdown) {
        let mut leader = Leader::new(self.postgres.clone(), self.settings.lease.duration() / 2);
        let mut pass = Pass::new(self, lines);
        let mut clock = Clock::start();
        let mut backoff = Backoff::new();
        while !shutdown.is_draining() {
            let now = clock.look();
            if clock.went_back() {
                pass.begin_again(now);
            }
            let outcome = tokio::time::timeout(PASS_DEADLINE, async {
                let is_leader = leader.ask().await?;
                pass.run(is_leader, now).await.map(|()| is_leader)
            });
            let outcome = outcome.await;
            self.note_lead(leads, matches!(outcome, Ok(Ok(true))));
            match outcome {
                Ok(Ok(_)) => {
                    backoff = Backoff::new();
                    sleep(pass.pause(Timestamp::now()), shutdown).await;
                }
                Ok(Err(error)) => {
                    tokio::select! {
                        () = backoff.wait(&error) => {}
                        () = shutdown.draining() => {}
                    }
                }
                Err(_) => {
                    tracing::warn!("PostgreSQL did not answer within {PASS_DEADLINE:?}");
                    leader.leave();
                }
            }
        }
        self.note_lead(leads, false);
    }

    fn note_lead(&self, leads: &AtomicBool, is_leader: bool) {
        leads.store(is_leader, Ordering::Relaxed);
        self.measure.leading(is_leader);
    }

    /// Keeps the history short, as long as this beat leads.
    fn forget(
        &self,
        leads: Arc<AtomicBool>,
        shutdown: Shutdown,
    ) -> impl Future<Output = ()> + Send + 'static {
        let postgres = self.postgres.clone();
        let names: Vec<String> = self
            .entries
            .iter()
            .map(|entry| entry.name.clone())
            .collect();
        async move {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            while !shutdown.is_draining() {
                sleep(FORGET_AFTER, &shutdown).await;
                if !leads.load(Ordering::Relaxed) || shutdown.is_draining() {
                    continue;
                }
                let forgetting = tick::forget(&postgres, &names, Timestamp::now());
                if let Err(error) = forgetting.await {
                    tracing::warn!(%error, "could not shorten the history of ticks");
                }
            }
        }
    }
}

/// Host name and process id.
fn host() -> String {
    let name = rustix::system::uname();
    format!(
        "{}:{}",
        name.nodename().to_string_lossy(),
        std::process::id()
    )
}

/// How late a tick may be and is enqueued all the same.
fn grace(settings: &BeatSettings) -> SignedDuration {
    SignedDuration::try_from(settings.lease.duration())
        .ok()
        .and_then(|lease| lease.checked_mul(3))
        .unwrap_or(SignedDuration::MAX)
}

async fn sleep(pause: Duration, shutdown: &Shutdown) {
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        () = shutdown.draining() => {}
    }
}

/// Pauses between failures.
struct Backoff {
    pause: Duration,
}

impl Backoff {
    fn new() -> Self {
        Self { pause: FIRST_PAUSE }
    }

    async fn wait(&mut self, error: &BeatError) {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        let cause = cause.unwrap_or_default();
        tracing::warn!(error.cause = %cause, "{error}: {cause}; trying again");
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}
