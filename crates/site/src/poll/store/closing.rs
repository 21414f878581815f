//! Closing polls, and the mail about it.

use kiuas::common::postgres::{PostgresError, Transaction};
use uuid::Uuid;

/// What the mail about a closed poll says.
pub(crate) struct Closing {
    pub(crate) email: String,
    pub(crate) author: String,
    pub(crate) question: String,
    pub(crate) lines: Vec<Line>,
}

/// A choice and its votes.
pub(crate) struct Line {
    pub(crate) label: String,
    pub(crate) votes: i64,
}

impl Closing {
    pub(crate) fn total(&self) -> i64 {
        self.lines.iter().map(|line| line.votes).sum()
    }
}

/// Closes the poll; false if it was closed before.
pub(crate) async fn close(
    transaction: &Transaction<'_>,
    poll: Uuid,
) -> Result<bool, PostgresError> {
    let closed = transaction
        .execute(
            "UPDATE poll SET closed_at = now() WHERE id = $1 AND closed_at IS NULL",
            &[&poll],
        )
        .await?;
    Ok(closed == 1)
}

/// Closes at most `most` polls whose time has come. Several that run at once share the work.
pub(crate) async fn close_due(
    transaction: &Transaction<'_>,
    most: i64,
) -> Result<Vec<Uuid>, PostgresError> {
    let rows = transaction
        .query(
            "UPDATE poll SET closed_at = now()
              WHERE id IN (SELECT id FROM poll
                            WHERE closed_at IS NULL AND closes_at <= now()
                            ORDER BY closes_at LIMIT $1 FOR UPDATE SKIP LOCKED)
             RETURNING id",
            &[&most],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Notes that the author of `poll` shall get a mail.
pub(crate) async fn queue_closing_mail(
    transaction: &Transaction<'_>,
    poll: Uuid,
) -> Result<(), PostgresError> {
    transaction
        .execute(
            "INSERT INTO closing_mail (poll_id) VALUES ($1) ON CONFLICT DO NOTHING",
            &[&poll],
        )
        .await?;
    Ok(())
}

/// What to send about `poll`, locked for this transaction; `None` if nothing is due (any more).
pub(crate) async fn lock_closing_mail(
    transaction: &Transaction<'_>,
    poll: Uuid,
) -> Result<Option<Closing>, PostgresError> {
    let due = transaction
        .query_opt(
            "SELECT FROM closing_mail WHERE poll_id = $1 AND sent_at IS NULL FOR UPDATE",
            &[&poll],
        )
        .await?;
    if due.is_none() {
        return Ok(None);
    }
    let row = transaction
        .query_one(
            "SELECT a.email, a.name, p.question
               FROM poll p JOIN author a ON a.id = p.author_id WHERE p.id = $1",
            &[&poll],
        )
        .await?;
    Ok(Some(Closing {
        email: row.get(0),
        author: row.get(1),
        question: row.get(2),
        lines: lines(transaction, poll).await?,
    }))
}

async fn lines(transaction: &Transaction<'_>, poll: Uuid) -> Result<Vec<Line>, PostgresError> {
    let rows = transaction
        .query(
            "SELECT c.label, count(v.id)
               FROM choice c LEFT JOIN vote v ON v.poll_id = c.poll_id AND v.choice_id = c.id
              WHERE c.poll_id = $1
              GROUP BY c.id, c.label, c.position ORDER BY c.position",
            &[&poll],
        )
        .await?;
    let line = |row: &kiuas::common::postgres::Row| Line {
        label: row.get(0),
        votes: row.get(1),
    };
    Ok(rows.iter().map(line).collect())
}

/// Notes that the mail about `poll` has left.
pub(crate) async fn closing_mail_sent(
    transaction: &Transaction<'_>,
    poll: Uuid,
) -> Result<(), PostgresError> {
    transaction
        .execute(
            "UPDATE closing_mail SET sent_at = now() WHERE poll_id = $1",
            &[&poll],
        )
        .await?;
    Ok(())
}
