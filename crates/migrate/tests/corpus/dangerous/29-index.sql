-- expect: index-not-concurrent
CREATE UNIQUE INDEX vote_once ON vote (poll_id, voter);
