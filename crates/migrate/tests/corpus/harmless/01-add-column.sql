ALTER TABLE poll ADD COLUMN closes_at timestamptz;
