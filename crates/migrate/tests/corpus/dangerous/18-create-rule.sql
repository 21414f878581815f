-- expect: create-rule
CREATE RULE quiet AS ON DELETE TO poll DO INSTEAD NOTHING;
