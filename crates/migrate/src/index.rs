//! Indexes that are built beside a running site. PostgreSQL leaves an invalid one behind when such a
//! build fails: it costs every write and serves no read.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use crate::cursor::{Cursor, Name};
use crate::error::SqlError;
use crate::session::Session;
use crate::statement::Statement;

const ASK_AGAIN: Duration = Duration::from_millis(200);

/// A statement that builds or drops indexes `CONCURRENTLY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Build {
    /// `CREATE INDEX CONCURRENTLY name ON table`.
    Create {
        /// The index.
        index: Name,
        /// Its table.
        table: Name,
    },
    /// `DROP INDEX CONCURRENTLY name`.
    Drop {
        /// The index; `None` if there are several.
        index: Option<Name>,
    },
    /// `REINDEX INDEX name` or `TABLE name`, `CONCURRENTLY`.
    Again {
        /// The index or the table.
        of: Name,
    },
}

/// An index that PostgreSQL does not use.
#[derive(Debug)]
struct Invalid {
    /// As a statement names it.
    name: String,
    /// True if somebody is building it.
    is_being_built: bool,
}

impl Build {
    /// What `statement` builds.
    pub(crate) fn of(statement: &Statement<'_>) -> Option<Self> {
        let mut cursor = Cursor::new(&statement.tokens);
        match cursor.word()?.as_str() {
            "create" => {
                cursor.take(&["unique"]);
                if !cursor.take(&["index", "concurrently"]) {
                    return None;
                }
                cursor.take(&["if", "not", "exists"]);
                if cursor.sees(&["on"]) {
                    return None;
                }
                let index = cursor.name()?;
                cursor.take(&["on"]);
                cursor.take(&["only"]);
                Some(Self::Create {
                    index,
                    table: cursor.name()?,
                })
            }
            "drop" => {
                if !cursor.take(&["index", "concurrently"]) {
                    return None;
                }
                cursor.take(&["if", "exists"]);
                let names = cursor.list();
                let index = if names.len() == 1 {
                    cursor.name()
                } else {
                    None
                };
                Some(Self::Drop { index })
            }
            "reindex" if cursor.has("concurrently") => {
                while !cursor.take(&["concurrently"]) {
                    cursor.next();
                }
                Some(Self::Again { of: cursor.name()? })
            }
            _ => None,
        }
    }

    /// Looks at what a run before has left. True if that was everything, so that nothing is to be done.
    ///
    /// # Errors
    /// PostgreSQL refused to show it, or somebody is building the index just now and does not finish.
    pub(crate) async fn prepare(
        &self,
        session: &Session<'_>,
        was_begun: bool,
    ) -> Result<bool, SqlError> {
        match self {
            Self::Create { index, table } => {
                remove(session, table, |name| name == index.last()).await?;
                Ok(was_begun && exists(session.client(), table, index).await?)
            }
            Self::Drop { index: Some(index) } if was_begun => {
                let text = "SELECT to_regclass($1::text) IS NULL";
                let row = session.client().query_one(text, &[&index.quoted()]).await;
                row.and_then(|row| row.try_get(0))
                    .map_err(|error| SqlError::new(None, error))
            }
            Self::Again { of } => {
                remove(session, of, is_left_by_reindex).await?;
                Ok(false)
            }
            Self::Drop { .. } => Ok(false),
        }
    }

    /// Removes what the failed statement has left. A failure to do so is told, and the next run tries
    /// again.
    pub(crate) async fn clean(&self, session: &Session<'_>) {
        let outcome = match self {
            Self::Create { index, table } => {
                remove(session, table, |name| name == index.last()).await
            }
            Self::Again { of } => remove(session, of, is_left_by_reindex).await,
            Self::Drop { .. } => Ok(()),
        };
        if let Err(error) = outcome {
            tracing::warn!(%error, "an invalid index is left; the next `migrate up` removes it");
        }
    }
}

/// `name_ccnew`, `name_ccold`, `name_ccnew1`, …
fn is_left_by_reindex(name: &str) -> bool {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    stem.ends_with("_ccnew") || stem.ends_with("_ccold")
}

