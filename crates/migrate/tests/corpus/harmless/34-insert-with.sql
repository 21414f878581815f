WITH old AS (SELECT id FROM poll FOR UPDATE) INSERT INTO archive (id) SELECT id FROM old;
