-- expect: volatile-default
ALTER TABLE poll ADD COLUMN number bigserial;
