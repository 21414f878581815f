//! Counting votes in PostgreSQL.

use kiuas::common::postgres::{Connection, PostgresError, Row, Transaction};
use uuid::Uuid;

use super::Results;

const COUNT: &str = "
    SELECT c.id, count(v.id), p.closed_at IS NOT NULL
      FROM poll p
      JOIN choice c ON c.poll_id = p.id
      LEFT JOIN vote v ON v.poll_id = c.poll_id AND v.choice_id = c.id
     WHERE p.id = $1
     GROUP BY c.id, p.closed_at";

/// Counts the votes of a poll; `None` if there is no such poll.
pub(crate) async fn count(
    connection: &Connection,
    poll: Uuid,
) -> Result<Option<Results>, PostgresError> {
    Ok(results(&connection.query(COUNT, &[&poll]).await?))
}

/// Counts the votes of a poll and keeps the counts in `tally`; `None` if there is no such poll.
pub(crate) async fn tally(
    transaction: &Transaction<'_>,
    poll: Uuid,
) -> Result<Option<Results>, PostgresError> {
    // One at a time for a poll: else an older count could be written over a newer one.
    transaction
        .query(
            "SELECT pg_advisory_xact_lock(hashtextextended($1::uuid::text, 0))",
            &[&poll],
        )
        .await?;
    let Some(results) = results(&transaction.query(COUNT, &[&poll]).await?) else {
        return Ok(None);
    };
    let (choices, votes): (Vec<Uuid>, Vec<i64>) = results
        .counts
        .iter()
        .map(|(id, votes)| (*id, *votes))
        .unzip();
    transaction
        .execute(
            "INSERT INTO tally (poll_id, choice_id, votes)
             SELECT $1, choice_id, votes FROM unnest($2::uuid[], $3::bigint[]) AS new (choice_id, votes)
             ON CONFLICT (poll_id, choice_id) DO UPDATE SET votes = excluded.votes, counted_at = now()",
            &[&poll, &choices, &votes],
        )
        .await?;
    Ok(Some(results))
}

fn results(rows: &[Row]) -> Option<Results> {
    let closed = rows.first()?.get(2);
    let counts = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let total = rows.iter().map(|row| row.get::<_, i64>(1)).sum();
    Some(Results {
        counts,
        total,
        closed,
    })
}
