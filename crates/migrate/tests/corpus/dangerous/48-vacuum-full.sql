-- expect: vacuum-full
-- migrate: no-transaction
VACUUM (FULL) poll;
