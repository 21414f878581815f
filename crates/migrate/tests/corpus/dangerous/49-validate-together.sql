-- expect: validate-together
ALTER TABLE vote ADD CONSTRAINT vote_poll FOREIGN KEY (poll_id) REFERENCES poll (id) NOT VALID;
ALTER TABLE vote VALIDATE CONSTRAINT vote_poll;
