-- expect: needs-no-transaction
CREATE INDEX CONCURRENTLY poll_closes ON poll (closes_at);
