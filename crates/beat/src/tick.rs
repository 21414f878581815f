//! The history of ticks: the one place where a tick is claimed, looked up and forgotten.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use kiuas_common::postgres::{Postgres, PostgresError, Row};
use kiuas_queue::message::Outgoing;

use crate::line::LOOK_BACK;

/// Most ticks in one statement.
const BATCH: usize = 500;
/// Most rows that one statement forgets.
const FORGET: i64 = 5000;
/// How long the history is kept. An entry's newest tick is kept longer: it says where to go on.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// A tick and its message.
#[derive(Debug)]
pub(crate) struct Tick {
    /// Name of the entry.
    pub(crate) entry: String,
    /// When it is due.
    pub(crate) due: Timestamp,
    /// What is enqueued.
    pub(crate) message: Outgoing,
}

/// Enqueues those of `ticks` that nobody has enqueued yet, and says for each whether it did. Each
/// statement is a transaction: its ticks and their messages become durable together, or not at all.
///
/// # Errors
/// PostgreSQL is not usable. Claiming the same ticks again is always right.
pub(crate) async fn claim(
    postgres: &Postgres,
    ticks: &[Tick],
    host: &str,
) -> Result<Vec<bool>, PostgresError> {
    let connection = postgres.get().await?;
    let mut outcome = Vec::with_capacity(ticks.len());
    for batch in ticks.chunks(BATCH) {
        let entries: Vec<&str> = batch.iter().map(|tick| tick.entry.as_str()).collect();
        let dues: Vec<Timestamp> = batch.iter().map(|tick| tick.due).collect();
        let queues: Vec<&str> = batch
            .iter()
            .map(|tick| tick.message.queue.as_str())
            .collect();
        let messages: Vec<&str> = batch
            .iter()
            .map(|tick| tick.message.text.as_str())
            .collect();
        // Ordered, so that two beats with the same ticks never wait for one another in a circle.
        let rows = connection
            .query(
                "WITH tick AS (
                     SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[])
                         WITH ORDINALITY AS tick (entry, due_at, queue, message, position)
                 ), claimed AS (
                     INSERT INTO kiuas.beat_tick (entry, due_at, host)
                     SELECT entry, due_at, $5 FROM tick ORDER BY entry, due_at
                     ON CONFLICT DO NOTHING
                     RETURNING entry, due_at
                 ), sent AS (
                     INSERT INTO kiuas.outbox (queue, message)
                     SELECT queue, message FROM tick JOIN claimed USING (entry, due_at)
                     ORDER BY due_at, position
                 )
                 SELECT position FROM tick JOIN claimed USING (entry, due_at)",
                &[&entries, &dues, &queues, &messages, &host],
            )
            .await?;
        let claimed: Vec<usize> = rows.iter().filter_map(position).collect();
        outcome.extend((1..=batch.len()).map(|position| claimed.contains(&position)));
    }
    Ok(outcome)
}

fn position(row: &Row) -> Option<usize> {
    let position: i64 = row.try_get("position").ok()?;
    usize::try_from(position).ok()
}

/// The newest tick of each of `entries` that is not after `now`.
///
/// # Errors
/// PostgreSQL is not usable.
pub(crate) async fn newest(
    postgres: &Postgres,
    entries: &[&str],
    now: Timestamp,
) -> Result<HashMap<String, Timestamp>, PostgresError> {
    let connection = postgres.get().await?;
    let rows = connection
        .query(
            "SELECT e.entry, t.due_at FROM unnest($1::text[]) AS e (entry)
             CROSS JOIN LATERAL (
                 SELECT due_at FROM kiuas.beat_tick t
                 WHERE t.entry = e.entry AND t.due_at <= $2
                 ORDER BY due_at DESC LIMIT 1
             ) t",
            &[&entries, &now],
        )
        .await?;
    let pair = |row: &Row| Some((row.try_get("entry").ok()?, row.try_get("due_at").ok()?));
    Ok(rows.iter().filter_map(pair).collect())
}

/// How many of these ticks have neither been enqueued themselves nor been overtaken by a newer one. What
/// a clock that ran ahead left in the history overtakes nothing.
///
/// # Errors
/// PostgreSQL is not usable.
pub(crate) async fn open(
    postgres: &Postgres,
    ticks: &[(&str, Timestamp)],
    now: Timestamp,
) -> Result<usize, PostgresError> {
    let entries: Vec<&str> = ticks.iter().map(|(entry, _)| *entry).collect();
    let dues: Vec<Timestamp> = ticks.iter().map(|(_, due)| *due).collect();
    let connection = postgres.get().await?;
    let rows = connection
        .query(
            "SELECT e.entry FROM unnest($1::text[], $2::timestamptz[]) AS e (entry, due_at)
             WHERE NOT EXISTS (
                 SELECT FROM kiuas.beat_tick t
                 WHERE t.entry = e.entry AND t.due_at BETWEEN e.due_at AND $3
             )",
            &[&entries, &dues, &now],
        )
        .await?;
    Ok(rows.len())
}

/// Forgets old ticks: of `entries` all but the newest after a day, of entries that are no more all of
/// them when nobody would look back to them.
///
/// # Errors
/// PostgreSQL is not usable.
pub(crate) async fn forget(
    postgres: &Postgres,
    entries: &[&str],
    now: Timestamp,
) -> Result<u64, PostgresError> {
    let connection = postgres.get().await?;
    let recent = now.checked_sub(KEPT).unwrap_or(Timestamp::MIN);
    let oldest = recent.checked_sub(LOOK_BACK).unwrap_or(Timestamp::MIN);
    let mut count = 0;
    loop {
        let forgotten = connection
            .execute(
                "DELETE FROM kiuas.beat_tick WHERE ctid = ANY (ARRAY(
                     SELECT t.ctid FROM unnest($1::text[]) AS e (entry)
                     CROSS JOIN LATERAL (
                         SELECT max(due_at) AS due_at FROM kiuas.beat_tick WHERE entry = e.entry
                     ) newest
                     JOIN kiuas.beat_tick t
                       ON t.entry = e.entry AND t.due_at < least($2, newest.due_at)
                     LIMIT $3
                 ))",
                &[&entries, &recent, &FORGET],
            )
            .await?;
        count += forgotten;
        if forgotten == 0 {
            break;
        }
    }
    count += connection
        .execute("DELETE FROM kiuas.beat_tick WHERE due_at < $1", &[&oldest])
        .await?;
    Ok(count)
}

#[cfg(test)]
mod tests;
