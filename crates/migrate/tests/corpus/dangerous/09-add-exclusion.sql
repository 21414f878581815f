-- expect: add-exclusion
ALTER TABLE booking ADD EXCLUDE USING gist (room WITH =, during WITH &&);
