-- expect: volatile-default
ALTER TABLE poll ADD COLUMN token uuid DEFAULT gen_random_uuid();
