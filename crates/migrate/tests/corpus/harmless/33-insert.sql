INSERT INTO setting (name, value) VALUES ('limit', 3) ON CONFLICT (name) DO UPDATE SET value = excluded.value;
