ALTER TABLE author ADD CONSTRAINT author_email UNIQUE USING INDEX author_email_key;
