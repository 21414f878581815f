//! A process does no work on a schema that is older than its build.

use std::time::{Duration, Instant};

use kiuas_common::postgres::Postgres;
use kiuas_migrate::MigrateSettings;

use crate::Application;

const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Waits until the schema is at least as new as this build: the migrations may be running just now.
pub(crate) async fn wait<A: Application>(
    postgres: &Postgres,
    settings: &MigrateSettings,
) -> anyhow::Result<()> {
    let begin = Instant::now();
    loop {
        match check::<A>(postgres).await {
            Err(error) if begin.elapsed() >= settings.wait_timeout.duration() => return Err(error),
            Err(error) if error.is::<kiuas_migrate::MigrateError>() => return Err(error),
            Err(error) => tracing::info!(%error, "waiting for the migrations"),
            Ok(()) => return Ok(()),
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// Compares the schema with this build.
pub(crate) async fn check<A: Application>(postgres: &Postgres) -> anyhow::Result<()> {
    let pending = kiuas_migrate::pending(postgres, &A::migrations()).await?;
    anyhow::ensure!(
        pending.is_empty(),
        "the database's schema is older than this build: {} not applied; run `{} migrate up`",
        pending.join(", "),
        A::NAME
    );
    Ok(())
}
