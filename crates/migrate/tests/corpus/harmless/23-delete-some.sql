DELETE FROM vote WHERE created_at < now() - interval '10 years';
