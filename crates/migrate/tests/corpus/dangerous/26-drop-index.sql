-- expect: drop-index
DROP INDEX poll_author;
