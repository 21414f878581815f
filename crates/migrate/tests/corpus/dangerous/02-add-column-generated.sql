-- expect: volatile-default
ALTER TABLE poll ADD COLUMN words int GENERATED ALWAYS AS (length(question)) STORED;
