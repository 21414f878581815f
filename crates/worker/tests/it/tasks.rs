//! Tasks for tests, and a state that remembers what ran.

use std::sync::Arc;
use std::time::Duration;

use kiuas_queue::{Context, Registry, RetryPolicy, Task, TaskError, TaskOptions};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// What ran, in order: `name:detail`.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) log: Mutex<Vec<String>>,
    pub(crate) release: Notify,
}

impl State {
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().clone()
    }

    fn note(&self, text: impl Into<String>) {
        self.log.lock().push(text.into());
    }
}

pub(crate) fn registry() -> Registry<State> {
    let mut registry = Registry::new();
    registry
        .add::<Add>()
        .add::<List>()
        .add::<Note>()
        .add::<Sum>()
        .add::<Flaky>()
        .add::<Fail>()
        .add::<Panic>()
        .add::<Slow>()
        .add::<Hold>()
        .add::<Failed>();
    registry
}

const QUICK: RetryPolicy = RetryPolicy {
    max: 3,
    base: Duration::from_millis(20),
    ceiling: Duration::from_millis(200),
    jitter_percent: 0,
};

#[derive(Serialize, Deserialize)]
pub(crate) struct Add {
    pub(crate) x: i64,
    pub(crate) y: i64,
}

impl Task<State> for Add {
    const NAME: &'static str = "test.add";
    type Output = i64;

    async fn run(self, _: Context<State>) -> Result<i64, TaskError> {
        Ok(self.x + self.y)
    }
}

/// Gives back the list that it is given.
#[derive(Serialize, Deserialize)]
pub(crate) struct List {
    items: Vec<serde_json::Value>,
}

impl Task<State> for List {
    const NAME: &'static str = "test.list";
    type Output = Vec<serde_json::Value>;

    async fn run(self, _: Context<State>) -> Result<Self::Output, TaskError> {
        Ok(self.items)
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Sum {
    numbers: Vec<i64>,
}

impl Task<State> for Sum {
    const NAME: &'static str = "test.sum";
    type Output = i64;

    async fn run(self, _: Context<State>) -> Result<i64, TaskError> {
        Ok(self.numbers.into_iter().sum())
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) text: String,
}

impl Task<State> for Note {
    const NAME: &'static str = "test.note";
    type Output = ();

    async fn run(self, ctx: Context<State>) -> Result<(), TaskError> {
        ctx.state.note(self.text);
        Ok(())
    }
}

/// Fails until it has been tried `failures` times.
#[derive(Serialize, Deserialize)]
pub(crate) struct Flaky {
    pub(crate) failures: u32,
}

impl Task<State> for Flaky {
    const NAME: &'static str = "test.flaky";
    type Output = u32;

    fn options() -> TaskOptions {
        TaskOptions {
            retry: QUICK,
            ..TaskOptions::default()
        }
    }

    async fn run(self, ctx: Context<State>) -> Result<u32, TaskError> {
        ctx.state.note(format!("try {}", ctx.retries));
        if ctx.retries < self.failures {
            return Err(std::io::Error::other("not yet").into());
        }
        Ok(ctx.retries)
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Fail {
    pub(crate) message: String,
}

impl Task<State> for Fail {
    const NAME: &'static str = "test.fail";
    type Output = ();

    async fn run(self, _: Context<State>) -> Result<(), TaskError> {
        Err(TaskError::fail(self.message))
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Panic {
    pub(crate) message: String,
}

impl Task<State> for Panic {
    const NAME: &'static str = "test.panic";
    type Output = ();

    fn options() -> TaskOptions {
        TaskOptions {
            retry: RetryPolicy::never(),
            ..TaskOptions::default()
        }
    }

    async fn run(self, _: Context<State>) -> Result<(), TaskError> {
        panic!("{}", self.message)
    }
}

/// Takes longer than it may.
#[derive(Serialize, Deserialize)]
pub(crate) struct Slow;

impl Task<State> for Slow {
    const NAME: &'static str = "test.slow";
    type Output = ();

    fn options() -> TaskOptions {
        TaskOptions {
            retry: RetryPolicy::never(),
            soft_time_limit: Some(Duration::from_millis(50)),
            ..TaskOptions::default()
        }
    }

    async fn run(self, _: Context<State>) -> Result<(), TaskError> {
        std::future::pending().await
    }
}

/// Runs until the test lets it go.
#[derive(Serialize, Deserialize)]
pub(crate) struct Hold {
    pub(crate) name: String,
}

impl Task<State> for Hold {
    const NAME: &'static str = "test.hold";
    type Output = ();

    async fn run(self, ctx: Context<State>) -> Result<(), TaskError> {
        ctx.state.note(format!("began {}", self.name));
        ctx.state.release.notified().await;
        ctx.state.note(format!("ended {}", self.name));
        Ok(())
    }
}

/// An error callback: gets the id of the failed task.
#[derive(Serialize, Deserialize)]
pub(crate) struct Failed {
    pub(crate) id: String,
}

impl Task<State> for Failed {
    const NAME: &'static str = "test.failed";
    type Output = ();

    async fn run(self, ctx: Context<State>) -> Result<(), TaskError> {
        ctx.state.note(format!("failed {}", self.id));
        Ok(())
    }
}

pub(crate) fn state() -> Arc<State> {
    Arc::default()
}
