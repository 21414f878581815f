-- expect: drop-object
DROP FUNCTION IF EXISTS tally(uuid);
