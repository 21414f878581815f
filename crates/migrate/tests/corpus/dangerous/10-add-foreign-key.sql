-- expect: foreign-key
ALTER TABLE vote ADD CONSTRAINT vote_poll FOREIGN KEY (poll_id) REFERENCES poll (id);
