UPDATE poll SET state = 'closed' WHERE closed_at IS NOT NULL AND id IN (SELECT poll_id FROM vote);
