-- migrate: no-transaction
-- migrate: statement-timeout 4h
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS vote_once ON public.vote (poll_id, voter) WHERE voter IS NOT NULL;
