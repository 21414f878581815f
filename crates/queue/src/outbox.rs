//! Tasks that are sent with a transaction: written beside the data, pushed after the commit.
//!
//! A crash or a broker's outage neither loses nor invents a task. A task may be pushed twice (a crash
//! between push and commit of the relay); its id is the same then.

mod relay;

use kiuas_common::postgres::Transaction;

use crate::error::QueueError;
use crate::message::Outgoing;

pub use relay::Relay;

/// The channel that wakes the relays; a trigger on the table notifies it.
pub const CHANNEL: &str = "kiuas_outbox";

/// Writes a message beside the data of `transaction`.
pub(crate) async fn insert(
    transaction: &Transaction<'_>,
    message: &Outgoing,
) -> Result<(), QueueError> {
    transaction
        .execute(
            "INSERT INTO kiuas.outbox (queue, message) VALUES ($1, $2)",
            &[&message.queue, &message.text],
        )
        .await?;
    Ok(())
}
