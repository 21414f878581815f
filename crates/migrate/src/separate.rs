//! A file with `no-transaction`: statement by statement, each remembered when it is done, so that a run
//! that was killed goes on where it was.
//!
//! A statement that may run in a transaction does, together with the note that it is done. One that may
//! not is noted as begun before; a run that finds it begun looks at what is there.

use refinery_core::Migration;

use crate::error::SqlError;
use crate::execute::{Failure, Task, Tries, at_commit, failed};
use crate::history;
use crate::index::Build;
use crate::lex::{Kind, lex};
use crate::session::{Limits, Session, fresh};
use crate::statement::Statement;

/// What is done of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Progress {
    /// Statements that are done.
    done: usize,
    /// True if the next one was begun.
    is_running: bool,
}

/// Applies the file, or what is left of it. Returns how many tries it took.
pub(crate) async fn apply(session: &Session<'_>, task: Task<'_>) -> Result<u32, Failure> {
    let limits = session.limits(&task.file.header);
    session.tell(&fresh(limits)).await.map_err(at_commit)?;
    let progress = read(session, task).await?;
    if progress.done > 0 {
        tracing::info!(
            done = progress.done,
            "going on with {}: {} statements are done",
            task.migration,
            progress.done
        );
    }
    let mut most = 1;
    for (number, statement) in task.file.statements.iter().enumerate() {
        let is_setting = statement.begins(&["set"]) || statement.begins(&["reset"]);
        if number < progress.done && !is_setting {
            continue;
        }
        let was_begun = number == progress.done && progress.is_running;
        let mut tries = Tries::new(session);
        while let Err(failure) = step(session, task, number, limits, was_begun).await {
            let failure = Failure {
                done: Some(number),
                ..failure
            };
            tries.again(failure, &statement.excerpt()).await?;
        }
        most = most.max(tries.count);
    }
    finish(session, task).await?;
    Ok(most)
}

async fn step(
    session: &Session<'_>,
    task: Task<'_>,
    number: usize,
    limits: Limits,
    was_begun: bool,
) -> Result<(), Failure> {
    let Some(statement) = task.file.statements.get(number) else {
        return Ok(());
    };
    let done = note(task, number + 1, false);
    if !needs_no_transaction(statement) {
        session.tell("BEGIN").await.map_err(at_commit)?;
        let outcome = session.run(statement.text, limits).await;
        if let Err(stopped) = outcome {
            drop(session.tell("ROLLBACK").await);
            return Err(failed(task.file, statement, stopped));
        }
        return session
            .tell(&format!("{done}; COMMIT"))
            .await
            .map_err(at_commit);
    }
    session
        .tell(&note(task, number, true))
        .await
        .map_err(at_commit)?;
    outside(session, task, statement, limits, was_begun).await?;
    session.tell(&done).await.map_err(at_commit)
}

/// A statement outside a transaction. What PostgreSQL leaves behind of a failed one is removed.
async fn outside(
    session: &Session<'_>,
    task: Task<'_>,
    statement: &Statement<'_>,
    limits: Limits,
    was_begun: bool,
) -> Result<(), Failure> {
    let ours = |source: SqlError| Failure {
        line: Some(statement.line),
        source,
        done: None,
    };
    let build = Build::of(statement);
    if let Some(build) = &build
        && build.prepare(session, was_begun).await.map_err(ours)?
    {
        return Ok(());
    }
    // These keep nobody waiting while they wait themselves.
    let is_quiet = build.is_some() || statement.begins(&["vacuum"]);
    let patience = match task.file.header.statement_timeout {
        Some(asked) => asked,
        None => session.settings().concurrent_timeout,
    };
    let limits_now = if is_quiet {
        Limits {
            lock: kiuas_common::Period::seconds(0),
            statement: patience,
        }
    } else {
        limits
    };
    session.tell(&limits_now.text()).await.map_err(ours)?;
    let outcome = session.run(statement.text, limits_now).await;
    if outcome.is_err()
        && let Some(build) = &build
    {
        build.clean(session).await;
    }
    drop(session.tell(&limits.text()).await);
    outcome.map_err(|stopped| failed(task.file, statement, stopped))
}

