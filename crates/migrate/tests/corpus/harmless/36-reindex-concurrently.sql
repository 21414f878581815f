-- migrate: no-transaction
REINDEX INDEX CONCURRENTLY poll_author;
