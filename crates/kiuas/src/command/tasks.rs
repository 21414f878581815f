//! `tasks`: sends a task, or shows what became of one.

use std::time::Duration;

use anyhow::Context;
use kiuas_common::Settings;
use kiuas_common::redis::{Redis, RedisSettings};
use kiuas_queue::{Queue, ResultMeta, TaskId};
use serde::de::DeserializeOwned;

use super::print;
use crate::arguments::Tasks;
use crate::failure::Usage;
use crate::process::small_runtime;

pub(super) fn run(settings: &Settings, action: Tasks) -> anyhow::Result<()> {
    let redis: RedisSettings = settings.section("redis")?;
    let queue = Queue::open(Redis::queue(&redis)?, settings.section("queue")?)?;
    small_runtime()?.block_on(async {
        match action {
            Tasks::Send {
                name,
                args,
                kwargs,
                queue: target,
                wait,
            } => {
                let args = json(&args, "--args", "an array")?;
                let kwargs = json(&kwargs, "--kwargs", "an object")?;
                let id = queue
                    .send_raw(&name, args, kwargs, target.as_deref())
                    .await?;
                print(&format!("{id}\n"))?;
                match wait {
                    Some(wait) => show(&queue.wait(&id, wait).await?),
                    None => Ok(()),
                }
            }
            Tasks::Result { id, wait } => show(&result(&queue, &id, wait).await?),
        }
    })
}

async fn result(queue: &Queue, id: &str, wait: Option<Duration>) -> anyhow::Result<ResultMeta> {
    let id: TaskId = serde_json::from_value(serde_json::Value::from(id))
        .map_err(|_| Usage::new(format!("`{id}` is no task id")))?;
    match wait {
        Some(wait) => Ok(queue.wait(&id, wait).await?),
        None => queue.result(&id).await?.with_context(|| {
            format!("nothing is stored about task {id}: it is unknown, waiting, running or expired")
        }),
    }
}

fn show(result: &ResultMeta) -> anyhow::Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(result)?))
}

fn json<T: DeserializeOwned>(text: &str, flag: &str, form: &str) -> Result<T, Usage> {
    serde_json::from_str(text)
        .map_err(|error| Usage::new(format!("{flag} `{text}` is not {form} in JSON: {error}")))
}
