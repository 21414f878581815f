-- expect: rename-column
ALTER TABLE poll
    ADD COLUMN a int,
    ALTER COLUMN b SET DEFAULT (1 + (2));
ALTER TABLE poll RENAME question TO title;
