-- expect: rename-object
ALTER TYPE state RENAME VALUE 'open' TO 'opened';
