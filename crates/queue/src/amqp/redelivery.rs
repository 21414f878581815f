//! How many workers have died with a message.
//!
//! RabbitMQ marks every message that comes back, from a dead worker or from one that gave it back in a
//! drain, and counts them in quorum queues alone. So what is given back on purpose is written down in
//! Redis, beside the results, and so is what classic queues do not count.

use std::sync::LazyLock;

use redis::Script;

use crate::error::QueueError;
use crate::message::TaskId;
use crate::redis::Keys;
use crate::results::Results;

static GIVEN_BACK: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/given_back.lua")));
static CAME_BACK: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/came_back.lua")));

/// How long a message's history is remembered, in seconds.
const REMEMBERED: u64 = 7 * 86_400;

/// The book of redeliveries.
#[derive(Debug, Clone)]
pub(super) struct Redeliveries {
    results: Results,
    keys: Keys,
}

impl Redeliveries {
    pub(super) fn new(results: Results, keys: Keys) -> Self {
        Self { results, keys }
    }

    /// These messages are about to come back without a death.
    pub(super) async fn given_back(&self, ids: &[TaskId]) -> Result<(), QueueError> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut call = GIVEN_BACK.prepare_invoke();
        call.arg(REMEMBERED);
        for id in ids {
            call.key(self.keys.redelivery(id));
        }
        let action = "note what is given back";
        let _: u64 = self.results.script(action, &call).await?;
        Ok(())
    }

    /// A message has come back; `count` is the queue's own count, where it has one. Returns how many
    /// workers have died with it.
    pub(super) async fn came_back(
        &self,
        id: &TaskId,
        count: Option<u32>,
    ) -> Result<u32, QueueError> {
        let mut call = CAME_BACK.prepare_invoke();
        call.key(self.keys.redelivery(id))
            .arg(REMEMBERED)
            .arg(count.map_or(-1, i64::from));
        let action = "count the deaths of workers";
        self.results.script(action, &call).await
    }
}
