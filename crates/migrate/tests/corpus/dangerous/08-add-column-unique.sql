-- expect: add-unique
ALTER TABLE poll ADD COLUMN slug text UNIQUE;
