-- expect: rename-table
/* Plural. */ ALTER TABLE IF EXISTS poll -- why not
    RENAME TO polls;
