-- expect: not-null-without-default
ALTER TABLE poll ADD COLUMN closes_at timestamptz NOT NULL;
