CREATE TABLE tag (id int, name text);
CREATE INDEX tag_name ON tag (name);
