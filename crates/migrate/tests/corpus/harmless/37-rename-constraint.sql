ALTER TABLE poll RENAME CONSTRAINT poll_question TO poll_question_long;
