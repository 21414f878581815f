-- migrate: no-transaction
VACUUM (ANALYZE) vote;
