ALTER TABLE poll ADD CONSTRAINT poll_question CHECK (length(question) > 3) NOT VALID;
