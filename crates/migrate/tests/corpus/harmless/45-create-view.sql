CREATE VIEW open_poll AS SELECT id, question AS "drop table" FROM poll;
