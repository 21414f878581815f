-- expect: drop-table
DROP VIEW IF EXISTS open_poll CASCADE;
