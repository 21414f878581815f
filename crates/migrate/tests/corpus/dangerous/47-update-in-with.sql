-- expect: unbounded-change
WITH changed AS (UPDATE poll SET question = '' RETURNING id) SELECT count(*) FROM changed;
