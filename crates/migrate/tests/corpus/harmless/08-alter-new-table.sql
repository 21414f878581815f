CREATE TABLE fresh (id int);
ALTER TABLE fresh ADD COLUMN name text NOT NULL;
ALTER TABLE fresh RENAME TO newer;
