//! The task that follows every vote.

use kiuas::queue::{Context, Task, TaskError, TaskOptions};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{cache_key, channel, store};
use crate::state::State;

/// Counts a poll's votes, keeps the counts, and tells everybody who watches.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) poll: Uuid,
}

impl Task<State> for Tally {
    const NAME: &'static str = "polls.tally";
    /// The total; `None` if the poll is gone.
    type Output = Option<i64>;

    fn options() -> TaskOptions {
        TaskOptions {
            ignore_result: true,
            ..TaskOptions::default()
        }
    }

    async fn run(self, ctx: Context<State>) -> Result<Option<i64>, TaskError> {
        let state = &ctx.state;
        let mut connection = state.postgres.get().await?;
        let transaction = connection.transaction().await?;
        let Some(results) = store::tally(&transaction, self.poll).await? else {
            return Ok(None);
        };
        state.cache.purge(&cache_key(self.poll)).await?;
        // Before the commit, which ends the poll's lock: so newer counts are published after older ones.
        let text = serde_json::to_string(&results)?;
        state.live.publish(&channel(self.poll), &text).await?;
        transaction.commit().await?;
        Ok(Some(results.total))
    }
}
