-- expect: drop-column
ALTER TABLE poll DROP COLUMN IF EXISTS question;
