-- migrate: contract
ALTER TABLE poll DROP COLUMN question;