async fn finish(session: &Session<'_>, task: Task<'_>) -> Result<(), Failure> {
    let text = format!(
        "BEGIN; {}; DELETE FROM kiuas.migrate_progress WHERE {}; COMMIT",
        history::insert(task.set, task.migration),
        key(task),
    );
    let outcome = session.tell(&text).await;
    if outcome.is_err() {
        drop(session.tell("ROLLBACK").await);
    }
    outcome.map_err(|source| Failure {
        done: Some(task.file.statements.len()),
        ..at_commit(source)
    })
}

async fn read(session: &Session<'_>, task: Task<'_>) -> Result<Progress, Failure> {
    let text = "CREATE SCHEMA IF NOT EXISTS kiuas; CREATE TABLE IF NOT EXISTS kiuas.migrate_progress
        (history text NOT NULL, version integer NOT NULL, done integer NOT NULL, running boolean NOT NULL,
         checksum text NOT NULL, PRIMARY KEY (history, version))";
    session.tell(text).await.map_err(at_commit)?;
    let text = format!(
        "SELECT done, running, checksum FROM kiuas.migrate_progress WHERE {}",
        key(task)
    );
    let ours = |error| at_commit(SqlError::new(None, error));
    let Some(row) = session.client().query_opt(&text, &[]).await.map_err(ours)? else {
        return Ok(Progress::default());
    };
    let done: i32 = row.try_get("done").map_err(ours)?;
    let noted: String = row.try_get("checksum").map_err(ours)?;
    let done = usize::try_from(done).unwrap_or_default();
    if done > task.file.statements.len() || checksum(task, done) != noted {
        return Err(at_commit(SqlError::altered(done)));
    }
    Ok(Progress {
        done,
        is_running: row.try_get("running").map_err(ours)?,
    })
}

fn note(task: Task<'_>, done: usize, running: bool) -> String {
    format!(
        "INSERT INTO kiuas.migrate_progress VALUES ('{}', {}, {done}, {running}, '{}')
         ON CONFLICT (history, version) DO UPDATE
         SET done = excluded.done, running = excluded.running, checksum = excluded.checksum",
        task.set.history(),
        task.migration.version(),
        checksum(task, done),
    )
}

fn key(task: Task<'_>) -> String {
    format!(
        "history = '{}' AND version = {}",
        task.set.history(),
        task.migration.version()
    )
}

/// refinery's checksum of the statements that are done: what has run may not be changed any more.
fn checksum(task: Task<'_>, done: usize) -> String {
    let texts: Vec<&str> = task
        .file
        .statements
        .iter()
        .take(done)
        .map(|it| it.text)
        .collect();
    Migration::unapplied("V1__done", &texts.join(";"))
        .map(|migration| migration.checksum().to_string())
        .unwrap_or_default()
}

/// True if PostgreSQL refuses the statement in a transaction.
fn needs_no_transaction(statement: &Statement<'_>) -> bool {
    let has = |word: &str| statement.tokens.iter().any(|token| token.is(word));
    let begins = |words: &[&str]| statement.begins(words);
    let is_administration = ["create", "drop"].iter().any(|verb| {
        ["database", "tablespace", "subscription"]
            .iter()
            .any(|kind| begins(&[verb, kind]))
    });
    let is_concurrent = has("concurrently")
        && ["create", "drop", "alter", "reindex"]
            .iter()
            .any(|verb| begins(&[verb]));
    let commits = begins(&["do"]) && bodies_commit(statement);
    is_administration
        || is_concurrent
        || commits
        || ["vacuum", "call"].iter().any(|verb| begins(&[verb]))
        || begins(&["alter", "system"])
        || (begins(&["cluster"]) && statement.tokens.len() == 1)
        || (begins(&["reindex"])
            && ["database", "schema", "system"]
                .iter()
                .any(|kind| has(kind)))
        || (begins(&["alter", "database"]) && has("tablespace"))
}

fn bodies_commit(statement: &Statement<'_>) -> bool {
    let bodies = statement
        .tokens
        .iter()
        .filter(|token| token.kind == Kind::Text);
    bodies.map(|body| body.content()).any(|body| {
        lex(&body)
            .iter()
            .any(|token| token.is("commit") || token.is("rollback"))
    })
}

#[cfg(test)]
mod tests;
