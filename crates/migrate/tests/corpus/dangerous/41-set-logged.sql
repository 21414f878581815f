-- expect: rewrite-table
ALTER TABLE poll SET UNLOGGED;
