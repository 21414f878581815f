-- expect: foreign-key
ALTER TABLE poll ADD COLUMN author_id uuid REFERENCES author (id);
