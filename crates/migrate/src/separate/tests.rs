use super::*;
use crate::statement::split;

fn needs(sql: &str) -> bool {
    split(sql).iter().all(needs_no_transaction)
}

#[test]
fn statements_that_postgresql_refuses_in_a_transaction_are_known() {
    for sql in [
        "CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)",
        "drop index concurrently if exists i",
        "REINDEX (VERBOSE) TABLE CONCURRENTLY t",
        "REINDEX SCHEMA s",
        "VACUUM (ANALYZE) t",
        "CALL fill()",
        "DO $$ BEGIN LOOP UPDATE t SET a = 1; COMMIT; END LOOP; END $$",
        "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
        "CREATE DATABASE d",
        "ALTER SYSTEM SET work_mem = '1MB'",
        "CLUSTER",
    ] {
        assert!(needs(sql), "{sql}");
    }
}

#[test]
fn everything_else_runs_together_with_its_note() {
    for sql in [
        "CREATE INDEX i ON t (a)",
        "DO $$ BEGIN PERFORM 1; END $$",
        "SELECT 'vacuum concurrently'",
        "ALTER TYPE e ADD VALUE 'x'",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
    ] {
        assert!(!needs(sql), "{sql}");
    }
}
