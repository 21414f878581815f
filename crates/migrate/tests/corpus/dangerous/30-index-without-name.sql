-- expect: index-without-name
-- migrate: no-transaction
CREATE INDEX CONCURRENTLY ON vote (poll_id);
