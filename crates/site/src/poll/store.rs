//! Polls and their choices in PostgreSQL.

mod closing;

use jiff::Timestamp;
use kiuas::common::postgres::{Connection, PostgresError, Row, Transaction};
use uuid::Uuid;

pub(crate) use closing::{
    Closing, close, close_due, closing_mail_sent, lock_closing_mail, queue_closing_mail,
};

use super::form::Draft;
use super::{Choice, Poll};

/// Polls on one page of a list.
pub(crate) const PAGE: usize = 20;

const POLL: &str = "
    SELECT p.id, p.author_id, a.name, p.question, p.closes_at, p.closed_at,
           coalesce((SELECT sum(t.votes) FROM tally t WHERE t.poll_id = p.id), 0)::bigint
      FROM poll p JOIN author a ON a.id = p.author_id";

fn poll(row: &Row) -> Poll {
    Poll {
        id: row.get(0),
        author_id: row.get(1),
        author: row.get(2),
        question: row.get(3),
        closes_at: row.get(4),
        closed_at: row.get(5),
        votes: row.get(6),
    }
}

/// One page of a list.
pub(crate) struct Page {
    pub(crate) polls: Vec<Poll>,
    /// Where the next page begins, if there is one.
    pub(crate) older: Option<Uuid>,
}

/// One row more than a page tells whether there is a next one.
fn page(rows: &[Row]) -> Page {
    let polls: Vec<Poll> = rows.iter().take(PAGE).map(poll).collect();
    let more = rows.len() > PAGE;
    let older = polls.last().filter(|_| more).map(|poll| poll.id);
    Page { polls, older }
}

/// All polls, newest first, older than `before`.
pub(crate) async fn newest(
    connection: &Connection,
    before: Option<Uuid>,
) -> Result<Page, PostgresError> {
    let before = before.unwrap_or(Uuid::max());
    let text = format!("{POLL} WHERE p.id < $1 ORDER BY p.id DESC LIMIT $2");
    let rows = connection.query(&text, &[&before, &limit()]).await?;
    Ok(page(&rows))
}

/// The polls of one author, newest first, older than `before`.
pub(crate) async fn of_author(
    connection: &Connection,
    author: Uuid,
    before: Option<Uuid>,
) -> Result<Page, PostgresError> {
    let before = before.unwrap_or(Uuid::max());
    let text = format!("{POLL} WHERE p.author_id = $1 AND p.id < $2 ORDER BY p.id DESC LIMIT $3");
    let rows = connection
        .query(&text, &[&author, &before, &limit()])
        .await?;
    Ok(page(&rows))
}

fn limit() -> i64 {
    PAGE as i64 + 1
}

/// The poll `id`.
pub(crate) async fn find(connection: &Connection, id: Uuid) -> Result<Option<Poll>, PostgresError> {
    let row = connection
        .query_opt(&format!("{POLL} WHERE p.id = $1"), &[&id])
        .await?;
    Ok(row.as_ref().map(poll))
}

/// The choices of a poll, in the author's order.
pub(crate) async fn choices(
    connection: &Connection,
    poll: Uuid,
) -> Result<Vec<Choice>, PostgresError> {
    let rows = connection
        .query(
            "SELECT id, label FROM choice WHERE poll_id = $1 ORDER BY position",
            &[&poll],
        )
        .await?;
    let choice = |row: &Row| Choice {
        id: row.get(0),
        label: row.get(1),
    };
    Ok(rows.iter().map(choice).collect())
}

/// Whether anybody has voted.
pub(crate) async fn has_votes(connection: &Connection, poll: Uuid) -> Result<bool, PostgresError> {
    let row = connection
        .query_one(
            "SELECT EXISTS (SELECT FROM vote WHERE poll_id = $1)",
            &[&poll],
        )
        .await?;
    Ok(row.get(0))
}

/// Adds a poll with its choices.
pub(crate) async fn insert(
    transaction: &Transaction<'_>,
    author: Uuid,
    draft: &Draft,
) -> Result<Uuid, PostgresError> {
    let id = Uuid::now_v7();
    transaction
        .execute(
            "INSERT INTO poll (id, author_id, question, closes_at) VALUES ($1, $2, $3, $4)",
            &[&id, &author, &draft.question, &draft.closes_at],
        )
        .await?;
    insert_choices(transaction, id, &draft.choices).await?;
    Ok(id)
}

async fn insert_choices(
    transaction: &Transaction<'_>,
    poll: Uuid,
    labels: &[String],
) -> Result<(), PostgresError> {
    let ids: Vec<Uuid> = labels.iter().map(|_| Uuid::new_v4()).collect();
    transaction
        .execute(
            "INSERT INTO choice (id, poll_id, position, label)
             SELECT id, $1, number - 1, label
               FROM unnest($2::uuid[], $3::text[]) WITH ORDINALITY AS new (id, label, number)",
            &[&poll, &ids, &labels],
        )
        .await?;
    Ok(())
}

/// How far a change may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Changeable {
    /// Nobody has voted.
    All,
    /// People have voted: what they were asked stays.
    ClosingTime,
    /// It is closed.
    Nothing,
}

/// Locks the poll against votes and closing, and says how far it may change.
pub(crate) async fn lock_for_change(
    transaction: &Transaction<'_>,
    poll: Uuid,
) -> Result<Changeable, PostgresError> {
    let open = transaction
        .query_opt(
            "SELECT FROM poll WHERE id = $1 AND closed_at IS NULL FOR UPDATE",
            &[&poll],
        )
        .await?;
    if open.is_none() {
        return Ok(Changeable::Nothing);
    }
    // A statement of its own: only now does its snapshot hold every vote that came before the lock.
    let voted = transaction
        .query_one(
            "SELECT EXISTS (SELECT FROM vote WHERE poll_id = $1)",
            &[&poll],
        )
        .await?;
    Ok(if voted.get(0) {
        Changeable::ClosingTime
    } else {
        Changeable::All
    })
}

/// Replaces question, choices and closing time.
pub(crate) async fn replace(
    transaction: &Transaction<'_>,
    poll: Uuid,
    draft: &Draft,
) -> Result<(), PostgresError> {
    transaction
        .execute(
            "UPDATE poll SET question = $2, closes_at = $3 WHERE id = $1",
            &[&poll, &draft.question, &draft.closes_at],
        )
        .await?;
    transaction
        .execute("DELETE FROM choice WHERE poll_id = $1", &[&poll])
        .await?;
    insert_choices(transaction, poll, &draft.choices).await
}

/// Changes the closing time alone.
pub(crate) async fn reschedule(
    transaction: &Transaction<'_>,
    poll: Uuid,
    closes_at: Option<Timestamp>,
) -> Result<(), PostgresError> {
    transaction
        .execute(
            "UPDATE poll SET closes_at = $2 WHERE id = $1",
            &[&poll, &closes_at],
        )
        .await?;
    Ok(())
}
