-- expect: drop-default
ALTER TABLE poll ALTER COLUMN created_at DROP DEFAULT;
