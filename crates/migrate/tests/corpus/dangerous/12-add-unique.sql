-- expect: add-unique
ALTER TABLE author ADD CONSTRAINT author_email UNIQUE (email);