/// Drops the invalid indexes of a table (or of an index's table) whose names `is` accepts. One that is
/// being built, by a runner that was killed a moment ago or by hand, is waited for.
async fn remove(
    session: &Session<'_>,
    relation: &Name,
    is: impl Fn(&str) -> bool,
) -> Result<(), SqlError> {
    let begin = Instant::now();
    loop {
        let invalid = invalid(session.client(), relation, &is).await?;
        let Some(index) = invalid.first() else {
            return Ok(());
        };
        if !index.is_being_built {
            let name = &index.name;
            tracing::warn!(index = %name, "dropping the invalid index {name}: a build of it had failed");
            drop_invalid(session, name).await?;
            continue;
        }
        let patience = session.settings().lock_wait;
        if begin.elapsed() >= patience.duration() {
            return Err(SqlError::busy(&index.name, patience));
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// Drops an index while nobody waits. Two messages: PostgreSQL takes one for a transaction.
pub(crate) async fn drop_invalid(session: &Session<'_>, name: &str) -> Result<(), SqlError> {
    session.tell("SET lock_timeout = 0").await?;
    session
        .tell(&format!("DROP INDEX CONCURRENTLY IF EXISTS {name}"))
        .await
}

async fn invalid(
    client: &Client,
    relation: &Name,
    is: impl Fn(&str) -> bool,
) -> Result<Vec<Invalid>, SqlError> {
    let text = "
        SELECT c.relname::text AS plain, i.indexrelid::regclass::text AS name,
               EXISTS (SELECT FROM pg_stat_progress_create_index p
                       WHERE p.index_relid = i.indexrelid AND p.pid <> pg_backend_pid()) AS building
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE NOT i.indisvalid
          AND (i.indrelid = to_regclass($1::text)
               OR i.indrelid = (SELECT indrelid FROM pg_index WHERE indexrelid = to_regclass($1::text)))";
    let ours = |error| SqlError::new(None, error);
    let mut found = Vec::new();
    for row in client
        .query(text, &[&relation.quoted()])
        .await
        .map_err(ours)?
    {
        if is(row.try_get("plain").map_err(ours)?) {
            found.push(Invalid {
                name: row.try_get("name").map_err(ours)?,
                is_being_built: row.try_get("building").map_err(ours)?,
            });
        }
    }
    Ok(found)
}

async fn exists(client: &Client, table: &Name, index: &Name) -> Result<bool, SqlError> {
    let text = "
        SELECT EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                       WHERE i.indrelid = to_regclass($1::text) AND c.relname = $2::text)";
    let row = client
        .query_one(text, &[&table.quoted(), &index.last()])
        .await;
    row.and_then(|row| row.try_get(0))
        .map_err(|error| SqlError::new(None, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::split;

    fn build(sql: &str) -> Option<Build> {
        split(sql).first().and_then(Build::of)
    }

    #[test]
    fn what_is_built_is_read_from_the_statement() {
        let created = build("create unique index concurrently if not exists \"I\" on only s.t (a)");
        let Some(Build::Create { index, table }) = created else {
            panic!("{created:?}")
        };
        assert_eq!(
            (index.last(), table.quoted().as_str()),
            ("I", "\"s\".\"t\"")
        );
        assert!(matches!(
            build("DROP INDEX CONCURRENTLY i"),
            Some(Build::Drop { index: Some(_) })
        ));
        assert!(matches!(
            build("DROP INDEX CONCURRENTLY i, j"),
            Some(Build::Drop { index: None })
        ));
        assert!(matches!(
            build("REINDEX (VERBOSE) TABLE CONCURRENTLY t"),
            Some(Build::Again { .. })
        ));
        assert_eq!(build("CREATE INDEX i ON t (a)"), None);
        assert_eq!(build("CREATE INDEX CONCURRENTLY ON t (a)"), None);
    }

    #[test]
    fn what_reindex_leaves_is_known_by_its_name() {
        assert!(is_left_by_reindex("poll_author_ccnew"));
        assert!(is_left_by_reindex("poll_author_ccold2"));
        assert!(!is_left_by_reindex("poll_author"));
    }
}
