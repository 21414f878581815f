//! What `demo.sleep` leaves behind.

use kiuas::common::postgres::{Connection, PostgresError};

/// Records that the task begins, for the first time or again.
pub(crate) async fn begin(
    connection: &Connection,
    task: &str,
    key: &str,
) -> Result<(), PostgresError> {
    connection
        .execute(
            "INSERT INTO demo_run (task_id, key) VALUES ($1, $2)
             ON CONFLICT (task_id) DO UPDATE SET deliveries = demo_run.deliveries + 1",
            &[&task, &key],
        )
        .await
        .map(drop)
}

/// Records that the task has finished.
pub(crate) async fn finish(connection: &Connection, task: &str) -> Result<(), PostgresError> {
    connection
        .execute(
            "UPDATE demo_run SET finished_at = now() WHERE task_id = $1",
            &[&task],
        )
        .await
        .map(drop)
}
