//! Votes in PostgreSQL.

use kiuas::common::postgres::{Connection, PostgresError, Transaction};
use uuid::Uuid;

/// What became of a vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It counts.
    Counted,
    /// This visitor has voted before.
    Already,
    /// The poll is closed, or its time has come.
    Closed,
    /// The poll has no such choice.
    NoSuchChoice,
    /// There is no such poll.
    NoSuchPoll,
}

/// Records a vote.
pub(crate) async fn cast(
    transaction: &Transaction<'_>,
    poll: Uuid,
    choice: Uuid,
    voter: Uuid,
) -> Result<Outcome, PostgresError> {
    // Shared: voters do not wait for one another, but a poll cannot be closed or changed in between.
    let open = transaction
        .query_opt(
            "SELECT closed_at IS NULL AND (closes_at IS NULL OR closes_at > now())
               FROM poll WHERE id = $1 FOR SHARE",
            &[&poll],
        )
        .await?;
    match open.map(|row| row.get::<_, bool>(0)) {
        None => return Ok(Outcome::NoSuchPoll),
        Some(false) => return Ok(Outcome::Closed),
        Some(true) => {}
    }
    let known = transaction
        .query_opt(
            "SELECT FROM choice WHERE poll_id = $1 AND id = $2",
            &[&poll, &choice],
        )
        .await?;
    if known.is_none() {
        return Ok(Outcome::NoSuchChoice);
    }
    let inserted = transaction
        .execute(
            "INSERT INTO vote (poll_id, choice_id, voter) VALUES ($1, $2, $3)
             ON CONFLICT ON CONSTRAINT vote_once DO NOTHING",
            &[&poll, &choice, &voter],
        )
        .await?;
    Ok(if inserted == 1 {
        Outcome::Counted
    } else {
        Outcome::Already
    })
}

/// What this visitor has chosen, if anything.
pub(crate) async fn ballot(
    connection: &Connection,
    poll: Uuid,
    voter: Uuid,
) -> Result<Option<Uuid>, PostgresError> {
    let row = connection
        .query_opt(
            "SELECT choice_id FROM vote WHERE poll_id = $1 AND voter = $2",
            &[&poll, &voter],
        )
        .await?;
    Ok(row.map(|row| row.get(0)))
}
