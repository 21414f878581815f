-- expect: unbounded-change
UPDATE poll SET closes_at = (SELECT max(created_at) FROM vote WHERE vote.poll_id = poll.id);
