SELECT 'ALTER TABLE poll DROP COLUMN x; TRUNCATE vote', $$DROP TABLE poll;$$, "drop" FROM "truncate";
