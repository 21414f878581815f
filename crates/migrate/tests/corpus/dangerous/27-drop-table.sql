-- expect: drop-table
DROP TABLE closing_mail;
