//! `demo.add`, `demo.sleep` and `demo.fail`.

use std::time::Duration;

use kiuas::queue::{Context, RetryPolicy, Task, TaskError, TaskOptions};
use serde::{Deserialize, Serialize};

use super::store;
use crate::state::State;

const LONGEST_SLEEP: f64 = 3600.0;
const LONGEST_KEY: usize = 200;
const FAILURES: u32 = 2;

/// Adds two numbers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Add {
    x: i64,
    y: i64,
}

impl Task<State> for Add {
    const NAME: &'static str = "demo.add";
    type Output = i64;

    async fn run(self, _: Context<State>) -> Result<i64, TaskError> {
        self.x
            .checked_add(self.y)
            .ok_or_else(|| TaskError::fail(format!("{} + {} is too large", self.x, self.y)))
    }
}

/// Takes its time, and leaves a row in `demo_run` that tells how often it began and whether it ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sleep {
    seconds: f64,
    key: String,
}

impl Task<State> for Sleep {
    const NAME: &'static str = "demo.sleep";
    type Output = ();

    async fn run(self, ctx: Context<State>) -> Result<(), TaskError> {
        let sane = (0.0..=LONGEST_SLEEP).contains(&self.seconds);
        if !sane || self.key.is_empty() || self.key.chars().count() > LONGEST_KEY {
            return Err(TaskError::fail(
                "`seconds` must be 0 to 3600 and `key` 1 to 200 characters",
            ));
        }
        let postgres = &ctx.state.postgres;
        store::begin(&postgres.get().await?, ctx.id.as_str(), &self.key).await?;
        // No connection is held while it sleeps.
        tokio::time::sleep(Duration::from_secs_f64(self.seconds)).await;
        store::finish(&postgres.get().await?, ctx.id.as_str()).await?;
        Ok(())
    }
}

/// Fails twice, then answers how many times it had failed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Fail {}

impl Task<State> for Fail {
    const NAME: &'static str = "demo.fail";
    type Output = u32;

    fn options() -> TaskOptions {
        TaskOptions {
            retry: RetryPolicy {
                max: FAILURES,
                base: Duration::from_millis(100),
                ..RetryPolicy::default()
            },
            ..TaskOptions::default()
        }
    }

    async fn run(self, ctx: Context<State>) -> Result<u32, TaskError> {
        if ctx.retries < FAILURES {
            return Err(TaskError::failed(format!(
                "failing on purpose, time {} of {FAILURES}",
                ctx.retries + 1
            )));
        }
        Ok(ctx.retries)
    }
}
