CREATE TABLE tag (id int PRIMARY KEY, poll_id uuid NOT NULL REFERENCES poll (id));
