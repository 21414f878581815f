-- migrate: no-transaction
DROP INDEX CONCURRENTLY IF EXISTS poll_author;
