-- expect: set-schema
ALTER TABLE poll SET SCHEMA archive;
