-- A directory for `embed_migrations!` in the tests.
CREATE TABLE embedded_first (id int PRIMARY KEY);
