-- expect: unbounded-change
DELETE FROM vote;
