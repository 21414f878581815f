-- migrate: allow drop-table: written by hand in an incident, no release ever used it
DROP TABLE incident;
