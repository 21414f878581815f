-- expect: change-type
ALTER TABLE vote
    ALTER COLUMN id TYPE bigint;
