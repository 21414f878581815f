-- expect: set-not-null
ALTER TABLE poll ALTER COLUMN closes_at SET NOT NULL;
