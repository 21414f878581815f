-- expect: lock-table
LOCK TABLE poll IN SHARE MODE;
