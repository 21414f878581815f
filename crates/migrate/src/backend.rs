//! Other connections to the database, in words for whoever waits for them.

use tokio_postgres::Row;

/// The columns of `pg_stat_activity`, as `a`, that [`describe`] reads.
pub(crate) const COLUMNS: &str = "a.pid, a.application_name, a.usename::text AS role,
    coalesce(host(a.client_addr), 'a local socket') AS place, a.state,
    extract(epoch FROM now() - coalesce(a.xact_start, a.backend_start))::bigint AS seconds,
    a.xact_start IS NOT NULL AS is_in_transaction,
    left(a.query, 200) AS query";

/// Who that is, since when, and what it said last.
///
/// # Errors
/// A column is missing.
pub(crate) fn describe(row: &Row) -> Result<String, tokio_postgres::Error> {
    let pid: i32 = row.try_get("pid")?;
    let application: Option<&str> = row.try_get("application_name")?;
    let role: Option<&str> = row.try_get("role")?;
    let place: &str = row.try_get("place")?;
    let seconds: Option<i64> = row.try_get("seconds")?;
    let state: Option<&str> = row.try_get("state")?;
    let query: Option<&str> = row.try_get("query")?;
    let since = if row.try_get("is_in_transaction")? {
        "in a transaction for"
    } else {
        "connected"
    };
    let query = query.unwrap_or_default();
    let query = query.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(format!(
        "`{}` (PostgreSQL pid {pid}, role {}, from {place}, {}, {since} {} s), last statement `{query}`",
        application.unwrap_or_default(),
        role.unwrap_or("unknown"),
        state.unwrap_or("unknown"),
        seconds.unwrap_or_default(),
    ))
}
