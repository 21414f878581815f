ALTER TABLE poll ADD COLUMN seen_at timestamptz NOT NULL DEFAULT now();
